/* The subcommands, and what their command line said. */
#pragma once

#include "cli/format.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DRIVER = 3 };

enum option_id {
    OPT_CONF, OPT_DIR, OPT_DRIVER, OPT_ECHO, OPT_EMBEDDED, OPT_EXECUTE, OPT_EXECUTORS, OPT_FILE, OPT_FORMAT, OPT_HELP, OPT_JSON,
    OPT_KEEP_GOING, OPT_LISTEN, OPT_LOG, OPT_MEMORY, OPT_SECRET, OPT_SLOTS, OPT_STATE, OPT_TIMING, OPT_WEB,
};

struct sql_source {
    const char *text;
    bool is_file;
};

struct command_line {
    const char *command;
    const char **args;
    uint32_t arg_count, arg_cap;
    const char **confs;
    uint32_t conf_count, conf_cap;
    struct sql_source *sources;
    uint32_t source_count, source_cap;
    const char *driver, *listen, *web, *state, *dir, *secret_file;
    uint32_t executors, slots;
    uint64_t memory;
    enum output_format format;
    bool has_format, echo, embedded, json, keep_going, timing, help;
};

int command_sql(const struct command_line *cl);
int command_submit(const struct command_line *cl);
int command_explain(const struct command_line *cl);
int command_status(const struct command_line *cl);
int command_kill(const struct command_line *cl);
int command_driver(const struct command_line *cl);
int command_executor(const struct command_line *cl);

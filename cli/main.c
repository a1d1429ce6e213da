/*
 * drover: one binary, its subcommands. Options are rows of a table: parsing, help and the nearest-name hints come
 * from it. Exit codes: 0 done, 1 a statement or job failed, 2 the command line is wrong, 3 no driver was reached.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "common/config/settings.h"
#include "common/log/log.h"
#include "driver/server/driver.h"
#include "executor/server/executor.h"

enum { CMD_SQL = 1, CMD_SUBMIT = 2, CMD_DRIVER = 4, CMD_EXECUTOR = 8, CMD_STATUS = 16, CMD_KILL = 32, CMD_EXPLAIN = 64 };
enum { CLIENTS = CMD_SQL | CMD_SUBMIT | CMD_STATUS | CMD_KILL | CMD_EXPLAIN };

static const struct option_row {
    const char *name, *argument;
    char letter;
    unsigned commands;
    enum option_id id;
    const char *doc;
} options[] = {
    {"conf", "KEY=VALUE", 0, CMD_SQL | CMD_SUBMIT | CMD_EXPLAIN | CMD_DRIVER, OPT_CONF,
     "a setting of the session; the driver's are defaults of all its sessions. May be given several times"},
    {"dir", "DIR", 0, CMD_EXECUTOR, OPT_DIR, "where the executor may put files"},
    {"driver", "HOST:PORT", 0, CLIENTS | CMD_EXECUTOR, OPT_DRIVER, "the driver; commands without it run embedded"},
    {"echo", NULL, 0, CMD_SQL | CMD_SUBMIT, OPT_ECHO, "each statement before its result"},
    {"embedded", NULL, 0, CMD_EXECUTOR, OPT_EMBEDDED, "end when the driver does"},
    {"execute", "SQL", 'e', CMD_SQL, OPT_EXECUTE, "statements to run; may be given several times"},
    {"executors", "N", 0, CMD_SQL | CMD_EXPLAIN, OPT_EXECUTORS, "embedded: how many executors (1)"},
    {"file", "FILE", 'f', CMD_SQL, OPT_FILE, "a file of statements"},
    {"format", "NAME", 0, CMD_SQL | CMD_SUBMIT, OPT_FORMAT, "table, csv, json, jsonl or tsv"},
    {"help", NULL, 'h', ~0u, OPT_HELP, "this text"},
    {"json", NULL, 0, CMD_STATUS | CMD_KILL | CMD_EXPLAIN, OPT_JSON, "one JSON document, that of the REST API where it has one"},
    {"keep-going", NULL, 0, CMD_SQL | CMD_SUBMIT, OPT_KEEP_GOING, "go on after a statement that failed"},
    {"listen", "HOST:PORT", 0, CMD_DRIVER | CMD_EXECUTOR, OPT_LISTEN, "where to listen (driver: 127.0.0.1:7077); port 0: any"},
    {"log", "LEVEL", 0, ~0u, OPT_LOG, "debug, info, warn, error or off (warn)"},
    {"memory", "SIZE", 0, CMD_SQL | CMD_EXECUTOR | CMD_EXPLAIN, OPT_MEMORY, "for data, e.g. 4g (80 % of what there is)"},
    {"secret-file", "FILE", 0, ~0u, OPT_SECRET, "the secret that peers prove to each other; needed beyond loopback"},
    {"slots", "N", 0, CMD_SQL | CMD_EXECUTOR | CMD_EXPLAIN, OPT_SLOTS, "attempts that run at once (a slot a core)"},
    {"state", "DIR", 0, CMD_DRIVER, OPT_STATE, "where the driver keeps what outlives it"},
    {"timing", NULL, 0, CMD_SQL | CMD_SUBMIT, OPT_TIMING, "the time of each statement on standard error"},
    {"web", "HOST:PORT", 0, CMD_DRIVER, OPT_WEB, "the status page (127.0.0.1:4040); port 0: any, none: off"},
};

static const struct command {
    const char *name, *arguments, *doc;
    unsigned bit;
    int (*run)(const struct command_line *cl);
} commands[] = {
    {"sql", "[SQL]", "run SQL: an argument, -e, -f, standard input, or an interactive shell", CMD_SQL, command_sql},
    {"submit", "FILE.sql", "run a file of statements on a cluster", CMD_SUBMIT, command_submit},
    {"driver", "", "the driver daemon", CMD_DRIVER, command_driver},
    {"executor", "", "an executor daemon", CMD_EXECUTOR, command_executor},
    {"jobs", "[JOB]", "jobs of a driver", CMD_STATUS, command_status},
    {"stages", "[JOB]", "stages of a driver's jobs", CMD_STATUS, command_status},
    {"executors", "", "executors of a driver", CMD_STATUS, command_status},
    {"config", "", "settings and what they mean; needs no driver", CMD_STATUS, command_status},
    {"kill", "JOB...", "end jobs", CMD_KILL, command_kill},
    {"explain", "SQL", "the plan of a query", CMD_EXPLAIN, command_explain},
};

static void help_command(const struct command *c, FILE *to)
{
    fprintf(to, "drover %s %s%s[options]   %s\n", c->name, c->arguments, *c->arguments ? " " : "", c->doc);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option_row *o = &options[i];
        if (!(o->commands & c->bit))
            continue;
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "  ", o->letter ? o->letter : ' ', o->letter ? ", " : "", o->name,
                 o->argument ? " " : "", o->argument ? o->argument : "");
        fprintf(to, "  %-28s %s\n", left, o->doc);
    }
}

static void help(FILE *to)
{
    fprintf(to, "Drover runs Spark SQL on a driver and executors, or on this machine alone.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  drover %-10s %-10s %s\n", commands[i].name, commands[i].arguments, commands[i].doc);
    fprintf(to, "\n`drover COMMAND --help` lists the options of a command.\n");
}

static int usage(const char *fmt, ...) PRINTF_LIKE(1, 2);
static int usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("drover: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return EXIT_USAGE;
}

static const struct option_row *nearest_option(const struct command *c, const char *name)
{
    const struct option_row *best = NULL;
    int least = 1 << 20;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        int d = str_distance(name, options[i].name);
        if ((options[i].commands & c->bit) && d < least) {
            least = d;
            best = &options[i];
        }
    }
    return best;
}

static const struct option_row *find_option(const struct command *c, const char *arg, const char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option_row *o = &options[i];
        size_t n = strlen(o->name);
        if (!(o->commands & c->bit))
            continue;
        if (arg[1] != '-' && o->letter && arg[1] == o->letter && arg[2] == 0)
            return o;
        if (arg[1] == '-' && strncmp(arg + 2, o->name, n) == 0 && (arg[2 + n] == 0 || arg[2 + n] == '=')) {
            if (arg[2 + n] == '=')
                *ret_value = arg + 3 + n;
            return o;
        }
    }
    return NULL;
}

static int check_conf(const char *value)
{
    struct settings s;
    struct error err = ERROR_INIT;
    char *warning = NULL, *key = xstrdup(value), *eq = strchr(key, '=');
    if (!eq) {
        xfree(key);
        return usage("--conf takes KEY=VALUE, not %s", value);
    }
    *eq = 0;
    settings_init(&s);
    int rc = settings_set(&s, key, eq + 1, &warning, &err);
    if (rc != 0) {
        struct buf text = BUF_INIT;
        error_format(&err, &text);
        rc = usage("%s", text.data);
        buf_fini(&text);
        error_fini(&err);
    }
    settings_fini(&s);
    xfree(warning);
    xfree(key);
    return rc;
}

static int take_number(const char *name, const char *value, uint32_t max, uint32_t *ret)
{
    char *end;
    unsigned long v = strtoul(value, &end, 10);
    if (*end || end == value || v == 0 || v > max)
        return usage("--%s takes a number from 1 to %u, not %s", name, max, value);
    *ret = (uint32_t)v;
    return 0;
}

static int take_option(struct command_line *cl, const struct option_row *o, const char *v)
{
    switch (o->id) {
    case OPT_CONF:
        TRY(check_conf(v));
        ARRAY_GROW(cl->confs, cl->conf_count, cl->conf_cap);
        cl->confs[cl->conf_count++] = v;
        return 0;
    case OPT_EXECUTE:
    case OPT_FILE:
        ARRAY_GROW(cl->sources, cl->source_count, cl->source_cap);
        cl->sources[cl->source_count++] = (struct sql_source){v, o->id == OPT_FILE};
        return 0;
    case OPT_EXECUTORS: return take_number(o->name, v, 64, &cl->executors);
    case OPT_SLOTS: return take_number(o->name, v, 1024, &cl->slots);
    case OPT_MEMORY:
        if (str_parse_bytes(v) <= 0)
            return usage("--memory takes a size such as 4g, not %s", v);
        cl->memory = (uint64_t)str_parse_bytes(v);
        return 0;
    case OPT_FORMAT:
        if (!output_format_parse(v, &cl->format))
            return usage("--format takes table, csv, json, jsonl or tsv, not %s", v);
        cl->has_format = true;
        return 0;
    case OPT_LOG: {
        enum log_level level;
        if (!log_level_parse(v, &level))
            return usage("--log takes debug, info, warn, error or off, not %s", v);
        log_set_level(level);
        return 0;
    }
    case OPT_DRIVER: cl->driver = v; return 0;
    case OPT_LISTEN: cl->listen = v; return 0;
    case OPT_WEB: cl->web = v; return 0;
    case OPT_STATE: cl->state = v; return 0;
    case OPT_DIR: cl->dir = v; return 0;
    case OPT_SECRET: cl->secret_file = v; return 0;
    case OPT_ECHO: cl->echo = true; return 0;
    case OPT_EMBEDDED: cl->embedded = true; return 0;
    case OPT_JSON: cl->json = true; return 0;
    case OPT_KEEP_GOING: cl->keep_going = true; return 0;
    case OPT_TIMING: cl->timing = true; return 0;
    case OPT_HELP: cl->help = true; return 0;
    }
    UNREACHABLE("an option of the table");
}

static int parse(const struct command *c, int argc, char **argv, struct command_line *cl)
{
    cl->command = c->name;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i], *value;
        if (c->bit == CMD_SQL && (arg[0] != '-' || arg[1] == 0)) { /* in its place among -e and -f */
            ARRAY_GROW(cl->sources, cl->source_count, cl->source_cap);
            cl->sources[cl->source_count++] = (struct sql_source){arg, false};
            continue;
        }
        if (arg[0] != '-' || arg[1] == 0) {
            ARRAY_GROW(cl->args, cl->arg_count, cl->arg_cap);
            cl->args[cl->arg_count++] = arg;
            continue;
        }
        const struct option_row *o = find_option(c, arg, &value);
        if (!o) {
            const struct option_row *near = nearest_option(c, arg + (arg[1] == '-' ? 2 : 1));
            return usage("drover %s has no option %s; the nearest is --%s", c->name, arg, near->name);
        }
        if (o->argument && !value) {
            if (++i >= argc)
                return usage("%s needs a value: %s", arg, o->argument);
            value = argv[i];
        }
        TRY(take_option(cl, o, value));
    }
    if ((c->bit & (CMD_SQL | CMD_EXPLAIN)) && cl->driver && (cl->executors || cl->slots || cl->memory))
        return usage("--executors, --slots and --memory say what to start here; with --driver nothing is started");
    return 0;
}

static const struct command *nearest_command(const char *name, int *ret_distance)
{
    const struct command *best = NULL;
    *ret_distance = 1 << 20;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int d = str_distance(name, commands[i].name);
        if (d < *ret_distance) {
            *ret_distance = d;
            best = &commands[i];
        }
    }
    return best;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (argc == 2 && strcmp(argv[1], "help") == 0)) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : 0;
    }
    bool asks = strcmp(argv[1], "help") == 0; /* for a command */
    const char *name = asks ? argv[2] : argv[1];
    int distance;
    const struct command *best = nearest_command(name, &distance);
    if (distance != 0)
        return usage("there is no command %s; the nearest is %s", name, best->name);
    if (asks) {
        help_command(best, stdout);
        return 0;
    }
    struct command_line cl = {0};
    int rc = parse(best, argc - 2, argv + 2, &cl);
    if (rc == 0 && cl.help)
        help_command(best, stdout);
    else if (rc == 0)
        rc = best->run(&cl);
    xfree(cl.args);
    xfree(cl.confs);
    xfree(cl.sources);
    return rc;
}

/* Running statements and printing what they give; shared by sql, submit, explain and the shell. Thread: one. */
#pragma once

#include "cli/client.h"
#include "cli/commands.h"

struct runner {
    const struct command_line *cl;
    struct client *client;
    struct printer *printer;
    char *zone;            /* the name that the printer's zone came from */
    bool keep_going;       /* after a failed statement */
    bool lost;             /* the driver is gone: nothing more can run */
    int exit_code;
};

/* Says the error on standard error, with the place in sql when that is not NULL; returns the exit code. Takes err. */
int complain(const char *command, struct error *err, const char *sql);
/* Opens a client as the command line says; an exit code otherwise. */
int open_client(const struct command_line *cl, bool session, struct client **ret);
int runner_open(struct runner *r, const struct command_line *cl);
void runner_close(struct runner *r);
bool run_statement(struct runner *r, const char *sql); /* false: stop here */
/* Runs what the splitter has; false: stop here. */
struct splitter;
bool run_ready(struct runner *r, struct splitter *sp);
/* The interactive shell; an exit code. */
int shell_run(struct runner *r);

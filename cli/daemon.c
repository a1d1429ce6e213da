/* The daemons' commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/run.h"
#include "common/fs/list.h"
#include "driver/server/driver.h"
#include "executor/server/executor.h"

static int make_folder(const struct command_line *cl, const char *option, const char *path)
{
    struct error err = ERROR_INIT;
    if (fs_make_folder(path, &err) == 0 && access(path, W_OK) == 0)
        return 0;
    error_fini(&err);
    fprintf(stderr, "drover %s: %s %s: it cannot be made or written\n", cl->command, option, path);
    return EXIT_USAGE;
}

/* One driver a state folder: a second one would write over the first one's. The lock goes with the process. */
static int lock_state(const struct command_line *cl)
{
    char *path = xasprintf("%s/lock", cl->state);
    int rc = make_folder(cl, "--state", cl->state), fd = rc ? -1 : open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (rc == 0 && (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)) {
        fprintf(stderr, "drover driver: --state %s: %s\n", cl->state, errno == EWOULDBLOCK ? "another driver uses it" : strerror(errno));
        rc = EXIT_USAGE;
    }
    xfree(path);
    return rc;
}

int command_driver(const struct command_line *cl)
{
    const char *web = cl->web ? cl->web : "127.0.0.1:4040";
    int rc = cl->state ? lock_state(cl) : 0;
    if (rc != 0)
        return rc;
    struct driver_config config = {.listen = cl->listen ? cl->listen : "127.0.0.1:7077", .secret_file = cl->secret_file, .announce = true,
                                   .state = cl->state, .conf_count = cl->conf_count, .confs = cl->confs,
                                   .web = strcmp(web, "none") == 0 ? NULL : web};
    return driver_main(&config);
}

int command_executor(const struct command_line *cl)
{
    if (!cl->driver) {
        fprintf(stderr, "drover executor: which driver? Give --driver HOST:PORT\n");
        return EXIT_USAGE;
    }
    int rc = cl->dir ? make_folder(cl, "--dir", cl->dir) : 0;
    if (rc != 0)
        return rc;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct executor_config config = {.driver = cl->driver,
                                     .listen = cl->listen,
                                     .slots = cl->slots   ? cl->slots
                                              : cores > 0 ? (uint32_t)cores
                                                          : 1,
                                     .memory = cl->memory ? cl->memory : executor_default_memory(),
                                     .secret_file = cl->secret_file,
                                     .dir = cl->dir            ? cl->dir
                                            : getenv("TMPDIR") ? getenv("TMPDIR")
                                                               : "/tmp",
                                     .embedded = cl->embedded,
                                     .announce = !cl->embedded};
    return executor_main(&config);
}

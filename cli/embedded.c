/* See embedded.h. */
#include "cli/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs/list.h"
#include "driver/server/driver.h"
#include "executor/server/executor.h"

enum { EXECUTORS_MAX = 64 };

struct child {
    pid_t pid;
    struct executor_config config;
};

struct embedded {
    char *dir, *address;
    pid_t driver_pid;
    uint32_t executor_count;
    struct child executors[EXECUTORS_MAX];
};

/* sign: what comes when the parent is gone. Nothing outlives the command. */
static void child_of(pid_t parent, int sign)
{
    prctl(PR_SET_PDEATHSIG, sign);
    if (getppid() != parent)
        _exit(1);
    signal(SIGINT, SIG_IGN);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
}

static pid_t start_driver(const struct embedded *e, const struct client_config *config, uint32_t executors, uint32_t slots, uint64_t memory)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    child_of(parent, SIGTERM);
    char **confs = xcalloc(config->setting_count + 1, sizeof *confs);
    for (uint32_t i = 0; i < config->setting_count; i++)
        confs[i] = xasprintf("%s=%s", config->settings[i].name, config->settings[i].value);
    struct driver_config dc = {.listen = e->address, .embedded = true, .executors = executors, .slots = slots, .memory = memory,
                               .conf_count = config->setting_count, .confs = (const char *const *)confs};
    int rc = driver_main(&dc);
    if (getppid() != parent) { /* it was killed: nobody else takes its folder away */
        struct error err = ERROR_INIT;
        if (fs_remove(e->dir, &err) != 0)
            error_fini(&err);
    }
    _exit(rc);
}

static pid_t start_executor(const struct executor_config *config)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    child_of(parent, SIGKILL);
    _exit(executor_main(config));
}

/* Started again after a death: by a fresh exec, since this process has connections now. */
static pid_t restart_executor(const struct executor_config *config)
{
    char slots[16], memory[32];
    snprintf(slots, sizeof slots, "%u", config->slots);
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)config->memory);
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    child_of(parent, SIGKILL);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    execl("/proc/self/exe", "drover", "executor", "--driver", config->driver, "--slots", slots, "--memory", memory, "--dir", config->dir, "--embedded",
          (char *)NULL);
    _exit(127);
}

/* "the executor (pid 12) was killed by signal 9 (Killed; ...)" */
static void tell_end(const char *what, pid_t pid, int status, const char *then)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "drover: the %s (pid %d) was killed by signal %d (%s%s)%s\n", what, (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)),
                WTERMSIG(status) == SIGKILL ? ": by hand, or the kernel was out of memory" : "", then);
    else
        fprintf(stderr, "drover: the %s (pid %d) ended with exit code %d%s\n", what, (int)pid, WEXITSTATUS(status), then);
}

void embedded_reap(struct embedded *e)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (uint32_t i = 0; i < e->executor_count; i++) {
            if (e->executors[i].pid != pid)
                continue;
            tell_end("executor", pid, status, "; starting it again");
            e->executors[i].pid = restart_executor(&e->executors[i].config);
            if (e->executors[i].pid < 0)
                fprintf(stderr, "drover: the executor could not be started again: %s\n", strerror(errno));
        }
        if (pid == e->driver_pid) {
            tell_end("driver", pid, status, "");
            e->driver_pid = 0;
        }
    }
}

int embedded_start(const struct client_config *config, struct embedded **ret, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    uint32_t n = config->executors ? config->executors : 1, slots = config->slots;
    if (n > EXECUTORS_MAX)
        return error_setf(err, ERR_USAGE, "message", "--executors takes up to %d", EXECUTORS_MAX);
    struct embedded *e = xcalloc(1, sizeof *e);
    e->dir = xasprintf("%s/drover-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(e->dir)) {
        int rc = error_set(err, ERR_IO, "path", e->dir, "message", strerror(errno), NULL);
        xfree(e->dir);
        xfree(e);
        return rc;
    }
    e->address = xasprintf("unix:%s/driver", e->dir);
    if (!slots) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        slots = cores > (long)n ? (uint32_t)cores / n : 1;
    }
    uint64_t memory = (config->memory ? config->memory : executor_default_memory()) / n;
    e->driver_pid = start_driver(e, config, n, slots, memory);
    bool all = e->driver_pid > 0;
    for (uint32_t i = 0; i < n && all; i++) {
        struct child *ch = &e->executors[e->executor_count++];
        ch->config = (struct executor_config){.driver = e->address, .slots = slots, .memory = memory, .dir = e->dir, .embedded = true};
        ch->pid = start_executor(&ch->config);
        all = ch->pid > 0;
    }
    if (!all) {
        int rc = error_set(err, ERR_IO, "path", "fork", "message", strerror(errno), NULL);
        embedded_stop(e);
        return rc;
    }
    *ret = e;
    return 0;
}

const char *embedded_address(const struct embedded *e)
{
    return e->address;
}

/* -1, of a fork that failed, would be everybody. */
static void end(pid_t pid)
{
    if (pid > 0)
        kill(pid, SIGKILL);
}

void embedded_stop(struct embedded *e)
{
    if (!e)
        return;
    /* The results are out; nothing in these processes is worth a wait. */
    for (uint32_t i = 0; i < e->executor_count; i++)
        end(e->executors[i].pid);
    end(e->driver_pid);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    struct error err = ERROR_INIT;
    if (fs_remove(e->dir, &err) != 0)
        error_fini(&err);
    xfree(e->dir);
    xfree(e->address);
    xfree(e);
}

/* See testpoint.h. */
#include "common/base/testpoint.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RULES_MAX = 8 };

static struct rule {
    char name[32], action[32];
    unsigned hit;
    unsigned passed; /* atomic */
} rules[RULES_MAX];
static unsigned rule_count;
bool testpoint_armed;

void testpoint_set(const char *text)
{
    rule_count = 0;
    memset(rules, 0, sizeof rules);
    while (text && *text) {
        struct rule *r = &rules[rule_count];
        if (rule_count == RULES_MAX || sscanf(text, "%31[^:]:%u:%31[^,]", r->name, &r->hit, r->action) != 3) {
            fprintf(stderr, "drover: DROVER_TEST_POINT: %s is not NAME:HIT:ACTION\n", text);
            _exit(2);
        }
        rule_count++;
        text = strchr(text, ',');
        text += text != NULL;
    }
    testpoint_armed = rule_count > 0;
}

__attribute__((constructor)) static void read_rules(void)
{
    testpoint_set(getenv("DROVER_TEST_POINT"));
}

/* Where in the binary a step was made to fail: two places tell one caller of a helper from another. */
static int add_places(char *line, size_t room)
{
    void *frames[7];
    int at = 0;
    for (int i = 3, n = backtrace(frames, 7); i < n; i++) {
        Dl_info info;
        if (dladdr(frames[i], &info))
            at += snprintf(line + at, room - (size_t)at, " +%lx", (unsigned long)((char *)frames[i] - (char *)info.dli_fbase));
    }
    return at;
}

static bool act(const struct rule *r)
{
    char line[256];
    int n = snprintf(line, sizeof line - 1, "drover: test point %s hit %u: %s", r->name, r->hit, r->action);
    if (strcmp(r->action, "fail") == 0)
        n += add_places(line + n, sizeof line - 1 - (size_t)n);
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)n);
    (void)written; /* nobody to tell */
    unsigned ms;
    if (strcmp(r->action, "kill") == 0) {
        kill(getpid(), SIGKILL);
    } else if (strcmp(r->action, "stop") == 0) {
        kill(getpid(), SIGSTOP);
    } else if (strcmp(r->action, "abort") == 0) {
        abort();
    } else if (strcmp(r->action, "exit") == 0) {
        _exit(1);
    } else if (sscanf(r->action, "sleep=%u", &ms) == 1) {
        struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
        nanosleep(&t, NULL);
    }
    return strcmp(r->action, "fail") == 0;
}

static bool take_token(const char *name)
{
    char path[512];
    const char *folder = getenv("DROVER_TEST_TOKENS");
    return folder && snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path && unlink(path) == 0;
}

bool testpoint_pass(const char *name)
{
    bool fails = false;
    for (unsigned i = 0; i < rule_count; i++) {
        struct rule *r = &rules[i];
        if (strcmp(r->name, name) != 0)
            continue;
        unsigned passed = __atomic_add_fetch(&r->passed, 1, __ATOMIC_RELAXED);
        if (r->hit ? passed == r->hit : take_token(name))
            fails |= act(r);
    }
    return fails;
}

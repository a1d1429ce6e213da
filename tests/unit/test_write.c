/*
 * Writes: manifests, intents and partition folders as bytes; commits that are killed or fail at every step and are
 * whole afterwards: all of the new files and none of the old, or the other way round.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/testpoint.h"
#include "common/format/commit.h"
#include "common/format/manifest.h"
#include "common/format/partition.h"
#include "common/fs/file.h"
#include "common/fs/list.h"
#include "tests/unit/suite.h"

static struct arena ar;
static char *root, *target;

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");
    arena_init(&ar);
    root = arena_printf(&ar, "%s/drover-write-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert(mkdtemp(root));
    target = arena_printf(&ar, "%s/made/t", root);
}

static void tear_down(void)
{
    struct error err = ERROR_INIT;
    ck_assert_int_eq(fs_remove(root, &err), 0);
    arena_fini(&ar);
}

/* ---- a table with two folders, and writes over it ---- */

static const char *path_of(const char *below)
{
    return arena_printf(&ar, "%s/%s", target, below);
}

static void put(const char *path, const char *text)
{
    struct error err = ERROR_INIT;
    char *folder = arena_strdup(&ar, path);
    *strrchr(folder, '/') = 0;
    ck_assert_int_eq(fs_make_folder(folder, &err), 0);
    FILE *f = fopen(path, "w");
    ck_assert(f);
    fputs(text, f);
    fclose(f);
}

static void old_table(void)
{
    put(path_of("p=1/part-old-1"), "old");
    put(path_of("p=2/part-old-2"), "old");
    put(path_of("_SUCCESS"), "old");
}

/* What two attempts left: one file for p=2, one for p=3. */
static int write_files(const struct write_target *t, struct error *err)
{
    struct file_write *w;
    TRY(file_write_begin(t, &w, err));
    struct buf bytes[2] = {BUF_INIT, BUF_INIT};
    const void *manifests[2];
    uint32_t counts[2];
    for (int i = 0; i < 2; i++) {
        struct manifest_entry e = {"0", i ? "p=3/part-new-3" : "p=2/part-new-2", 10, 3};
        struct manifest m = {i ? "12" : "11", 1, &e};
        put(arena_printf(&ar, "%s/%s/0", file_write_folder(w), m.folder), "new");
        manifest_encode(&m, &bytes[i]);
        manifests[i] = bytes[i].data;
        counts[i] = (uint32_t)bytes[i].bytes;
    }
    struct write_done done;
    int rc = file_write_commit(w, manifests, counts, 2, &done, err);
    if (rc == 0)
        ck_assert(done.files == 2 && done.rows == 20 && done.bytes == 6);
    file_write_free(w);
    buf_fini(&bytes[0]);
    buf_fini(&bytes[1]);
    return rc;
}

/* Files that readers see, in order, as one text. */
static const char *seen(void)
{
    struct file_list list = {0};
    struct error err = ERROR_INIT;
    struct buf text = BUF_INIT;
    if (fs_list(&ar, target, &list, &err) != 0) {
        error_fini(&err);
        return "nothing";
    }
    for (uint32_t i = 0; i < list.count; i++)
        buf_addf(&text, "%s%s", i ? " " : "", list.items[i].below);
    char *ret = arena_strdup(&ar, text.data ? text.data : "");
    buf_fini(&text);
    return ret;
}

static bool success_is(const char *want)
{
    struct buf text = BUF_INIT;
    struct error err = ERROR_INIT;
    bool there = access(path_of("_SUCCESS"), F_OK) == 0;
    bool ok = want ? there && fs_get_file(path_of("_SUCCESS"), 100, &text, &err) == 0 && strcmp(text.data ? text.data : "", want) == 0 : !there;
    buf_fini(&text);
    error_fini(&err);
    return ok;
}

static const struct write_case {
    const char *name;
    struct write_target t;
    const char *before, *after;
} cases[] = {
    {"new", {.mode = WRITE_NEW}, "nothing", "p=2/part-new-2 p=3/part-new-3"},
    {"append", {.mode = WRITE_APPEND}, "p=1/part-old-1 p=2/part-old-2", "p=1/part-old-1 p=2/part-new-2 p=2/part-old-2 p=3/part-new-3"},
    {"overwrite", {.mode = WRITE_OVERWRITE}, "p=1/part-old-1 p=2/part-old-2", "p=2/part-new-2 p=3/part-new-3"},
    {"dynamic", {.mode = WRITE_OVERWRITE, .dynamic = true}, "p=1/part-old-1 p=2/part-old-2", "p=1/part-old-1 p=2/part-new-2 p=3/part-new-3"},
    {"below", {.mode = WRITE_OVERWRITE, .below = "p=1"}, "p=1/part-old-1 p=2/part-old-2", "p=2/part-new-2 p=2/part-old-2 p=3/part-new-3"},
};

static struct write_target target_of(const struct write_case *c)
{
    struct write_target t = c->t;
    t.path = target;
    if (c->t.mode != WRITE_NEW)
        old_table();
    return t;
}

/* After a failure: what was before, and no trace. */
static void check_before(const struct write_case *c)
{
    ck_assert_str_eq(seen(), c->before);
    ck_assert(success_is(c->t.mode == WRITE_NEW ? NULL : "old"));
    ck_assert_msg(access(path_of("_temporary"), F_OK) != 0, "%s leaves _temporary", c->name);
    if (c->t.mode == WRITE_NEW)
        ck_assert(access(arena_printf(&ar, "%s/made", root), F_OK) != 0);
}

static void check_after(const struct write_case *c)
{
    ck_assert_str_eq(seen(), c->after);
    ck_assert(success_is(""));
    ck_assert_msg(access(path_of("_temporary"), F_OK) != 0, "%s leaves _temporary", c->name);
}

START_TEST(commits)
{
    const struct write_case *c = &cases[_i];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    ck_assert_str_eq(seen(), c->before);
    ck_assert_int_eq(write_files(&t, &err), 0);
    check_after(c);
}
END_TEST

START_TEST(aborts)
{
    const struct write_case *c = &cases[_i];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    struct file_write *w;
    ck_assert_int_eq(file_write_begin(&t, &w, &err), 0);
    put(arena_printf(&ar, "%s/7/0", file_write_folder(w)), "new");
    ck_assert_str_eq(seen(), c->t.mode == WRITE_NEW ? "" : c->before);
    file_write_abort(w);
    file_write_abort(w);
    check_before(c);
    file_write_free(w);
}
END_TEST

/* ---- steps that fail in a process that lives, or end it ---- */

static const char *const steps[] = {"commit-before-intent", "commit-after-intent", "commit-after-first-old", "commit-after-old",
                                    "commit-after-first-new", "commit-after-new", "commit-after-success"};
enum { STEPS = 7, CASES = 5 };

START_TEST(fails)
{
    const struct write_case *c = &cases[_i / STEPS];
    const char *step = steps[_i % STEPS];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    bool reached = c->t.mode != WRITE_NEW || strcmp(step, "commit-after-first-old") != 0;
    testpoint_set(arena_printf(&ar, "%s:1:fail", step));
    int rc = write_files(&t, &err);
    testpoint_set("");
    ck_assert_int_eq(rc, reached ? ERR_IO : 0);
    if (reached)
        check_before(c);
    error_fini(&err);
}
END_TEST

/* Runs the write in a child that is killed at a step, after another failed; true when it was. */
static bool killed_at(const char *step, const char *fail, const struct write_target *t)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct error err = ERROR_INIT;
        testpoint_set(fail ? arena_printf(&ar, "%s:1:kill,%s:1:fail", step, fail) : arena_printf(&ar, "%s:1:kill", step));
        _exit(write_files(t, &err) ? 1 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

START_TEST(killed)
{
    const struct write_case *c = &cases[_i / STEPS];
    const char *step = steps[_i % STEPS];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    bool reached = c->t.mode != WRITE_NEW || strcmp(step, "commit-after-first-old") != 0;
    ck_assert_int_eq(killed_at(step, NULL, &t), reached);
    ck_assert_int_eq(file_write_recover(target, &err), 0); /* a reader comes by */
    if (strcmp(step, "commit-before-intent") == 0) {
        ck_assert_str_eq(seen(), c->t.mode == WRITE_NEW ? "" : c->before);
        /* nothing was promised: the next writer sweeps it away */
        struct write_target again = {.path = target, .mode = WRITE_APPEND};
        struct file_write *w;
        ck_assert_int_eq(file_write_begin(&again, &w, &err), 0);
        file_write_free(w);
        ck_assert(access(path_of("_temporary"), F_OK) != 0);
        ck_assert_str_eq(seen(), c->t.mode == WRITE_NEW ? "" : c->before);
    } else {
        check_after(c);
    }
}
END_TEST

/* Killed while it goes back: goes on backwards. */
START_TEST(killed_in_rollback)
{
    const struct write_case *c = &cases[_i];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    ck_assert(killed_at("rollback-after-mark", "commit-after-first-new", &t));
    ck_assert_int_eq(file_write_recover(target, &err), 0);
    ck_assert_str_eq(seen(), c->t.mode == WRITE_NEW ? "" : c->before);
    ck_assert(success_is(c->t.mode == WRITE_NEW ? NULL : "old"));
    ck_assert(access(path_of("_temporary"), F_OK) != 0);
}
END_TEST

/* Killed again while somebody else finishes it, at each step in turn. */
static bool recover_killed_at(const char *step)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct error err = ERROR_INIT;
        testpoint_set(arena_printf(&ar, "%s:1:kill", step));
        _exit(file_write_recover(target, &err) ? 1 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status);
}

START_TEST(killed_twice)
{
    const struct write_case *c = &cases[2];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    ck_assert(killed_at("commit-after-intent", NULL, &t));
    for (int i = 2; i < STEPS; i++)
        ck_assert_msg(recover_killed_at(steps[i]), "not killed at %s", steps[i]);
    ck_assert_int_eq(file_write_recover(target, &err), 0);
    check_after(c);
}
END_TEST

/* The old data goes last: killed in between, it lies in a folder without intent, which a writer sweeps. */
START_TEST(killed_before_clearing)
{
    const struct write_case *c = &cases[2];
    struct error err = ERROR_INIT;
    struct write_target t = target_of(c);
    ck_assert(killed_at("commit-after-forget", NULL, &t));
    ck_assert_str_eq(seen(), c->after);
    ck_assert(success_is(""));
    t.mode = WRITE_APPEND;
    struct file_write *w;
    ck_assert_int_eq(file_write_begin(&t, &w, &err), 0);
    file_write_free(w);
    check_after(c);
}
END_TEST

/* ---- neighbours ---- */

START_TEST(lives_beside_others)
{
    struct error err = ERROR_INIT;
    struct write_target t = {.path = target, .mode = WRITE_APPEND};
    struct file_write *w;
    put(path_of("_temporary/0/task/part"), "of another engine");
    ck_assert_int_eq(file_write_begin(&t, &w, &err), 0);
    put(arena_printf(&ar, "%s/7/0", file_write_folder(w)), "mine");
    ck_assert_int_eq(write_files(&t, &err), 0); /* a second write meanwhile leaves both alone */
    ck_assert_int_eq(file_write_recover(target, &err), 0);
    ck_assert_int_eq(access(arena_printf(&ar, "%s/7/0", file_write_folder(w)), F_OK), 0);
    file_write_free(w);
    ck_assert_int_eq(access(path_of("_temporary/0/task/part"), F_OK), 0);
    ck_assert_str_eq(seen(), "p=2/part-new-2 p=3/part-new-3");
}
END_TEST

START_TEST(refuses)
{
    struct error err = ERROR_INIT;
    struct file_write *w;
    struct write_target t = {.path = target, .mode = WRITE_NEW};
    old_table();
    ck_assert_int_eq(file_write_begin(&t, &w, &err), ERR_PATH_EXISTS);
    ck_assert_str_eq(error_param_get(&err, "outputPath"), target);
    error_fini(&err);
    t = (struct write_target){.path = path_of("p=1/part-old-1"), .mode = WRITE_OVERWRITE};
    ck_assert_int_eq(file_write_begin(&t, &w, &err), ERR_IO);
    ck_assert(strstr(error_param_get(&err, "message"), "a file stands where a folder is needed"));
    error_fini(&err);
    t.path = path_of("p=1/part-old-1/below");
    ck_assert_int_eq(file_write_begin(&t, &w, &err), ERR_IO);
    error_fini(&err);
    ck_assert_str_eq(seen(), "p=1/part-old-1 p=2/part-old-2");
}
END_TEST

START_TEST(damaged_intent)
{
    struct error err = ERROR_INIT;
    struct write_target t = target_of(&cases[2]);
    ck_assert(killed_at("commit-after-intent", NULL, &t));
    char *find = arena_printf(&ar, "sed -i 's/p=3/p=4/' '%s'/_temporary/*/intent", target);
    ck_assert_int_eq(system(find), 0);
    ck_assert_int_eq(file_write_recover(target, &err), ERR_IO);
    error_fini(&err);
}
END_TEST

/* ---- bytes ---- */

START_TEST(intents)
{
    const char *olds[] = {"_SUCCESS", "a b", "k=%2F\n"};
    struct write_move moves[] = {{"11/0", "p=1/part 0"}, {"12/3", "x"}};
    struct write_intent in = {3, 3, 2, 2, olds, moves}, back;
    struct error err = ERROR_INIT;
    struct buf text = BUF_INIT;
    write_intent_encode(&in, &text);
    ck_assert_int_eq(write_intent_decode(&ar, text.data, text.bytes, "x", &back, &err), 0);
    ck_assert_uint_eq(back.old_count, 3);
    ck_assert_uint_eq(back.move_count, 2);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(back.olds[i], olds[i]);
    ck_assert_str_eq(back.moves[0].to, "p=1/part 0");
    ck_assert_str_eq(back.moves[1].from, "12/3");
    for (size_t n = 0; n < text.bytes; n++) {
        ck_assert_int_eq(write_intent_decode(&ar, text.data, n, "x", &back, &err), ERR_IO);
        error_fini(&err);
        text.data[n] ^= 1;
        ck_assert_int_eq(write_intent_decode(&ar, text.data, text.bytes, "x", &back, &err), ERR_IO);
        error_fini(&err);
        text.data[n] ^= 1;
    }
    buf_fini(&text);
}
END_TEST

START_TEST(manifests)
{
    static const char *const bad[] = {"", "/etc/x", "../x", "a/../../x", "a//b", "./a", "a/", "_temporary/x", "_temporary"};
    struct manifest_entry e = {"0", "p=1/f", 1, 2};
    struct manifest m = {"9", 1, &e}, back;
    struct error err = ERROR_INIT;
    struct buf bytes = BUF_INIT;
    manifest_encode(&m, &bytes);
    ck_assert_int_eq(manifest_decode(&ar, bytes.data, bytes.bytes, &back, &err), 0);
    ck_assert(back.count == 1 && back.entries[0].rows == 1 && back.entries[0].bytes == 2);
    ck_assert_str_eq(back.entries[0].path, "p=1/f");
    for (size_t n = 0; n < bytes.bytes; n++) {
        ck_assert_int_eq(manifest_decode(&ar, bytes.data, n, &back, &err), ERR_PROTOCOL);
        error_fini(&err);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        e.path = bad[i];
        buf_reset(&bytes);
        manifest_encode(&m, &bytes);
        ck_assert_int_eq(manifest_decode(&ar, bytes.data, bytes.bytes, &back, &err), ERR_PROTOCOL);
        error_fini(&err);
    }
    buf_fini(&bytes);
}
END_TEST

START_TEST(folders)
{
    /* the left side is what Spark 4 named the folder of the right */
    static const char *const pairs[][2] = {
        {"a%2Fb%3Dc d%3A%25%7B}%5B%5D%5E%22%23%27%2A%3F%5C\xc3\xa9", "a/b=c d:%{}[]^\"#'*?\\\xc3\xa9"},
        {"%01%1F%7F", "\x01\x1f\x7f"},
        {"plain", "plain"},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        buf_reset(&out);
        partition_escape(pairs[i][1], strlen(pairs[i][1]), &out);
        ck_assert_str_eq(out.data, pairs[i][0]);
        ck_assert_str_eq(partition_unescape(&ar, out.data, out.bytes), pairs[i][1]);
    }
    ck_assert_str_eq(partition_unescape(&ar, "5%", 2), "5%");
    ck_assert_str_eq(partition_unescape(&ar, "%zz%4", 5), "%zz%4");
    buf_fini(&out);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, commits, 0, CASES);
    tcase_add_loop_test(tc, aborts, 0, CASES);
    tcase_add_loop_test(tc, fails, 0, CASES * STEPS);
    tcase_add_loop_test(tc, killed, 0, CASES * STEPS);
    tcase_add_loop_test(tc, killed_in_rollback, 0, CASES);
    ADD_TESTS(tc, killed_twice, killed_before_clearing, lives_beside_others, refuses, damaged_intent, intents, manifests, folders);
}

SUITE_MAIN("write", add)

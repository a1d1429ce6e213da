"""
Broken variants of the pure cores, and whether the simulator finds them.

A mutant is a piece of a source file with a change in it: the tree itself knows nothing of them. Each is compiled into
an object of its own, which takes the place of the original in the unit tests of both cores, which it must pass, and in
the simulator, which must find it, by the invariant named here (others may find it before), within SEEDS seeds.

mutants.py BUILD CC "CFLAGS" "LDLIBS" [PART OF A NAME...]
"""
import glob
import os
import re
import subprocess
import sys

SEEDS = 4000
SCHED, CONTROL = "driver/sched/", "executor/control/"

# name, file, what should find it, the piece with [-what goes-] and {+what comes+}
MUTANTS = [
    ("another incarnation's credit is taken", CONTROL + "control.c", "I3",
     "{+(+}ev->incarnation != c->incarnation{+ && ev->kind != CONTROL_CREDIT)+}) {"),
    ("another epoch's inputs are taken", CONTROL + "control.c", "I3",
     "!c->registered || {+((+}ev->epoch != c->epoch || ev->incarnation != c->incarnation{+) && ev->kind != CONTROL_INPUTS)+}) {"),
    ("a result's launch is not fenced", CONTROL + "control.c", "I3",
     "if (id <= c->last_attempt{+ && !(st && !st->keeps_output && !control_find(c, id))+}) {"),
    ("a killed attempt's late result is accepted", SCHED + "sched.c", "I3", """\
        bool counts = {+job->state == JOB_RUNNING && (+}a->state == ATTEMPT_LAUNCHED [-&& job->state == JOB_RUNNING-]{+||
                      job->stages[stage].tasks[partition].state == TASK_RUNNING)+};
        if (counts) {
            latency_add"""),
    ("a job with killed attempts commits twice", SCHED + "job.c", "I2", """\
{+        if (job->held)
            *sched_act(s, SCHED_COMMIT) = (struct sched_action){.kind = SCHED_COMMIT, .job_id = job->spec.job_id, .stage = job->spec.stage_count - 1};
+}        struct sched_action *c = sched_act(s, SCHED_COMMIT);"""),
    ("a lost executor is a failure of its readers", SCHED + "executor.c", "I5", """\
        sched_requeue(s, st, partition);
{+        st->tasks[partition].failures += st->spec.parent_count > 0 && st->tasks[partition].failures + 1u < s->config.max_failures;
+}"""),
    ("a stage that may run is offered to one executor", SCHED + "stage.c", "I7", """\
                st->home = home_of(s, job, st);
                s->look_everywhere {+|+}= [-true-]{+st->spec.parent_count == 0+};
"""),
    ("a stalled attempt's slot is not offered", SCHED + "attempt.c", "I7", """\
[-    if (stalled)
        has_room(s, a->executor);
-]"""),
    ("an attempt woken on its way to parking sleeps on", CONTROL + "control.c", "I7", """\
        if ({+(+}a->woken{+ && a->unacked == 0)+} || a->doomed)
            run(c, a);"""),
    ("a stalled attempt that ends gives its slot back twice", SCHED + "attempt.c", "I9", "[-    e->stalled -= a->stalled;\n-]"),
    ("readers of lost executors' outputs are not restarted", SCHED + "stage.c", "I13", """\
{+                enum sched_determinism d = job->stages[i].spec.determinism;
                job->stages[i].spec.determinism = SCHED_DETERMINATE;
+}                after_loss(s, job, i, was_complete);
{+                job->stages[i].spec.determinism = d;
+}"""),
    ("delivered rows are forgotten", SCHED + "sched.c", "I13",
     "[-    a->job->stages[a->stage].tasks[a->partition].delivered = true;\n-]"),
    ("a third parent is not waited for", SCHED + "stage.c", "I1", """\
    for (uint32_t i = 0; i < st->spec.parent_count{+ && i < 2+}; i++) {
        if (job->stages[st->parents[i]].state != STAGE_COMPLETE)"""),
    ("three lost outputs cost the whole stage", SCHED + "stage.c", "I6",
     "        if (lies_dead(s, &st->tasks[p]){+ || (lost >= 3 && st->tasks[p].state == TASK_DONE)+}) {"),
    ("a job is let go when nothing of it runs", CONTROL + "holding.c", "I8", """\
    job->attempts--;
    {+if (job->attempts == 0 && !job->released && job->stage_cap > 1 && job->stages[0].plan && job->stages[1].plan)
        control_release(c, job);
    else
        +}remove_if_over(c, job);"""),
    ("executors beyond the 64th are not told of a job's end", SCHED + "launch.c", "I8",
     "    job->touched[executor / 64] |= [-1ull-]{+(uint64_t)(executor < 64)+} << executor % 64;"),
    ("a committing job's other attempts are left", SCHED + "job.c", "I9", "[-        stop_all(s, job);\n-]"),
    ("outputs of later stages that rode are looked for on executors", SCHED + "stage.c", "I1",
     "bool rides = r->output_bytes > 0{+ && st->spec.parent_count == 0+} &&"),
    ("what rode of a later stage is kept when it is lost", SCHED + "stage.c", "I9", """\
    forget_output(s, st, t);
    {+if (st->spec.parent_count == 0)
        +}unkeep(st, partition);"""),
    ("a failed fetch does not look for what is needed again", SCHED + "stage.c", "I9", """\
[-    if (job->state == JOB_RUNNING && (was_complete || st->spec.determinism == SCHED_INDETERMINATE))
        sched_lose_dead(s, job);
-]"""),
]
UNIT_TESTS = ("test_sched", "test_sched_loss", "test_control")


def run(command, **kw):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)


def keep(piece, mark, other):
    """The piece with what stands in one kind of brackets and without what stands in the other."""
    piece = re.sub(re.escape(other[0]) + ".*?" + re.escape(other[1]), "", piece, flags=re.S)
    return piece.replace(mark[0], "").replace(mark[1], "")


GOES, COMES = ("[-", "-]"), ("{+", "+}")


def compile_mutant(mutant, folder, cc, cflags):
    _, path, _, piece = mutant
    source, old = open(path).read(), keep(piece, GOES, COMES)
    if source.count(old) != 1:
        raise RuntimeError(f"the piece is there {source.count(old)} times in {path}, not once: the mutant is out of date")
    mutated, obj = os.path.join(folder, os.path.basename(path)), os.path.join(folder, "mutant.o")
    with open(mutated, "w") as f:
        f.write(source.replace(old, keep(piece, COMES, GOES)))
    r = run([*cc, *cflags, "-Wno-unused-function", "-c", "-o", obj, mutated])
    if r.returncode:
        raise RuntimeError("it does not compile:\n" + r.stdout)
    return obj


def build(number, mutant, build_dir, cc, cflags, ldlibs):
    """The simulator and the unit tests with the mutant in them, by name."""
    folder = os.path.join(build_dir, "mutants", str(number))
    os.makedirs(folder, exist_ok=True)
    obj = compile_mutant(mutant, folder, cc, cflags)
    programs = {"sim": sorted(glob.glob(f"{build_dir}/tests/sim/*.o")), **{t: [f"{build_dir}/tests/unit/{t}.o"] for t in UNIT_TESTS}}
    link = ["g++", *[f for f in cflags if f != "-std=gnu17"]]
    libs = [f"{build_dir}/libdrover.a", *ldlibs, "-lcheck", "-lsubunit", "-lrt"]
    for name, objects in programs.items():
        programs[name] = os.path.join(folder, name)
        r = run([*link, "-o", programs[name], *objects, obj, *libs])
        if r.returncode:
            raise RuntimeError(f"{name} does not link with it:\n" + r.stdout)
    return programs


def judge(programs, wanted):
    for test in UNIT_TESTS:
        if run([programs[test]]).returncode:
            return False, "the unit tests find it: not a mutant for the simulator"
    first = 1
    while first <= SEEDS:  # what breaks may show in several ways; the one that is named must be among them
        try:
            r = run([programs["sim"], "--from", str(first), "--seeds", str(SEEDS - first + 1), "--once"], timeout=900)
        except subprocess.TimeoutExpired:
            return False, "the simulator hangs"
        if r.returncode == 0:
            break
        found = re.search(r"seed (\d+): (.*?) violated at .*?: (.*)", r.stdout)
        if not found:
            return False, f"the simulator ended with {r.returncode}: {r.stdout[-200:]}"
        seed, by, text = found.groups()
        if by == wanted:
            return True, f"seed {seed}: {by}: {text}"
        first = int(seed) + 1
    return False, f"{wanted} did not find it in {SEEDS} seeds"


def main():
    build_dir, cc, cflags, ldlibs = sys.argv[1], sys.argv[2].split(), sys.argv[3].split(), sys.argv[4].split()
    parts, bad, count = sys.argv[5:], 0, 0
    for number, mutant in enumerate(MUTANTS, 1):
        if parts and not any(p in mutant[0] for p in parts):
            continue
        count += 1
        try:
            ok, text = judge(build(number, mutant, build_dir, cc, cflags, ldlibs), mutant[2])
        except RuntimeError as e:
            ok, text = False, str(e)
        bad += not ok
        print(f"{number:2} {'found ' if ok else 'MISSED'} {mutant[2]:4} {mutant[0]:55} {text[:150]}", flush=True)
    print(f"mutants: {count - bad} of {count} pass the unit tests and are found by the invariant that is named for them")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

/*
 * sim --seeds N --from K [--executors E] [--once]: N worlds, one after the other. Prints faults by class and one hash over
 * all traces. The first seed that breaks an invariant is printed with its name, and ends the run with 1.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

static struct world world;

static void on_abort(int signum)
{
    (void)signum;
    char text[200];
    int n = snprintf(text, sizeof text, "seed %llu: %s violated at %.6f s: see the assertion above\n", (unsigned long long)world.seed, world.phase,
                     (double)world.now / 1e6);
    if (write(1, text, (size_t)n) != n)
        _Exit(3);
    _Exit(1);
}

struct totals {
    uint64_t events, hash, fired[FAULT_COUNT], jobs[5], seeds_with[FAULT_COUNT], attempts;
    double hours, worst;
};

static void run_seed(uint64_t seed, uint32_t executors, struct totals *t)
{
    world = (struct world){0};
    world_run(&world, seed, executors);
    t->events += world.events;
    t->hash = hash_combine(t->hash, world.hash);
    t->hours += (double)world.now / 3.6e9 * world.process_count;
    t->attempts += world.attempt_count;
    for (uint32_t f = 0; f < FAULT_COUNT; f++) {
        t->fired[f] += world.fired[f];
        t->seeds_with[f] += world.fired[f] > 0;
    }
    for (uint32_t j = 0; j < world.job_count; j++) {
        t->jobs[world.jobs[j].fate]++;
        double late = (double)(world.jobs[j].ended_us - world.faults_end) / (double)(world.deadline - world.faults_end);
        t->worst = late > t->worst ? late : t->worst;
    }
    world_free(&world);
}

static void print_totals(const struct totals *t, uint64_t seeds, double seconds)
{
    uint64_t faults = 0;
    for (uint32_t f = 0; f < FAULT_COUNT; f++) {
        printf("  %-24s %10llu in %llu seeds\n", fault_names[f], (unsigned long long)t->fired[f], (unsigned long long)t->seeds_with[f]);
        faults += t->fired[f];
    }
    printf("%llu seeds, 0 failures: %llu faults, %llu attempts, %llu events, %.1f executor-hours in %.1f s\n", (unsigned long long)seeds,
           (unsigned long long)faults, (unsigned long long)t->attempts, (unsigned long long)t->events, t->hours, seconds);
    printf("jobs: %llu done, %llu failed, %llu lost with their driver; the latest end used %.0f %% of the bound\n",
           (unsigned long long)t->jobs[FATE_DONE], (unsigned long long)t->jobs[FATE_FAILED], (unsigned long long)t->jobs[FATE_DRIVER_LOST], 100 * t->worst);
    printf("trace hash %016llx\n", (unsigned long long)t->hash);
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100, from = 1;
    uint32_t executors = 0;
    bool once = argc > 1 && strcmp(argv[argc - 1], "--once") == 0; /* no second run for the traces */
    argc -= once;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t v = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = v;
        else if (strcmp(argv[i], "--from") == 0)
            from = v;
        else if (strcmp(argv[i], "--executors") == 0)
            executors = (uint32_t)v;
        else
            return 2;
    }
    signal(SIGABRT, on_abort);
    struct totals t = {0};
    int64_t start = clock_mono_us();
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        struct totals first = {0}, second = {0};
        run_seed(seed, executors, &t);
        if (once || seed % 50 != from % 50)
            continue;
        run_seed(seed, executors, &first); /* the same seed, the same trace */
        run_seed(seed, executors, &second);
        if (first.hash != second.hash) {
            printf("seed %llu: determinism violated: two runs have two traces\n", (unsigned long long)seed);
            return 1;
        }
    }
    print_totals(&t, seeds, (double)(clock_mono_us() - start) / 1e6);
    return 0;
}

"""kill -9 of executors in the middle of TPC-H: the rows stay right, and the kill is proven to have hit running work."""
import os
import random
import signal
import time

from harness import POINTS, RIDING, SPREAD, Cluster, check, finish, tpch_of, wait_until


def killed(c):
    """The one executor that died since; a query may end before the kernel has told of the death."""
    dead = wait_until(lambda: [e for e in c.executors if e.proc.poll() is not None], what="an executor's death")
    check(len(dead) == 1, len(dead), "executors died, not one")
    check(dead[0].proc.returncode == -signal.SIGKILL, dead[0].name, "ended with", dead[0].proc.returncode)
    c.executors.remove(dead[0])
    return dead[0]


def landed(c, dead):
    """The driver's line about a dead executor says that it ran attempts of the last job; some ran again."""
    row = wait_until(lambda: (r := c.row(dead)) and not r["isActive"] and r, what="the loss to be known")
    job = c.last_job()["jobId"]
    attempts, tasks = c.attempts(job)
    return f"it ran job {job} " in row["removeReason"] and attempts > tasks


# At these the process that dies runs an attempt; at the others it may only hold outputs.
RUNNING = ["mid-map", "end-map", "mid-fetch"]
HOLDING = ["after-map", "mid-serve"]
WAYS = [(SPREAD, point) for point in RUNNING + HOLDING] + [(RIDING, "mid-map"), (RIDING, "end-map")]


def kill_at_points(runs, scale="0.1"):
    t, hits = tpch_of(scale), 0
    with Cluster(3, points=POINTS) as c:
        clean = {}
        for n, q in t.queries.items():
            rows, error, _ = c.sql(t.views + q)
            t.check(n, rows, error)
            clean[n] = rows
        for _ in range(runs):
            for args, point in WAYS:
                for n, q in t.queries.items():
                    c.put_token(point)
                    rows, error, _ = c.sql(t.views + q, args)
                    check(c.take_token(point), f"Q{n} never came by {point}")
                    t.check(n, rows, error, clean[n])
                    dead = killed(c)
                    check(dead.fired() == [f"drover: test point {point} hit 0: kill"], dead.read())
                    hit = landed(c, dead)
                    check(hit or point in HOLDING, f"the kill of Q{n} at {point} hit no running attempt:", c.row(dead)["removeReason"])
                    hits += 1
                    c.start_executor()
    return f"({hits} kills)"


def kill_at_times(runs, seed, scale="0.1"):
    """Seeded moments within the query's own duration, until one lands on running attempts."""
    t, rng, tries, hits = tpch_of(scale), random.Random(seed), 0, 0
    with Cluster(3) as c:
        for n, q in t.queries.items():
            t0 = time.monotonic()
            clean, error, _ = c.sql(t.views + q)
            took = time.monotonic() - t0
            t.check(n, clean, error)
            for _ in range(runs):
                for attempt in range(40):
                    tries += 1
                    victim = rng.choice(c.executors)
                    p = c.client(t.views + q, SPREAD if tries % 2 else RIDING)
                    time.sleep(rng.uniform(0, took))
                    os.kill(victim.pid, signal.SIGKILL)
                    victim.proc.wait()
                    rows, error, _ = finish(p)
                    t.check(n, rows, error, clean)
                    hit = landed(c, killed(c))
                    c.start_executor()
                    if hit:
                        break
                check(hit, f"no kill of Q{n} landed in {attempt + 1} tries")
                hits += 1
    return f"({hits} kills landed of {tries}, seed {seed})"


def test_every_query_at_every_point():
    return kill_at_points(1)


def test_every_query_at_seeded_times():
    return kill_at_times(1, 1)


if __name__ == "__main__":  # the sweep: RUNS of everything, SEED, SCALE
    runs, seed, scale = (os.environ.get(k, d) for k, d in (("RUNS", "20"), ("SEED", "2"), ("SCALE", "0.1")))
    print("at points:", kill_at_points(int(runs), scale), flush=True)
    print("at times:", kill_at_times(int(runs), int(seed), scale), flush=True)

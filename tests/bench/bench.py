#!/usr/bin/env python3
"""Drover beside DuckDB (the newest of PyPI) over the same files in one run. Ratios first: below 1 Drover is the faster, or the
smaller. Best of RUNS for times. Nothing is kept from run to run but footers of files.

   bench.py [tpch] [latency] [tasks] [memory]      all parts unless some are named
"""
import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import tpch  # noqa: E402

DROVER = os.path.join(tpch.ROOT, "build", "drover")
DUCKDB = """
import duckdb, sys, time
sys.path.insert(0, sys.argv[1])
import tpch
con = duckdb.connect()
con.sql('set threads=' + sys.argv[3])
tpch.duckdb_views(con, sys.argv[2])
for n, q in tpch.queries().items():
    t = time.perf_counter()
    con.execute(q).fetchall()
    print(n, time.perf_counter() - t, flush=True)
"""
lines = []


def report(what, value, target, reached, detail=""):
    lines.append((what, value, target, "reached" if reached else "MISSED", detail))
    print(f"  {what}: {value} (target {target}) {'reached' if reached else 'MISSED'} {detail}", flush=True)


def pss_of(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total / 1024


def tree(pid):
    """pid and all that it started."""
    ret, todo = [], [pid]
    while todo:
        p = todo.pop()
        ret.append(p)
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/children") as f:
                    todo += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return ret


class PeakPss(threading.Thread):
    """Samples the sum of PSS over process trees every 10 ms."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.peak, self.stop = pids, 0, threading.Event()
        self.start()

    def run(self):
        while not self.stop.wait(0.01):
            self.peak = max(self.peak, pss_of([p for pid in self.pids for p in tree(pid)]))

    def end(self):
        self.stop.set()
        self.join()
        return self.peak


class Cluster:
    def __init__(self, executors, slots=1):
        self.procs = []
        self.driver = self.start(["driver", "--listen", "127.0.0.1:0", "--web", "none"], r"driver=(\S+)")
        for _ in range(executors):
            self.start(["executor", "--driver", self.driver, "--slots", str(slots)], r"executor=(\S+)")

    def start(self, args, ready):
        p = subprocess.Popen([DROVER] + args, stdout=subprocess.PIPE, text=True)
        self.procs.append(p)
        line = p.stdout.readline()
        m = re.search(ready, line)
        if not m:
            raise RuntimeError(f"drover {args[0]} said: {line!r}")
        return m.group(1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for p in reversed(self.procs):
            p.terminate()
        for p in self.procs:
            p.wait()


def drover_sql(args, text, peak=None):
    """Runs statements; their times in seconds and their outputs."""
    p = subprocess.Popen([DROVER, "sql", "--format", "jsonl", "--timing"] + args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    sampler = PeakPss([p.pid] + peak) if peak is not None else None
    out, err = p.communicate(text)
    if sampler:
        drover_sql.peak = sampler.end()
    docs = [json.loads(line) for line in out.splitlines()]
    failed = [d for d in docs if "error" in d]
    if p.returncode != 0 or failed:
        raise RuntimeError(f"drover sql failed: {failed or err}")
    return [float(t) for t in re.findall(r"^time ([\d.]+) s$", err, re.M)], docs


def best(runs):
    return [min(t) for t in zip(*runs)]


def duckdb_run(folder, threads, peak=False):
    p = subprocess.Popen([sys.executable, "-c", DUCKDB, os.path.dirname(os.path.dirname(os.path.abspath(__file__))), folder, str(threads)],
                         stdout=subprocess.PIPE, text=True)
    sampler = PeakPss([p.pid]) if peak else None
    out = p.communicate()[0]
    if sampler:
        duckdb_run.peak = sampler.end()
    if p.returncode:
        raise RuntimeError("DuckDB failed")
    return [float(line.split()[1]) for line in out.splitlines()]


def bench_tpch(runs, scale):
    folder = tpch.data(scale)
    text = tpch.views(folder) + "".join(tpch.queries().values())
    duck, embedded, cluster = [], [], []
    print(f"TPC-H SF {scale}: {runs} runs of each engine in turn", flush=True)
    with Cluster(2) as c:
        for _ in range(runs):
            duck.append(duckdb_run(folder, 2))
            embedded.append(drover_sql(["--slots", "2"], text)[0][len(tpch.TABLES):])
            cluster.append(drover_sql(["--driver", c.driver], text)[0][len(tpch.TABLES):])
    duck, embedded, cluster = best(duck), best(embedded), best(cluster)
    print("  query   DuckDB 2 threads   embedded 2 slots   ratio   two executors   ratio")
    for i, (d, e, t) in enumerate(zip(duck, embedded, cluster), 1):
        print(f"  Q{i:<5} {d:14.3f} s {e:16.3f} s {e / d:8.2f} {t:13.3f} s {t / d:7.2f}")
    print(f"  total  {sum(duck):14.3f} s {sum(embedded):16.3f} s {sum(embedded) / sum(duck):8.2f} {sum(cluster):13.3f} s {sum(cluster) / sum(duck):7.2f}")
    worst = max((e / d, i) for i, (d, e) in enumerate(zip(duck, embedded), 1))
    ratio = sum(embedded) / sum(duck)
    report("TPC-H embedded, 2 slots / DuckDB, 2 threads", f"{ratio:.2f}", "<= 1.5", ratio <= 1.5, f"{sum(embedded):.2f} s / {sum(duck):.2f} s")
    report("TPC-H embedded, slowest query / DuckDB", f"{worst[0]:.2f}", "<= 3", worst[0] <= 3, f"Q{worst[1]}")
    ratio = sum(cluster) / sum(duck)
    report("TPC-H two one-slot executors over TCP / DuckDB, 2 threads", f"{ratio:.2f}", "<= 2.2", ratio <= 2.2,
           f"{sum(cluster):.2f} s / {sum(duck):.2f} s")


def bench_memory(scale):
    folder = tpch.data(scale)
    text = tpch.views(folder) + "".join(tpch.queries().values())
    duckdb_run(folder, 2, peak=True)
    drover_sql(["--slots", "2"], text, peak=[])
    embedded = drover_sql.peak
    with Cluster(2) as c:
        drover_sql(["--driver", c.driver], text, peak=[p.pid for p in c.procs])
    ratio = embedded / duckdb_run.peak
    report("peak memory of the TPC-H run, embedded / DuckDB (PSS)", f"{ratio:.2f}", "<= 1.5", ratio <= 1.5,
           f"{embedded:.0f} MiB / {duckdb_run.peak:.0f} MiB")
    ratio = drover_sql.peak / duckdb_run.peak
    report("peak memory of the TPC-H run, driver and two executors / DuckDB", f"{ratio:.2f}", "<= 1.5", ratio <= 1.5,
           f"{drover_sql.peak:.0f} MiB / {duckdb_run.peak:.0f} MiB")


def bench_latency():
    folder = tpch.data("0.1")
    warm = drover_sql([], "SELECT 1;\n" * 200)[0][20:]
    nation = drover_sql([], tpch.views(folder) + "SELECT count(*), min(n_name) FROM nation;\n" * 200)[0][len(tpch.TABLES) + 20:]
    cold = []
    for _ in range(20):
        t = time.perf_counter()
        subprocess.run([DROVER, "sql", "SELECT 1"], check=True, stdout=subprocess.DEVNULL)
        cold.append((time.perf_counter() - t) * 1e3)
    ms = sorted(warm)[len(warm) // 2] * 1e3
    report("SELECT 1, warm, median", f"{ms:.2f} ms", "<= 2 ms", ms <= 2)
    ms = sorted(cold)[len(cold) // 2]
    report("SELECT 1, the whole cold command, median", f"{ms:.1f} ms", "<= 50 ms", ms <= 50)
    ms = sorted(nation)[len(nation) // 2] * 1e3
    report("count and min over nation.parquet, warm, median", f"{ms:.2f} ms", "<= 4 ms", ms <= 4)
    with Cluster(2) as c:
        time.sleep(1)
        rss = max(int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p.pid}/status").read()).group(1)) for p in c.procs[1:]) / 1024
        report("an idle executor's resident memory", f"{rss:.1f} MiB", "<= 10 MiB", rss <= 10)


def bench_tasks(runs):
    query = "SELECT count(*), sum(id) FROM range(0, 100000, 1, 100000);\n"
    with Cluster(2) as c:
        times, docs = drover_sql(["--driver", c.driver], query * (runs + 1))
        if docs[-1]["rows"] != [["100000", "4999950000"]]:
            raise RuntimeError(f"wrong rows: {docs[-1]}")
        stages = json.loads(subprocess.run([DROVER, "stages", "--driver", c.driver, "--json"], check=True, capture_output=True, text=True).stdout)
        stage = max((s for s in stages if s["numTasks"] >= 100000), key=lambda s: s["jobId"] if "jobId" in s else s["stageId"])
        rate = 100000 / min(times)
        report("tasks of range(0, 100000, 1, 100000), two executors over TCP", f"{rate:,.0f}/s", ">= 50,000/s", rate >= 50000,
               f"{stage.get('numCompleteTasks')} attempts in /stages; launch to result p50 {stage.get('launchToResultP50Us', '?')} us, "
               f"p99 {stage.get('launchToResultP99Us', '?')} us")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("parts", nargs="*")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--scale", default="1")
    a = ap.parse_args()
    parts = a.parts or ["tpch", "memory", "latency", "tasks"]
    import duckdb
    print(f"Drover beside DuckDB {duckdb.__version__} on {os.cpu_count()} cores, {open('/proc/cpuinfo').read().split('model name')[1].split(chr(10))[0].strip(' :' + chr(9))}")
    if "tpch" in parts:
        bench_tpch(a.runs, a.scale)
    if "memory" in parts:
        bench_memory(a.scale)
    if "latency" in parts:
        bench_latency()
    if "tasks" in parts:
        bench_tasks(a.runs)
    width = max(len(line[0]) for line in lines)
    print("\n" + "\n".join(f"{w:<{width}}  {v:>12}  {t:>12}  {r}  {d}" for w, v, t, r, d in lines))


main()

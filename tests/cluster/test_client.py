"""Clients that are slow, go away, change their mind, or are many; the driver that goes away and comes back."""
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import threading
import time

import wire
from harness import DROVER, SLOW, SPREAD, Cluster, check, finish, tpch_of, wait_until
from test_loss import SHUFFLE, SLOW_ANSWER, SLOW_QUERY, running, shuffle_rows

ENDLESS = "SELECT * FROM range(1000000000)"


def started(c, p):
    """A query is running for this client."""
    wait_until(lambda: p.poll() is not None or any(j["status"] == "RUNNING" for j in c.status("jobs")), what="the job")
    check(p.poll() is None, "it ended at once")


def gone(c):
    wait_until(lambda: all(j["status"] != "RUNNING" for j in c.status("jobs")) and c.idle(), 90, "the job to end")


def test_slow_reader():
    """A billion rows, many small partitions or few large ones, to one who reads a little: nobody's memory grows with it."""
    worst = {}
    for sql in (ENDLESS, "SELECT id, id * 7 FROM range(0, 1000000000, 1, 4000)"):
        with Cluster(2, memory="1g") as c:
            before = {d.name: d.rss() for d in [c.driver, *c.executors]}
            p = c.client(sql, ["--format", "tsv"])
            started(c, p)
            for _ in range(40):
                p.stdout.read(20000)
                time.sleep(0.1)
            for d in [c.driver, *c.executors]:
                grown = d.rss() - before[d.name]
                kind = d.name.rstrip("0123456789")
                worst[kind] = max(worst.get(kind, 0), grown)
                check(grown < SLOW * (192 << 20), d.name, "grew by", grown >> 20, "MiB")
            rows, error, _ = c.sql("SELECT 1 + 1")
            check(rows == [["2"]], "beside it:", error)
            p.stdout.close()  # as `head` does
            p.wait(timeout=60 * SLOW)
            gone(c)
            wait_until(lambda: all(e["memoryUsed"] < 1 << 20 for e in c.live()), what="memory to be given back")
    return f"({', '.join(f'{k} +{v >> 20} MiB' for k, v in worst.items())})"


def test_client_killed():
    """Its query runs out after the time in which it might come back; here it is told apart from one that works."""
    with Cluster(1) as c:
        p = c.client(ENDLESS, ["--format", "tsv"])
        p.stdout.read(100000)
        p.kill()
        p.wait()
        with wire.Peer(c.address) as w:  # it can be ended before
            job = c.last_job()["jobId"]
            w.send("KILL_JOB", wire.message(f1=job), id=1)
            body, _ = w.wait("KILL_REPLY")
            check(body[1] == [1], body)
        gone(c)
        rows, error, _ = c.sql(SHUFFLE)
        check(rows == shuffle_rows(), error)


def test_client_killed_while_planning():
    t = tpch_of()
    rng = random.Random(3)
    big = t.views + "SELECT count(*) FROM " + " JOIN ".join(["lineitem l0"] + [f"orders o{i} ON o{i}.o_orderkey = l0.l_orderkey" for i in range(40)])
    with Cluster(1) as c:
        for _ in range(15):
            p = c.client(big)
            time.sleep(rng.uniform(0.0, 0.1))
            p.kill()
            p.wait()
        for j in c.status("jobs"):
            if j["status"] == "RUNNING":
                subprocess.run([DROVER, "kill", str(j["jobId"]), "--driver", c.address], capture_output=True)
        gone(c)
        rows, error, _ = c.sql(SHUFFLE)
        check(rows == shuffle_rows(), error)


def test_cancelled_while_a_schema_is_inferred():
    """Reading all of a large folder for its schema ends with its statement; else the next ones would find no planner."""
    with tempfile.TemporaryDirectory(prefix="drover-infer-") as tmp, Cluster(1) as c:
        for form, row in (("csv", "1,2.5,abc,2024-01-01\n"), ("json", '{"a":1,"b":2.5,"c":"abc"}\n')):
            os.mkdir(f"{tmp}/{form}")
            with open(f"{tmp}/{form}/0.{form}", "w") as f:
                f.write(row * 200000)
            for i in range(1, 2000): # many times the same file: minutes of reading
                os.link(f"{tmp}/{form}/0.{form}", f"{tmp}/{form}/{i}.{form}")
            statement = f"CREATE TEMPORARY VIEW v USING {form} OPTIONS (path '{tmp}/{form}', inferSchema true)"
            clients = [c.client(statement) for _ in range(6)]
            time.sleep(0.5)
            for p in clients:
                p.send_signal(signal.SIGINT)
            for p in clients:
                _, error, _ = finish(p, 30 * SLOW)
                check(error and error["errorClass"] == "OPERATION_CANCELED", error)
            rows, error, _ = c.sql(SHUFFLE, timeout=30 * SLOW)
            check(rows == shuffle_rows(), error)


def test_ctrl_c():
    """Cancels the statement and not the session: with --keep-going the next one runs."""
    with Cluster(1) as c:
        p = c.client(SLOW_QUERY + ";" + SHUFFLE, [*SPREAD, "--keep-going"])
        running(c)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60 * SLOW)
        docs = [json.loads(l) for l in out.splitlines()]
        check(docs[0]["error"]["errorClass"] == "OPERATION_CANCELED", docs[0])
        check(docs[1]["rows"] == shuffle_rows(), docs[1])
        gone(c)


def test_what_a_cancelled_query_spilled_goes():
    """Outputs beyond a quarter of the memory lie in an unnamed file a stage: none stays open, whenever the query was cancelled."""
    with Cluster(1, memory="64m") as c:
        e = c.executors[0]
        spilling = lambda: any(f.endswith("(deleted)") for f in e.open_files())
        seen = 0
        for wait in (0, 0.02, 0.05, 0.1, 0.2, 0.4):
            p = c.client("SELECT count(*) FROM (SELECT s, count(*) FROM (SELECT concat('a text that makes rows wide enough to be spilled ', id) AS s "
                         "FROM range(0, 1000000, 1, 40)) GROUP BY s)", SPREAD)
            wait_until(lambda: spilling() or p.poll() is not None, what="a spill")
            seen += spilling()
            time.sleep(wait)
            p.kill()
            p.wait()
            wait_until(lambda: c.idle() and spilling() == 0, what="the spilled outputs to go")
        check(seen > 0, "nothing was spilled")
        return f"({seen} of 6 queries had spilled when they were cancelled)"


def test_many_statements_leave_little():
    """Thousands in one session: what the driver keeps of each is its line for the page, not its plan and its results."""
    text = "SELECT n % 3, count(*) FROM (SELECT id n FROM range(0, 1000, 1, 4)) GROUP BY 1;\nCREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1 a;\nSELECT nosuch;\n"
    with Cluster(1) as c:
        before = c.driver.rss()
        p = c.client(text * 1000, ["--keep-going"], stdout=subprocess.DEVNULL)
        p.wait(timeout=120 * SLOW)
        grown = (c.driver.rss() - before) >> 20
        check(grown < 24 or SLOW != 1, "the driver grew by", grown, "MiB") # a sanitizer keeps what is freed
        return f"+{grown} MiB"


def test_drover_kill():
    with Cluster(1) as c:
        p = c.client(SLOW_QUERY, SPREAD)
        running(c)
        job = c.last_job()["jobId"]
        k = subprocess.run([DROVER, "kill", str(job), "--driver", c.address], capture_output=True, text=True)
        check(k.returncode == 0 and f"job {job} killed" in k.stdout, k)
        rows, error, _ = finish(p)
        check(error and error["errorClass"] == "OPERATION_CANCELED" and "by drover kill" in error["message"] and p.returncode == 1, error)
        gone(c)
        k = subprocess.run([DROVER, "kill", str(job), "--driver", c.address], capture_output=True, text=True)
        check(k.returncode == 1, k)


def test_cancelled_at_any_moment():
    """Everything is given back whenever the cancel comes."""
    t, rng = tpch_of(), random.Random(5)
    with Cluster(2) as c:
        for n in (1, 5, 9, 13, 18, 21):
            for _ in range(3):
                p = c.client(t.views + t.queries[n], SPREAD)
                time.sleep(rng.uniform(0, 0.15))
                if p.poll() is None:
                    p.send_signal(signal.SIGINT)
                p.communicate(timeout=60 * SLOW)
        gone(c)
        wait_until(lambda: all(e["memoryUsed"] == 0 for e in c.live()), what="memory to be given back")
        rows, error, _ = c.sql(t.views + t.queries[9])
        t.check(9, rows, error)


def test_fifty_clients():
    t = tpch_of()
    with Cluster(2) as c:
        failures = []

        def one(i):
            n = (6, 14, 1, 12, 19)[i % 5]
            try:
                rows, error, _ = c.sql(t.views + t.queries[n] if i % 2 else f"SELECT {i} + 1", timeout=300)
                if i % 2:
                    t.check(n, rows, error)
                else:
                    check(rows == [[str(i + 1)]], error)
            except Exception as e:
                failures.append(e)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(50)]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        check(not failures, len(failures), "failed:", failures[:1])
        wait_until(lambda: c.status("connections")["open"] == 5, what="the connections to go")


def test_driver_killed_and_back():
    """Nothing hangs: clients say what happened, executors come back to the next driver as new ones."""
    with Cluster(2) as c:
        p = c.client(SLOW_QUERY, SPREAD)
        running(c)
        ids = {e.ready["executor"] for e in c.executors}
        c.driver.signal(signal.SIGKILL)
        c.driver.proc.wait()
        out, err = p.communicate(timeout=60 * SLOW)
        check(p.returncode == 3 and "the connection to" in out + err, p.returncode, out, err)
        time.sleep(1)
        check(all(e.proc.poll() is None for e in c.executors), "an executor ended with its driver")
        for e in c.executors:
            check(e.read().count("the connection ended with the driver") == 1, e.read())
        cpu = [sum(map(int, open(f"/proc/{e.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])) for e in c.executors]
        time.sleep(1)
        check(all(sum(map(int, open(f"/proc/{e.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])) - a < 20 for e, a in zip(c.executors, cpu)),
              "they go on working, or try in a tight loop")
        c.start_driver(listen=c.address)
        for e in c.executors:
            e.wait_ready(2)
        rows, error, _ = c.sql(SHUFFLE)
        check(error is None and rows == shuffle_rows(), error)
        # What the executors hold comes with heartbeats, one of which may be from the middle of the query.
        wait_until(lambda: len(live := c.live()) == 2 and all(e["memoryUsed"] == 0 for e in live), what="two executors that hold nothing")


def test_no_driver():
    with Cluster() as c:
        c.driver.kill()
        p = subprocess.run([DROVER, "sql", "--driver", c.address, "SELECT 1"], capture_output=True, text=True, timeout=60)
        check(p.returncode == 3 and c.address in p.stderr, p)
        e = c.start_executor(wait=False)
        wait_until(lambda: "no connection to the driver" in e.read(), what="the executor to say so")
        check(e.stop() == 0, "it does not stop while it has no driver")


def test_nothing_is_left_behind():
    """Daemons that are told to stop end with exit code 0 in the middle of work; an embedded command takes its processes along."""
    with Cluster(2) as c:
        p = c.client(SLOW_QUERY, SPREAD)
        running(c)
        for d in [c.executors[0], c.driver, c.executors[1]]:
            check(d.stop() == 0, d.name, "ended with", d.proc.returncode)
        p.communicate(timeout=60 * SLOW)
        check(p.returncode == 3, p.returncode)
    p = subprocess.Popen([DROVER, "sql", "--executors", "2", SLOW_QUERY], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kids = wait_until(lambda: len(k := open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()) == 3 and k, what="processes")
    p.kill()
    p.wait()
    wait_until(lambda: not any(os.path.exists(f"/proc/{k}") for k in kids), what="its processes to end")

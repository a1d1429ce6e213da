"""The command line as its users meet it: formats, exit codes, streaming, signals, the shell in a pseudo-terminal.
Functions called test_* below, each with processes of its own. run.py [PART OF A NAME...]; TESTS=... does the same."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "cluster"), os.path.dirname(HERE)]
from harness import DROVER, SLOW, Cluster, Failure, _die_with_parent, check, wait_until  # noqa: E402
import runner  # noqa: E402

LONG = "select count(*) from (select id % 7 n from range(0, 100000000000, 1, 64)) where n = 8"


def start(*args, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([DROVER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_die_with_parent, **kw)


def run(*args, text=None):
    """(exit code, standard output, standard error)."""
    p = start(*args, stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL)
    out, err = p.communicate(text.encode() if text is not None else None, timeout=60 * SLOW)
    return p.returncode, out.decode(), err.decode()


def sql(*args, text=None):
    return run("sql", *args, text=text)


def equal(got, want):
    check(got == want, "got", repr(got), "and not", repr(want))


# ---- formats ----

def test_jsonl(_):
    code, out, err = sql("--format", "jsonl", "-e", "select 1 as `a b`, null n, true t, 1.50 d; ; /* nothing */ ;create temporary view v as select 'x\"y' s",
                         "-e", "select s, date '2024-02-29' from v", "--keep-going", "-e", "select 1 where false; select nope")
    docs = [json.loads(line) for line in out.splitlines()]
    equal([d["statement"] for d in docs], [1, 2, 3, 4, 5])
    equal([d.get("schema") for d in docs], ["struct<a b:int,n:void,t:boolean,d:decimal(3,2)>", "struct<>", "struct<s:string,DATE '2024-02-29':date>", "struct<1:int>", None])
    equal([d.get("rows") for d in docs], [[["1", None, "true", "1.50"]], [], [['x"y', "2024-02-29"]], [], None])
    check(all(set(d) == {"statement", "schema", "rows", "timeMs"} and isinstance(d["timeMs"], float) for d in docs[:4]), docs)
    e = docs[4]["error"]
    equal(set(e), {"errorClass", "sqlState", "messageParameters", "queryContext", "message"})
    equal((e["errorClass"].split(".")[0], e["sqlState"]), ("UNRESOLVED_COLUMN", "42703"))
    check(e["queryContext"][0]["fragment"] == "nope", e)
    equal((code, err), (1, ""))


def test_other_formats(_):
    q = "select col1 id, col2 s, col3 d from values (1, 'a,\"b', 1.5D), (2, 'x\ty', null), (3, '', cast('NaN' as double)) order by id"
    equal(sql("--format", "csv", q)[1], 'id,s,d\n1,"a,""b",1.5\n2,x\ty,\n3,"",NaN\n')
    equal(sql("--format", "tsv", q)[1], 'id\ts\td\n1\ta,"b\t1.5\n2\tx\\ty\t\\N\n3\t\tNaN\n')
    equal(json.loads(sql("--format", "json", q)[1]), [{"id": 1, "s": 'a,"b', "d": 1.5}, {"id": 2, "s": "x\ty", "d": None}, {"id": 3, "s": "", "d": "NaN"}])
    equal(sql("--format", "table", "select 7 as n, 'left' as text")[1], "+---+------+\n| n | text |\n+---+------+\n| 7 | left |\n+---+------+\n")
    check("\\n" not in sql("--format", "table", "explain select 1")[1], "plans are lines")


def test_time_zone(_):
    q = "select timestamp '2024-07-01 00:00:00Z'"
    code, out, err = sql("--format", "jsonl", f"set spark.sql.session.timeZone=Asia/Tokyo; {q}; set spark.sql.session.timeZone=UTC; {q}")
    docs = [json.loads(line) for line in out.splitlines()]
    equal([docs[1]["rows"], docs[3]["rows"]], [[["2024-07-01 09:00:00"]], [["2024-07-01 00:00:00"]]])


# ---- where statements come from ----

def test_order_and_files(_):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as f:
        f.write("select 'file' -- the end; of it\n; select 'twice'")
        f.flush()
        code, out, err = sql("--format", "jsonl", "select 'first'", "-f", f.name, "-e", "select 'last'")
    equal([json.loads(line)["rows"][0][0] for line in out.splitlines()], ["first", "file", "twice", "last"])


def test_stdin_streams(_):
    """Each statement runs when its ';' has come; the end of input ends the last one."""
    p = start("sql", "--format", "jsonl", stdin=subprocess.PIPE)
    p.stdin.write(b"select 1; sel")
    p.stdin.flush()
    check(json.loads(p.stdout.readline())["rows"] == [["1"]], "before the input ended")
    p.stdin.write(b"ect ';' as s;\n")
    p.stdin.flush()
    check(json.loads(p.stdout.readline())["rows"] == [[";"]], "a ';' in a string ends nothing")
    p.stdin.write(b"select 3")
    out, err = p.communicate(timeout=60 * SLOW)
    check(json.loads(out)["rows"] == [["3"]] and p.returncode == 0, out, err)


def test_rows_stream_and_a_closed_pipe(_):
    """Rows come while the query still runs, within the line; when nobody reads on, it ends without a word."""
    p = start("sql", "--format", "jsonl", "select id, 'some text that takes room' from range(0, 10000000000, 1, 4)")
    head = b""
    while len(head) < 200000:
        head += os.read(p.stdout.fileno(), 65536)
    check(head.startswith(b'{"statement":1,"schema":"struct<id:bigint,') and b"\n" not in head and p.poll() is None, head[:200])
    p.stdout.close()
    err = p.stderr.read()
    p.wait(timeout=60 * SLOW)
    equal(err, b"")


# ---- exit codes, words of advice ----

def test_exit_codes(_):
    equal(sql("select 1")[0], 0)
    equal(sql("select 1/0; select 2")[:2], (1, ""))
    equal(sql("--keep-going", "--format", "csv", "select 1/0; select 2 as b")[:2], (1, "b\n2\n"))
    cases = [(("sql", "--frmat", "csv"), 2, "--format"), (("slq", "select 1"), 2, "sql"), (("sql", "-f", "/nowhere/x.sql"), 2, "/nowhere/x.sql"),
             (("sql", "--conf", "drover.batch.row=3", "select 1"), 2, "drover.batch.rows"), (("sql", "--conf", "novalue"), 2, "KEY=VALUE"),
             (("sql", "--driver", "127.0.0.1:1", "--slots", "2", "select 1"), 2, "--slots"), (("sql", "--format", "xml", "select 1"), 2, "jsonl"),
             (("sql", "--slots", "0", "select 1"), 2, "--slots"), (("jobs",), 2, "--driver"), (("kill", "--driver", "127.0.0.1:1", "x"), 2, "number of a job"),
             (("submit", "x.py", "--driver", "127.0.0.1:1"), 2, ".sql"), (("sql", "-e"), 2, "-e needs a value"),
             (("sql", "--driver", "127.0.0.1:1", "select 1"), 3, "127.0.0.1:1"), (("sql", "--driver", "no.such.host.invalid:7077", "select 1"), 3, "no.such.host.invalid"),
             (("jobs", "--driver", "127.0.0.1:1"), 3, "connection refused")]
    for args, want, hint in cases:
        code, out, err = run(*args)
        check(code == want and hint in err and out == "", args, code, repr(out), err)
    return f"{len(cases)} ways to be wrong"


def test_proposals(_):
    """Slips of the hand are understood; what shares little with everything is not said to be near anything."""
    cases = [(("sql", "select cuont(1)"), "count"), (("sql", "select CUONT(1)"), "count"), (("sql", "select no_such_function(1)"), None), (("nosuch",), None), (("sqll",), "sql"),
             (("exlpain", "x"), "explain"), (("sql", "--fromat=csv"), "--format"), (("sql", "--quux"), None), (("sql", "--conf", "drover.nosuch=1", "select 1"), None),
             (("sql", "--conf", "spark.sql.ansi.enalbed=false", "select 1"), "spark.sql.ansi.enabled"), (("sql", "--conf", "spark.some.thing.else=1", "select 1"), None)]
    for args, want in cases:
        err = run(*args)[2]
        check(re.search(rf"; the nearest is {want}\b", err) if want else "nearest" not in err and "lists what there is" in err, args, want, err)


def test_settings_warn_once(_):
    code, out, err = sql("--conf", "spark.sql.shufle.partitions=3", "select 1; select 2")
    check(code == 0 and err.count("spark.sql.shufle.partitions") == 1 and "spark.sql.shuffle.partitions" in err, err)
    equal(sql("--conf", "spark.sql.shuffle.partitions=3", "select 1")[2], "")


def test_caret_and_timing(_):
    code, out, err = sql("--timing", "select 1;\nselect 1,\n  nope")
    check(re.search(r"^time \d+\.\d{4} s$", err, re.M) and err.count("time ") == 2, err)
    check(re.search(r"line 2, column 3:\n.*nope\n\s+\^\^\^\^$", err, re.M), "the place, by a caret", err)


def test_help(_):
    code, out, err = run("help")
    commands = re.findall(r"^  drover (\w+)", out, re.M)
    check({"sql", "submit", "driver", "executor", "jobs", "stages", "executors", "kill", "config", "explain"} <= set(commands), out)
    for c in commands:
        code, text, err = run(c, "--help")
        check(code == 0 and f"drover {c}" in text and "--help" in text and run("help", c)[1] == text, c, text)
        for name, doc in re.findall(r"^ +--(driver|format) \S+ +(.*)$", text, re.M):
            word = "tsv otherwise" if name == "format" else "embedded" if c in ("sql", "submit", "explain") else "for its settings" if c == "config" else "needed"
            check(word in doc, c, doc)
    check(re.search(r"^Exit codes: 0 .* 1 .* 2 .* 3 ", out, re.M), out)
    code, text, err = run("--version")
    check(code == 0 and re.fullmatch(r"drover \d+\.\d+ \(Spark SQL \d+\.\d+\.\d+\)\n", text) and err == "", code, text, err)
    equal(run()[0], 2)
    rows = json.loads(run("config", "--json")[1])
    check(any(r["key"] == "spark.sql.shuffle.partitions" for r in rows), rows)


# ---- looking at a driver ----

def test_look(_):
    with Cluster(executors=1, slots=2) as c:
        at = ["--driver", c.address]
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as f:
            f.write("select sum(id) from range(0, 1000, 1, 8); select 1/0")
            f.flush()
            code, out, err = run("submit", f.name, *at, "--conf", "drover.plan.single=false")
        check(code == 1 and "499500" in out and "DIVIDE_BY_ZERO" in err and c.web in err, code, out, err)
        for word in ("jobs", "stages", "executors", "config"):
            code, out, err = run(word, "--json", *at)
            with urllib.request.urlopen(f"http://{c.web}/api/v1/{word}") as r:
                rest = json.loads(r.read())
            drop = {"residentBytes", "heartbeatAgeMs", "memoryUsed", "memoryMetrics", "peakMemoryMetrics", "submissionTime", "completionTime", "addTime", "firstTaskLaunchedTime"}
            strip = [{k: v for k, v in row.items() if k not in drop} for row in rest]
            equal([{k: v for k, v in row.items() if k not in drop} for row in json.loads(out)], strip)
            code, out, err = run(word, *at)
            check(code == 0 and len(out.splitlines()) == len(rest) + 1 and out[0].isupper(), out)
        job = json.loads(run("jobs", "--json", *at)[1])[0]["jobId"]
        check(all(s["jobId"] == job for s in json.loads(run("stages", str(job), "--json", *at)[1])), "stages of one job")
        for word in ("jobs", "stages"):
            for args in ((), ("--json",)):
                code, out, err = run(word, "999999", *args, *at)
                check(code == 1 and out == "" and "no job 999999" in err, word, args, code, out, err)
        p = c.client(LONG, ["--conf", "drover.plan.single=false"])
        running = wait_until(lambda: [j["jobId"] for j in c.status("jobs") if j["status"] == "RUNNING"], 20, "the job to run")[0]
        equal(run("kill", str(running), *at)[:2], (0, f"job {running} killed\n"))
        out, err = p.communicate(timeout=60 * SLOW)
        check(p.returncode == 1 and json.loads(out)["error"]["errorClass"] == "OPERATION_CANCELED", out, err)
        equal(run("kill", "999999", *at)[0], 1)
        p = c.client(LONG, ["--conf", "drover.plan.single=false"])
        running = wait_until(lambda: [j["jobId"] for j in c.status("jobs") if j["status"] == "RUNNING"], 20, "the job to run")[0]
        code, out, err = run("kill", str(running), "999999", "--json", *at)
        check(code == 1 and json.loads(out) == {"killed": [running]} and "999999" in err, code, out, err)
        p.communicate(timeout=60 * SLOW)
        check("== Physical Plan ==" in run("explain", "select 1", *at)[1], "a plan")


def test_statements_in_the_table_of_jobs(_):
    """Without the comments before them; cut on a terminal, whole elsewhere."""
    with Cluster(executors=1) as c:
        at = ["--driver", c.address]
        text = "select count(*), '" + "x" * 300 + "' from range(0, 1000)"
        equal(sql(*at, "-e", f"-- who; asks\n /* and /* why */ */\n{text}")[0], 0)
        line = run("jobs", *at)[1].splitlines()[1]
        check(line.endswith("  " + text), line)
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        p = subprocess.Popen([DROVER, "jobs", *at], stdin=subprocess.DEVNULL, stdout=side, preexec_fn=_die_with_parent)
        os.close(side)
        shown = b""
        try:
            while piece := os.read(main, 65536):
                shown += piece
        except OSError:  # the other side is closed
            pass
        os.close(main)
        p.wait()
        lines = shown.decode().splitlines()
        check(len(lines) == 2 and len(lines[1]) == 100 and "  select count(*), 'xx" in lines[1] and lines[1].endswith("..."), shown)


def test_running_is_at_most_the_slots(_):
    """Attempts wait ahead on an executor; what is shown as running has a slot."""
    with Cluster(executors=1, slots=1) as c:
        p = c.client(LONG, ["--conf", "drover.plan.single=false"])
        wait_until(lambda: c.last_job()["numActiveTasks"] > 1 if c.status("jobs") else False, 20, "attempts that wait ahead")
        executor = json.loads(run("executors", "--json", "--driver", c.address)[1])[0]
        equal((executor["activeTasks"], executor["totalCores"]), (1, 1))
        run("kill", str(c.last_job()["jobId"]), "--driver", c.address)
        p.communicate(timeout=60 * SLOW)


def test_explain(_):
    """Lines, whatever they are written to; as JSON one document with the same text."""
    query = "select count(*) from range(0, 1000) where id % 7 = 3"
    code, out, err = run("explain", query)
    check(code == 0 and out.startswith("== Physical Plan ==\n") and len(out.splitlines()) > 3 and "\\n" not in out, code, out, err)
    code, doc, err = run("explain", "--json", query)
    check(code == 0 and list(json.loads(doc)) == ["plan"] and doc.count("\n") == 1, code, doc, err)
    equal(json.loads(doc)["plan"].rstrip("\n"), out.rstrip("\n"))
    for args in ((), ("--json",)):
        code, out, err = run("explain", "select nope", *args)
        check(code == 1 and out == "" and "nope" in err, code, out, err)


def test_driver_settings(_):
    """What the driver was started with are the defaults of its sessions: their own --conf and SET win, RESET goes back."""
    key = "spark.sql.shuffle.partitions"
    with Cluster(executors=1, driver_args=["--conf", f"{key}=7", "--conf", "spark.sql.ansi.enabled=false"]) as c:
        def values(statements, *args):
            code, out, err = sql("--driver", c.address, "--format", "jsonl", *args, statements)
            check(code == 0 and err == "", code, out, err)
            return [dict(row[:2] for row in json.loads(line)["rows"]).get(key) for line in out.splitlines()]
        equal(values(f"set {key}; set -v; set"), ["7", "7", "7"])
        equal(values(f"set {key}=5; set {key}; reset {key}; set {key}; set {key}=6; reset; set {key}"), ["5", "5", None, "7", "6", None, "7"])
        equal(values(f"set {key}; set {key}=5; reset; set {key}", "--conf", f"{key}=9"), ["9", "5", None, "9"])
        equal(sql("--driver", c.address, "--format", "csv", "select 1/0 as n")[:2], (0, "n\n\n"))
        code, out, err = run("explain", "--driver", c.address, "--conf", "drover.plan.single=false", "select id % 5, count(*) from range(0, 100000, 1, 4) group by 1")
        check(": 7 tasks" in out, out)
    equal(sql("--format", "csv", "--conf", f"{key}=9", f"set {key}=5; reset; set {key}")[1].splitlines()[-1], f"{key},9")


def test_listening(_):
    """Ports in use and addresses that everybody reaches: one error, which says what else to do. Nothing was connected to."""
    with socket.create_server(("127.0.0.1", 0)) as taken, Cluster() as c:
        port = "127.0.0.1:%d" % taken.getsockname()[1]
        for args, address, advice in ((["driver", "--web", "none", "--listen", port], port, "port 0"), (["driver", "--listen", "127.0.0.1:0", "--web", port], port, "port 0"),
                                      (["driver", "--web", "none", "--listen", "0.0.0.0:0"], "0.0.0.0:0", "--secret-file"),
                                      (["driver", "--listen", "127.0.0.1:0", "--web", "0.0.0.0:0"], "0.0.0.0:0", "--secret-file"),
                                      (["driver", "--web", "none", "--listen", "nowhere"], "nowhere", "HOST:PORT"),
                                      (["executor", "--driver", c.address, "--listen", port], port, "port 0"),
                                      (["executor", "--driver", c.address, "--listen", "0.0.0.0:0"], "0.0.0.0:0", "--secret-file")):
            code, out, err = run(*args)
            check(code in (1, 2) and f"[DROVER_LISTEN] cannot listen on {address}: " in err and advice in err and out == "", args, code, out, err)
            check((code == 2) == (args[0] == "driver"), args, code)


def test_daemons(_):
    with tempfile.TemporaryDirectory() as state:
        with Cluster(driver_args=["--state", state]) as c:
            check(re.fullmatch(r"ready driver=127\.0\.0\.1:\d+ web=127\.0\.0\.1:\d+\n", c.driver.read("out")), c.driver.read("out"))
            e = c.start_executor(["--dir", os.path.join(state, "files")])
            check(re.fullmatch(r"ready executor=\d+\n", e.read("out")), e.read("out"))
            code, out, err = run("driver", "--listen", "127.0.0.1:0", "--web", "none", "--state", state)
            check(code == 2 and "another driver" in err, code, err)
            equal(run("driver", "--listen", c.address, "--web", "none")[0], 2)
            equal(run("driver", "--listen", "127.0.0.1:0", "--web", c.web)[0], 2)
            check("--secret-file" in run("driver", "--listen", "127.0.0.1:0", "--web", "0.0.0.0:0")[2], "the page stays on loopback")
            equal(e.stop(), 0)
            c.driver.signal(signal.SIGINT)
            equal(c.driver.proc.wait(timeout=30 * SLOW), 0)


# ---- what dies meanwhile ----

def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


def test_embedded_executor_dies(_):
    p = start("sql", "--format", "csv", "--slots", "1", "--conf", "drover.plan.single=false", "select count(*) as n from range(0, 4000000000, 1, 40)")
    executor = wait_until(lambda: len(children(p.pid)) == 2 and children(p.pid)[1], 20, "the children")
    time.sleep(0.2)
    os.kill(executor, signal.SIGKILL)
    out, err = p.communicate(timeout=120 * SLOW)
    check(p.returncode == 0 and out == b"n\n4000000000\n", p.returncode, out, err)
    lines = err.decode().splitlines()
    check(len(lines) == 1 and f"(pid {executor})" in lines[0] and "signal 9" in lines[0], lines)


def test_nothing_is_left(_):
    def alive(pid):
        return os.path.exists(f"/proc/{pid}") and "drover" in open(f"/proc/{pid}/comm").read() and "Z" not in open(f"/proc/{pid}/stat").read().split(")")[1][:3]
    for sign in (signal.SIGKILL, signal.SIGTERM):
        with tempfile.TemporaryDirectory(prefix="drover-left-") as tmp:
            p = start("sql", LONG, env={**os.environ, "TMPDIR": tmp})
            kids = wait_until(lambda: len(children(p.pid)) == 2 and children(p.pid), 20, "the children")
            wait_until(lambda: len(os.listdir(tmp)) == 1 and len(os.listdir(f"{tmp}/{os.listdir(tmp)[0]}")) == 2, 20, "the sockets of driver and executor")
            p.send_signal(sign)
            p.communicate()
            wait_until(lambda: not any(map(alive, kids)), 20, "the children to end with their parent")
            equal(os.listdir(tmp), [])


def test_plans_for_all_slots(_):
    """A first statement comes before the executors have said that they are there."""
    query = "explain select count(*) from range(0, 1000000000)"
    for args, tasks in ((("--slots", "16"), 64), (("--executors", "4", "--slots", "2"), 32)):
        for _ in range(5):
            code, out, err = sql(*args, "--format", "csv", query)
            check(code == 0 and f"Stage 0: {tasks} tasks" in out, args, out, err)


def test_driver_dies(_):
    with Cluster(executors=1) as c:
        p = c.client(LONG, ["--conf", "drover.plan.single=false"])
        wait_until(lambda: not c.idle(), 20, "attempts")
        c.driver.kill()
        out, err = p.communicate(timeout=60 * SLOW)
        check(p.returncode == 3 and c.address in err and "DROVER_CONNECTION_LOST" in err, p.returncode, out, err)
        c.daemons.remove(c.driver)


class Proxy(threading.Thread):
    """Passes bytes on to a port, and cuts every connection when told."""

    def __init__(self, to):
        super().__init__(daemon=True)
        host, port = to.split(":")
        self.to, self.pairs, self.passed = (host, int(port)), [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            a, _ = self.listener.accept()
            b = socket.create_connection(self.to)
            self.pairs.append((a, b))
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.pump, args=(x, y), daemon=True).start()

    def pump(self, x, y):
        try:
            while data := x.recv(65536):
                self.passed += len(data)
                y.sendall(data)
        except OSError:
            pass
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for a, b in self.pairs:
            for s in (a, b):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []


def test_comes_back(_):
    """A connection that breaks within the results is made anew; no row is lost or comes twice."""
    with Cluster(executors=1) as c:
        proxy = Proxy(c.address)
        p = start("sql", "--driver", proxy.address, "--format", "csv", "select id from range(0, 3000000, 1, 3)")
        lines, cuts, tail = [], 0, b""
        while chunk := os.read(p.stdout.fileno(), 1 << 16):
            tail += chunk
            *full, tail = tail.split(b"\n")
            lines += full
            if cuts < 3 and len(lines) > (cuts + 1) * 500000:
                cuts += 1
                proxy.cut()
        err = p.stderr.read().decode()
        check(p.wait() == 0 and cuts == 3 and "trying to come back" in err, p.returncode, cuts, err)
        check(lines[0] == b"id" and [int(x) for x in lines[1:]] == list(range(3000000)), len(lines), "rows")
    return f"{cuts} cuts"


# ---- the shell ----

class Terminal:
    def __init__(self, *args, env=None, width=100):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **(env or {})})
            os.execv(DROVER, [DROVER, *args])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        self.text = ""

    def expect(self, pattern):
        """Reads until the pattern comes; what stood before it and it are taken away."""
        end = time.monotonic() + 20 * SLOW
        while not (m := re.search(pattern, self.text)):
            if not select.select([self.fd], [], [], 0.1)[0]:
                if time.monotonic() > end:
                    raise Failure(f"waited for {pattern!r}; there is {self.text[-800:]!r}")
                continue
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                raise Failure(f"it ended before {pattern!r}: {self.text[-800:]!r}")
        before, self.text = self.text[:m.end()], self.text[m.end():]
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """The exit code."""
        try:
            while os.read(self.fd, 65536):
                pass
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_shell(_):
    with tempfile.TemporaryDirectory() as state:
        t = Terminal("sql", env={"XDG_STATE_HOME": state})
        t.expect("drover> ")
        t.type("select 40 +\n")
        t.expect("-> ")
        t.type(" 2 as answer;\n")
        check("answer" in t.expect(r"1 row \([\d.]+ m?s\)"), "a result")
        t.expect("drover> ")
        t.type("select 'it is\n")
        t.expect("'> ")
        t.type("dropped\x03")
        t.expect(r"\^C")
        t.expect("drover> ")
        t.type("create temporary view animals as select 1 legs_of_cow, 2 wings_of_hen;\n")
        t.expect("done")
        t.expect("drover> ")
        t.type("sel\t")
        t.expect("ect ")
        t.type("leg\t")
        t.expect("s_of_cow ")
        t.type("from an\t")
        t.expect("imals ")
        t.type(";\n")
        t.expect("1 row")
        t.type("select nope;\n")
        t.expect("UNRESOLVED_COLUMN")
        t.expect("drover> ")
        t.type("help;\n")
        t.expect("Tab completes")
        t.expect("drover> ")
        t.type(LONG + ";\n")
        t.expect(r"stage 0 .* running of ")
        t.type("\x03")
        t.expect("OPERATION_CANCELED")
        t.expect("drover> ")
        t.type("select 'still here';\n")
        t.expect(r"\| still here")
        t.expect("drover> ")
        t.type("\x04")
        equal(t.end(), 0)
        t = Terminal("sql", env={"XDG_STATE_HOME": state})
        t.expect("drover> ")
        t.type("\x1b[A")
        t.expect("still here")
        t.type("\x15exit;\n")
        equal(t.end(), 0)


def test_progress_goes_away(_):
    """On a terminal, and nothing of it in what the query leaves there."""
    t = Terminal("sql", "--conf", "drover.plan.single=false", "--format", "csv", "select sum(id % 7) as s from range(0, 400000000, 1, 60)")
    t.expect(r"stage \d+ +\[=*>* *\] \d+ done, \d+ running of 60")
    t.expect("\x1b\\[K(\x1b\\[A\x1b\\[K)*s\r\n1199999997")
    equal(t.end(), 0)


def test_waiting_for_an_executor_is_told(_):
    with Cluster() as c:
        t = Terminal("sql", "--driver", c.address, "--format", "csv", "select count(*) as n from range(0, 10, 1, 2)")
        t.expect("no executor is there: the job waits for one")
        c.start_executor()
        t.expect("n\r\n10")
        equal(t.end(), 0)


if __name__ == "__main__":
    sys.exit(runner.run("cli", [(k[5:], lambda f=f: f(None)) for k, f in list(globals().items()) if k.startswith("test_")]))

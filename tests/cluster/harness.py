"""Real daemons on loopback, for tests: started with kernel-chosen ports in a temporary folder, looked into through the
protocol and /proc, and gone at the end of the `with` whatever happens (they die with this process, too)."""
import ctypes
import decimal
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DROVER = os.environ.get("DROVER", os.path.join(ROOT, "build/drover"))
SLOW = 10 if os.environ.get("DROVER_SLOW") else 1  # sanitizers: everything takes longer
sys.path.insert(0, os.path.join(ROOT, "tests"))

# More stages, tasks and connections than the small data would have by itself; small outputs ride in completions.
RIDING = ["--conf", "drover.plan.single=false", "--conf", "spark.sql.shuffle.partitions=4"]
# And all outputs lie with their executors, to be fetched and lost.
SPREAD = [*RIDING, "--conf", "drover.shuffle.ride.max=0"]
POINTS = ["mid-map", "end-map", "after-map", "mid-fetch", "mid-serve", "mid-result", "mid-commit"]

_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)


class Failure(AssertionError):
    pass


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def wait_until(fn, seconds=20, what="it"):
    """The first true value of fn(); a failure when none comes. Generous: no test is about time. what: a text, or a function that makes it."""
    end = time.monotonic() + seconds * SLOW
    while True:
        v = fn()
        if v:
            return v
        if time.monotonic() > end:
            raise Failure(f"waited {seconds * SLOW} s for {what() if callable(what) else what}")
        time.sleep(0.01)


class Daemon:
    def __init__(self, cluster, name, args, env=None, prefix=()):
        self.name, self.ready = name, None
        self.out, self.err = (os.path.join(cluster.folder, f"{name}.{k}") for k in ("out", "err"))
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.proc = subprocess.Popen([*prefix, DROVER, *args], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                         env={**os.environ, **(env or {})}, preexec_fn=_die_with_parent)
        self.pid = self.proc.pid

    def read(self, which="err"):
        with open(self.err if which == "err" else self.out, errors="replace") as f:
            return f.read()

    def wait_ready(self, count=1):
        def look():
            lines = [l for l in self.read("out").splitlines() if l.startswith("ready ")]
            if len(lines) >= count:
                return dict(w.split("=", 1) for w in lines[count - 1].split()[1:])
            check(self.proc.poll() is None, self.name, "ended with", self.proc.poll(), "before it was ready:", self.read())
        self.ready = wait_until(look, 20, f"{self.name} to be ready")
        return self

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()

    def stop(self):
        """SIGTERM; the exit code."""
        if self.proc.poll() is None:
            self.proc.terminate()
        return self.proc.wait(timeout=30 * SLOW)

    def fired(self):
        return [l for l in self.read().splitlines() if l.startswith("drover: test point ")]

    def rss(self):
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(l.split()[1]) * 1024 for l in f if l.startswith("VmRSS"))

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def open_files(self):
        out = []
        for f in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                out.append(os.readlink(f"/proc/{self.pid}/fd/{f}"))
            except FileNotFoundError:  # closed meanwhile
                pass
        return out

    def settled_fds(self):
        """fds() once it stood still for a moment: what others closed, this process may still have to notice."""
        seen = []
        def still():
            seen.append(self.fds())
            return len(seen) > 30 and len(set(seen[-30:])) == 1
        wait_until(still, what=lambda: f"{self.name}'s file descriptors to stand still: {seen[-30:]}")
        return seen[-1]


class Cluster:
    def __init__(self, executors=0, slots=1, memory="1g", driver_args=(), points=None):
        self.folder = tempfile.mkdtemp(prefix="drover-test-")
        self.tokens = os.path.join(self.folder, "tokens")
        os.mkdir(self.tokens)
        self.daemons, self.executors, self.clients, self.number = [], [], [], 0
        self.slots, self.memory, self.points = slots, memory, points
        try:
            self.start_driver(driver_args)
            for _ in range(executors):
                self.start_executor(wait=False)
            for e in self.executors:
                e.wait_ready()
        except BaseException:
            self.close()
            raise

    def start_driver(self, args=(), listen="127.0.0.1:0"):
        self.number += 1
        self.driver = Daemon(self, f"driver{self.number}", ["driver", "--listen", listen, "--web", "127.0.0.1:0", "--log", "info", *args])
        self.daemons.append(self.driver)
        self.driver.wait_ready()
        self.address, self.web = self.driver.ready["driver"], self.driver.ready["web"]

    def start_executor(self, args=(), env=None, wait=True, driver=None, slots=None, memory=None, prefix=()):
        self.number += 1
        env = dict(env or {})
        if self.points:
            env = {"DROVER_TEST_POINT": ",".join(p + ":0:kill" for p in self.points), "DROVER_TEST_TOKENS": self.tokens, **env}
        e = Daemon(self, f"executor{self.number}",
                   ["executor", "--driver", driver or self.address, "--slots", str(slots or self.slots), "--memory", memory or self.memory,
                    *args], env, prefix)
        self.daemons.append(e)
        self.executors.append(e)
        return e.wait_ready() if wait else e

    def put_token(self, point):
        open(os.path.join(self.tokens, point), "w").close()

    def take_token(self, point):
        """True when a process took it, false when nobody passed the point."""
        try:
            os.unlink(os.path.join(self.tokens, point))
            return False
        except FileNotFoundError:
            return True

    def client(self, sql, args=(), stdout=subprocess.PIPE, driver=None):
        """A running `drover sql` over the text, jsonl by default."""
        text = tempfile.TemporaryFile(dir=self.folder)
        text.write(sql.encode())
        text.seek(0)
        fmt = [] if "--format" in args else ["--format", "jsonl"]
        p = subprocess.Popen([DROVER, "sql", "--driver", driver or self.address, *fmt, *args], stdin=text, stdout=stdout,
                             stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        text.close()
        self.clients.append(p)
        return p

    def sql(self, sql, args=SPREAD, timeout=120):
        """Runs statements: (rows of the last one, error of the last one or None, standard error)."""
        return finish(self.client(sql, args), timeout)

    def status(self, path):
        with wire.Peer(self.address) as p:
            p.send("STATUS_REQUEST", wire.message(f1=path), id=1)
            body, _ = p.wait("STATUS_REPLY")
            check(body[1][0] == 200, path, body[2][0])
            return json.loads(body[2][0])

    def last_job(self):
        return max(self.status("jobs"), key=lambda j: j["jobId"])

    def stages(self, job_id):
        return [s for s in self.status("stages") if s["jobId"] == job_id]

    def attempts(self, job_id):
        """(attempts, tasks) of a job."""
        st = self.stages(job_id)
        return sum(s["numAttempts"] for s in st), sum(s["numTasks"] for s in st)

    def live(self):
        return [e for e in self.status("executors") if e["isActive"]]

    def row(self, daemon):
        """The driver's newest entry of an executor, or None."""
        rows = [e for e in self.status("executors") if e["pid"] == daemon.pid]
        return max(rows, key=lambda e: int(e["id"])) if rows else None

    def idle(self):
        """No attempt runs anywhere."""
        return all(e["activeTasks"] == 0 for e in self.live())

    def lost_lines(self):
        return [l for l in self.driver.read().splitlines() if " was lost: " in l]

    def close(self):
        for p in self.clients:
            if p.poll() is None:
                p.kill()
                p.wait()
        for d in reversed(self.daemons):
            if d.proc.poll() is None:
                d.proc.send_signal(signal.SIGCONT)
                d.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, _):
        try:
            if kind is None:
                self.check_health()
            else:
                for d in self.daemons:
                    text = d.read().strip()
                    if text:
                        print(f"--- {d.name} ({d.proc.poll()}):\n" + "\n".join(text.splitlines()[-15:]), file=sys.stderr)
        finally:
            self.close()

    def check_health(self):
        """Nobody died of a bug: no assertion, no sanitizer's report, no signal that the test did not send."""
        for d in self.daemons:
            text = d.read()
            for word in ("assertion", "Sanitizer", "runtime error:"):
                check(word not in text, d.name, "says:", text[-3000:])
            check(d.proc.poll() in (None, 0, 1, 2, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT), d.name, "ended with", d.proc.poll(), text[-2000:])


def finish(p, timeout=120):
    out, err = p.communicate(timeout=timeout * SLOW)
    docs = [json.loads(l) for l in out.splitlines()]
    last = docs[-1] if docs else {}
    error = last.get("error")
    check(docs or p.returncode != 0, "no answer", err)
    return last.get("rows"), error or (None if docs else {"message": err, "errorClass": None}), err


# ---- answers to compare with ----

def _same_cell(a, b):
    if a is None or b is None:
        return a is b
    b = str(b)
    if a == b or (a in ("true", "false") and a == b.lower()):
        return True
    try:
        x, y = decimal.Decimal(a), decimal.Decimal(b)
    except decimal.InvalidOperation:
        return False
    scale = max(x.as_tuple().exponent, y.as_tuple().exponent)  # the coarser one; one unit there for another rounding
    return abs(x - y) <= max(decimal.Decimal(1).scaleb(scale), abs(y) * decimal.Decimal("3e-6"))


def _key(row):
    """An order that does not look at what rounding may change."""
    def cell(v):
        if v is None:
            return (0, "")
        try:
            return (1, f"{float(v):.2e}")
        except (ValueError, TypeError):
            return (2, str(v))
    return [cell(v) for v in row]


def same_rows(ours, theirs):
    """Ours are texts, theirs DuckDB's values; the order of rows is not looked at."""
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, not {len(theirs)}"
    for a, b in zip(sorted(ours, key=_key), sorted(theirs, key=_key)):
        if len(a) != len(b) or not all(_same_cell(x, y) for x, y in zip(a, b)):
            return f"{a} is not {b}"
    return None


class Tpch:
    """The 22 queries with DuckDB's rows over the same files."""

    def __init__(self, scale="0.1"):
        import duckdb
        import tpch
        self.folder = tpch.data(scale)
        self.queries, self.views = tpch.queries(), tpch.views(self.folder)
        con = duckdb.connect()
        tpch.duckdb_views(con, self.folder)
        self.answers = {n: con.execute(q).fetchall() for n, q in self.queries.items()}

    def check(self, n, rows, error, clean=None):
        check(error is None, f"Q{n} failed:", error)
        wrong = same_rows(rows, self.answers[n])
        check(wrong is None, f"Q{n} is not as DuckDB has it:", wrong)
        if clean is not None:
            check(sorted(map(str, rows)) == sorted(map(str, clean)), f"Q{n} differs from the run without faults")


_tpch = {}


def tpch_of(scale="0.1"):
    if scale not in _tpch:
        _tpch[scale] = Tpch(scale)
    return _tpch[scale]

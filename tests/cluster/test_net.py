"""Executors as hosts of their own (network namespaces), secrets, and bytes between two processes."""
import json
import os
import re
import subprocess
import time

from harness import DROVER, SPREAD, Cluster, Daemon, check, tpch_of, wait_until

# Rows that have to change place: every executor reads from every other.
MOVED = ("SELECT count(*), sum(n) FROM (SELECT s, count(*) AS n FROM (SELECT id % 50000 AS k, concat('text to make rows wide ', cast(id % 50000 AS string)) AS s "
         "FROM range(0, 400000, 1, 16)) GROUP BY s)")
MOVED_ANSWER = [["50000", "400000"]]


def secret_file(c, name="secret", bytes=24):
    path = os.path.join(c.folder, name)
    with open(path, "w") as f:
        f.write(os.urandom(bytes).hex() + "\n")
    return path


def test_bytes_cross_sockets():
    """What one executor served, the others fetched; and the kernel counted as much on their sockets."""
    with Cluster(2) as c:
        rows, error, _ = c.sql(MOVED)
        check(error is None and rows == MOVED_ANSWER, error, rows)
        ports = [e["hostPort"].rsplit(":", 1)[1] for e in c.live()]
        seen = subprocess.run(["ss", "-tinH", "state", "established", "( " + " or ".join(f"sport = :{p}" for p in ports) + " )"],
                              capture_output=True, text=True).stdout
        sent = sum(int(w.split(":")[1]) for w in seen.split() if w.startswith("bytes_sent:"))
        check(sent > 1 << 20, f"the sockets sent {sent} bytes")

        def agreed():
            """What all fetched and all served, as soon as it is one number and the sockets': it comes with heartbeats."""
            live = c.live()
            came, went = sum(e["peerBytesIn"] for e in live), sum(e["peerBytesOut"] for e in live)
            return came if came == went <= sent < 1.2 * came + 100000 else 0

        came = wait_until(agreed, what=f"counters that agree with the {sent} bytes that the sockets sent")
        return f"({came >> 10} KiB)"


def test_results_have_a_connection_of_their_own():
    """Rows go over each executor's second connection to the driver, and hold up nothing on the first."""
    with Cluster(2) as c:
        rows, error, _ = c.sql("SELECT count(*) FROM range(0, 10, 1, 4)")
        check(rows == [["10"]], error)
        sql = "SELECT id, concat('text that makes rows wide enough to count ', id) FROM range(0, 400000, 1, 8)"
        p = c.client(sql, [*SPREAD, "--format", "tsv"], stdout=subprocess.DEVNULL)
        check(p.wait(60) == 0, p.stderr.read())
        sent = {}
        seen = subprocess.run(["ss", "-tinpH", "state", "established", "dport = :" + c.address.rsplit(":", 1)[1]], capture_output=True, text=True).stdout
        for line in seen.splitlines():
            if m := re.search(r"pid=(\d+)", line):
                pid = int(m[1])
            for n in re.findall(r"bytes_sent:(\d+)", line):
                sent.setdefault(pid, []).append(int(n))
        for e in c.executors:
            small, large = sorted(sent[e.pid])
            check(large > 2 << 20 and small < 200000, f"{e.name} sent {small} and {large} bytes")
        return f"({sent})"


def test_broken_connections_between_executors():
    """A connection that breaks between two living executors costs another connection: nothing is lost, nothing comes twice."""
    t = tpch_of()
    sql = t.views + "SELECT count(DISTINCT l_comment), count(DISTINCT l_orderkey), sum(l_quantity) FROM lineitem"
    args = ["--conf", "drover.plan.single=false", "--conf", "spark.sql.shuffle.partitions=3", "--conf", "drover.shuffle.ride.max=0"]
    with Cluster(2) as c:
        clean, error, _ = c.sql(sql, args)
        check(error is None, error)
    with Cluster() as c:
        env = {"DROVER_TEST_POINT": ",".join(f"serve-reset:{n}:fail" for n in (1, 2, 4, 5, 9, 12))}
        for _ in range(2):
            c.start_executor(env=env)
        rows, error, _ = c.sql(sql, args)
        check(error is None and rows == clean, error, rows, clean)
        resets = sum(len(e.fired()) for e in c.executors)
        check(resets >= 6, f"{resets} connections were broken")
        attempts, tasks = c.attempts(c.last_job()["jobId"])
        check(attempts == tasks and len(c.live()) == 2, f"{attempts} attempts at {tasks} tasks", c.lost_lines())
        return f"({resets} connections broken, no attempt repeated)"


def test_connection_that_breaks_late_in_a_large_output():
    """What came of an output that is larger than the window of a fetch is skipped, however much it is, and the rest comes."""
    sql = "SELECT count(DISTINCT unhex(sha2(CAST(id AS STRING), 512))) FROM range(0, 2800000, 1, 2)"
    with Cluster(memory="2g") as c:
        for _ in range(2):
            c.start_executor(env={"DROVER_TEST_POINT": "serve-reset:30:fail"})
        rows, error, _ = c.sql(sql, ["--conf", "drover.plan.single=false", "--conf", "spark.sql.shuffle.partitions=2"])
        check(error is None and rows == [["2800000"]], error, rows)
        broken = [e for e in c.executors if e.fired()]
        check(broken, "no connection was broken", [(e["peerBytesIn"], e["peerBytesOut"]) for e in c.live()])
        moved = wait_until(lambda: (n := sum(e["peerBytesIn"] for e in c.live())) > 100 << 20 and n,
                           what="word of two outputs of 43 MiB, and of 30 of them twice")
        return f"({moved >> 20} MiB fetched)"


def test_peer_that_breaks_every_connection():
    """However often connections with one executor break, without an answer between, the rows are right and nobody is lost."""
    with Cluster() as c:
        c.start_executor()
        e = c.start_executor(env={"DROVER_TEST_POINT": ",".join(f"serve-reset:{n}:fail" for n in range(1, 9))})
        rows, error, _ = c.sql(MOVED)
        check(error is None and rows == MOVED_ANSWER, error, rows)
        check(e.fired() and len(c.live()) == 2, e.fired(), c.lost_lines())
        return "(%d broken; %d attempts at %d tasks)" % (len(e.fired()), *c.attempts(c.last_job()["jobId"]))


def in_flight(memory, window):
    """A reader that stands still, here because its client does, has fetched a window of what peers hold, and what it made rows of that
    are on their way to the client (8 MiB at least), and no more."""
    t = tpch_of()
    with Cluster(2, memory=memory) as c:
        rows = 2 * int(c.sql(t.views + "SELECT count(*) FROM lineitem")[0][0][0])
        sql = t.views + "SELECT l.* FROM lineitem l CROSS JOIN range(0, 2) LIMIT 1000000000"  # all rows through one task
        p = c.client(sql, ["--conf", "drover.plan.single=false", "--format", "tsv"])
        came = lambda: sum(e["peerBytesIn"] for e in c.live())
        wait_until(lambda: came() > 0, what="a fetch")
        before, now = 0, came()
        while now > before:  # until it stands still
            time.sleep(2.5)
            before, now = now, came()
        check(p.poll() is None, "the query ended:", p.poll() and p.stderr.read())
        check(now < window + (12 << 20), f"{now >> 20} MiB fetched")
        out, err = p.communicate(timeout=300)
        check(p.returncode == 0 and out.count("\n") == rows + 1, err)
        total = wait_until(lambda: (n := came()) > 48 << 20 and n, what="all of it to be fetched")
        return f"({now >> 20} of {total >> 20} MiB while nobody read)"


def test_in_flight_is_bounded():
    return in_flight("8g", 16 << 20)


def test_in_flight_is_an_eighth_of_a_small_grant():
    return in_flight("64m", 8 << 20)


def ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True)


class Hosts:
    """A bridge, and namespaces with one address each on it; the driver's host is this one."""

    def __init__(self, count):
        tag = os.getpid() % 100000
        self.bridge, self.names, self.net = f"dv{tag}", [f"dv{tag}h{i}" for i in range(count)], f"10.{200 + tag % 50}.{tag // 50 % 250}"
        try:
            ip("link", "add", self.bridge, "type", "bridge")
            ip("addr", "add", self.net + ".1/24", "dev", self.bridge)
            ip("link", "set", self.bridge, "up")
            for i, n in enumerate(self.names):
                ip("netns", "add", n)
                ip("link", "add", n + "a", "type", "veth", "peer", "name", "eth0", "netns", n)
                ip("link", "set", n + "a", "master", self.bridge, "up")
                ip("-n", n, "addr", "add", f"{self.net}.{i + 10}/24", "dev", "eth0")
                ip("-n", n, "link", "set", "eth0", "up")
                ip("-n", n, "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def run(self, i):
        return ["ip", "netns", "exec", self.names[i]]

    def close(self):
        for n in self.names:
            subprocess.run(["ip", "netns", "del", n], capture_output=True)
            subprocess.run(["ip", "link", "del", n + "a"], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def can_make_hosts():
    name = f"dv{os.getpid()}x"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        return False
    works = subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], capture_output=True).returncode == 0  # not within a chroot
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return works


def test_hosts_of_their_own():
    """Three namespaces: executors listen on the address that reaches the driver and fetch from each other under a secret.
    Then one host's cable is pulled: its executor is lost for silence, and the query goes on elsewhere."""
    if not can_make_hosts():
        return "(needs network namespaces)"
    t = tpch_of()
    with Hosts(3) as hosts, Cluster() as c:
        secret = ["--secret-file", secret_file(c)]
        c.driver.stop()
        c.start_driver([*secret, "--conf", "drover.executors.timeout=2s"], listen=hosts.net + ".1:0")
        for i in range(3):
            c.start_executor(secret, prefix=hosts.run(i))
        args = [*SPREAD, *secret]
        for n in (1, 9, 18):
            rows, error, _ = c.sql(t.views + t.queries[n], args)
            t.check(n, rows, error)
        status = lambda: json.loads(subprocess.run([DROVER, "executors", "--json", "--driver", c.address, *secret], capture_output=True, text=True).stdout)
        wait_until(lambda: all(e["peerBytesIn"] > 0 for e in status()), what="bytes to be fetched")
        rows = status()
        check({e["hostPort"].rsplit(":", 1)[0] for e in rows} == {f"{hosts.net}.{i + 10}" for i in range(3)}, rows)
        p = c.client("SELECT count(*), sum(id % 10) FROM range(0, 90000000, 1, 60) WHERE id % 3 >= 0", args)
        wait_until(lambda: any(e["activeTasks"] for e in status()), what="attempts to run")
        ip("-n", hosts.names[1], "link", "set", "eth0", "down")
        from harness import finish
        rows, error, _ = finish(p)
        check(error is None and rows == [["90000000", "405000000"]], error, rows)
        lost = [e for e in status() if not e["isActive"]]
        check(len(lost) == 1 and "nothing was heard from it for 2.0 s" in lost[0]["removeReason"], lost)
        ip("-n", hosts.names[1], "link", "set", "eth0", "up")
        c.executors[1].wait_ready(2)
        rows, error, _ = c.sql(t.views + t.queries[9], args)
        t.check(9, rows, error)


def test_beyond_loopback_needs_a_secret():
    with Cluster(1) as c:
        for args in (["driver", "--listen", "0.0.0.0:0", "--web", "none"], ["executor", "--driver", c.address, "--listen", "0.0.0.0:0"]):
            d = Daemon(c, "open" + args[0], args)
            c.daemons.append(d)
            check(d.proc.wait(timeout=60) in (1, 2) and "needs --secret-file" in d.read(), args, d.proc.returncode, d.read())


def test_secrets():
    """Another secret, none on one side, none on the other: both ends say so, and nothing opens."""
    with Cluster() as c:
        ours, other, short = secret_file(c), secret_file(c, "other"), secret_file(c, "short", 4)
        c.driver.stop()
        c.start_driver(["--secret-file", ours])
        with_secret, address = c.driver, c.address
        ok = subprocess.run([DROVER, "sql", "--driver", address, "--secret-file", ours, "--format", "jsonl", "show tables"], capture_output=True, text=True)
        check('"rows":[]' in ok.stdout and ok.returncode == 0, ok)
        said = len(with_secret.read())
        for args, here, there in ((["--secret-file", other], "its secret is another one", "its secret is another one"),
                                  ([], "asks for a secret, and none was given here", "it has none")):
            p = subprocess.run([DROVER, "sql", "--driver", address, *args, "select 1"], capture_output=True, text=True)
            check(p.returncode == 3 and here in p.stderr and not p.stdout, p)
            e = Daemon(c, f"stranger{len(args)}", ["executor", "--driver", address, *args])
            c.daemons.append(e)
            check(e.proc.wait(timeout=60) == 1 and here in e.read(), e.proc.returncode, e.read())
            wait_until(lambda: with_secret.read()[said:].count(there) >= 2, what=f"the driver to say: {there}")
            said = len(with_secret.read())
        c.start_driver()
        p = subprocess.run([DROVER, "sql", "--driver", c.address, "--secret-file", ours, "select 1"], capture_output=True, text=True)
        check(p.returncode == 3 and "it has none" in p.stderr, p)
        wait_until(lambda: "none was given here" in c.driver.read(), what="the driver without a secret to say so")
        p = subprocess.run([DROVER, "driver", "--listen", "127.0.0.1:0", "--secret-file", short], capture_output=True, text=True)
        check(p.returncode == 2 and "shorter than 16 bytes" in p.stderr, p)

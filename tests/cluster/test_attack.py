"""Strangers at the ports: each thing they send ends their connection with a counted and logged reason and harms nothing:
queries running meanwhile give the right rows, memory and file descriptors come back."""
import os
import random
import socket
import threading
import time

import wire
from harness import RIDING, SLOW, Cluster, check, finish, tpch_of, wait_until
from wire import CLIENT, EXECUTOR, EXECUTOR_DATA, PEER, Peer, field, frame, message, packed, unpacked

NONCE = bytes(32)


def hello(role=CLIENT, **change):
    f = dict(f1=1, f2=role, f3=NONCE)
    f.update(change)
    return frame("HELLO", message(**{k: v for k, v in f.items() if v is not None}))


def raw_attacks():
    """(name, bytes sent to a port that has not seen a handshake)."""
    rng = random.Random(7)
    for n in (48, 64, 1000, 70000):
        yield f"{n} random bytes", rng.randbytes(n)
    yield "HTTP", b"GET /api/v1/applications HTTP/1.1\r\nHost: driver\r\nConnection: keep-alive\r\n\r\n"
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(300)
    yield "a frame before the handshake", frame("EXECUTE", message(f1="s", f2="o", f3="select 1"))
    yield "lengths of 4 GiB", frame("HELLO", lengths=(0xFFFFFFFF, 0xFFFFFFFF))
    yield "a bulk part where none may be", frame("HELLO", message(f1=1, f2=1, f3=NONCE), b"x" * 100)
    for kind in (0, 63, 64, 999, 65535):
        yield f"message type {kind}", frame(kind, b"")
    yield "a wrong checksum", frame("HELLO", message(f1=1, f2=1, f3=NONCE), crc=1)
    yield "no protobuf", frame("HELLO", rng.randbytes(200))
    yield "a field that is cut short", frame("HELLO", message(f1=1, f2=1) + b"\x1a\xff\xff\xff\xff\x0f")
    yield "an endless varint", frame("HELLO", b"\x08" + b"\xff" * 40)
    yield "another version", hello(f1=99)
    yield "no nonce", hello(f3=None)
    yield "a short nonce", hello(f3=b"abc")
    for role in (0, 5, 6, 1 << 31):
        yield f"role {role}", hello(role)


def frame_attacks(port):
    """(name, role, bytes sent after a handshake)."""
    rng = random.Random(8)
    yield "garbage", port.roles[0], rng.randbytes(100)
    yield "a second HELLO", port.roles[0], hello(port.roles[0])
    for role in port.roles:
        for kind in sorted(wire.TYPES):
            if kind not in port.takes[role]:
                yield f"{kind} from role {role}", role, frame(kind, lengths=(1 << 16, 0))
    if port.executor:
        yield "maps without attempts", PEER, frame("FETCH", message(f1=1, f2=0, f3=0, f6=1) + packed(4, range(1000)))
        yield "no maps", PEER, frame("FETCH", message(f1=1, f2=0, f3=0, f6=1))
        return
    yield "4 GiB of SQL", CLIENT, frame("EXECUTE", lengths=(0xFFFFFFFF, 0))
    yield "a session that does not exist", CLIENT, frame("EXECUTE", message(f1="none", f2="op", f3="select 1"))
    yield "an operation that does not exist", CLIENT, frame("ATTACH", message(f1="none", f2="op", f3=0))
    yield "fields missing", CLIENT, frame("EXECUTE", message(f1="none"))
    yield "more settings than bytes allow", CLIENT, frame("OPEN_SESSION", field(2, [b""] * 400000))
    for slots in (0, 4097, 0xFFFFFFFF):
        yield f"{slots} slots", EXECUTOR, frame("REGISTER_EXECUTOR", message(f1="h", f2="127.0.0.1:1", f3=slots, f4=1, f5=1, f7=1))
    yield "a data connection of nobody", EXECUTOR_DATA, frame("REGISTER_DATA", message(f1=99), incarnation=1)
    yield "an executor that registers twice", EXECUTOR, 2 * frame("REGISTER_EXECUTOR", message(f1="h", f2="127.0.0.1:1", f3=1, f4=1, f5=1, f7=1))


class Port:
    def __init__(self, cluster, executor=None):
        self.cluster, self.executor = cluster, executor
        if executor:
            self.daemon, self.address, self.roles, self.takes = executor, cluster.row(executor)["hostPort"], [PEER], {PEER: {"FETCH", "FETCH_CREDIT", "GOODBYE", "HELLO"}}
        else:
            self.daemon, self.address, self.roles = cluster.driver, cluster.address, [CLIENT, EXECUTOR, EXECUTOR_DATA]
            to_driver = {"REGISTER_EXECUTOR", "REGISTER_DATA", "HEARTBEAT", "COMPLETIONS", "ATTEMPT_FAILED", "RESULT_ROWS", "GOODBYE", "HELLO"}
            self.takes = {CLIENT: {"OPEN_SESSION", "EXECUTE", "ATTACH", "ACK", "CANCEL_OPERATION", "STATUS_REQUEST", "KILL_JOB", "GOODBYE", "HELLO"},
                          EXECUTOR: to_driver, EXECUTOR_DATA: to_driver}

    def blamed(self):
        if self.executor:
            return self.cluster.row(self.executor)["connectionsRejected"]
        closed = self.cluster.status("connections")["closed"]
        return sum(v for k, v in closed.items() if k not in ("peer", "ours"))


def attack_all(port):
    """Each attack's connection is closed, counted and logged; returns how many there were."""
    count = 0
    before = port.blamed()
    wrong_role = [(f"role {r} at this port", None, hello(r)) for r in (CLIENT, EXECUTOR, EXECUTOR_DATA, PEER) if r not in port.roles]
    raw = [(name, None, data) for name, data in raw_attacks()]
    for name, role, data in raw + wrong_role + list(frame_attacks(port)):
        with Peer(port.address, role or 0, handshake=role is not None) as p:
            try:
                p.send_bytes(data)
            except ConnectionError:
                pass
            check(p.closed_within(20), f"{name}: the connection stays open")
            count += 1
    wait_until(lambda: port.blamed() == before + count, what=f"{count} attacks to be counted, {port.blamed() - before} are")
    lines = [l for l in port.daemon.read().splitlines() if "closing the connection with" in l or "more connections were closed" in l]
    check(lines, "no line about any of them")
    return count


def test_garbage_at_every_port():
    t = tpch_of()
    with Cluster(2) as c:
        ports = [Port(c)] + [Port(c, e) for e in c.executors]
        for port in ports:
            attack_all(port)  # once before measuring: pools and buffers come to their size
        for _ in range(3):  # all connections between executors
            check(c.sql(t.views + t.queries[9])[1] is None, "Q9")
        wait_until(lambda: c.status("connections")["open"] <= 5, what="connections to go")
        fds = [p.daemon.settled_fds() for p in ports]
        stop, wrong, runs = threading.Event(), [], [0]

        def queries():
            while not stop.is_set():
                rows, error, _ = c.sql(t.views + t.queries[9])
                try:
                    t.check(9, rows, error)
                except AssertionError as e:
                    wrong.append(e)
                runs[0] += 1
        worker = threading.Thread(target=queries)
        worker.start()
        try:
            count = sum(attack_all(port) for _ in range(3) for port in ports)
        finally:
            stop.set()
            worker.join()
        check(not wrong and runs[0] > 0, wrong[:1])
        check(len(c.live()) == 2, "executors were lost:", c.lost_lines())
        now = lambda: [p.daemon.fds() for p in ports]
        wait_until(lambda: all(n <= b for n, b in zip(now(), fds)), what=lambda: f"file descriptors to come back: {fds} before, {now()} now")
        rss = [p.daemon.rss() for p in ports]  # without queries: their sessions and history are kept, and bounded elsewhere
        count += sum(attack_all(port) for _ in range(3) for port in ports)
        grown = [p.daemon.rss() - r for p, r in zip(ports, rss)]
        check(all(g < SLOW * (8 << 20) for g in grown), "resident memory grew by", grown)
        return f"({count} attacks, {runs[0]} queries meanwhile)"


def test_huge_counts():
    """Frames within their limits that say as much as they can: memory comes back, nothing is believed."""
    with Cluster(1) as c:
        e = c.executors[0]
        rss = c.driver.rss(), e.rss()
        n = 1_000_000
        fetch = frame("FETCH", message(f1=1, f2=0, f3=0, f6=1 << 60) + packed(4, [1] * n) + packed(5, [1] * n))
        done = frame("COMPLETIONS", b"".join(packed(k, [1] * n) for k in (1, 2, 3, 4, 5, 6, 7, 8, 12)), incarnation=1)
        killed = frame("CANCEL_OPERATION", message(f1="s" * 1000, f2="o" * 1000))
        for _ in range(5):
            with Peer(c.row(e)["hostPort"], PEER) as p:
                p.send_bytes(fetch)
                body, _ = p.wait("FETCHED")
                check(4 in body, "the output that nobody made is not missing:", body.keys())
            with Peer(c.address, EXECUTOR) as p:
                p.send("REGISTER_EXECUTOR", message(f1="h", f2="127.0.0.1:1", f3=1, f4=1 << 20, f5=1, f7=1), incarnation=1)
                p.wait("REGISTERED")
                p.send_bytes(done)
                p.send_bytes(frame("GOODBYE", message(f1="x" * 4000), incarnation=1))
                check(p.closed_within(20), "it stays")
            with Peer(c.address, CLIENT) as p:
                p.send_bytes(killed * 1000)
                p.send("STATUS_REQUEST", message(f1="jobs"), id=1)
                p.wait("STATUS_REPLY")
        rows, error, _ = c.sql("SELECT sum(id) FROM range(0, 1000, 1, 4)")
        check(rows == [["499500"]], error)
        grown = c.driver.rss() - rss[0], e.rss() - rss[1]
        check(max(grown) < SLOW * (160 << 20), "resident memory grew by", grown)


def test_outputs_that_may_not_ride():
    """An executor whose completions carry more than they may, or than they say, is lost with a reason; the job goes on elsewhere."""
    t = tpch_of()
    for what, size, said, reason in (("too large", 1 << 20, 1 << 20, "larger than may ride"), ("another size", 100, 50, "do not add up"),
                                     ("nothing", 0, 50, "do not add up")):
        with Cluster(1) as c:
            with Peer(c.address, EXECUTOR_DATA), Peer(c.address, EXECUTOR) as p:
                p.send("REGISTER_EXECUTOR", message(f1="liar", f2="127.0.0.1:1", f3=1, f4=1 << 30, f5=1, f7=1), incarnation=1)
                p.wait("REGISTERED")
                q = c.client(t.views + t.queries[9], RIDING)
                body, _ = p.wait("LAUNCH")
                id = unpacked(body[3][0])[0]
                p.send_bytes(frame("COMPLETIONS", b"".join(packed(k, [id if k == 1 else 1]) for k in (1, 2, 3, 4, 5, 6, 7, 8, 12)) + packed(13, [said]),
                                   os.urandom(size), incarnation=1))
                check(p.closed_within(20), what, ": it stays")
                rows, error, _ = finish(q)
                t.check(9, rows, error)
            check(any("on liar" in l and reason in l for l in c.lost_lines()), what, c.lost_lines())


def test_half_open_and_slow():
    """Hundreds that say nothing, some that say a byte now and then, one that stops within a frame."""
    t = tpch_of()
    with Cluster(1) as c:
        fds = c.driver.settled_fds()
        inside = Peer(c.address)
        inside.send_bytes(frame("EXECUTE", message(f1="s", f2="o", f3="x" * 1000))[:300])
        begun = time.monotonic()
        half_open = [socket.create_connection(wire.address_of(c.address)) for _ in range(400)]
        dribble = [Peer(c.address, handshake=False) for _ in range(20)]
        data, at = hello(), 0
        while at < len(data) - 1:
            for p in dribble:
                try:
                    p.send_bytes(data[at:at + 1])
                except ConnectionError:
                    pass
            if at % 8 == 0:
                rows, error, _ = c.sql(t.views + t.queries[6])
                t.check(6, rows, error)
            at += 1
            time.sleep(0.08)
        for s in half_open + [p.sock for p in dribble]:
            s.settimeout(20)
            try:
                check(s.recv(1) == b"", "a byte for a stranger")
            except ConnectionError:
                pass
            s.close()
        closed = c.status("connections")["closed"]
        check(closed["handshake"] + closed["crowded"] == 420, closed)
        check(closed["crowded"] > 0, "the oldest of too many did not go first:", closed)
        check(inside.closed_within(60) and time.monotonic() - begun > 20, "an unfinished frame")
        inside.close()
        check(c.status("connections")["closed"]["stalled"] == 1, c.status("connections"))
        wait_until(lambda: c.driver.fds() <= fds, what=lambda: f"file descriptors to come back: {fds} before, {c.driver.fds()} now")
        text = c.driver.read()
        check("no handshake in time" in text and "a frame that does not come to its end" in text, text[-2000:])


def test_asking_without_reading():
    """A client that never reads is not read from: the answers that wait for it are bounded."""
    with Cluster(1) as c:
        for n in range(20):
            c.sql(f"SELECT {n}")
        rss = c.driver.rss()
        one = frame("STATUS_REQUEST", message(f1="config"), id=1)
        peers = [Peer(c.address, timeout=3) for _ in range(3)]
        for p in peers:
            try:
                for _ in range(2000):
                    p.send_bytes(one * 500)  # a million answers
                check(False, "everything was taken")
            except TimeoutError:
                pass
        grown = c.driver.rss() - rss
        check(grown < SLOW * len(peers) * (96 << 20), f"{grown >> 20} MiB more for {len(peers)} such clients")
        rows, error, _ = c.sql("SELECT 1 + 1")
        check(rows == [["2"]], error)
        for p in peers:
            p.close()
        wait_until(lambda: c.status("connections")["open"] <= 3, what="them to go")
        return f"({grown >> 20} MiB for {len(peers)})"


def test_replayed_registration():
    """With a secret, what an executor once sent opens no second connection."""
    with Cluster() as c:
        secret = os.path.join(c.folder, "secret")
        key = os.urandom(16).hex().encode()
        with open(secret, "wb") as f:
            f.write(key)
        c.driver.stop()
        c.start_driver(["--secret-file", secret])
        with Peer(c.address, EXECUTOR, secret=key) as p:
            p.send("REGISTER_EXECUTOR", message(f1="h", f2="127.0.0.1:1", f3=1, f4=1 << 20, f5=1, f7=1), incarnation=1)
            body, _ = p.wait("REGISTERED")
            check(body[1] == [1], body)
            recorded = p.sent
        with Peer(c.address, EXECUTOR, handshake=False) as p:
            p.send_bytes(recorded)
            check(p.closed_within(20), "it stays open")
        with Peer(c.address, EXECUTOR, secret=b"another secret of some length") as p:
            check(p.closed_within(20), "a wrong secret")
        with Peer(c.address, EXECUTOR) as p:  # never proves anything
            p.send("REGISTER_EXECUTOR", message(f1="h", f2="127.0.0.1:1", f3=1, f4=1, f5=1, f7=1))
            check(p.closed_within(20), "no secret")
        text = c.driver.read()
        check(text.count("(authentication)") == 2 and "its secret is another one" in text, text)
        check(text.count("registered from") == 1, "more registrations than one")


def test_garbage_at_the_web_port():
    t = tpch_of()
    with Cluster(1) as c:
        if c.web == "-":
            return "(no web port)"
        rng, fds, count = random.Random(9), c.driver.settled_fds(), 0
        attacks = [rng.randbytes(5000), hello(), frame("LAUNCH", lengths=(0xFFFFFFFF, 0xFFFFFFFF)), b"GET /" + b"x" * 300000 + b" HTTP/1.1\r\n\r\n",
                   b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                   b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
        quiet = [socket.create_connection(wire.address_of(c.web)) for _ in range(300)]
        for _ in range(5):
            for data in attacks:
                s = socket.create_connection(wire.address_of(c.web), timeout=2)
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    answer = b""
                    while piece := s.recv(1 << 16):
                        answer += piece
                    check(b"root:" not in answer, answer[:200])
                except OSError:  # it is closed already, or says nothing
                    pass
                s.close()
                count += 1
            rows, error, _ = c.sql(t.views + t.queries[6])
            t.check(6, rows, error)
        for s in quiet:
            s.close()
        import urllib.request
        with urllib.request.urlopen(f"http://{c.web}/api/v1/applications", timeout=30) as r:
            check(r.status == 200, r.status)
        wait_until(lambda: c.driver.fds() <= fds + 2, 60, "file descriptors to come back")
        return f"({count} attacks)"

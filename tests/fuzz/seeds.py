"""Makes the seeds of the targets that decode what our own processes send, by listening to real ones: a client, an
executor and a peer spoken from here. Run by hand when a format changes: build/venv/bin/python tests/fuzz/seeds.py"""
import hashlib
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cluster"))
import wire
from harness import SPREAD, Cluster, wait_until
from wire import CLIENT, EXECUTOR, EXECUTOR_DATA, PEER, TYPES, Peer, frame, message

SENDER = {"client": 1, "executor": 2, "driver": 4, "peer": 8, "server": 16}
seen = {}


def keep(target, prefix, data):
    """One small example of each kind."""
    if len(data) < 6000 and seen.setdefault((target, prefix), 0) < 3:
        seen[target, prefix] += 1
        folder = os.path.join(HERE, "corpus", target)
        os.makedirs(folder, exist_ok=True)
        name = f"{prefix}-{hashlib.sha1(data).hexdigest()[:8]}"
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


def listen(peer, who, until):
    """Frames of the other side, until one of a type."""
    names = {v: k for k, v in TYPES.items()}
    while True:
        kind, body, bulk, id = peer.recv()
        keep("frame", f"{who}-{names[kind].lower()}", bytes([SENDER[who] | 0x80]) + frame(kind, body, bulk, id=id))
        yield names[kind], body, bulk
        if names[kind] == until:
            return


STATEMENTS = [
    "SELECT 1, 'two', 3.5, NULL, true, date '2024-02-29', timestamp '2024-02-29 12:00:00', cast(1 as decimal(30, 4)), X'00ff', interval '1' day",
    "SELECT id, id % 7, cast(id as string), cast(id as double), cast(id as decimal(10, 2)), id % 3 = 0, if(id % 2 = 0, null, id) FROM range(40)",
    "SELECT array(1, 2), map('a', 1), struct(1, 'x')",
    "SELECT id % 5, count(*), sum(id), avg(id), min(cast(id as string)) FROM range(1000) GROUP BY 1 ORDER BY 1",
    "SELECT a.id FROM range(100) a JOIN range(50) b ON a.id = b.id LEFT JOIN range(9) c ON c.id = a.id WHERE a.id > 3 LIMIT 7",
    "SELECT DISTINCT id % 3 FROM range(100) UNION ALL SELECT 5 EXCEPT SELECT 1",
    "SELECT 1 / (id - 3) FROM range(10)", "SELECT nope FROM range(3)", "SELECT * FRM x", "SELECT cast('x' as int)", "SELECT concat(1, ",
]


def client(c):
    for n, sql in enumerate(STATEMENTS):
        with Peer(c.address) as p:
            p.send("OPEN_SESSION", message(f2=[message(f1=k, f2=v) for k, v in (("drover.plan.single", "false"), ("spark.sql.shuffle.partitions", "2"))], f3="/", f4="x"))
            session = p.wait("SESSION_OPENED")[0][1][0]
            sent = frame("EXECUTE", message(f1=session, f2=f"op{n}", f3=sql))
            p.send_bytes(sent)
            keep("frame", "client", bytes([SENDER["client"] | 0x80]) + sent)
            for kind, body, bulk in listen(p, "driver", "RESULT_END"):
                if kind == "RESULT_BATCH":
                    keep("batch", f"s{n}", b"\x01" + bulk)
                    keep("riding", f"s{n}", b"\x00" + riding([(0, bulk), (3, bulk + bulk)]))
                if kind == "RESULT_END" and 3 in wire.parse(body):
                    keep("error", f"s{n}", wire.parse(body)[3][0])


def executor(c):
    """Registers and takes launches: the plans of the statements."""
    for n, sql in enumerate(s for s in STATEMENTS[:6] if "array" not in s):
        with Peer(c.address, EXECUTOR_DATA), Peer(c.address, EXECUTOR) as p:
            sent = frame("REGISTER_EXECUTOR", message(f1="h", f2="127.0.0.1:1", f3=1, f4=1 << 30, f5=1, f7=1), incarnation=1)
            p.send_bytes(sent)
            keep("frame", "executor", bytes([SENDER["executor"] | 0x80]) + sent)
            p.wait("REGISTERED")
            q = c.client(sql, SPREAD)
            for kind, body, _ in listen(p, "driver", "LAUNCH"):
                if kind == "STAGE_PLAN":
                    keep("plan", f"s{n}", b"\x00" + wire.parse(body)[3][0])
            q.kill()
        c.driver.stop()
        c.start_driver()


def between(c):
    """A real executor behind a port of ours: what it answers to a peer."""
    c.sql("SELECT sum(id) FROM range(0, 1000, 1, 4)")
    fetch = frame("FETCH", message(f1=1, f2=0, f3=0, f4=b"\x00\x01", f5=b"\x01\x02", f6=1000), id=7)
    keep("frame", "peer", bytes([SENDER["peer"] | 0x80]) + fetch)
    with Peer(c.row(c.executors[0])["hostPort"], PEER) as p:
        p.send_bytes(fetch)
        list(listen(p, "server", "FETCHED"))


def riding(parts):
    """An output that rides, of (partition, frames); executor/shuffle/riding.h."""
    table = struct.pack("<I", len(parts)) + b"".join(struct.pack("<II", p, len(f)) for p, f in parts)
    return struct.pack("<I", wire.crc32c(table)) + table + b"".join(f for _, f in parts)


def hello():
    for role in (1, 2, 3, 4, 9):
        first = frame("HELLO", message(f1=1, f2=role, f3=bytes(32), f5="seed"))
        proof = frame("HELLO", message(f1=1, f2=role, f3=bytes(32), f4=bytes(32)))
        ask = frame("STATUS_REQUEST", message(f1="jobs"), id=1)
        keep("hello", f"plain{role}", b"\x80" + first + ask)
        keep("hello", f"secret{role}", b"\x81" + first + proof + ask)
        keep("hello", f"connecting{role}", b"\x82" + first + frame("STATUS_REPLY", message(f1=200, f2="[]")))
        keep("hello", f"both{role}", b"\x83" + proof)
    keep("hello", "http", b"\x00GET / HTTP/1.1\r\n\r\n")


def main():
    hello()
    keep("riding", "empty", b"\x00" + riding([]))
    for n, sql in enumerate(STATEMENTS):
        keep("sql", f"s{n}", sql.encode())
    with Cluster(1) as c:
        client(c)
        between(c)
    with Cluster() as c:
        executor(c)
    for k in sorted({t for t, _ in seen}):
        print(k, sum(n for (t, _), n in seen.items() if t == k))


main()

"""Every reservation of data memory and every call into the file system fails in turn, over a set of small statements:
nothing crashes, no row is wrong, the error is a typed one, nothing half-written shows, and the next statement works.
Counts the call sites that were made to fail and insists on a number of them. STEP=n takes every n-th only (1: all)."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "cluster"))
from harness import DROVER, SLOW, Failure, check

STEP = int(os.environ.get("STEP", "1"))
SHIM = sys.argv[1]
AFTER = "SELECT sum(id) FROM range(0, 100, 1, 3)"
AFTER_ROWS = [["4950"]]

# The answers follow from the statements that make the data.
DATA = """
CREATE TABLE t_parquet USING parquet LOCATION '{d}/parquet' AS SELECT id, id % 5 AS k, concat('row ', cast(id AS string)) AS s FROM range(0, 300, 1, 2);
CREATE TABLE t_csv USING csv OPTIONS (header 'true') LOCATION '{d}/csv' AS SELECT id, id % 5 AS k, concat('row ', cast(id AS string)) AS s FROM range(0, 300, 1, 2);
CREATE TABLE t_json USING json LOCATION '{d}/json' AS SELECT id, id % 5 AS k, concat('row ', cast(id AS string)) AS s FROM range(0, 300, 1, 2);
"""
GROUPED = [[str(k), "60", str(60 * k + 5 * 60 * 59 // 2)] for k in range(5)]
FORMATS = {"parquet": "", "csv": "OPTIONS (header 'true', inferSchema 'true')", "json": ""}


def read_of(fmt, d):
    return (f"CREATE OR REPLACE TEMPORARY VIEW v USING {fmt} OPTIONS (path '{d}/{fmt}'{', header true, inferSchema true' if fmt == 'csv' else ''})",
            "SELECT k, count(*), sum(id) FROM v GROUP BY k ORDER BY k", GROUPED)


def write_of(fmt, d):
    return (f"CREATE TABLE w USING {fmt} {'OPTIONS (header true)' if fmt == 'csv' else ''} LOCATION '{d}/out' AS SELECT id, id % 2 AS p FROM range(0, 50, 1, 2)",
            "SELECT count(*), sum(id) FROM w", [["50", "1225"]])


QUERIES = [
    ("SELECT id % 7 AS k, count(*), min(cast(id AS string)) FROM range(0, 70, 1, 2) GROUP BY 1 ORDER BY 1", [[str(k), "10", str(min(map(str, range(k, 70, 7))))] for k in range(7)]),
    ("SELECT a.id, b.x FROM range(0, 20, 1, 2) a JOIN (SELECT id, concat('x', cast(id AS string)) AS x FROM range(0, 40, 1, 2)) b ON a.id = b.id ORDER BY a.id",
     [[str(i), f"x{i}"] for i in range(20)]),
    ("SELECT DISTINCT id % 3 FROM range(0, 30, 1, 2) ORDER BY 1 LIMIT 2", [["0"], ["1"]]),
    ("SELECT count(*), count(DISTINCT s), max(s) FROM (SELECT concat('text number ', cast(id % 900 AS string)) AS s FROM range(0, 9000, 1, 3))",
     [["9000", "900", "text number 99"]]),
    ("SELECT a.id, b.id FROM range(0, 6, 1, 2) a FULL JOIN range(4, 8, 1, 2) b ON a.id = b.id ORDER BY 1 NULLS LAST, 2",
     [["0", None], ["1", None], ["2", None], ["3", None], ["4", "4"], ["5", "5"], [None, "6"], [None, "7"]]),
    ("SELECT count(*), min(a.id + b.id), max(a.id * b.id) FROM range(0, 60, 1, 2) a JOIN range(0, 50, 1, 2) b ON a.id < b.id", [["1225", "1", "2352"]]),
    ("SELECT sum(x), avg(x) FROM (SELECT cast(id AS decimal(20, 2)) / 4 AS x FROM range(0, 100, 1, 2) WHERE cast(id AS string) LIKE '%7' OR id IN (SELECT id * 2 FROM range(5)))",
     [["135.000000", "9.0000000000"]]),
    ("(SELECT id FROM range(0, 20, 1, 2) EXCEPT SELECT id FROM range(3, 20, 1, 2)) UNION ALL SELECT 99 ORDER BY 1", [["0"], ["1"], ["2"], ["99"]]),
    ("SELECT s FROM (SELECT repeat(cast(id % 10 AS string), 200) AS s, id FROM range(0, 20000, 1, 4)) ORDER BY s DESC, id DESC LIMIT 1", [["9" * 200]]),
]


class Run:
    def __init__(self, statements, env, confs=()):
        args = [DROVER, "sql", "--slots", "1", "--memory", "512m", "--format", "jsonl", "--keep-going",
                "--conf", "drover.plan.single=false", "--conf", "spark.sql.shuffle.partitions=2"]
        for c in confs:
            args += ["--conf", c]
        for s in statements:
            args += ["-e", s]
        p = subprocess.run(args, capture_output=True, text=True, env={**os.environ, **env}, timeout=120 * SLOW)
        self.docs = [json.loads(l) for l in p.stdout.splitlines()]
        self.err, self.code = p.stderr, p.returncode
        for word in ("broken invariant", "Sanitizer", "runtime error:", "was killed by signal", "ended with exit code"):
            check(word not in self.err, self.err[-3000:])
        check(len(self.docs) == len(statements), len(self.docs), "answers to", len(statements), "statements:", self.err[-2000:])

    def fired(self, start):
        return [l for l in self.err.splitlines() if l.startswith(start)]


def check_answer(doc, rows, classes):
    """The right rows, or an error of one of the classes that says what happened."""
    if "error" not in doc:
        check(doc["rows"] == rows, "wrong rows:", doc["rows"], "instead of", rows)
        return True
    e = doc["error"]
    check(e["errorClass"] in classes, "not a fitting error:", e["message"])
    return False


IO_CLASSES = {"FAILED_READ_FILE.NO_HINT", "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER", "TASK_WRITE_FAILED", "DROVER_IO", "PATH_NOT_FOUND",
              "UNABLE_TO_INFER_SCHEMA", "DROVER_JOB_FAILED", "PATH_ALREADY_EXISTS", "TABLE_OR_VIEW_NOT_FOUND"}


CONSTANT = "DROVER_CONSTANT_TOO_LARGE"  # the driver's: it works out the constants that a plan needs, once


def memory():
    sites, runs, failed = set(), 0, 0
    for attempts in (1, 4):
        for sql, rows in QUERIES:
            n = 1
            while True:
                r = Run([sql, AFTER], {"DROVER_TEST_POINT": f"reserve:{n}:fail"}, [f"spark.task.maxFailures={attempts}"])
                runs += 1
                hit = r.fired("drover: test point reserve")
                sites |= {l.split(": fail", 1)[1] for l in hit}
                good = check_answer(r.docs[0], rows, {"UNABLE_TO_ACQUIRE_MEMORY", CONSTANT})
                failed += not good
                of_task = not good and r.docs[0]["error"]["errorClass"] != CONSTANT
                check(not of_task or attempts == 1, "a retry could have helped:", r.docs[0])
                check(good or hit, "it failed without a fault:", r.docs[0])
                check_answer(r.docs[1], AFTER_ROWS, {CONSTANT} | ({"UNABLE_TO_ACQUIRE_MEMORY"} if not of_task and attempts == 1 else set()))
                if not hit:
                    break
                n += STEP
    return f"{runs} runs, {failed} statements failed as they should, {len(sites)} call sites", len(sites)


class Faults:
    def __init__(self, folder):
        self.folder, self.state = folder, os.path.join(folder, "state")

    def env(self, n, path):
        with open(self.state, "wb") as f:
            f.write(struct.pack("<QQ", 0, n))
        preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), SHIM]))
        return {"LD_PRELOAD": preload, "FAULT_STATE": self.state, "FAULT_PATH": path}


def visible(folder):
    """What a reader of the folder would find."""
    return sorted(f for _, _, files in os.walk(folder) for f in files if not f.startswith((".", "_"))) if os.path.exists(folder) else []


def one_io(faults, n, statements, rows, data, out, attempts):
    if out:
        shutil.rmtree(out, ignore_errors=True)
    r = Run([*statements, AFTER], faults.env(n, data), [f"spark.task.maxFailures={attempts}"])
    hit = r.fired("fault ")
    good = check_answer(r.docs[-2], rows, IO_CLASSES) if hit else check_answer(r.docs[-2], rows, set())
    check_answer(r.docs[-1], AFTER_ROWS, set())
    if out and "error" in r.docs[0] and not os.path.exists(os.path.join(out, "_SUCCESS")):
        check(not [f for f in visible(out) if not f.startswith("part-")] and not any(visible(out)), "a failed write shows", visible(out), r.docs[0], hit)
    return hit, good


def files():
    """(statements, rows, folder of output or None) over every format: reading, and writing then reading back."""
    folder = tempfile.mkdtemp(prefix="drover-fault-")
    faults, sites, runs, failed = Faults(folder), set(), 0, 0
    data = os.path.join(folder, "data")
    try:
        os.mkdir(data)
        Run([s for s in DATA.format(d=data).split(";") if s.strip()], {})
        cases = []
        for fmt in FORMATS:
            view, query, rows = read_of(fmt, data)
            cases.append(([view, query], rows, None, fmt))
            write, query, rows = write_of(fmt, data)
            cases.append(([write, query], rows, os.path.join(data, "out"), fmt))
        for statements, rows, out, fmt in cases:
            for attempts in (1, 4):
                n = 1
                while True:
                    try:
                        hit, good = one_io(faults, n, statements, rows, data, out, attempts)
                    except Failure as e:
                        raise Failure(f"{fmt}, {'write' if out else 'read'}, call {n}, {attempts} attempts: {e}") from None
                    runs += 1
                    failed += not good
                    sites |= {re.sub(r" /.*$", "", l) for l in hit}
                    if not hit:
                        break
                    n += STEP
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"{runs} runs, {failed} statements failed as they should, {len(sites)} call sites", len(sites)


def main():
    bad = 0
    for name, fn, floor in (("memory", memory, 14), ("files", files, 40)):
        text, sites = fn()
        print(f"fault {name}: {text}", flush=True)
        if sites < floor:
            print(f"fault {name}: too few call sites were reached: {floor} are expected")
            bad = 1
    return bad


sys.exit(main())

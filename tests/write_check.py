"""Writes, from the outside: what drover wrote is read by DuckDB, pyarrow and Spark, what they wrote by drover; and jobs
that fail, are cancelled, or lose their executor or driver in the middle leave all or nothing.
write_check.py [PART OF A NAME...]"""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "cluster"))

import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.dataset as ds  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from harness import DROVER, SLOW, Cluster, check, finish, wait_until  # noqa: E402
import runner  # noqa: E402

EMBEDDED = ["--executors", "2", "--slots", "1", "--memory", "512m"]


def sql(text, cwd, args=EMBEDDED, env=None):
    """Runs statements embedded: one document a statement."""
    p = subprocess.run([DROVER, "sql", "--format", "jsonl", "--keep-going", "--conf", "spark.sql.session.timeZone=UTC", *args], input=text, cwd=cwd,
                       capture_output=True, text=True, timeout=120 * SLOW, env={**os.environ, **(env or {})})
    docs = [json.loads(l) for l in p.stdout.splitlines()]
    check(docs, "no answer:", p.stderr)
    return docs


def good(text, cwd, **kw):
    docs = sql(text, cwd, **kw)
    for d in docs:
        check("error" not in d, d.get("error"))
    return docs[-1]["rows"]


def error_of(text, cwd, **kw):
    return sql(text, cwd, **kw)[-1].get("error", {}).get("errorClass")


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="drover-write-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def test_leftovers_are_no_table():
    """A table whose folder is the warehouse's does not take over files that lie there; asked for by LOCATION, it does."""
    with folder() as f:
        good("CREATE TABLE a (x INT); INSERT INTO a VALUES (1)", f)
        for again in ("CREATE TABLE a (x INT)", "CREATE TABLE IF NOT EXISTS a (x INT)", "CREATE TABLE a USING parquet AS SELECT 1 AS x"):
            check(error_of(again, f) == "LOCATION_ALREADY_EXISTS", again)
        check(good("CREATE TABLE b (x INT) USING parquet LOCATION 'spark-warehouse/a'; SELECT * FROM b", f) == [["1"]], "LOCATION")
        good("CREATE TABLE a2 (x INT); INSERT INTO a2 VALUES (1); DROP TABLE a2; CREATE TABLE a2 (x INT)", f)


def test_globs_find_every_file():
    """Whatever the pattern and wherever its paths happen to lie in memory: all that match and are not hidden, no more."""
    with folder() as f:
        good("INSERT OVERWRITE DIRECTORY 'data/orders' USING parquet SELECT id FROM range(0, 80, 1, 8)", f)
        names = sorted(os.path.basename(p) for p in glob.glob(f"{f}/data/orders/part-*"))
        check(len(names) == 8 and os.path.exists(f"{f}/data/orders/_SUCCESS"), names)
        os.mkdir(f"{f}/data/other")
        shutil.copy(f"{f}/data/orders/{names[0]}", f"{f}/data/other/x.parquet")
        patterns = {"data/orders/*.parquet": 80, "./data/orders/*.parquet": 80, "data//orders/*.parquet": 80, "dat*/orders/*.parquet": 80,
                    f"{f}/data/orders/*.parquet": 80, "data/orders/part*": 80, "data/orders/part-0000[123]*": 30, "data/orders/*": 80,
                    "data/*": 90, "data/*/": 90, "./data/o*/": 90, "data/{orders,other}": 90, "data/{orders,other}/*.parquet": 90, "data/orders": 80,
                    "data/ot*/x.parquet": 10}
        docs = sql("".join(f"SELECT count(*), count(DISTINCT id) FROM parquet.`{p}`;" for p in patterns), f)
        for (p, n), d in zip(patterns.items(), docs):
            check("error" not in d and d["rows"][0][0] == str(n), p, "gives", d.get("rows"), "not", n, d.get("error"))
        return f"({len(patterns)} patterns)"


def visible(path):
    """Files that no reader passes over, below the folder."""
    found = []
    for base, dirs, files in os.walk(path):
        dirs[:] = [d for d in dirs if d[0] not in "._"]
        found += [os.path.relpath(os.path.join(base, f), path) for f in files if f[0] not in "._"]
    return sorted(found)


def everything(path):
    return sorted(os.path.relpath(os.path.join(b, f), path) for b, _, files in os.walk(path) for f in files)


def same(ours, theirs):
    """Ours are texts; the order does not count."""
    def text(v):
        if v is None or v != v:
            return None
        if isinstance(v, bool):
            return str(v).lower()
        if hasattr(v, "isoformat"):
            s = v.isoformat(sep=" ") if hasattr(v, "hour") else v.isoformat()
            return s.split("+")[0].rstrip("0").rstrip(".") if "." in s else s.split("+")[0]
        return str(v)
    a, b = sorted(map(str, ours)), sorted(str([text(v) for v in r]) for r in theirs)
    check(a == b, "rows differ:", [x for x in a if x not in b][:3], "against", [x for x in b if x not in a][:3], len(a), len(b))


# Every type, nulls, texts that need care, and a partition column with 7 values, one of them null.
ROWS = """SELECT id, cast(id % 100 as tinyint) t, cast(id * 7 as smallint) s, cast(id as int) i, id * 1000000007 l,
  cast(id as float) / 4 f, cast(id as double) / 8 d, cast(id as decimal(12,2)) / 4 dec, cast(id * 1000 as decimal(30,3)) big,
  concat('text ', cast(id as string), case when id % 5 = 0 then ' "quoted", with, commas' else '' end) str,
  case when id % 3 = 0 then null else id % 2 = 0 end b,
  date_add(date'2020-01-01', cast(id as int)) day, timestamp'2021-03-04 05:06:07' + make_interval_seconds ts,
  case when id % 7 = 6 then null else concat('k ', cast(id % 7 as string), '/=%') end key FROM range(0, 500, 1, 4)"""
ROWS = ROWS.replace("timestamp'2021-03-04 05:06:07' + make_interval_seconds", "timestamp'2021-03-04 05:06:07' + interval '1.5' second * id")
CAST = """id bigint, t tinyint, s smallint, i int, l bigint, f float, d double, dec decimal(18,6), big decimal(30,3), str string, b boolean,
  day date, ts timestamp, key string"""


def schema_of(cwd):
    return sql(ROWS.replace("500, 1, 4", "1"), cwd)[-1]["schema"][len("struct<"):-1]


# ---- what we wrote, others read ----

def duck(query):
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    return con.execute(query).fetchall()


def test_parquet_for_others():
    with folder() as f:
        want = good(ROWS, f)
        good(f"INSERT OVERWRITE DIRECTORY '{f}/flat' USING parquet {ROWS};"
             f"CREATE TABLE p USING parquet PARTITIONED BY (key) LOCATION '{f}/parts' AS {ROWS}", f)
        check(os.path.exists(f"{f}/flat/_SUCCESS") and os.path.exists(f"{f}/parts/_SUCCESS"), everything(f))
        same(want, duck(f"select * from read_parquet('{f}/flat/*.parquet')"))
        same(want, duck(f"select * from read_parquet('{f}/parts/*/*.parquet', hive_partitioning=true, hive_types={{'key': varchar}})"))
        flat = ds.dataset(f"{f}/flat", format="parquet", ignore_prefixes=["_", "."]).to_table()
        same(want, [list(r.values()) for r in flat.to_pylist()])
        parts = ds.dataset(f"{f}/parts", format="parquet", partitioning=ds.partitioning(pa.schema([("key", pa.string())]), flavor="hive")).to_table()
        same(want, [list(r.values()) for r in parts.to_pylist()])
        folders = sorted(os.listdir(f"{f}/parts"))
        check("key=__HIVE_DEFAULT_PARTITION__" in folders and "key=k 0%2F%3D%25" in folders and len(folders) == 8, folders)


def test_one_file_a_partition_and_task():
    with folder() as f:
        good(f"CREATE TABLE p USING parquet PARTITIONED BY (k) LOCATION '{f}/p' AS SELECT id, id % 100 k FROM range(0, 100000, 1, 2)", f)
        names = visible(f"{f}/p")
        check(len(names) == 200, len(names), "files, not one a task and partition")
        check(all("-c000." not in n and ".c000.snappy.parquet" in n for n in names), names[:3])
        got = duck(f"select count(*), sum(id), count(distinct k) from read_parquet('{f}/p/*/*.parquet', hive_partitioning=true)")
        check(got == [(100000, 4999950000, 100)], got)


def test_order_is_kept_within_a_file():
    with folder() as f:
        good(f"CREATE TABLE p USING parquet PARTITIONED BY (k) LOCATION '{f}/p' AS SELECT id, id % 60 k FROM range(0, 60000, 1, 1)", f)
        for name in visible(f"{f}/p"):
            ids = pq.ParquetFile(f"{f}/p/{name}").read().column("id").to_pylist()
            check(ids == sorted(ids) and len(ids) == 1000, name, len(ids))


def test_text_formats_for_others():
    with folder() as f:
        query = "SELECT id, concat('a', cast(id as string), case when id % 4 = 0 then ', \"x\"' else '' end) s, cast(id as double) / 8 d, id % 3 k FROM range(0, 300, 1, 2)"
        want = good(query, f)
        good(f"INSERT OVERWRITE DIRECTORY '{f}/csv' USING csv OPTIONS (header true, escape '\"') {query};"
             f"INSERT OVERWRITE DIRECTORY '{f}/json' USING json {query};"
             f"CREATE TABLE cp USING csv OPTIONS (header true, escape '\"') PARTITIONED BY (k) LOCATION '{f}/cp' AS {query};"
             f"CREATE TABLE jp USING json OPTIONS (compression gzip) PARTITIONED BY (k) LOCATION '{f}/jp' AS {query};"
             f"INSERT OVERWRITE DIRECTORY '{f}/text' USING text SELECT s FROM ({query})", f)
        same(want, duck(f"select * from read_csv('{f}/csv/*.csv', header=true)"))
        same(want, duck(f"select id, s, d, k from read_csv('{f}/cp/*/*.csv', header=true, hive_partitioning=true)"))
        same(want, duck(f"select * from read_json('{f}/json/*.json')"))
        same(want, duck(f"select id, s, d, k from read_json('{f}/jp/*/*.json.gz', hive_partitioning=true)"))
        lines = [l for n in glob.glob(f"{f}/text/part-*") for l in open(n).read().splitlines()]
        check(sorted(lines) == sorted(r[1] for r in want), len(lines))


def test_codecs_and_file_sizes():
    with folder() as f:
        for codec, ending, name in [("zstd", ".zstd.parquet", "ZSTD"), ("none", "-c000.parquet", "UNCOMPRESSED"), ("snappy", ".snappy.parquet", "SNAPPY"), ("gzip", ".gz.parquet", "GZIP")]:
            good(f"SET spark.sql.parquet.compression.codec={codec}; INSERT OVERWRITE DIRECTORY '{f}/{codec}' USING parquet SELECT id FROM range(1000)", f)
            good(f"INSERT OVERWRITE DIRECTORY '{f}/o{codec}' USING parquet OPTIONS (compression {codec}) SELECT id FROM range(1000)", f)
            for n in visible(f"{f}/{codec}") + [f"../o{codec}/" + v for v in visible(f"{f}/o{codec}")]:
                check(n.endswith(ending), n)
                check(pq.ParquetFile(f"{f}/{codec}/{n}").metadata.row_group(0).column(0).compression == name, n)
        good(f"SET spark.sql.files.maxRecordsPerFile=400; INSERT OVERWRITE DIRECTORY '{f}/max' USING parquet SELECT id FROM range(0, 1000, 1, 1);"
             f"CREATE TABLE m USING parquet PARTITIONED BY (k) LOCATION '{f}/mp' AS SELECT id, id % 2 k FROM range(0, 1000, 1, 1)", f)
        sizes = [pq.ParquetFile(f"{f}/max/{n}").metadata.num_rows for n in visible(f"{f}/max")]
        check(sizes == [400, 400, 200], sizes)
        sizes = sorted(pq.ParquetFile(f"{f}/mp/{n}").metadata.num_rows for n in visible(f"{f}/mp"))
        check(sizes == [100, 100, 400, 400], sizes)


# ---- what others wrote, we read ----

def test_files_of_others():
    with folder() as f:
        con = duckdb.connect()
        con.execute("create table t as select i as id, 'v' || i as s, i % 4 as k, case when i % 2 = 0 then 'x/y' end as p, date '2020-01-01' + cast(i % 3 as int) as d from range(400) r(i)")
        want = con.execute("select id, s, k, p, d from t").fetchall()
        con.execute(f"copy t to '{f}/duck' (format parquet, partition_by (k, p, d))")
        con.execute(f"copy (select id, s, k, p, d from t) to '{f}/one.csv' (header)")
        con.execute(f"copy (select id, s, k, p, d from t) to '{f}/one.json'")
        table = con.execute("select id, s, k, p, d from t").to_arrow_table()
        ds.write_dataset(table, f"{f}/arrow", format="parquet", partitioning=ds.partitioning(pa.schema([("k", table.schema.field("k").type), ("p", pa.string())]), flavor="hive"))
        same(good(f"SELECT id, s, k, p, d FROM parquet.`{f}/duck`", f), want)
        same(good(f"SELECT id, s, k, p, d FROM parquet.`{f}/duck` WHERE k = 2 AND d = date'2020-01-02'", f), [r for r in want if r[2] == 2 and str(r[4]) == "2020-01-02"])
        same(good(f"SELECT id, s, k, p, d FROM parquet.`{f}/arrow` WHERE p IS NULL", f), [r for r in want if r[3] is None])
        same(good(f"CREATE TEMPORARY VIEW c USING csv OPTIONS (path '{f}/one.csv', header true, inferSchema true); SELECT * FROM c", f), want)
        same(good(f"CREATE TEMPORARY VIEW c (id BIGINT, s STRING, k INT, p STRING, d DATE) USING json OPTIONS (path '{f}/one.json'); SELECT * FROM c", f), want)


def test_spark_both_ways():
    from pyspark.sql import SparkSession
    with folder() as f:
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.catalogImplementation", "in-memory")
                 .config("spark.sql.warehouse.dir", f"{f}/warehouse").config("spark.sql.session.timeZone", "UTC").config("spark.log.level", "OFF").getOrCreate())
        try:
            want = good(ROWS, f)
            good(f"INSERT OVERWRITE DIRECTORY '{f}/flat' USING parquet {ROWS};"
                 f"CREATE TABLE p USING parquet PARTITIONED BY (key) LOCATION '{f}/parts' AS {ROWS};"
                 f"INSERT OVERWRITE DIRECTORY '{f}/json' USING json {ROWS}; INSERT OVERWRITE DIRECTORY '{f}/csv' USING csv OPTIONS (header true) {ROWS}", f)
            names = [n.split(":")[0] for n in ("id t s i l f d dec big str b day ts key").split()]
            texts = ", ".join(f"cast({n} as string)" for n in names)
            schema = sql(ROWS, f)[-1]["schema"]
            flat = spark.read.parquet(f"{f}/flat")
            check(flat.schema.simpleString() == schema, flat.schema.simpleString(), "is not", schema)
            ddl = ", ".join(f"{x.name} {x.dataType.simpleString()}" for x in flat.schema)
            for frame in (flat, spark.read.parquet(f"{f}/parts"), spark.read.schema(ddl).json(f"{f}/json"), spark.read.schema(ddl).option("header", True).csv(f"{f}/csv")):
                got = [[v for v in r] for r in frame.selectExpr(*[f"cast({n} as string)" for n in names]).collect()]
                check(sorted(map(str, got)) == sorted(map(str, want)), "Spark reads", [g for g in map(str, got) if g not in set(map(str, want))][:2], "not", [w for w in map(str, want) if w not in set(map(str, got))][:2])
            flat.write.partitionBy("key").parquet(f"{f}/spark")
            flat.write.option("header", True).csv(f"{f}/spark_csv")
            flat.write.json(f"{f}/spark_json")
            check(sorted(map(str, good(f"SELECT {', '.join(names)} FROM parquet.`{f}/spark`", f))) == sorted(map(str, want)), "we read Spark's Parquet otherwise")
            check(sorted(map(str, good(f"CREATE TEMPORARY VIEW v ({ddl}) USING csv OPTIONS (path '{f}/spark_csv', header true); SELECT * FROM v", f))) == sorted(map(str, want)), "we read Spark's CSV otherwise")
            check(sorted(map(str, good(f"CREATE TEMPORARY VIEW v ({ddl}) USING json OPTIONS (path '{f}/spark_json'); SELECT * FROM v", f))) == sorted(map(str, want)), "we read Spark's JSON otherwise")
            check(sorted(n for n in os.listdir(f"{f}/spark") if n[0] == "k") == sorted(n for n in os.listdir(f"{f}/parts") if n[0] == "k"), "folders are named otherwise")
        finally:
            spark.stop()


def test_names_of_folders():
    """Columns whose names are escaped in folders, and folders that others named in another case; Spark's rows."""
    with folder() as f:
        good(f"CREATE TABLE t USING parquet PARTITIONED BY (`a:b`) LOCATION '{f}/t' AS SELECT id v, id % 2 `a:b` FROM range(4)", f)
        check(sorted(n for n in os.listdir(f"{f}/t") if n[0] == "a") == ["a%3Ab=0", "a%3Ab=1"], os.listdir(f"{f}/t"))
        check(good(f"SELECT * FROM parquet.`{f}/t` ORDER BY v", f) == [["0", "0"], ["1", "1"], ["2", "0"], ["3", "1"]], "read by its path")
        check(good(f"SELECT v FROM parquet.`{f}/t` WHERE `a:b` = 1 ORDER BY v", f) == [["1"], ["3"]], "pruned")
        for n, v in ((1, "x"), (2, "y")):
            os.makedirs(f"{f}/c/P={n}")
            open(f"{f}/c/P={n}/a.csv", "w").write(v + "\n")
        text = f"CREATE TABLE c (v STRING, p INT) USING csv PARTITIONED BY (p) LOCATION '{f}/c'; SELECT * FROM c ORDER BY v"
        check(good(text, f) == [["x", "1"], ["y", "2"]], "a table's column in another case")
        last = sql(f"CREATE TEMPORARY VIEW v (v STRING, p STRING) USING csv OPTIONS (path '{f}/c'); SELECT * FROM v ORDER BY v", f)[-1]
        check(last["rows"] == [["x", "1"], ["y", "2"]] and last["schema"] == "struct<v:string,p:string>", last)


# ---- nested columns pass through ----

NESTED = pa.schema([("id", pa.int64()), ("a", pa.list_(pa.int32())), ("m", pa.map_(pa.string(), pa.float64())),
                    ("s", pa.struct([("x", pa.int32()), ("y", pa.list_(pa.string()))])), ("k", pa.string())])


def nested_file(path):
    rows = [{"id": i, "a": None if i % 5 == 0 else [None if j % 3 == 0 else j for j in range(i % 4)],
             "m": None if i % 6 == 0 else [(f"k{j}", j / 4) for j in range(i % 3)],
             "s": None if i % 7 == 0 else {"x": i, "y": None if i % 2 else [f"y{i}", None]}, "k": f"k{i % 3}"} for i in range(1000)]
    pq.write_table(pa.Table.from_pylist(rows, NESTED), path)
    return rows


def plain(rows):
    """pyarrow's rows in a form to compare: maps as sorted pairs."""
    return sorted(json.dumps({k: (sorted(v) if k == "m" and v is not None else v) for k, v in r.items()}, sort_keys=True, default=list) for r in rows)


def test_nested():
    with folder() as f:
        rows = nested_file(f"{f}/in.parquet")
        source = f"parquet.`{f}/in.parquet`"
        spread = EMBEDDED + ["--conf", "drover.plan.single=false", "--conf", "spark.sql.shuffle.partitions=3"]
        queries = {
            "scan": f"SELECT * FROM {source}",
            "sort": f"SELECT * FROM {source} ORDER BY k, id DESC",
            "join": f"SELECT l.id, l.a, l.m, l.s, l.k FROM {source} l JOIN range(1000) r ON l.id = r.id",
            "build": f"SELECT r.id, r.a, r.m, r.s, r.k FROM range(1000) l LEFT JOIN {source} r ON l.id = r.id",
            "group": f"SELECT id, any_value(a) a, first(m) m, any_value(s) s, any_value(k) k FROM {source} GROUP BY id",
            "union": f"SELECT * FROM {source} WHERE id < 500 UNION ALL SELECT * FROM {source} WHERE id >= 500",
            "limit": f"SELECT * FROM {source} ORDER BY id LIMIT 1000",
        }
        for name, q in queries.items():
            good(f"INSERT OVERWRITE DIRECTORY '{f}/{name}' USING parquet {q}", f, args=spread)
            got = ds.dataset(f"{f}/{name}", format="parquet").to_table().to_pylist()
            check(plain(got) == plain(rows), name, "gave other rows")
        good(f"INSERT OVERWRITE DIRECTORY '{f}/json' USING json SELECT * FROM {source}", f)
        back = [json.loads(l) for n in glob.glob(f"{f}/json/part-*") for l in open(n)]
        check(len(back) == 1000 and sorted(r["id"] for r in back) == list(range(1000)), len(back))
        byid = {r["id"]: r for r in back}
        for r in rows:
            b = byid[r["id"]]
            check(b.get("a") == r["a"] and (b.get("m") if r["m"] is None else b["m"] == dict(r["m"])) in (None, True), b, r)
        good(f"CREATE TEMPORARY VIEW j (id BIGINT, a ARRAY<INT>, m MAP<STRING,DOUBLE>, s STRUCT<x:INT,y:ARRAY<STRING>>, k STRING) USING json OPTIONS (path '{f}/json');"
             f"INSERT OVERWRITE DIRECTORY '{f}/back' USING parquet SELECT * FROM j", f)
        check(plain(ds.dataset(f"{f}/back", format="parquet").to_table().to_pylist()) == plain(rows), "JSON gave other rows")
        good(f"CREATE TABLE np USING parquet PARTITIONED BY (k) LOCATION '{f}/np' AS SELECT * FROM {source}", f)
        parts = ds.dataset(f"{f}/np", format="parquet", partitioning="hive").to_table().select(NESTED.names).to_pylist()
        check(plain(parts) == plain(rows), "partitioned gave other rows")
        got = good(f"CREATE TEMPORARY VIEW v USING parquet OPTIONS (path '{f}/in.parquet'); DESCRIBE v", f)
        check([r[1] for r in got] == ["bigint", "array<int>", "map<string,double>", "struct<x:int,y:array<string>>", "string"], got)
        shown = good(f"SELECT a, m, s FROM {source} WHERE id IN (1, 2, 10, 14) ORDER BY id", f)
        # as Spark's shell prints them
        check(shown == [["[null]", '{"k0":0.0}', '{"x":1,"y":null}'], ["[null,1]", '{"k0":0.0,"k1":0.25}', '{"x":2,"y":["y2",null]}'],
                        [None, '{"k0":0.0}', '{"x":10,"y":["y10",null]}'], ["[null,1]", '{"k0":0.0,"k1":0.25}', None]], shown)


# ---- statements over tables ----

def test_tables_of_all_sessions():
    with folder() as f, Cluster(1) as c:
        _, error, _ = c.sql(f"CREATE TABLE t (a INT, p STRING) USING parquet PARTITIONED BY (p) LOCATION '{f}/t'; CREATE TEMPORARY VIEW mine AS SELECT 1 a; INSERT INTO t VALUES (1, 'x'), (2, 'y')", ())
        check(error is None, error)
        rows, error, _ = c.sql("SELECT * FROM t ORDER BY a", ())
        check(rows == [["1", "x"], ["2", "y"]], rows, error)
        rows, error, _ = c.sql("SELECT * FROM mine", ())
        check(error and error["errorClass"] == "TABLE_OR_VIEW_NOT_FOUND", rows, error)
        rows, _, _ = c.sql("INSERT OVERWRITE t PARTITION (p = 'x') SELECT 10; SELECT * FROM t ORDER BY a", ())
        check(rows == [["2", "y"], ["10", "x"]], rows)
        rows, _, _ = c.sql("SET spark.sql.sources.partitionOverwriteMode=dynamic; INSERT OVERWRITE t SELECT 20, 'y'; SELECT * FROM t ORDER BY a", ())
        check(rows == [["10", "x"], ["20", "y"]], rows)
        rows, _, _ = c.sql("INSERT OVERWRITE t SELECT 30, 'z'; SELECT * FROM t", ())
        check(rows == [["30", "z"]] and visible(f"{f}/t") and not any("p=x" in n for n in everything(f"{f}/t")), rows, everything(f"{f}/t"))
        _, error, _ = c.sql("INSERT OVERWRITE t SELECT * FROM t", ())
        check(error["errorClass"] == "UNSUPPORTED_OVERWRITE.TABLE", error)
        _, error, _ = c.sql(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT * FROM parquet.`{f}/t`", ())
        check(error["errorClass"] == "UNSUPPORTED_OVERWRITE.PATH", error)
        c.sql("DROP TABLE t", ())
        check(visible(f"{f}/t"), "an external table's files went with it")
        _, error, _ = c.sql("SELECT * FROM t", ())
        check(error["errorClass"] == "TABLE_OR_VIEW_NOT_FOUND", error)


def test_writers_side_by_side():
    """Many appends to one folder at once, from two drivers; tables made twice at once: one statement is told."""
    with folder() as f, Cluster(2) as a, Cluster(1) as b:
        good(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT 0 id", f)
        view = f"CREATE TEMPORARY VIEW t USING parquet OPTIONS (path '{f}/t');"
        text = view + "".join(f"INSERT INTO t SELECT {i} FROM range(0, 10, 1, 2);" for i in range(4))
        clients = [(a if i % 2 else b).client(text, ()) for i in range(6)]
        for p in clients:
            check(finish(p)[1] is None, "an append failed")
        got = good(view + "SELECT count(*), sum(id) FROM t", f)
        check(got == [["241", "360"]], got)
        check(os.path.exists(f"{f}/t/_SUCCESS") and not os.path.exists(f"{f}/t/_temporary"), everything(f"{f}/t"))
        clients = [a.client(f"CREATE TABLE twice USING parquet LOCATION '{f}/twice{i}' AS SELECT {i} id", ()) for i in range(4)]
        ends = [finish(p)[1] for p in clients]
        check(sum(e is None for e in ends) == 1, ends)
        check(all(e["errorClass"] == "TABLE_OR_VIEW_ALREADY_EXISTS" for e in ends if e), ends)
        check(len([n for n in os.listdir(f) if n.startswith("twice")]) == 1, os.listdir(f))


def test_managed_tables():
    with folder() as f:
        good("CREATE TABLE m USING parquet AS SELECT id FROM range(10); SELECT count(*) FROM m", f)
        check(len(visible(f"{f}/spark-warehouse/m")) >= 1, everything(f))
        check(good("CREATE TABLE m2 USING parquet AS SELECT 1 a; DROP TABLE m2; SHOW TABLES", f) == [], "it is still there")
        check(not os.path.exists(f"{f}/spark-warehouse/m2"), everything(f))
        check(error_of("CREATE TABLE m USING parquet AS SELECT 1", f) == "LOCATION_ALREADY_EXISTS", "it wrote over files")


# ---- what fails leaves nothing ----

def test_failures_leave_nothing():
    with folder() as f:
        bad = "SELECT id, if(id = 90000, cast('x' as int), 1) v, id % 5 k FROM range(0, 100000, 1, 4)"
        check(error_of(f"INSERT OVERWRITE DIRECTORY '{f}/new' USING parquet {bad}", f) == "CAST_INVALID_INPUT", "it did not fail")
        check(not os.path.exists(f"{f}/new"), everything(f))
        check(error_of(f"CREATE TABLE t USING csv PARTITIONED BY (k) LOCATION '{f}/deep/er/t' AS {bad}", f) == "CAST_INVALID_INPUT", "it did not fail")
        check(os.listdir(f) == [], everything(f))
        good(f"INSERT OVERWRITE DIRECTORY '{f}/old' USING parquet SELECT 1 a", f)
        before = everything(f)
        check(error_of(f"INSERT OVERWRITE DIRECTORY '{f}/old' USING parquet {bad}", f) == "CAST_INVALID_INPUT", "it did not fail")
        check(everything(f) == before, everything(f), "was", before)


def test_errors_have_names_and_places():
    with folder() as f:
        good(f"INSERT OVERWRITE DIRECTORY '{f}/d' USING parquet SELECT 1 a", f)
        open(f"{f}/file", "w").write("x")
        text = f"CREATE TABLE t USING parquet LOCATION '{f}/d' AS SELECT 1 a"
        e = sql(text, f)[-1]["error"]
        check(e["errorClass"] == "PATH_ALREADY_EXISTS" and e["sqlState"] == "42K04" and f"{f}/d" in str(e["messageParameters"]), e)
        check(e["queryContext"][0]["fragment"] == f"'{f}/d'", e)
        for path in (f"{f}/file", f"{f}/file/below"):
            e = sql(f"INSERT OVERWRITE DIRECTORY '{path}' USING parquet SELECT 1 a", f)[-1]["error"]
            check("a file stands where a folder is needed" in e["message"] and f"{f}/file" in e["message"] and e["queryContext"][0]["fragment"] == f"'{path}'", e)
        check(open(f"{f}/file").read() == "x", "the file is gone")
        check(error_of(f"INSERT OVERWRITE DIRECTORY '{f}/x' USING text SELECT 1 a", f) == "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", "text took a number")
        check(error_of("SET drover.batch.row=5", f) == "CONFIG_NOT_AVAILABLE", "an unknown setting was taken")
        p = subprocess.run([DROVER, "sql", "--conf", "drover.batch.row=5", "select 1"], capture_output=True, text=True)
        check(p.returncode == 2 and "drover.batch.rows" in p.stderr, p.returncode, p.stderr)
        p = subprocess.run([DROVER, "sql", "set spark.sql.shufle.partitions=5"], capture_output=True, text=True)
        check(p.returncode == 0 and p.stderr.count("spark.sql.shuffle.partitions") == 1, p.returncode, p.stderr)
        check(os.listdir(f) and sorted(os.listdir(f)) == ["d", "file"], os.listdir(f))


def namespace(script, f):
    """Runs a script in a mount namespace of its own; None when this machine does not allow that."""
    probe = subprocess.run(["unshare", "-m", "-r", "true"], capture_output=True)
    if probe.returncode != 0:
        return None
    return subprocess.run(["unshare", "-m", "-r", "sh", "-ec", script], capture_output=True, text=True, cwd=f, timeout=120 * SLOW)


def test_disk_full():
    with folder() as f:
        os.mkdir(f"{f}/small")
        p = namespace(f"mount -t tmpfs -o size=2m none {f}/small; rm -f {f}/out; "
                      f"{DROVER} sql --format jsonl --keep-going \"INSERT OVERWRITE DIRECTORY '{f}/small/t' USING parquet OPTIONS (compression none) SELECT 1 a; "
                      f"INSERT OVERWRITE DIRECTORY '{f}/small/t' USING parquet OPTIONS (compression none) SELECT id, uuid_like FROM (SELECT id, sha2(cast(id as string), 256) uuid_like FROM range(0, 200000, 1, 2))\" > {f}/out || true; "
                      f"find {f}/small -type f", f)
        if p is None:
            return "(skipped: no mount namespaces here)"
        docs = [json.loads(l) for l in open(f"{f}/out")]
        check(len(docs) == 2 and "error" in docs[1], docs, p.stderr)
        e = docs[1]["error"]
        check(e["errorClass"] == "TASK_WRITE_FAILED" and "No space left on device" in e["message"] and "free space there" in e["message"] and f"{f}/small/t" in e["message"], e)
        left = p.stdout.split()
        check(len(left) == 2 and any(n.endswith("_SUCCESS") for n in left) and all("_temporary" not in n for n in left), left)


def test_read_only():
    with folder() as f:
        os.mkdir(f"{f}/ro")
        p = namespace(f"mount -t tmpfs none {f}/ro; mkdir {f}/ro/t; mount -o remount,ro {f}/ro; "
                      f"{DROVER} sql --format jsonl --keep-going \"INSERT OVERWRITE DIRECTORY '{f}/ro/t' USING parquet SELECT 1 a; INSERT OVERWRITE DIRECTORY '{f}/ro/new' USING parquet SELECT 1 a\" || true", f)
        if p is None:
            return "(skipped: no mount namespaces here)"
        for line in p.stdout.splitlines():
            e = json.loads(line)["error"]
            check("Read-only file system" in e["message"] and f"{f}/ro/" in e["message"] and "can be written" in e["message"] and e["queryContext"], e)
        check(len(p.stdout.splitlines()) == 2, p.stdout, p.stderr)


def test_not_visible_to_an_executor():
    """An executor that sees another file system: reading and writing say that paths must be visible to all."""
    with folder() as f, Cluster(0) as c:
        os.mkdir(f"{f}/data")
        probe = subprocess.run(["unshare", "-m", "-r", "true"], capture_output=True)
        if probe.returncode != 0:
            return "(skipped: no mount namespaces here)"
        good(f"INSERT OVERWRITE DIRECTORY '{f}/data/t' USING parquet SELECT id FROM range(100)", f)
        c.start_executor(prefix=["unshare", "-m", "-r", "sh", "-ec", f"mount -t tmpfs none {f}/data; exec \"$@\"", "sh"])
        _, error, _ = c.sql(f"SELECT sum(id) FROM parquet.`{f}/data/t`", ())
        check(error and "visible to the driver and to every executor" in error["message"] and f"{f}/data/t" in error["message"], error)
        _, error, _ = c.sql(f"INSERT OVERWRITE DIRECTORY '{f}/data/new' USING parquet SELECT 1 a", ())
        check(error and "visible to the driver and to every executor" in error["message"] and f"{f}/data/new" in error["message"], error)
        check(not os.path.exists(f"{f}/data/new"), everything(f))


SLOWLY = "SELECT id, sha2(sha2(sha2(cast(id as string), 512), 512), 512) h, id % 20 k FROM range(0, 4000000, 1, 8)"


def running_write(c, f, name="t"):
    p = c.client(f"CREATE TABLE {name} USING parquet PARTITIONED BY (k) LOCATION '{f}/{name}' AS {SLOWLY}", ())
    wait_until(lambda: [n for n in everything(f"{f}/{name}") if "_temporary" in n and not n.endswith(("owner", "lock"))] if os.path.exists(f"{f}/{name}") else None,
               what="files of the attempts")
    check(visible(f"{f}/{name}") == [], visible(f"{f}/{name}"))
    return p


def test_cancelled_and_killed_jobs():
    with folder() as f, Cluster(2) as c:
        p = running_write(c, f)
        p.send_signal(signal.SIGINT)
        _, error, _ = finish(p)
        check(error and error["errorClass"] == "OPERATION_CANCELED", error)
        check(not os.path.exists(f"{f}/t"), everything(f))
        p = running_write(c, f)
        job = c.last_job()["jobId"]
        subprocess.run([DROVER, "kill", str(job), "--driver", c.address], check=True, capture_output=True)
        _, error, _ = finish(p)
        check(error and error["errorClass"] == "OPERATION_CANCELED", error)
        wait_until(lambda: os.listdir(f) == [], what="the folder to go")
        wait_until(c.idle, what="the attempts to stop")
        check(os.listdir(f) == [], everything(f))


def test_executor_dies_after_its_files():
    """Killed between the last byte of its files and its report: another attempt writes them again, once."""
    with folder() as f, Cluster(2, points=["mid-commit"]) as c:
        c.put_token("mid-commit")
        rows, error, _ = c.sql(f"CREATE TABLE t USING parquet PARTITIONED BY (k) LOCATION '{f}/t' AS SELECT id, id % 3 k FROM range(0, 9000, 1, 6); SELECT count(*), sum(id), count(distinct id) FROM t", ())
        check(c.take_token("mid-commit"), "nobody passed the point")
        check(error is None and rows == [["9000", "40495500", "9000"]], rows, error)
        check(not os.path.exists(f"{f}/t/_temporary"), everything(f"{f}/t"))


STEPS = ["commit-before-intent", "commit-after-intent", "commit-after-first-old", "commit-after-old", "commit-after-first-new", "commit-after-new",
         "commit-after-success", "commit-after-forget"]


@contextlib.contextmanager
def test_point(rule):
    os.environ["DROVER_TEST_POINT"] = rule
    try:
        yield
    finally:
        del os.environ["DROVER_TEST_POINT"]


def overwrite_with(step, action, f):
    """A driver that meets a test point while it overwrites f/t: how the statement ended."""
    shutil.rmtree(f"{f}/t", ignore_errors=True)
    good(f"CREATE TABLE t USING parquet PARTITIONED BY (k) LOCATION '{f}/t' AS SELECT id, id % 2 k FROM range(100)", f)
    with test_point(f"{step}:1:{action}"), Cluster(1) as c:
        p = c.client(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT id + 1000 id, id % 7 k FROM range(0, 50, 1, 2)", ())
        wait_until(lambda: c.driver.fired(), what=step)
        if action == "kill":
            return wait_until(lambda: c.driver.proc.poll() == -signal.SIGKILL, what="the driver's end")
        return finish(p)[1]


OLD, NEW = [["100", "4950"]], [["50", "51225"]]


def test_driver_dies_at_each_step():
    """Whoever comes next finds the old rows or the new ones, and nothing else in the folder afterwards."""
    with folder() as f:
        for step in STEPS:
            check(overwrite_with(step, "kill", f), step, "was not noticed")
            got = good(f"SELECT count(*), sum(id) FROM parquet.`{f}/t`", f)
            check(got == (OLD if step == "commit-before-intent" else NEW), step, got, everything(f"{f}/t"))
            good(f"CREATE TEMPORARY VIEW v USING parquet OPTIONS (path '{f}/t'); INSERT INTO v SELECT * FROM v WHERE false", f)
            check(not any("_temporary" in n for n in everything(f"{f}/t")) and os.path.exists(f"{f}/t/_SUCCESS"), step, everything(f"{f}/t"))
            check(good(f"SELECT count(*), sum(id) FROM parquet.`{f}/t`", f) == got, step)


def test_commit_fails_at_each_step():
    with folder() as f:
        for step in STEPS[:-1]:
            error = overwrite_with(step, "fail", f)
            check(error and error["errorClass"] == "DROVER_IO", step, error)
            check(not any("_temporary" in n for n in everything(f"{f}/t")) and os.path.exists(f"{f}/t/_SUCCESS"), step, everything(f"{f}/t"))
            got = good(f"SELECT count(*), sum(id) FROM parquet.`{f}/t`", f)
            check(got == OLD, step, got)


def test_readers_wait_for_a_commit():
    """A statement that comes in the middle of a commit sees the whole of it."""
    with folder() as f:
        good(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT id FROM range(100)", f)
        with test_point("commit-after-first-new:1:sleep=1500"), Cluster(1) as c:
            p = c.client(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT id + 1000 id FROM range(0, 50, 1, 2)", ())
            wait_until(lambda: c.driver.fired(), what="the commit")
            got = good(f"SELECT count(*), sum(id) FROM parquet.`{f}/t`", f)
            check(got == NEW, got)
            check(finish(p)[1] is None, "the write failed")


def test_driver_started_again_on_its_state():
    """The note in the state folder leads the next driver to what the last one left, with nobody touching the target."""
    with folder() as f:
        for step in ("commit-before-intent", "commit-after-first-new"):
            shutil.rmtree(f"{f}/t", ignore_errors=True)
            good(f"CREATE TABLE t USING parquet PARTITIONED BY (k) LOCATION '{f}/t' AS SELECT id, id % 2 k FROM range(100)", f)
            with test_point(f"{step}:1:kill"), Cluster(1, driver_args=["--state", f"{f}/state"]) as c:
                c.client(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT id + 1000 id FROM range(0, 50, 1, 2)", ())
                wait_until(lambda: c.driver.proc.poll() == -signal.SIGKILL, what="the driver's end")
            check(any("_temporary" in n for n in everything(f"{f}/t")) and len(os.listdir(f"{f}/state/writes")) == 1, everything(f))
            with Cluster(0, driver_args=["--state", f"{f}/state"]):
                wait_until(lambda: os.listdir(f"{f}/state/writes") == [], what="the recovery")
                check(not any("_temporary" in n for n in everything(f"{f}/t")) and os.path.exists(f"{f}/t/_SUCCESS"), everything(f"{f}/t"))
            got = duck(f"select count(*), sum(id) from read_parquet('{f}/t/**/*.parquet', hive_partitioning=false)")
            check(got == [tuple(int(x) for x in (OLD if step == "commit-before-intent" else NEW)[0])], step, got)
        with Cluster(1, driver_args=["--state", f"{f}/state"]) as c:
            c.sql(f"INSERT OVERWRITE DIRECTORY '{f}/t' USING parquet SELECT 1 a", ())
            check(os.listdir(f"{f}/state/writes") == [], "a note is left")


def test_driver_stopped_in_a_write():
    with folder() as f, Cluster(1) as c:
        running_write(c, f)
        check(c.driver.stop() == 0, c.driver.read())
        check(os.listdir(f) == [], everything(f))


if __name__ == "__main__":
    sys.exit(runner.run("write", [(k[5:], f) for k, f in list(globals().items()) if k.startswith("test_") and k != "test_point"]))

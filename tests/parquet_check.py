#!/usr/bin/env python3
"""Parquet against other engines: files of every type and encoding are made with pyarrow (and DuckDB), read and
written again by our reader and writer (`test_parquet copy`), and both files are read by pyarrow and DuckDB, which
must see the same rows. Usage: tests/parquet_check.py BUILD/tests/unit/test_parquet [WORKDIR]"""
import datetime as dt
import decimal
import os
import random
import shutil
import subprocess
import sys
import tempfile

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

tool = sys.argv[1]
work = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="parquet_check.")
os.makedirs(work, exist_ok=True)
rng = random.Random(7)
N = 7000
failures = checks = 0


def nullable(make, share=0.2):
    return [None if rng.random() < share else make(i) for i in range(N)]


def word():
    return rng.choice(["", "a", "zwölf Zeich", "twelve bytes", "thirteen byte", "ein längerer Text mit Umläuten ß " * 2]) + \
        str(rng.randrange(50))


def dec(p, s):
    m = 10 ** p - 1
    return decimal.Decimal(rng.randint(-m, m)).scaleb(-s, decimal.Context(prec=60))


def flat_columns(share):
    c = {}
    c["bool"] = pa.array(nullable(lambda i: rng.random() < 0.3, share), pa.bool_())
    for bits in (8, 16, 32, 64):
        c[f"i{bits}"] = pa.array(nullable(lambda i: rng.randrange(-2 ** (bits - 1), 2 ** (bits - 1)), share), getattr(pa, f"int{bits}")())
        c[f"u{bits}"] = pa.array(nullable(lambda i: rng.randrange(0, 2 ** bits), share), getattr(pa, f"uint{bits}")())
    c["seq"] = pa.array(nullable(lambda i: i * 3, share), pa.int64())
    c["few"] = pa.array(nullable(lambda i: i // 1000, share), pa.int32())
    c["f32"] = pa.array(nullable(lambda i: rng.gauss(0, 1e6), share), pa.float32())
    c["f64"] = pa.array(nullable(lambda i: rng.choice([0.0, -0.0, float("inf"), float("-inf"), rng.gauss(0, 1)]), share), pa.float64())
    for p, s in ((5, 2), (9, 9), (15, 2), (18, 0), (20, 5), (38, 10)):
        c[f"d{p}_{s}"] = pa.array(nullable(lambda i: dec(p, s), share), pa.decimal128(p, s))
    c["str"] = pa.array(nullable(lambda i: word(), share), pa.string())
    c["ustr"] = pa.array(nullable(lambda i: f"value number {rng.random()}", share), pa.string())
    c["bin"] = pa.array(nullable(lambda i: rng.randbytes(rng.randrange(30)), share), pa.binary())
    c["fixed"] = pa.array(nullable(lambda i: rng.randbytes(11), share), pa.binary(11))
    c["fixed20"] = pa.array(nullable(lambda i: rng.randbytes(20), share), pa.binary(20))
    c["date"] = pa.array(nullable(lambda i: dt.date(1970, 1, 1) + dt.timedelta(days=rng.randrange(-100000, 100000)), share), pa.date32())
    us = lambda i: rng.randrange(-2 ** 50, 2 ** 50)
    c["ts_ms"] = pa.array(nullable(lambda i: us(i) // 1000, share), pa.timestamp("ms", "UTC"))
    c["ts_us"] = pa.array(nullable(us, share), pa.timestamp("us", "UTC"))
    c["ts_ns"] = pa.array(nullable(us, share), pa.timestamp("ns", "UTC"))
    c["tn_ms"] = pa.array(nullable(lambda i: us(i) // 1000, share), pa.timestamp("ms"))
    c["tn_us"] = pa.array(nullable(us, share), pa.timestamp("us"))
    c["tn_ns"] = pa.array(nullable(us, share), pa.timestamp("ns"))
    return c


def nested_columns():
    c = {}
    lst = lambda make, n=5: [make() for _ in range(rng.randrange(n))]
    opt = lambda make, share=0.2: None if rng.random() < share else make()
    i32 = lambda: rng.randrange(1000)
    c["id"] = pa.array(range(N), pa.int32())
    c["li"] = pa.array(nullable(lambda i: lst(lambda: opt(i32))), pa.list_(pa.int32()))
    c["ls"] = pa.array(nullable(lambda i: lst(lambda: opt(word))), pa.list_(pa.string()))
    c["lli"] = pa.array(nullable(lambda i: lst(lambda: opt(lambda: lst(lambda: opt(i32))))), pa.list_(pa.list_(pa.int64())))
    c["s"] = pa.array(nullable(lambda i: {"a": opt(i32), "b": opt(word), "c": opt(lambda: {"d": opt(lambda: rng.random())})}),
                      pa.struct([("a", pa.int32()), ("b", pa.string()), ("c", pa.struct([("d", pa.float64())]))]))
    c["ls2"] = pa.array(nullable(lambda i: lst(lambda: opt(lambda: {"x": opt(i32), "y": opt(lambda: lst(lambda: opt(word)))}))),
                        pa.list_(pa.struct([("x", pa.int32()), ("y", pa.list_(pa.string()))])))
    c["m"] = pa.array(nullable(lambda i: [(k, opt(i32)) for k in {word() for _ in range(rng.randrange(4))}]), pa.map_(pa.string(), pa.int32()))
    c["ml"] = pa.array(nullable(lambda i: [(k, opt(lambda: lst(lambda: opt(lambda: dec(20, 3))))) for k in range(rng.randrange(3))]),
                       pa.map_(pa.int32(), pa.list_(pa.decimal128(20, 3))))
    c["sl"] = pa.array(nullable(lambda i: {"l": opt(lambda: lst(i32)), "m": opt(lambda: [(1, True), (2, None)])}),
                       pa.struct([("l", pa.list_(pa.int32())), ("m", pa.map_(pa.int32(), pa.bool_()))]))
    c["big"] = pa.array(nullable(lambda i: lst(i32, 60)), pa.list_(pa.int32()))
    return c


def convert(a, t):
    """What our types make of an arrow array."""
    if pa.types.is_timestamp(a.type) and a.type.unit == "ns":
        return pc.cast(pc.floor_temporal(a, 1, "microsecond"), t)
    if pa.types.is_uint64(a.type):
        return pa.array([None if v is None else decimal.Decimal(v) for v in a.to_pylist()], pa.decimal128(20, 0))
    return pc.cast(a, t)


def run(*args):
    p = subprocess.run([tool, *map(str, args)], capture_output=True, text=True)
    if p.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {p.returncode}: {p.stdout}{p.stderr}")
    return p.stdout


def compare(name, path, batch="2048", codec="snappy", group="1000000", want=None):
    global failures, checks
    checks += 1
    out = os.path.join(work, "out.parquet")
    try:
        run("copy", path, out, codec, group, batch)
        a = pq.read_table(path) if want is None else want
        b = pq.ParquetFile(out, page_checksum_verification=True).read()
        assert b.num_rows == a.num_rows, f"{b.num_rows} rows, not {a.num_rows}"
        for i, n in enumerate(a.column_names):
            x, y = convert(a.column(i).combine_chunks(), b.column(i).type), b.column(i).combine_chunks()
            if isinstance(x, pa.ChunkedArray):
                x = pa.concat_arrays(x.chunks)
            if isinstance(y, pa.ChunkedArray):
                y = pa.concat_arrays(y.chunks)
            if x.to_pylist() != y.to_pylist():
                bad = next(k for k, (p, q) in enumerate(zip(x.to_pylist(), y.to_pylist())) if p != q)
                raise AssertionError(f"column {n} differs at row {bad}: {x[bad]} is {y[bad]}")
        d = duckdb.connect()
        n = d.execute(f"select count(*) from '{out}'").fetchone()[0]
        assert n == a.num_rows
        left = d.execute(f"select count(*) from (from '{out}' except all from '{path}')").fetchone()[0] if not any(
            k in name for k in ("uint", "ns", "int96", "half", "bss_fixed")) else 0
        assert left == 0, f"DuckDB sees {left} other rows"
    except Exception as e:  # each file is a check of its own
        failures += 1
        print(f"FAIL {name} batch={batch} codec={codec}: {str(e)[:300]}")


def write(name, table, **kw):
    path = os.path.join(work, name + ".parquet")
    pq.write_table(table, path, **kw)
    return path


flat0, flat = flat_columns(0), flat_columns(0.2)
nested = nested_columns()
plain_types = [n for n in flat if not n.startswith(("u8", "u16", "u32", "u64", "ts_ns", "tn_ns"))]
T0, T, NT = pa.table(flat0), pa.table(flat), pa.table(nested)
TP = T.select(plain_types)

# Codecs and page versions, with and without dictionaries, at several batch sizes.
for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
    for version in ("1.0", "2.0"):
        p = write(f"codec_{codec}_{version}", TP, compression=codec, data_page_version=version, row_group_size=3000, data_page_size=4000)
        compare(f"codec {codec} v{version}", p)
for batch in (1, 7, 1000):
    compare("flat dictionary", write("dict", TP, data_page_size=3000), batch)
    compare("flat plain", write("plain", TP, use_dictionary=False, data_page_size=3000, row_group_size=2500), batch)
    compare("flat required", write("required", pa.table([T0[n] for n in plain_types], schema=pa.schema(
        [pa.field(n, T0[n].type, nullable=False) for n in plain_types])), use_dictionary=batch == 7, data_page_size=5000), batch)
    compare("nested", write("nested", NT, data_page_size=2000, row_group_size=3000), batch, group="2000")
    compare("nested v2", write("nested2", NT, data_page_version="2.0", use_dictionary=False), batch, "zstd")
compare("uint and ns", write("uint", T))
compare("uint and ns plain", write("uintp", T0, use_dictionary=False))
half = pa.table({"h": pa.array(nullable(lambda i: rng.choice([0.5, -2.25, 65504.0, 6e-8, 0.0])), pa.float16())})
compare("half", write("half", half))

# Encodings.
def encoded(name, columns, encoding, **kw):
    t = pa.table({n: flat[n] for n in columns}), pa.table({n: flat0[n] for n in columns})
    for k, x in enumerate(t):
        for version in ("1.0", "2.0"):
            for batch in (5, 2048):
                p = write(f"enc_{name}", x, use_dictionary=False, column_encoding={n: encoding for n in columns},
                          data_page_version=version, data_page_size=3000, **kw)
                compare(f"encoding {name} {encoding} {'nulls' if k == 0 else 'full'} v{version}", p, batch, want=x)

encoded("delta", ["i8", "i16", "i32", "i64", "seq", "few", "date", "ts_us"], "DELTA_BINARY_PACKED")
encoded("dlen", ["str", "bin", "ustr"], "DELTA_LENGTH_BYTE_ARRAY")
encoded("dba", ["str", "bin", "ustr", "fixed", "fixed20", "d38_10"], "DELTA_BYTE_ARRAY")
encoded("bss", ["i32", "i64", "f32", "f64", "ts_us"], "BYTE_STREAM_SPLIT")
encoded("bss_fixed", ["fixed", "fixed20", "d20_5"], "BYTE_STREAM_SPLIT")  # which DuckDB cannot read
encoded("rle", ["bool"], "RLE")
encoded("plain", ["bool", "str", "i32"], "PLAIN")

# Old and odd shapes.
ts = T.select(["ts_us", "tn_us"])
compare("int96", write("int96", ts, use_deprecated_int96_timestamps=True),
        want=pa.table({"ts_us": flat["ts_us"], "tn_us": flat["tn_us"].cast(pa.timestamp("us", "UTC"))}))
compare("int96 plain", write("int96p", ts, use_deprecated_int96_timestamps=True, use_dictionary=False), 9,
        want=pa.table({"ts_us": flat["ts_us"], "tn_us": flat["tn_us"].cast(pa.timestamp("us", "UTC"))}))
compare("decimal integers", write("decint", T.select(["d5_2", "d9_9", "d15_2", "d18_0"]), store_decimal_as_integer=True))
compare("all null", write("allnull", pa.table({"a": pa.nulls(N, pa.int32()), "b": pa.nulls(N, pa.string()), "c": pa.array(range(N))})))
compare("empty table", write("empty", TP.slice(0, 0)))
compare("one row", write("one", TP.slice(0, 1)))
compare("page index", write("index", TP, write_page_index=True, data_page_size=2000))
compare("dictionary falls back", write("fallback", T.select(["ustr", "str", "i64"]), dictionary_pagesize_limit=20000, data_page_size=2000), 100)
long = pa.table({"s": pa.array([rng.choice("ab") * rng.randrange(200000) for _ in range(60)])})
compare("long strings", write("long", long, use_dictionary=False))
compare("long strings of a dictionary", write("longd", long), codec="none")
d = duckdb.connect()
for version in ("V1", "V2"):
    p = os.path.join(work, "duck.parquet")
    d.execute(f"""copy (select i::tinyint a, i::smallint b, i::int c, i::bigint d, i::float e, i::double f, (i%3=0)::bool g,
        i::decimal(7,2) h, i::decimal(30,3) j, 'x'||i k, ('y'||i)::blob l, date '2000-01-01'+i::int m, timestamp '2001-01-01'+to_seconds(i) n,
        timestamptz '2001-01-01 00:00:00+00'+to_seconds(i) o, case when i%5=0 then null else [i, null] end q, {{'u': i, 'v': 'w'||i}} r,
        map([i],['z'||i]) s, uuid() uu from range(100) t(i)) to '{p}' (format parquet, parquet_version {version}, row_group_size 40)""")
    t = pq.read_table(p)
    compare(f"DuckDB {version} uint", p, want=t.drop_columns(["uu"]).append_column("uu", t["uu"].combine_chunks().storage
            if hasattr(t["uu"].combine_chunks(), "storage") else t["uu"].cast(pa.binary(16))))

# Our writer's codecs.
for codec in ("none", "snappy", "zstd", "gzip", "lz4_raw"):
    compare(f"write {codec}", write("w", TP), codec=codec, group="3000")
    compare(f"write nested {codec}", write("wn", NT), codec=codec, group="3000")

# Filters: counts against DuckDB, with groups and pages skipped.
p = write("filter", TP.append_column("sorted", pa.array(range(N))), data_page_size=2000, row_group_size=2500, write_page_index=True)
for cond, sql in (("few = 3", "few = 3"), ("sorted < 100", "sorted < 100"), ("sorted >= 6990", "sorted >= 6990"), ("sorted = 4321", "sorted = 4321"),
                  ("i32 > 0", "i32 > 0"), ("date <= 0", "date <= date '1970-01-01'"), ("d15_2 > 0", "d15_2 > 0"), ("str = a1", "str = 'a1'"),
                  ("str > zw", "str > 'zw'"), ("seq < 300", "seq < 300"), ("d38_10 < 0", "d38_10 < 0"), ("few = 99", "few = 99")):
    checks += 1
    want = d.execute(f"select count(*) from '{p}' where {sql}").fetchone()[0]
    for batch in (3, 2048):
        got = run("count", p, cond, batch)
        if int(got.split()[0]) != want:
            failures += 1
            print(f"FAIL filter {cond}: {got.strip()}, not {want}")

# Spark reads what we write as it reads what pyarrow wrote.
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false").config(
    "spark.sql.session.timeZone", "UTC").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
for name, table in (("flat", TP), ("nested", NT), ("null", pa.table({"a": pa.nulls(N, pa.int32()), "c": pa.array(range(N))})), ("none", TP.slice(0, 0))):
    for codec in ("snappy", "zstd", "gzip", "none", "lz4_raw"):
        checks += 1
        p, out = write("spark", table), os.path.join(work, "out.parquet")
        run("copy", p, out, codec, "3000")
        got = [spark.sql(f"select count(*), sum(xxhash64(to_json(struct(*))) % 1000000007), any_value(typeof(struct(*))) from parquet.`{f}`").collect()[0] for f in (p, out)]
        if got[0] != got[1]:
            failures += 1
            print(f"FAIL Spark {name} {codec}: {got[1]}, not {got[0]}")
        if name == "flat":
            few = [spark.sql(f"select count(*) from parquet.`{f}` where few = 3 and ustr > 'value number 0.5' and date > date '1990-01-01'").collect() for f in (p, out)]
            if few[0] != few[1]:
                failures += 1
                print(f"FAIL Spark's filter {codec}: {few[1]}, not {few[0]}")
spark.stop()

if len(sys.argv) <= 2:
    shutil.rmtree(work)
print(f"parquet: {checks} checks, {failures} failed")
sys.exit(1 if failures else 0)

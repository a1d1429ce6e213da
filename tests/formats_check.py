#!/usr/bin/env python3
"""CSV, JSON lines and text against Apache Spark, over the same files: what each engine reads (types, rows, corrupt
records, the class of an error), and byte for byte what each one writes. DuckDB and pyarrow read what we wrote, too.
Usage: tests/formats_check.py DROVER TEST_CSV [WORKDIR]. Every engine is needed: a missing one is a failure."""
import glob
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

drover, tool = sys.argv[1], sys.argv[2]
work = sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp(prefix="formats_check.")
os.makedirs(work, exist_ok=True)
os.environ.setdefault("TZ", "UTC")
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config(
    "spark.ui.showConsoleProgress", "false").config("spark.sql.session.timeZone", "UTC").config(
    "spark.sql.warehouse.dir", work + "/warehouse").config("spark.driver.extraJavaOptions", "-Dderby.system.home=" + work).getOrCreate()
spark.sparkContext.setLogLevel("OFF")
hive = spark._jvm.org.apache.spark.sql.execution.HiveResult
rng = random.Random(int(os.environ.get("SEED", 11)))
cases, failures, checks = [], 0, 0


def fail(name, text):
    global failures
    failures += 1
    print(f"FAIL {name}: {text}")


def put(name, data):
    path = os.path.join(work, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)
    return path


def case(fmt, data, schema=None, query="select * from v", name=None, path=None, ours=None, **options):
    """One file, read by both. ours: the rows that we give instead, where we differ for a reason."""
    n = len(cases)
    path = path or put(f"case{n}/f{options.pop('extension', '.' + fmt)}", data)
    cases.append(dict(fmt=fmt, path=path, schema=schema, query=query, options=options, name=name or f"{fmt} {n} {options}", ours=ours))


def csv(data, schema=None, **kw):
    case("csv", data, schema, **kw)


def js(data, schema=None, **kw):
    case("json", data, schema, **kw)


# ---- CSV: values of every type, good and bad ----
values = ["5", " 5", "5 ", "+5", "-5", "1.5", "1.5d", "1e3", "1,000.5", "0x10", "TRUE", "t", "NaN", "nan", "Inf", "Infinity", "-Infinity",
          "2020-01-02", "2020-1-2", "2020-01-02 03:04:05", "2020-01-02T03:04:05.123456789", "2020-01-02T03:04:05+02:00",
          "2020-01-02 03:04:05 Europe/Berlin", "2020", "2020-01", " 2020-01-02 ", "2020-01-02x", "99999999999", "1 2:3:4",
          "INTERVAL '1' DAY", "99999999.999", "1e100", "128", "-128", "-129", "2147483648", "9223372036854775807", "9223372036854775808",
          "-9223372036854775808", "9999-99-99", "1e-3", "5.", ".5", "--5", "+", "-", "abc", "0.125", "123456789.125", "1.005", "-0", "-0.0",
          "1e400", "4.9e-324", "3.4028236e38", "123456789012345678901234567890", "00012", "2020-02-29", "2021-02-29", "false", "FALSE"]
types = ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(38,10)", "decimal(38,25)", "decimal(38,38)", "boolean", "date", "timestamp",
         "timestamp_ntz", "string", "binary", "interval day to second"]
shown = {"binary": "select hex(a), _corrupt_record from v", "interval day to second": "select cast(a as string), _corrupt_record from v"}
for t in types:
    csv("".join(f'"{v}"\n' for v in values), f"a {t}, _corrupt_record string", name=f"csv values as {t}", query=shown.get(t, "select * from v"))
R = "1,2,3\n4,5\n6,7,8,9\nx,1,2\n\n  \n#c\n,,\n"
ABC = "a int, b int, c int"
for mode in ("PERMISSIVE", "DROPMALFORMED", "FAILFAST", "nonsense"):
    csv(R, ABC + ", _corrupt_record string", mode=mode)
    csv(R, ABC, mode=mode)
    csv(R, ABC, mode=mode, query="select a from v")
    csv(R, ABC, mode=mode, query="select b, c from v where c > 2")
    csv(R, ABC, mode=mode, query="select count(*) from v")
csv(R, ABC + ", _corrupt_record string", query="select b, _corrupt_record from v")
csv(R, ABC + ", _corrupt_record string", query="select * from v where _corrupt_record is not null")
csv("1,2\nx,1\n", "a int, _corrupt_record string, b int")
csv("1,2\nx,1\n", "a int, bad string, b int", columnNameOfCorruptRecord="bad")
csv("1,2\nx,1\n", "a int, _corrupt_record int, b int")
csv('"",,x\n"a","",\n')
csv('"",,x\n"NULL",NULL,""\n', nullValue="NULL")
csv('"",,x\n', emptyValue="E")
csv("1,nn\n2,pp\n3,mm\n", "a int, b double", nanValue="nn", positiveInf="pp", negativeInf="mm")
for trim in ({}, dict(ignoreLeadingWhiteSpace="true"), dict(ignoreTrailingWhiteSpace="true"),
             dict(ignoreLeadingWhiteSpace="true", ignoreTrailingWhiteSpace="true")):
    csv('a, b ,a,,"q"\n1, 2 ,"3 " , "4",5\nw  ,  x,y  ,v\t,z\n', header="true", **trim)
    csv(' 1 , 2\n', "a int, b int, _corrupt_record string", **trim)
csv("a,A\n1,2\n", header="true")
csv("\n\n a,b\n1,2\n a,b\n", header="true")
csv("#x\na,b\n#1,2\n3,4\n", header="true", comment="#")
csv("x,b\n1,2\n", ABC[:12], header="true", enforceSchema="false")
csv("A,b\n1,2\n", ABC[:12], header="true", enforceSchema="false")
csv("1,2\n", header="maybe")
csv("1,2\n", maxColumns="1")
csv("12345,2\n", maxCharsPerColumn="2")
csv("1,2\n", maxColumns="x")
csv("a,b\n", quote="ab")
for escape in ({}, dict(escape='"'), dict(escape="'"), dict(quote="'"), dict(charToEscapeQuoteEscaping="#")):
    csv('"a""b","c\\"d","e\\\\f"\n"x"y,"a" b,a"b\n"open,1\n"q" ,2," z"\n""",x,y\n"a\nb",1,2\n\'a,b\',\'c\'\'d\',"#"e"\n',
        "a string, b string, c string, _corrupt_record string", **escape)
csv('"a\nb",1,2\r\n"c\r\nd",3,4\n\n5,6,7', "a string, b int, c int, _corrupt_record string", multiLine="true")
csv('a,b\r\n"x\r\ny",1\r\n\r\n"z",2\r\n', "a string, b string, _corrupt_record string", multiLine="true", header="true")
csv('#x\na,"b\n#c"\n#y\nd,e\n', "a string, b string", multiLine="true", comment="#")
csv('#x\n a\n #y\n1#2\n', comment="#")
csv('a||b||"c||d"\n|||\na|b||c\n', "a string, b string, c string, _corrupt_record string", sep="||")
csv("a\tb\n", sep="\\t")
csv("a;b|c", delimiter=";", lineSep="|")
csv("a,b\rc,d\r\ne,f\n")
csv("ä,b\n".encode("latin1"), encoding="ISO-8859-1")
csv(b"a\xffb,c\xc3\n\xe2\x82,\xf0\x9f\x98\x80\n")
csv(b"\xef\xbb\xbfa,b\n1,2\n", header="true")
csv("a,b\n", encoding="nonsense")
csv("01/02/2020,01/02/2020 03:04\nx,2020-01-01 00:00:00\n2020-01-02,\n", "a date, b timestamp, _corrupt_record string",
    dateFormat="dd/MM/yyyy", timestampFormat="dd/MM/yyyy HH:mm")
csv("2020 01 02\n", "a timestamp_ntz, _corrupt_record string", timestampNTZFormat="yyyy MM dd")
csv('"a","b"\n', quote="")
csv("1,2,3\n", ABC, query="select count(*) from v")

# ---- CSV: inference ----
I = dict(inferSchema="true")
csv("1,1.5,a,2020-01-01,2020-01-01 10:00:00,true,,99999999999,1e3,NaN\n2,2,b,2020-01-02,2020-01-01T10:00:00Z,false,,1,2,3\n", **I)
csv("1,2020-01-01,9999999999999999999999,1,2020-01-01,1,1.5\n2,x,1,99999999999999999999999999999999999999999,2020-01-01 10:00:00,true,123456789012345678901\n", **I)
csv("1\n\n 2\n3 \n", **I)
csv("1,2\n1\n1,2,3\n", **I)
csv("a,b\n", header="true", **I)
csv("2020-1-2,2020-01-02 ,2020-01,2020,2020-01-02T\n", **I)
csv("t,TRUE,1d,0x1,+1,1.,.5,1f,Infinity,-Inf,1e3,123456789012345678901234567890123456789\n", **I)
csv("a,b\n1,x\na,b\n2,y\n", header="true", **I)
csv("01/02/2020,1\n02/02/2020,2020-01-01\n", dateFormat="dd/MM/yyyy", **I)
csv("2020-01-01\n2020-01-01 00:00:00\n", timestampFormat="yyyy-MM-dd HH:mm:ss", **I)
csv("2020-01-01,1\n", preferDate="false", **I)
pool = ["1", "-7", "2147483648", "1.5", "1e5", "true", "false", "x", "", "2020-01-01", "2020-01-01 00:00:00", "NaN", "12345678901234567890", " 1", "0.1"]
for k in range(12):
    csv("".join(",".join(rng.choice(pool[k % 5:]) for _ in range(6)) + "\n" for _ in range(4)), name=f"csv inferred {k}", **I)

# ---- CSV: odd quotes ----
alphabet = ['a', 'b', '"', '\\', ',', ' ', "'", '#', '\t', '1']
weights = [4, 2, 6, 3, 4, 2, 1, 1, 1, 1]
def noise(ends):
    return "".join("".join(rng.choices(alphabet, weights, k=rng.randrange(1, 14))) + rng.choice(ends) for _ in range(600))
for options in ({}, dict(escape='"'), dict(ignoreLeadingWhiteSpace="true", ignoreTrailingWhiteSpace="true"), dict(nullValue="a", emptyValue="e"),
                dict(quote="'"), dict(sep=" "), dict(comment="#"), dict(quote=""), dict(escape="#"), dict(charToEscapeQuoteEscaping="'")):
    csv(noise(["\n"]), "a string, b string, c string, _corrupt_record string", name=f"csv noise {options}", **options)

# ---- JSON ----
A = "a int, b string, c struct<x:int,y:string>, d array<int>, m map<string,int>, _corrupt_record string"
js('{"a":1,"b":"x","c":{"x":1,"y":"q"},"d":[1,2,null],"m":{"k":1}}\n{"a":"x","b":1}\n{"a":1.0}\n{"a":1e2}\n{"a":"1"}\n{"a":99999999999}\n'
   '{"a":null,"b":{"z": [1, 2.50]}, "d":[]}\n{"b":[1, {"a" : 2}],"c":{"x":"bad","y":"ok"},"d":[1,"x",3],"m":{"k":"x","j":2}}\n{"c":[],"d":{},"m":[]}\n'
   '{"b":true,"a":true}\n{"b":1.0000e1}\n', A)
bad = ('{"a":1} xx\ntru\n{"a":1\n[{"a":1},{"a":2}]\n[]\n[1]\n[{"a":1},2]\n1\n"x"\nnull\n\n   \n{"a":1,"a":2}\n{\'a\':3}\n{a:4}\n{"a":NaN}\n{"a":01}\n{"a":1,}\n'
       '{"a":1}{"a":2}\n{"a":1 "b":2}\n/*c*/{"a":5}\n{"b":"\\q"}\n{"b":"a\tb"}\n{"b":"\\u00e4\\ud83d\\ude00"}\n{"b":"\\ud83d"}\n{"a":-0}\n{"a":+1}\n{"a":.5}\n'
       '{"a":5.}\n[{"a":1}, {"a":"x"}]\n[[{"a":1}]]\n{"A":7}\n{}\n{"b":"\\u00"}\n{"b":"x\n{"a":1]\n[1,2\n{"b" 1}\n{,}\n[,]\n{"b":-}\n{"b":1e}\n{"b":nul}\n{"b":truee}\n')
for mode in ("PERMISSIVE", "DROPMALFORMED"):
    js(bad, A, mode=mode)
    js(bad, A, mode=mode, query="select count(*) from v")
    js(bad, A, mode=mode, query="select count(a) from v")
js('{"a":"x"}\n', "a int", mode="FAILFAST")
js('{"a":1}\nxx\n', mode="FAILFAST")
jvalues = ['1', '-1', '1.5', '1e2', '"1"', '" 1 "', '""', 'true', '"true"', 'null', '"NaN"', 'NaN', 'Infinity', '-Infinity', '"Infinity"', '"-INF"', '"+INF"', '+INF',
           '128', '-129', '255', '256', '99999999999', '99999999999999999999', '1.005', '"1,000.5"', '"2020-01-02"', '"2020-01-02 03:04:05"', '"2020-01-02T03:04:05+02:00"',
           '1577934245', '"YWI="', '"YW"', '"Y W I ="', '"1 2:3:4"', "\"INTERVAL '1 2:3:4' DAY TO SECOND\"", '{}', '[]', '1E400', '-0.0', '1.0', '0.1']
for t in types:
    js("".join('{"a":%s}\n' % v for v in jvalues), f"a {t}, _corrupt_record string", name=f"json values as {t}", query=shown.get(t, "select * from v"))
js('{"b":1,"a":"x","c":1.5,"d":true,"e":null,"f":[1,2.5],"g":{"x":1},"h":[],"i":{},"j":"2020-01-01","k":12345678901234567890,"l":1e400,"m":"","n":[{"a":1},{"b":2}], "o":[[1],["a"]]}\n'
   '{"b":1.5,"a":1,"c":"q","d":1,"g":{"y":"s"},"h":null,"k":1,"n":[]}\n')
js('{"b":1}\nxx\n')
js('{"b":1}\nxx\n', mode="DROPMALFORMED")
js('[{"b":1},{"a":2}]\n{"c":3}\n')
js('1\n{"c":3}\n')
js('{"a":1,"b":true,"c":1.5}\n', primitivesAsString="true")
js('{"a":1,"b":1.50,"c":"1.5","e":1.23456789012345678901234567890123456789012}\n', prefersDecimal="true")
js('{"a":"2020-01-01 00:00:00","b":"2020-01-01T00:00:00Z","c":"2020-01-01","d":"x"}\n', inferTimestamp="true")
js('{"a":null,"b":[],"c":{},"d":1,"e":[null]}\n', dropFieldIfAllNull="true")
js('{"a":1,"A":2}\n')
js('{"b":1,"Z":1,"a":1,"ä":2,"_":3}\n')
js('[{"a":1},\n{"a":2}]', multiLine="true")
js('{"a":1}\n{"a":2}', multiLine="true")
js('{"a":1', "a int, _corrupt_record string", multiLine="true")
js('{a:1}\n', allowUnquotedFieldNames="true")
js('/* x */ {"a":1} // y\n', allowComments="true")
js('{"a":007}\n', allowNumericLeadingZeros="true")
js('{"a":"\\q"}\n', allowBackslashEscapingAnyCharacter="true")
js('{"a":"a\tb"}\n', allowUnquotedControlChars="true")
js("{'a':1}\n", "a int, _corrupt_record string", allowSingleQuotes="false")
js('{"a":NaN}\n', "a double, _corrupt_record string", allowNonNumericNumbers="false")
js(b'{"a":"a\xffb"}\n', "a string, _corrupt_record string")
js('{"a":"02/01/2020","b":"02/01/2020 03:04"}\n{"a":"2020-01-02"}\n', "a date, b timestamp, _corrupt_record string", dateFormat="dd/MM/yyyy", timestampFormat="dd/MM/yyyy HH:mm")
js('{"a":{"b":{"c":"x","d":1},"e":[{"f":1},{"f":"y"},{"f":3}]},"g":[[1],["x"],[3]]}\n', "a struct<b:struct<c:int,d:int>,e:array<struct<f:int>>>, g array<array<int>>, _corrupt_record string")
js('{"m":{"a":{"x":1},"b":{"x":"q"}},"n":{"a":[1],"b":null}}\n', "m map<string,struct<x:int>>, n map<string,array<int>>, _corrupt_record string")
js('{"a":"x","b":1}\n', "a int, b int, _corrupt_record string", query="select b, _corrupt_record from v")
js('{"a":' + '[' * 1100 + ']' * 1100 + '}\n', "a string, _corrupt_record string", query="select length(a), length(_corrupt_record) from v")
js('{"a":' + '[' * 900 + ']' * 900 + '}\n', "a string, _corrupt_record string", query="select length(a), length(_corrupt_record) from v")
js(b'\xef\xbb\xbf{"a":1}\n')
js('{"a":1}\nxx\n', columnNameOfCorruptRecord="bad")
js('{"a":1}|{"a":2}', lineSep="|")
js('{"a":1}\r\n{"a":2}\r{"a":3}')


def document(depth):
    k = rng.randrange(9 if depth else 6)
    if k == 6:
        return [document(depth - 1) for _ in range(rng.randrange(3))]
    if k >= 7:
        return {rng.choice("abcd"): document(depth - 1) for _ in range(rng.randrange(4))}
    return rng.choice([None, True, 1, -5, 2 ** 40, 2 ** 70, 1.5, 1e300, "", "x", "ä\n", "2020-01-01", "7"])


for k in range(14):
    js("".join(json.dumps({rng.choice("abcd"): document(3) for _ in range(4)}, ensure_ascii=rng.random() < 0.5) + "\n" for _ in range(1 + k % 4)), name=f"json inferred {k}")
good = ['{"a": 1, "b": [1, {"c": "x\\n"}], "d": -1.5e3}', "[{\"a\":1},{\"b\":null}]", '{"b":"\\u00e4"}']
for options in ({}, dict(allowSingleQuotes="false"), dict(allowUnquotedFieldNames="true"), dict(allowComments="true")):
    lines = []
    for _ in range(400):
        t = rng.choice(good)
        for _ in range(rng.randrange(1, 3)):
            i = rng.randrange(len(t))
            t = t[:i] + rng.choice(['"', "'", "{", "}", "[", "]", ",", ":", "\\", "1", "a", " ", "-", ".", "0", "/", "*", "n"]) + t[i + rng.randrange(2):]
        lines.append(t)
    js("\n".join(lines), "a int, d double, _corrupt_record string", name=f"json noise {options}", **options)

# ---- text, compression, folders ----
case("text", "a\nb\r\nc\rd\n\ne")
case("text", "a||b||c", lineSep="||")
case("text", "a\nb\r\n", wholetext="true")
case("text", "", schema="a string")
case("text", "x\n", schema="a int")
case("text", "x\n", schema="a string, b string")
case("csv", gzip.compress(b"1,2\n3,4\n") + gzip.compress(b"5,6\n"), extension=".csv.gz")
case("json", gzip.compress(b'{"a":1}\n{"a":2}'), extension=".json.gz")
case("text", zlib.compress(b"a\nb\n"), extension=".txt.deflate")
case("csv", gzip.compress(b"1,2\n3,4\n" * 1000)[:-30], extension=".csv.gz", query="select count(*) from v")
case("csv", None, path=os.path.join(work, "nowhere"))
case("csv", None, path=os.path.join(work, "nowhere*"))


def folders(names, data="1\n", **kw):
    root = os.path.join(work, f"folders{len(cases)}")
    for name in names:
        put(f"{root}/{name}", data)
    case("csv", None, path=root, name=f"folders {names}", query=kw.pop("query", "select * from v order by 1, 2"), **kw)


for keys in (["1", "2"], ["01", "2"], ["1", "2147483648"], ["1", "x"], ["1.5", "2"], ["2020-01-01"], ["2020-01-01", "2020-1-2"], ["2020-01-01 00%3A00%3A00"], ["true"], ["1e3"],
             ["1", "1.5"], ["99999999999999999999", "1"], ["+1"], ["-1"], ["2020-01-01", "1"], ["NaN"], ["1.0d"], ["a%2Fb"], ["2020-01-01", "2020-01-01 10%3A00%3A00"],
             ["12345678901234567890.5"], ["1", "__HIVE_DEFAULT_PARTITION__"], ["ä b"], ["a", "__HIVE_DEFAULT_PARTITION__"]):
    folders([f"k={k}/f.csv" for k in keys])
folders(["k=1/j=a/f.csv", "k=2/j=b/f.csv"], query="select * from v where k = 2")
folders(["k=1/j=a/f.csv", "k=2/j=b/f.csv"], query="select j, k, _c0 from v where j = 'a' or k > 1 order by j")
folders(["k=1/f.csv", "k=2/f.csv"], schema="k string, _c0 int")
folders(["k=1/f.csv", "j=1/f.csv"])
folders(["sub/f.csv"])
folders(["sub/f.csv", "g.csv"], query="select * from v")
folders(["sub/f.csv", "g.csv"], query="select * from v", recursiveFileLookup="true")
folders(["_x/f.csv", ".h.csv", "_s.csv", "ok.csv", "c.csv._COPYING_"], query="select * from v")
os.makedirs(work + "/empty")
for fmt in ("csv", "json", "parquet"):
    case(fmt, None, path=work + "/empty")

# ---- Parquet with a schema of the user's ----
pq.write_table(pa.table({"id": pa.array([0, 1, 2], pa.int64()), "i": pa.array([0, 1, None], pa.int32()), "s": ["x", "y", None],
                         "f": pa.array([1.5, 2.5, None], pa.float32()), "d": pa.array([1, 2, None], pa.date32())}), work + "/user.parquet")
for schema in ("id bigint, zz int", "id string", "i bigint", "i double", "i decimal(10,0)", "id int", "ID bigint", "s binary", "f double", "d timestamp_ntz", "i string", "s int",
               "i decimal(12,2)", "d timestamp"):
    case("parquet", None, schema=schema, path=work + "/user.parquet")

# Values that the filter before leaves out make no error, dictionary or not: entries are no rows.
pq.write_table(pa.table({"z": ["UTC"] * 5000 + ["bad/zone", "(", "%d%"], "s": ["%s"] * 5000 + ["%d", "x", "y"]}), work + "/raise.parquet")
for expr in ("from_utc_timestamp(timestamp'2020-01-02', z)", "rlike('abc', z)", "format_string(s, 'a')", "'abc' like concat(z, if(z = 'UTC', '', '\\\\'))",
             "regexp_replace('UTC', z, s)"):
    case("parquet", None, path=work + "/raise.parquet", query=f"select count(*), count({expr}) from (select * from v where s = '%s' and z = 'UTC')")


# ---- both engines over all of that ----
def same(a, b):
    """Rows alike; numbers by value, since Java before 19 prints some with more digits than they need."""
    if a == b:
        return True
    a, b = a.split("\t"), b.split("\t")
    return len(a) == len(b) and all(x == y or number(x) == number(y) is not None for x, y in zip(a, b))


def number(text):
    try:
        return struct.pack("f", float(text)) if abs(float(text)) < 3e38 else float(text)
    except (ValueError, OverflowError):
        return None


def sql_text(s):
    return "'" + s.replace("\\", "\\\\").replace("'", "\\'") + "'"


def in_spark(c):
    try:
        reader = spark.read.format(c["fmt"])
        for k, v in c["options"].items():
            reader = reader.option(k, v)
        if c["schema"]:
            reader = reader.schema(c["schema"])
        reader.load(c["path"]).createOrReplaceTempView("v")
        df = spark.sql(c["query"])
        lines = hive.hiveResultString(df._jdf.queryExecution().executedPlan())
        return df.schema.simpleString(), [lines.apply(i) for i in range(lines.size())]
    except Exception as e:
        text = str(e)
        cls = e.getCondition() if hasattr(e, "getCondition") else None
        return "error", cls or text[:300]


def in_drover():
    script = []
    for c in cases:
        options = dict(c["options"], path=c["path"])
        schema = f" ({c['schema']})" if c["schema"] else ""
        script.append(f"create or replace temporary view v{schema} using {c['fmt']} options (" +
                      ", ".join(f"{k} {sql_text(v)}" for k, v in options.items()) + ");")
        script.append(c["query"] + ";")
    path = put("script.sql", "\n".join(script))
    p = subprocess.run([drover, "sql", "--format", "jsonl", "--keep-going", "--conf", "spark.sql.session.timeZone=UTC", "-f", path],
                       capture_output=True, text=True)
    documents = [json.loads(line) for line in p.stdout.splitlines()]
    if len(documents) != 2 * len(cases):
        raise SystemExit(f"formats: {len(documents)} answers to {2 * len(cases)} statements: {p.stderr[-2000:]}")
    return documents


answers = in_drover()
for i, c in enumerate(cases):
    checks += 1
    made, got = answers[2 * i], answers[2 * i + 1]
    want_schema, want = in_spark(c)
    error = made.get("error") or got.get("error")
    if want_schema == "error":
        if not error:
            fail(c["name"], f"Spark's error is {want}; rows here: {got['rows'][:3]}")
        continue
    if error:
        fail(c["name"], f"{error['message'][:300]}; Spark has {want_schema} {want[:3]}")
        continue
    rows = ["\t".join("NULL" if x is None else x for x in row) for row in got["rows"]]
    if c["ours"] is not None:
        want = c["ours"]
    if got["schema"] != want_schema:
        fail(c["name"], f"schema {got['schema']}, not {want_schema}")
    elif len(rows) != len(want) or not all(map(same, rows, want)):
        bad = next((k for k, (x, y) in enumerate(zip(rows, want)) if not same(x, y)), min(len(rows), len(want)))
        fail(c["name"], f"{len(rows)} rows for {len(want)}; row {bad}: {rows[bad:bad + 1]}, not {want[bad:bad + 1]}")

# ---- writing: the same bytes as Spark's ----
strings = ["", " ", "a", " a ", "a,b", 'a"b', '"a"', '"', "a\\b", 'a\\"b', "a,\\b", "a,\\", "a\nb", "a\rb", "\ta\t", "a'b", "#a", " ,", ' " ', "null", "ä", "\\", '""', 'a\\,b"c', None, "x" * 5000, "|", "||", "a||b"]
many = pa.table({"i": pa.array(range(len(strings)), pa.int32()), "a": strings, "b": strings[::-1]})
typed = spark.sql("""select true b, 1Y t, 2S s, 3 i, 4L l, float(1.5) f, 1.5e22 d, double('nan') n, double('inf') pi, double('-inf') ni, 1.50BD dec,
    cast(1e-10 as decimal(38,20)) dd, cast(0 as decimal(10,8)) z8, 'x' st, date'2020-01-02' da, timestamp'2020-01-02 03:04:05.120' ts,
    timestamp'2020-01-02 03:04:05' ts0, timestamp'2020-01-02 03:04:05.123456' ts6, timestamp_ntz'2020-01-02 03:04:05.1' tn, date'12020-01-02' bd,
    timestamp'0001-01-01 00:00:00' old, cast(null as int) nul union all select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    null, null, null, null, null, null, 7""")
nested = spark.sql("""select named_struct('a', 1, 'b', cast(null as int)) s, array(1, null, 2) ar, map('k', 1, 'j', null) m, cast(null as string) n,
    'q"\\\\/\\b\\n\\r\\t\\u0001ä\\u2028\\u007f' x, '' e, array(named_struct('z', 1.5D)) az, map(1, 'a') mi, map(date'2020-01-01', timestamp'2020-01-01 00:00:00') md,
    float(1e10) f, 1e-5D d, 100.0D h, 0D z, 1e7D e7, array(array('a'), null) aa, named_struct('p', named_struct('q', array(true))) pp""")
one = pa.table({"value": ["a", None, "b\nc", "", "ä"]})
for name, table in (("many", many), ("one", one)):
    pq.write_table(table, f"{work}/{name}.parquet")
for name, df in (("typed", typed), ("nested", nested)):
    df.coalesce(1).write.option("compression", "snappy").mode("overwrite").parquet(f"{work}/{name}.dir")
    shutil.copy(glob.glob(f"{work}/{name}.dir/part-*.parquet")[0], f"{work}/{name}.parquet")


def written(table, fmt, **options):
    global checks
    checks += 1
    src, out, theirs = f"{work}/{table}.parquet", f"{work}/ours.{fmt}", f"{work}/theirs"
    shutil.rmtree(theirs, ignore_errors=True)
    w = spark.read.parquet(src).coalesce(1).write.mode("overwrite")
    for k, v in options.items():
        w = w.option(k, v)
    w.format(fmt).save(theirs)
    want = b"".join(open(f, "rb").read() for f in sorted(glob.glob(theirs + "/part-*")))
    p = subprocess.run([tool, "copy", "parquet", src, fmt, out] + [f"{k}={v}" for k, v in options.items()], capture_output=True, text=True)
    if p.returncode:
        return fail(f"write {table} {fmt} {options}", p.stderr)
    got = open(out, "rb").read()
    if got != want:
        a, b = got.split(b"\n"), want.split(b"\n")
        k = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        fail(f"write {table} {fmt} {options}", f"line {k}: {a[k:k + 1]}, not {b[k:k + 1]}")


for options in ({}, dict(header="true"), dict(quoteAll="true"), dict(escape='"'), dict(escapeQuotes="false"), dict(emptyValue="E", nullValue="N"), dict(sep="||"), dict(quote="'"),
                dict(ignoreLeadingWhiteSpace="false", ignoreTrailingWhiteSpace="false"), dict(quoteAll="true", nullValue="N"), dict(lineSep="|"), dict(sep="\\t", header="true")):
    written("many", "csv", **options)
written("typed", "csv", header="true")
written("typed", "csv", dateFormat="dd/MM/yyyy", timestampFormat="dd/MM/yyyy HH:mm", timestampNTZFormat="yyyy")
written("typed", "csv", timeZone="Europe/Berlin")
written("one", "csv")
for table in ("many", "typed", "nested", "one"):
    written(table, "json")
    written(table, "json", ignoreNullFields="false")
written("typed", "json", dateFormat="dd/MM/yyyy", timestampFormat="dd/MM/yyyy HH:mm", lineSep="||")
written("one", "text")
written("one", "text", lineSep="||")

# ---- writing: read by the others, compressed ----
plain = pa.table({"i": pa.array(range(5000), pa.int64()), "s": [f"text, {k} \"q\"" if k % 3 else None for k in range(5000)], "d": [k / 8 for k in range(5000)]})
pq.write_table(plain, work + "/plain.parquet")
duck = duckdb.connect()
for codec, extension in (("none", ""), ("gzip", ".gz"), ("zstd", ".zst")):
    for fmt in ("csv", "json"):
        checks += 1
        out = f"{work}/plain.{fmt}{extension}"
        options = ["compression=" + codec, "header=true", 'escape="'] if fmt == "csv" else ["compression=" + codec]
        subprocess.run([tool, "copy", "parquet", work + "/plain.parquet", fmt, out] + options, check=True, capture_output=True)
        source = f"read_csv('{out}', header=true, escape='\"', quote='\"')" if fmt == "csv" else f"read_json('{out}')"
        left = duck.execute(f"select count(*) from (select i, s, d from {source} except all from '{work}/plain.parquet')").fetchone()[0]
        rows = duck.execute(f"select count(*) from {source}").fetchone()[0]
        if left or rows != 5000:
            fail(f"DuckDB reads {fmt} {codec}", f"{rows} rows, {left} of them differ")
        if codec != "zstd":
            read = pa.csv.read_csv(out, convert_options=pa.csv.ConvertOptions(strings_can_be_null=True)) if fmt == "csv" else pa.json.read_json(gzip.open(out) if extension else out)
            if read.column("i").to_pylist() != plain.column("i").to_pylist() or read.column("s").to_pylist() != plain.column("s").to_pylist():
                fail(f"pyarrow reads {fmt} {codec}", "other values")
        rows = subprocess.run([tool, "scan", fmt, out, "-", "*", "1", "header=true"], capture_output=True, text=True).stdout
        if not rows.startswith("5000 rows"):
            fail(f"our own {fmt} {codec}", rows)

spark.stop()
if len(sys.argv) <= 3:
    shutil.rmtree(work)
print(f"formats: {checks} checks, {failures} failed")
sys.exit(1 if failures else 0)

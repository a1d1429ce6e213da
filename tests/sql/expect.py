#!/usr/bin/env python3
"""Asks Spark for what the .test files expect and writes it into them: expect.py [--missing] [FILE]...

With --missing only statements that have no answer yet are asked.

Needs pyspark with a JDK (deploy/setup.sh). Cells are the text of Spark's SQL shell; doubles and floats take the
shortest form that JDK 19 and later print, whatever JDK runs here.
"""
import glob
import logging
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testfile  # noqa: E402


def java_double(text, single=False):
    """The shortest digits that read back, in Java's layout."""
    if text in ("NULL", "NaN", "Infinity", "-Infinity"):
        return text
    value = float(text)
    if single:
        digits = next(s for s in (f"{value:.{p}e}" for p in range(1, 17))
                      if struct.pack("f", float(s)) == struct.pack("f", value))
    else:
        digits = next(s for s in (f"{value:.{p}e}" for p in range(1, 18)) if float(s) == value)
    sign = "-" if digits.startswith("-") else ""
    mantissa, exponent = digits.lstrip("-").split("e")
    d, e = mantissa.replace(".", "").rstrip("0") or "0", int(exponent)
    if value == 0:
        return sign + "0.0"
    if 1e-3 <= abs(value) < 1e7:
        if e >= 0:
            whole, rest = d[:e + 1].ljust(e + 1, "0"), d[e + 1:]
            return f"{sign}{whole}.{rest or '0'}"
        return f"{sign}0.{'0' * (-e - 1)}{d}"
    return f"{sign}{d[0]}.{d[1:] or '0'}E{e}"


class Spark:
    def __init__(self):
        logging.disable(logging.CRITICAL)
        from pyspark.sql import SparkSession
        b = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        for k, v in {"spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false",
                     "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
                     "spark.log.level": "OFF", "spark.sql.datetime.java8API.enabled": "true", "spark.sql.warehouse.dir": "/tmp/drover-expect-warehouse",
                     "spark.driver.extraJavaOptions": "-Duser.language=en -Duser.country=US"}.items():
            b = b.config(k, v)
        self.session = b.getOrCreate()
        self.session.sparkContext.setLogLevel("OFF")
        self.hive = self.session._jvm.org.apache.spark.sql.execution.HiveResult
        self.version = self.session.version

    def settings(self, values):
        for k, v in values.items():
            self.session.conf.set(k, v)
        for row in self.session.sql("SHOW VIEWS").collect():
            self.session.sql(f"DROP VIEW `{row.viewName}`")

    def ask(self, sql):
        try:
            return self.rows(sql)
        except Exception as e:  # what Spark raises has a condition; anything else is shown to the author
            if not hasattr(e, "getCondition") or not e.getCondition():
                return ["error ? " + re.sub(r"\s+", " ", str(e))[:200]]
            context = [c for c in (e.getQueryContext() or [])]
            fragment = None
            if context:
                try:
                    fragment = context[0].fragment()
                except Exception:
                    fragment = None
            params = dict(e.getMessageParameters() or {})
            return [testfile.render_error(e.getCondition(), e.getSqlState(), params, fragment)]

    def rows(self, sql):
        df = self.session.sql(sql)
        schema = df._jdf.schema().catalogString()
        types = [f.dataType.simpleString() for f in df.schema.fields]
        if not types:
            return []
        lines = self.hive.hiveResultString(df._jdf.queryExecution().executedPlan())
        rows = [lines.apply(i).split("\t") for i in range(lines.size())]
        if any(len(r) != len(types) for r in rows):  # a cell with a tab: column by column
            df = df.toDF(*[f"c{i}" for i in range(len(types))])
            columns = [self.hive.hiveResultString(df.select(f"c{i}")._jdf.queryExecution().executedPlan())
                       for i in range(len(types))]
            rows = [[c.apply(i) for c in columns] for i in range(lines.size())]
        for row in rows:
            for j, cell in enumerate(row):
                if cell == "NULL":  # so no statement may make that text
                    row[j] = None
                elif types[j] in ("double", "float"):
                    row[j] = java_double(cell, types[j] == "float")
        return ["schema " + testfile.one_line(schema)] + [testfile.compact(r) for r in rows]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    missing = "--missing" in sys.argv[1:]
    paths = [a for a in sys.argv[1:] if a != "--missing"] or sorted(glob.glob(os.path.join(here, "*.test")))
    files = [testfile.load(p) for p in paths]
    files = [t for t in files if not any(h.startswith("# engine:") and "Spark" not in h for h in t.head)]
    spark = Spark()
    for t in files:
        spark.settings(t.settings)
        for c in t.cases:
            known = missing and c.expected and not c.expected[0].startswith("error ?")
            if known and not c.sql.upper().startswith("CREATE"):
                continue
            answer = spark.ask(c.sql)
            if not c.by_hand:
                c.expected = answer
        t.head = [f"# engine: Spark {spark.version}" if h.startswith("# engine:") else h for h in t.head]
        testfile.save(t)
        print(f"{os.path.basename(t.path)}: {len(t.cases)} statements", flush=True)


if __name__ == "__main__":
    main()

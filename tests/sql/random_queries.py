#!/usr/bin/env python3
"""Random queries over small Parquet files with nulls, beside DuckDB and on several layouts: random_queries.py [COUNT [SEED]].

Only what both dialects mean alike is generated: no overflow, no division of integers, sorts name their place of
nulls. Rows are compared as multisets. A difference prints the statement; the seed makes it again.
"""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import duck  # noqa: E402
import tpch  # noqa: E402

COLUMNS = {"a": "int", "b": "int", "c": "dec", "d": "dbl", "s": "str", "u": "str", "t": "date", "f": "bool"}
TABLES = {"big": 3000, "mid": 200, "low": 12, "nil": 0}


def make_tables(con, folder):
    """Columns with many and with few different values, each with nulls."""
    for name, rows in TABLES.items():
        con.sql("SELECT setseed(0.42)")
        con.sql(f"""COPY (SELECT
            CASE WHEN random() < 0.9 THEN (random() * {max(rows // 4, 3)})::INT END AS a,
            CASE WHEN random() < 0.8 THEN (random() * 9)::INT - 3 END AS b,
            CASE WHEN random() < 0.9 THEN (random() * 1000)::DECIMAL(8,2) - 300 END AS c,
            CASE WHEN random() < 0.9 THEN round(random() * 64)::DOUBLE / 8 END AS d,
            CASE WHEN random() < 0.9 THEN ['', 'a', 'ab', 'abc', 'b', 'Zé', 'long text over twelve bytes'][1 + (random() * 6)::INT] END AS s,
            CASE WHEN random() < 0.9 THEN 'k' || (random() * {max(rows // 2, 3)})::INT END AS u,
            CASE WHEN random() < 0.9 THEN DATE '2020-02-25' + (random() * 40)::INT END AS t,
            CASE WHEN random() < 0.8 THEN random() < 0.5 END AS f
            FROM range({rows})) TO '{folder}/{name}.parquet' (FORMAT parquet)""")
        con.sql(f"CREATE VIEW {name} AS SELECT * FROM '{folder}/{name}.parquet'")


class Maker(duck.Drawing):
    def literal(self, kind):
        return {"int": lambda: str(self.r.randint(-4, 9)), "dec": lambda: f"{self.r.randint(-300, 700)}.{self.r.randint(0, 99):02}",
                "dbl": lambda: f"CAST({self.r.randint(0, 64) / 8} AS DOUBLE)", "str": lambda: "'" + self.pick("", "a", "ab", "b", "k3", "Zé") + "'",
                "date": lambda: f"DATE '2020-03-{self.r.randint(1, 31):02}'", "bool": lambda: self.pick("true", "false")}[kind]()

    def column(self, scope, kind):
        fits = [name for name, k in scope if k == kind]
        return self.r.choice(fits) if fits else self.literal(kind)

    def value(self, scope, kind, depth=2):
        """An expression of that kind over the columns of scope: [(name, kind)]."""
        if depth <= 0 or self.chance(0.4):
            return self.column(scope, kind) if self.chance(0.8) else self.literal(kind)
        v = lambda k: self.value(scope, k, depth - 1)  # noqa: E731
        if self.chance(0.25):
            return self.pick(lambda: f"CASE WHEN {self.condition(scope, depth - 1)} THEN {v(kind)} ELSE {v(kind)} END",
                             lambda: f"coalesce({v(kind)}, {v(kind)})", lambda: f"nullif({v(kind)}, {self.literal(kind)})")()
        return {"int": lambda: self.pick(f"({v('int')} + {v('int')})", f"({v('int')} - {v('int')})", f"({v('int')} * {self.literal('int')})",
                                         f"({v('int')} % {self.r.randint(2, 7)})", f"abs({v('int')})", f"length({v('str')})", f"CAST(year({v('date')}) AS INT)"),
                "dec": lambda: self.pick(f"({v('dec')} + {v('dec')})", f"({v('dec')} - {v('int')})", f"abs({v('dec')})"),
                "dbl": lambda: self.pick(f"({v('dbl')} + {v('dbl')})", f"({v('dbl')} * 2)", f"CAST({v('int')} AS DOUBLE)", f"floor({v('dbl')}) * CAST(1 AS DOUBLE)"),
                "str": lambda: self.pick(f"upper({v('str')})", f"({v('str')} || 'x')", f"substring({v('str')}, 1, 2)", f"CAST({v('int')} AS VARCHAR(30))",
                                         f"trim({v('str')})", f"replace({v('str')}, 'a', 'bb')"),
                "date": lambda: f"({v('date')} + {self.r.randint(0, 5)})", "bool": lambda: f"({self.condition(scope, depth - 1)})"}[kind]()

    def kind(self):
        return self.pick("int", "int", "dec", "dbl", "str", "str", "date", "bool")

    def condition(self, scope, depth=2, queries=False):
        c = lambda: self.condition(scope, depth - 1, queries)  # noqa: E731
        k = self.kind()
        v = lambda: self.value(scope, k, 1)  # noqa: E731
        if depth > 0 and self.chance(0.35):
            return self.pick(lambda: f"({c()} AND {c()})", lambda: f"({c()} OR {c()})", lambda: f"NOT ({c()})")()
        if queries and self.chance(0.3):
            return self.subquery_condition(scope)
        return self.pick(lambda: f"{v()} {self.pick('=', '<', '>=', '<>')} {v()}", lambda: f"{v()} IS {self.pick('', 'NOT ')}NULL",
                         lambda: f"{v()} {self.pick('', 'NOT ')}IN ({', '.join(self.literal(k) for _ in range(self.r.randint(1, 4)))})",
                         lambda: f"{v()} BETWEEN {self.literal(k)} AND {self.literal(k)}",
                         lambda: f"{v()} IS {self.pick('', 'NOT ')}DISTINCT FROM {v()}",
                         lambda: f"{self.value(scope, 'str', 1)} LIKE '{self.pick('a%', '%b', '%a%', '_b%', 'k1_')}'")()

    def table(self, size=None):
        self.aliases += 1
        alias = f"x{self.aliases}"
        name = size or self.pick("big", "mid", "mid", "low", "low", "nil")
        return f"{name} {alias}", [(f"{alias}.{c}", k) for c, k in COLUMNS.items()]

    def subquery_condition(self, scope):
        source, inner = self.table()
        k = self.pick("int", "str", "date")
        own, outer = self.column(inner, k), self.column(scope, k)
        link = f"{self.column(inner, k)} = {self.column(scope, k)}"
        extra = f" AND {self.condition(inner, 0)}" if self.chance(0.5) else ""
        return self.pick(f"{outer} {self.pick('', 'NOT ')}IN (SELECT {own} FROM {source} WHERE {self.condition(inner, 0)})",
                         f"{self.pick('', 'NOT ')}EXISTS (SELECT 1 FROM {source} WHERE {link}{extra})",
                         f"{self.value(scope, 'int', 0)} {self.pick('<', '>=', '=')} (SELECT {self.pick('max(', 'min(', 'count(')}{self.column(inner, 'int')}) "
                         f"FROM {source} WHERE {link}{extra})")

    def source(self):
        source, scope = self.table()
        for _ in range(self.pick(0, 0, 1, 1, 2)):
            right, columns = self.table(self.pick("mid", "low", "low", "nil"))
            k = self.pick("int", "str", "date")
            on = f"{self.column(scope, k)} = {self.column(columns, k)}"
            if self.chance(0.3):
                on += f" AND {self.condition(scope + columns, 0)}"
            join = self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN")
            source += f" {join} {right} ON {on}"
            scope = scope if join in ("SEMI JOIN", "ANTI JOIN") else scope + columns
        return source, scope

    def aggregate(self, scope):
        k = self.kind()
        number = self.pick("int", "dec", "dbl")
        f = f" FILTER (WHERE {self.condition(scope, 0)})" if self.chance(0.2) else ""
        return self.pick(lambda: "count(*)" + f, lambda: f"count({self.value(scope, k, 1)}){f}", lambda: f"count(DISTINCT {self.value(scope, k, 1)})",
                         lambda: f"sum({self.value(scope, number, 1)}){f}", lambda: f"avg({self.value(scope, 'int', 1)}){f}",
                         lambda: f"{self.pick('min', 'max')}({self.value(scope, self.pick('int', 'dec', 'dbl', 'str', 'date'), 1)}){f}",
                         lambda: f"sum(DISTINCT {self.value(scope, 'int', 1)})", lambda: f"stddev_samp({self.column(scope, 'int')})",
                         lambda: f"bool_or({self.column(scope, 'bool')})")()

    def select(self, kinds=None):
        source, scope = self.source()
        where = f" WHERE {self.condition(scope, 2, True)}" if self.chance(0.6) else ""
        if kinds is None and self.chance(0.45):
            keys = [self.value(scope, self.kind(), 1) for _ in range(self.pick(0, 1, 1, 2))]
            aggs = [self.aggregate(scope) for _ in range(self.r.randint(1, 3))]
            group = f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
            having = f" HAVING count(*) > {self.r.randint(0, 3)}" if keys and self.chance(0.3) else ""
            return f"SELECT {', '.join(f'{e} AS o{i}' for i, e in enumerate(keys + aggs))} FROM {source}{where}{group}{having}"
        kinds = kinds or [self.kind() for _ in range(self.r.randint(1, 4))]
        distinct = "DISTINCT " if self.chance(0.25) else ""
        return f"SELECT {distinct}{', '.join(f'{self.value(scope, k)} AS o{i}' for i, k in enumerate(kinds))} FROM {source}{where}"

    def query(self):
        if self.chance(0.15):
            kinds = [self.pick("int", "str", "date") for _ in range(self.r.randint(1, 2))]
            op = self.pick("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL")
            return f"{self.select(kinds)} {op} {self.select(kinds)}"
        q = self.select()
        if self.chance(0.2):  # all columns, so that ties are equal rows
            count = 1 + max(int(i) for i in re.findall(r" AS o(\d+)", q))
            keys = ", ".join(f"o{i} {self.pick('ASC', 'DESC')} NULLS {self.pick('FIRST', 'LAST')}" for i in range(count))
            q = f"SELECT * FROM ({q}) q ORDER BY {keys} LIMIT {self.r.randint(1, 50)}"
        return q


def main():
    import duckdb
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 300, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    con = duckdb.connect()
    with tempfile.TemporaryDirectory() as tmp:
        make_tables(con, tmp)
        queries, want = [], []
        n = refused = 0
        while len(queries) < count:
            q = Maker(seed * 1000003 + n).query()
            n += 1
            try:
                rows = con.execute(q).fetchall()
            except duckdb.Error:
                refused += 1  # DuckDB's types or its subqueries
                continue
            if len(rows) < 20000:
                queries.append(q)
                want.append(rows)
        views = [f"CREATE TEMPORARY VIEW {t} USING parquet OPTIONS (path '{tmp}/{t}.parquet')" for t in TABLES]
        wrong = duck.agree(f"random (seed {seed}, {refused} refused by DuckDB)", os.path.join(tpch.ROOT, "build", "drover"), views, queries, want)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Random correlated subqueries over tiny tables full of nulls, beside DuckDB: random_subqueries.py [COUNT [SEED]].

Scalar, EXISTS and IN, in select lists, WHERE, HAVING and as group keys, over derived tables, joins, unions, DISTINCT, other
aggregates and LIMIT 1, up to three queries deep. What we refuse by name (UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY) may be a few in a
hundred; everything else has DuckDB's rows. Columns compare as multisets; the seed makes a difference again.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import duck  # noqa: E402
import tpch  # noqa: E402

TABLES = {"t": ("abg", 9), "u": ("xyz", 14), "v": ("pq", 7)}
REFUSED = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY"


class Maker(duck.Drawing):
    def rows(self, columns, count):
        cell = lambda: self.pick("NULL", "0", "1", "1", "2", "2", "3", "4", "5")  # noqa: E731
        return ", ".join(f"({', '.join(cell() for _ in columns)})" for _ in range(count))

    def number(self):
        return str(self.r.randint(0, 4))

    def table(self):
        self.aliases += 1
        name = self.pick("u", "v")
        return name, f"s{self.aliases}", list(TABLES[name][0])

    def link(self, outer, alias, columns, depth):
        """Conditions of a subquery's rows, most of them with columns of the query around it."""
        def one():
            own, other = f"{alias}.{self.pick(*columns)}", self.pick(*outer)
            return self.r.choices([lambda: f"{own} = {other}", lambda: f"{own} {self.pick('<', '>', '<=', '<>')} {other}",
                                   lambda: f"{own} + {alias}.{self.pick(*columns)} = {other}", lambda: f"{own} IS NOT DISTINCT FROM {other}",
                                   lambda: f"{own} {self.pick('=', '<', '>')} {self.number()}",
                                   lambda: f"({own} = {other} OR {alias}.{self.pick(*columns)} = {self.number()})",
                                   lambda: self.condition([f"{alias}.{c}" for c in columns], depth + 1) if depth < 2 else "true"],
                                  [9, 3, 2, 2, 2, 1, 2])[0]()
        return " AND ".join(one() for _ in range(self.r.randint(1, 2)))

    def source(self, outer, depth):
        """(FROM ... WHERE ..., its alias, the columns that it has)"""
        name, alias, columns = self.table()
        inner = f"{alias}i"
        below = f"FROM {name} {inner} WHERE {self.link(outer, inner, columns, depth)}"
        other, right, more = self.table()
        join = f"{name} {alias} {self.pick('JOIN', 'LEFT JOIN')} {other} {right} ON {alias}.{self.pick(*columns)} = {right}.{self.pick(*more)}"
        where = f"WHERE {self.link(outer, alias, columns, depth)}"
        return self.r.choices([(f"FROM {name} {alias} {where}", alias, columns),
                               (f"FROM (SELECT {self.pick('', 'DISTINCT ')}{', '.join(columns)} {below}) {alias}", alias, columns),
                               (f"FROM {join} {where}", alias, columns),
                               (f"FROM (SELECT {columns[0]}, count(*) AS {columns[1]} {below} GROUP BY {columns[0]}) {alias}", alias, columns[:2])],
                              [6, 2, 1, 1])[0]

    def having(self):
        return f" HAVING count(*) {self.pick('>', '=', '<')} {self.r.randint(0, 3)}" if self.r.random() < 0.2 else ""

    def scalar(self, outer, depth=0):
        source, alias, columns = self.source(outer, depth)
        x = f"{alias}.{self.pick(*columns)}"
        keys = ", ".join(f"{alias}.{c} {self.pick('ASC', 'DESC')} NULLS {self.pick('FIRST', 'LAST')}" for c in self.r.sample(columns, len(columns)))
        second, alias2, columns2 = self.source(outer, depth)
        call = self.pick("count(*)", f"count({x})", f"count(DISTINCT {x})", f"max({x})", f"sum({x})", f"min({x}) + 1", f"coalesce(max({x}), -1)")
        return self.r.choices([f"(SELECT {call} {source}{self.having()})", f"(SELECT {x} {source} ORDER BY {keys} LIMIT 1)",
                               f"(SELECT max(w) FROM (SELECT {x} AS w {source} UNION {self.pick('', 'ALL ')}SELECT {alias2}.{self.pick(*columns2)} {second}) q)",
                               f"(SELECT sum(w) FROM (SELECT {self.pick('DISTINCT ', '')}{x} AS w {source}) q)"], [6, 2, 1, 1])[0]

    def condition(self, outer, depth=0):
        source, alias, columns = self.source(outer, depth)
        having = self.having()
        item = self.pick(*[f"{alias}.{c}" for c in columns], f"max({alias}.{columns[0]})", "count(*)")
        exists = f"{self.pick('', 'NOT ')}EXISTS (SELECT {'count(*)' if having else '1'} {source}{having})"
        return self.r.choices([lambda: exists, lambda: f"{self.pick(*outer, self.number(), 'NULL')} {self.pick('', 'NOT ')}IN (SELECT {item} {source})",
                               lambda: f"{self.scalar(outer, depth)} {self.pick('=', '<', '>', '<>')} {self.pick(*outer)}",
                               lambda: f"({self.condition(outer, depth)} OR {self.pick(*outer)} = {self.number()})"], [7, 7, 4, 2])[0]()

    def query(self):
        t = ["t.a", "t.b", "t.g"]
        return self.r.choices([lambda: f"SELECT t.a, t.b, t.g FROM t WHERE {self.condition(t)}", lambda: f"SELECT t.a, t.b, {self.scalar(t)} FROM t",
                               lambda: f"SELECT t.a, t.b, {self.condition(t)} FROM t",
                               lambda: f"SELECT t.a, count(*), sum(t.b) FROM t GROUP BY t.a HAVING {self.condition(['t.a'])}",
                               lambda: f"SELECT t.a, w.p, {self.scalar(['t.a', 'w.q'])} FROM t {self.pick('JOIN', 'LEFT JOIN')} v w ON t.b = w.p",
                               lambda: f"SELECT {self.scalar(t)} AS k, count(*) FROM t GROUP BY 1"], [7, 5, 3, 2, 2, 1])[0]()


def main():
    import duckdb
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 400, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    con, maker = duckdb.connect(), Maker(seed)
    views = []
    for name, (columns, rows) in TABLES.items():
        values = f"VALUES {maker.rows(columns, rows)}"
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM ({values}) q({', '.join(columns)})")
        views.append(f"CREATE TEMPORARY VIEW {name} AS SELECT * FROM {values} AS q({', '.join(columns)})")
    queries = [maker.query() for _ in range(count)]
    want = [con.execute(q).fetchall() for q in queries]
    wrong = duck.agree(f"subqueries (seed {seed})", os.path.join(tpch.ROOT, "build", "drover"), views, queries, want, REFUSED)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

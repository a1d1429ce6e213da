#!/usr/bin/env python3
"""Every function with arguments at the ends of their types: extremes.py [--drover PATH] [COUNT [SEED]].

Meant for a driver built with sanitizers. Each call is made twice: with constants, which the driver folds, and with
columns, which an executor works out. No process may die, and where both calls give a row, it is the same row. COUNT
calls a function; the seed makes them again.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {
    "bool": ["true", "false"],
    "int": ["0", "1", "-1", "3", "37", "38", "39", "-39", "400", "-400", "2147483647", "-2147483648", "127Y", "-128Y", "32767S", "-32768S"],
    "long": ["9223372036854775807L", "-9223372036854775808L", "86400L", "-1L", "0L"],
    "decimal": ["0.0BD", "1.5BD", "-2.5BD", "99999999999999999999999999999999999999BD", "-99999999999999999999999999999999999999BD",
                "0.00000000000000000000000000000000000001BD", "1.0000000000000000000000000000000000001BD", "12345.123456789BD"],
    "double": ["0D", "-0D", "1.5D", "1e308D", "-1e308D", "5e-324D", "double('NaN')", "double('Infinity')", "double('-Infinity')", "float('NaN')", "float('3.4e38')"],
    "text": ["''", "'a'", "'Zé\U0001f600'", "'abc def'", "repeat('x', 5000)", "'2024-02-29'", "'12:34'", "'yyyy-MM-dd HH:mm:ss.SSS'", "'999-99'", "'[a-'",
             "'(a)(b)?'", "'%'", "'\\\\'", "'%5.3f'", "'%2147483647d'", "'$999,999.99'", "'Asia/Tokyo'", "'+18:00'", "'month'", "'-1.5e400'", "'\\u0000'", "'9'"],
    "binary": ["X''", "X'00FF80'"],
    "date": ["DATE'1970-01-01'", "DATE'0001-01-01'", "DATE'9999-12-31'", "date_from_unix_date(2147483647)", "date_from_unix_date(-2147483648)"],
    "time": ["TIMESTAMP'2024-03-10 02:30:00'", "timestamp_micros(9223372036854775807L)", "timestamp_micros(-9223372036854775808L)", "TIMESTAMP_NTZ'1900-01-01 00:00:00'"],
    "months": ["INTERVAL '178956970-7' YEAR TO MONTH", "INTERVAL '-178956970-8' YEAR TO MONTH", "INTERVAL '1' MONTH"],
    "span": ["INTERVAL '106751991' DAY", "INTERVAL -1 SECOND", "INTERVAL 0 DAY"],
}
# What the analysis says of types and literals; the rest is raised by values.
ANALYSIS = ("DATATYPE_MISMATCH", "WRONG_NUM_ARGS", "PARSE", "UNRESOLVED", "NON_FOLDABLE")
OF_LITERALS = ("NUMERIC_VALUE_OUT_OF_RANGE",)  # a literal has as few digits as it needs, and so has what comes of it
LAZY = {"between", "case", "coalesce", "decode", "if", "ifnull", "nullif", "nvl", "nvl2"}
# An answer that is not the same twice, or that depends on the order of evaluation.
UNSTEADY = {"rand", "random", "randn", "uuid", "shuffle", "now", "localtimestamp", "curdate", "current_time", "randstr", "uniform",
            "monotonically_increasing_id", "spark_partition_id"}


def statement(name, args):
    operator = not name[0].isalpha() and name[0] != "_"
    if operator and len(args) == 1:
        return f"{name} {args[0]}"
    if operator or name in ("and", "or", "like", "rlike", "div", "ilike"):
        return f"{args[0]} {name} {args[-1]}"
    if name == "not":
        return f"not ({args[0]})"
    return f"{name}({', '.join(args)})"


def taken(drover, names):
    """What each function takes: {(name, number of arguments): [kinds of the first, of the second, ...]}, as it answers to one that is not NULL."""
    tries = [(name, n, i, kind) for name in names for n in range(1, 5) for i in range(n) for kind in KINDS]
    takes = {}
    for name, n, i, kind in tries:
        takes.setdefault((name, n), [set() for _ in range(n)])
    docs, said = ask(drover, [f"SELECT {statement(name, [KINDS[kind][0] if j == i else 'NULL' for j in range(n)])}" for name, n, i, kind in tries], [])
    if len(docs) != len(tries):
        sys.exit(f"{tries[len(docs) - 1]} ended a process:\n{said[:3000]}")
    for (name, n, i, kind), d in zip(tries, docs):
        if "rows" in d or not d["error"]["errorClass"].startswith(ANALYSIS):
            takes[name, n][i].add(kind)
    return {call: kinds for call, kinds in takes.items() if all(kinds)}


def pairs(takes, r, count):
    for (name, n), kinds in takes.items():
        for _ in range(count):
            first = r.choice(sorted(kinds[0]))  # operands are often of one kind
            args = [r.choice(KINDS[first if first in k and r.random() < 0.4 else r.choice(sorted(k))]) if r.random() < 0.97 else "NULL" for k in kinds]
            columns = [f"c{i}" for i in range(n)]
            yield (f"SELECT {statement(name, args)}", f"SELECT {statement(name, columns)} FROM VALUES ({', '.join(args)}) t({', '.join(columns)})")


def ask(drover, statements, settings):
    """The documents of the statements and what was said on standard error."""
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "all.sql")
        with open(script, "w", encoding="utf-8") as f:
            f.write("".join(s + ";\n" for s in statements))
        command = [drover, "sql", "--format", "jsonl", "--keep-going", "--executors", "1", "--slots", "1", "--memory", "1g"]
        for s in settings:
            command += ["--conf", s]
        p = subprocess.run(command + ["-f", script], capture_output=True, text=True, timeout=900, cwd=tmp)
    return [json.loads(line) for line in p.stdout.splitlines() if line.startswith("{")], p.stderr


def outcome(doc):
    return doc["rows"] if "rows" in doc else doc["error"]["errorClass"]


def differ(call, folded, column):
    """Not where a literal counts for a smaller type than a column, nor where a literal is wanted."""
    name = call.split("(")[0].split()[1]
    if name in UNSTEADY or "current" in name:
        return False
    if "rows" in folded and "rows" in column:
        return folded["rows"] != column["rows"] and folded["schema"].rpartition(":")[2] == column["schema"].rpartition(":")[2]
    error = (folded.get("error") or column.get("error"))["errorClass"]
    # What the driver does not ask: x of x AND false, in words or in what the call stands for, and the others beside a NULL.
    lazy = "rows" in folded and (re.search(r" (and|or) (true|false)$", call) or folded["rows"] == [[None]] or name in LAZY)
    return ("rows" in folded) != ("rows" in column) and not lazy and not error.startswith(ANALYSIS + OF_LITERALS)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--drover", default=os.path.join(HERE, "../../build/drover"))
    a.add_argument("--functions", help="only those, by commas")
    a.add_argument("count", nargs="?", type=int, default=20)
    a.add_argument("seed", nargs="?", type=int, default=1)
    args = a.parse_args()
    drover, r, wrong, rows, total = os.path.abspath(args.drover), random.Random(args.seed), 0, 0, 0
    names = args.functions.split(",") if args.functions else [d[0] for d in ask(drover, ["SHOW FUNCTIONS"], [])[0][0]["rows"]]
    takes = taken(drover, names)
    for ansi in ("true", "false"):
        todo = list(pairs(takes, r, args.count))
        total += 2 * len(todo)
        while todo:
            batch, todo = todo[:500], todo[500:]
            docs, said = ask(drover, [s for pair in batch for s in pair], [f"spark.sql.ansi.enabled={ansi}", "spark.sql.session.timeZone=America/New_York"])
            died = "runtime error" in said or "Sanitizer" in said or "signal" in said
            if died or len(docs) != 2 * len(batch):
                wrong += 1
                at = min(len(docs) - 1, 2 * len(batch) - 1)
                for i, d in enumerate(docs):
                    if d.get("error", {}).get("errorClass", "").startswith("DROVER_"):
                        at = i
                        break
                print(f"{batch[at // 2][at % 2]}\n  ended a process, after {len(docs)} of {2 * len(batch)} answers:\n{said[:3000]}", flush=True)
                todo = batch[at // 2 + 1:] + todo
                docs = docs[:at]
            for i in range(len(docs) // 2):
                folded, column = docs[2 * i:2 * i + 2]
                rows += "rows" in folded
                if differ(batch[i][0], folded, column):
                    wrong += 1
                    print(f"{batch[i][0]}\n  folded: {outcome(folded)}\n  from columns: {outcome(column)}", flush=True)
    print(f"extremes: {total} calls of {len(names)} functions (seed {args.seed}), {rows} gave a row: {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

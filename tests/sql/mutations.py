#!/usr/bin/env python3
"""Broken statements: those of the .test files with tokens dropped, doubled, swapped and replaced: mutations.py [--drover PATH] [COUNT [SEED]].

None may harm the driver: every statement gets one answer, and none of them is a bug of ours (INTERNAL_ERROR) or a lost process.
"""
import argparse
import glob
import json
import os
import random
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import duck  # noqa: E402
import testfile  # noqa: E402
import tpch  # noqa: E402

TOKEN = r"'(?:[^'\\]|\\.)*'|\d[\w.]*|[A-Za-z_]+'[^']*'|\w+|<=>|<=|>=|<>|!=|\|\||[^\w\s]"
STRANGE = ["NULL", "*", "(SELECT 1)", "sum(1)", "-1", "ROLLUP", "a", "emp", "DISTINCT", "WHERE", "ORDER", "BY", "2147483647", "1e308D",
           "INTERVAL 1 DAY", "''", "CASE", "("]
HARMFUL = ("bug of Drover", "CONNECTION_LOST", "EXECUTOR_LOST", "broken invariant")


def kind(token):
    return "word" if token[0].isalpha() else "value" if token[0] in "'0123456789" else "sign"


def like(r, token, others):
    """One of the other tokens of the same kind: what still parses reaches further."""
    same = [o for o in others if kind(o) == kind(token)]
    return r.choice(same) if same else token


def mutate(r, statements):
    tokens = re.findall(TOKEN, r.choice(statements))
    for _ in range(r.randint(1, 2)):
        if len(tokens) < 3:
            break
        i, j = r.randrange(len(tokens)), r.randrange(len(tokens))
        what = r.choice([0, 1, 2, 2, 3, 3, 3, 3, 4])
        if what == 0:
            del tokens[i]
        elif what == 1:
            tokens.insert(i, tokens[j])
        elif what == 2:
            tokens[i] = like(r, tokens[i], tokens)
        elif what == 3:
            tokens[i] = like(r, tokens[i], re.findall(TOKEN, r.choice(statements)))
        else:
            tokens[i] = r.choice(STRANGE)
    q = " ".join(tokens)
    # Neither what would swallow the next statement nor what is only large.
    whole = q.count("'") % 2 == 0 and not re.search(r"[;`\"]|--|/\*|range", q, re.I)
    return q if whole and q.strip() else None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--drover", default=os.path.join(tpch.ROOT, "build", "drover"))
    a.add_argument("count", nargs="?", type=int, default=2000)
    a.add_argument("seed", nargs="?", type=int, default=1)
    args = a.parse_args()
    count, seed, r = args.count, args.seed, random.Random(args.seed)
    statements, setup = [], []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.test"))):
        name = os.path.basename(path)
        if name.startswith(("cast_", "compare", "arith", "statement")):  # many alike; files of their own
            continue
        for c in testfile.load(path).cases:
            makes = c.sql.upper().startswith("CREATE")
            if makes and name == "query.test":
                setup.append(c.sql)
            if not makes:
                statements.append(c.sql)
    queries = []
    while len(queries) < count:
        q = mutate(r, statements)
        if q:
            queries.append(q)
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "mutations.sql")
        with open(script, "w", encoding="utf-8") as f:
            f.write("".join(q + ";\n" for q in setup + queries))
        docs, p = duck.drover(args.drover, script, ["--executors", "1"])
    bad = [f"{q}\n  {json.dumps(d)[:500]}" for q, d in zip(setup + queries, docs) if any(h in json.dumps(d) for h in HARMFUL)]
    if len(docs) != len(setup) + count:
        bad.append(f"{len(docs)} answers to {len(setup) + count} statements; drover ended with {p.returncode}: {p.stderr[-800:]}\n  "
                   f"next: {(setup + queries)[min(len(docs), len(setup) + count - 1)]}")
    failed = sum(1 for d in docs if d.get("error"))
    print("\n".join(bad[:10]) or f"mutations: {count} broken statements, {failed} of them errors, none harmful (seed {seed})")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

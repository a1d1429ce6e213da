#!/usr/bin/env python3
"""Runs the .test files through drover, in every layout, and compares: run.py [--quick] [--drover PATH] [FILE]...

One process a layout runs all files. A layout is a number of executors, a batch size and whether small queries may
run in one task; with that off, exchanges happen between the executors. Small outputs ride in completions but for
batches of 1, where all are fetched.
"""
import argparse
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testfile  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUTS = [(1, 2048, True), (1, 1, False), (1, 1000, True), (2, 2048, False), (2, 1, False), (2, 1000, True),
           (4, 2048, False), (4, 1, False), (4, 1000, False)]
QUICK = [(1, 2048, True), (2, 1, False)]


def same_number(a, b):
    if a == b:
        return True
    try:
        x, y = float(a), float(b)
    except (TypeError, ValueError):
        return False
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y)) or (x != x and y != y)


def same_row(want, have, types):
    if len(want) != len(have):
        return False
    for w, h, t in zip(want, have, types):
        if w != h and not (t in ("double", "float") and same_number(w, h)):
            return False
    return True


def sort_key(row):
    return [(c is not None, c or "") for c in row]


def same_rows(want, have, types, ordered):
    if len(want) != len(have):
        return False
    if not ordered:
        def coarse(row):
            return sort_key([f"{float(c):.6e}" if t in ("double", "float") and c not in (None,) else c
                             for c, t in zip(row, types)])
        want, have = sorted(want, key=coarse), sorted(have, key=coarse)
    return all(same_row(w, h, types) for w, h in zip(want, have))


def differs(case, doc):
    """What is wrong with drover's answer, or None."""
    error = doc.get("error")
    if not case.expected:
        return f"failed: {error['message']}" if error else None
    if case.expected[0].startswith("error ? "):
        return f"no answer to compare with: {case.expected[0]}"
    if case.expected[0].startswith("error "):
        cls, state, params, fragment = testfile.parse_error(case.expected[0])
        if not error:
            return f"want {case.expected[0]}\n  have rows {doc.get('rows')}"
        context = error.get("queryContext") or [{}]
        ours = {k: v for k, v in error["messageParameters"].items() if k in params}  # ours may say more
        have = testfile.render_error(error["errorClass"], error["sqlState"], ours,
                                     context[0].get("fragment") if fragment else None)
        want = testfile.render_error(cls, state, params, fragment)
        return None if have == want else f"want {case.expected[0]}\n  have {have}"
    if error:
        return f"want {case.expected[:3]}\n  have error {error['message']}"
    want_schema = case.expected[0][len("schema "):]
    if testfile.one_line(doc["schema"]) != want_schema:
        return f"want {want_schema}\n  have {doc['schema']}"
    want = [json.loads(r) for r in case.expected[1:]]
    types = testfile.field_types(want_schema)
    if want and len(types) != len(want[0]):
        types = ["?"] * len(want[0])
    if same_rows(want, doc["rows"], types, case.ordered):
        return None
    for w, h in zip(want, doc["rows"]):
        if case.ordered and not same_row(w, h, types):
            return f"want {testfile.compact(w)}\n  have {testfile.compact(h)}"
    w = collections.Counter(map(testfile.compact, want))
    h = collections.Counter(map(testfile.compact, doc["rows"]))
    return f"want {list((w - h).elements())[:4]}\n  have {list((h - w).elements())[:4]}"


def run_layout(args, files, layout, script):
    executors, batch, single = layout
    command = [os.path.abspath(args.drover), "sql", "--format", "jsonl", "--keep-going", "--executors", str(executors), "--slots", "2" if executors == 1 else "1",
               "--memory", "1g", "--conf", f"drover.batch.rows={batch}", "--conf", f"drover.plan.single={str(single).lower()}",
               "--conf", f"drover.shuffle.ride.max={0 if batch == 1 else '8k'}",
               "-f", script]
    with tempfile.TemporaryDirectory() as cwd:  # where tables without a location go
        p = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout, cwd=cwd)
    docs = [json.loads(line) for line in p.stdout.splitlines() if line.startswith("{")]
    wrong = at = 0
    name = f"{executors} executors, batches of {batch}{'' if single else ', exchanges'}"
    for t in files:
        at += len(t.settings)
        for c in t.cases:
            if at >= len(docs):
                print(f"{t.path}:{c.line}: no answer ({name}); drover ended with {p.returncode}: {p.stderr[-2000:]}")
                return wrong + 1
            why = differs(c, docs[at])
            if why:
                wrong += 1
                args.differing.add(f"{t.path}:{c.line}")
                if wrong <= args.show:
                    print(f"{os.path.relpath(t.path)}:{c.line}: {c.sql}\n  {why}\n  ({name})")
            at += 1
    if at != len(docs):
        print(f"{len(docs) - at} answers too many ({name})")
        wrong += 1
    return wrong


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--quick", action="store_true", help="two layouts instead of nine")
    a.add_argument("--one", action="store_true", help="one layout")
    a.add_argument("--drover", default=os.path.join(HERE, "../../build/drover"))
    a.add_argument("--show", type=int, default=20, help="differences shown a layout")
    a.add_argument("--list", help="write the differing statements there, FILE:LINE each")
    a.add_argument("--timeout", type=int, default=600)
    a.add_argument("files", nargs="*")
    args = a.parse_args()
    args.differing = set()
    files = [testfile.load(p) for p in args.files or sorted(glob.glob(os.path.join(HERE, "*.test")))]
    count = sum(len(t.cases) for t in files)
    wrong = 0
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "all.sql")
        with open(script, "w", encoding="utf-8") as f:
            for t in files:
                for k, v in t.settings.items():
                    f.write(f"SET {k}={v};\n")
                for c in t.cases:
                    f.write(c.sql + ";\n")
        layouts = LAYOUTS[:1] if args.one else QUICK if args.quick else LAYOUTS
        for layout in layouts:
            n = run_layout(args, files, layout, script)
            print(f"sql: {count - n} of {count} statements agree at {layout[0]} executors, batches of {layout[1]}"
                  f"{'' if layout[2] else ', exchanges forced'}", flush=True)
            wrong += n
    if args.list:
        with open(args.list, "w", encoding="utf-8") as f:
            f.write("".join(d + "\n" for d in sorted(args.differing)))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Rows of Drover (text cells of --format jsonl) beside rows of DuckDB (Python values)."""
import datetime
import decimal
import json
import os
import random
import subprocess
import tempfile

LAYOUTS = {"embedded": [],
           "2 executors, exchanges": ["--executors", "2", "--slots", "1", "--conf", "drover.plan.single=false", "--conf", "drover.broadcast.max=0"],
           "4 executors, batches of 7": ["--executors", "4", "--slots", "1", "--conf", "drover.plan.single=false", "--conf", "drover.batch.rows=7",
                                         "--conf", "drover.shuffle.ride.max=0"]}


class Drawing:
    """What random queries are drawn with: the same ones for the same seed."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.aliases = 0

    def pick(self, *items):
        return self.r.choice(items)

    def chance(self, p):
        return self.r.random() < p


def same_cell(text, value):
    """Equal; numbers up to the last place of a decimal, where the engines round differently, and 1e-9 of a double."""
    if text is None or value is None:
        return text is None and value is None
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, (float, decimal.Decimal, int)):
        if text == str(value):
            return True
        a, b = float(text), float(value)
        if a == b or (a != a and b != b):
            return True
        if isinstance(value, float):  # Spark's decimals where DuckDB has doubles: its scale decides
            scale = len(text.partition(".")[2]) if "E" not in text else 17
            return abs(a - b) <= max(1e-9 * max(abs(a), abs(b)), 3e-6 * max(abs(a), abs(b)) if scale < 9 else 0, 1.01 * 10.0 ** -scale)
        return abs(a - b) <= 1e-12 * max(abs(a), abs(b))
    if isinstance(value, datetime.datetime):
        return text == value.isoformat(sep=" ").rstrip("0").rstrip(".") or text == value.isoformat(sep=" ")
    return text == str(value)


def key(row):
    """Sorts both engines' rows alike: numbers coarsely, so that last places do not matter."""
    out = []
    for c in row:
        try:
            out.append(f"{float(c):.5e}" if c is not None and not isinstance(c, bool) else str(c).lower())
        except (TypeError, ValueError):
            out.append(str(c))
    return out


def difference(have, want, ordered=True):
    """What is wrong with rows `have` of Drover, or None."""
    if len(have) != len(want):
        return f"{len(have)} rows instead of {len(want)}"
    if not ordered:
        have, want = sorted(have, key=key), sorted(want, key=key)
    for i, (h, w) in enumerate(zip(have, want)):
        if len(h) != len(w) or not all(same_cell(a, b) for a, b in zip(h, w)):
            return f"row {i}: {h} instead of {[str(c) for c in w]}"
    return None


def drover(binary, script, options, timeout=600):
    """The documents of the statements of a script file."""
    p = subprocess.run([binary, "sql", "--format", "jsonl", "--keep-going", *options, "-f", script], capture_output=True, text=True,
                       timeout=timeout)
    docs = [json.loads(line) for line in p.stdout.splitlines() if line.startswith("{")]
    return docs, p


def agree(title, binary, setup, queries, want, refused=None):
    """How many of the queries have other rows than DuckDB's on some layout. Of a hundred, five may be refused with that error."""
    wrong = 0
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "queries.sql")
        with open(script, "w") as f:
            f.write("".join(s + ";\n" for s in [*setup, *queries]))
        for name, options in LAYOUTS.items():
            docs, p = drover(binary, script, options)
            docs = docs[len(setup):]
            bad = declined = 0
            for q, w, doc in zip(queries, want, docs):
                error = doc.get("error")
                if error and error["errorClass"] == refused:
                    declined += 1
                    continue
                why = error["message"] if error else difference(doc["rows"], w, ordered=False)
                if why:
                    bad += 1
                    print(f"{q};\n  {why[:600]}\n  ({name})")
            if len(docs) != len(queries) or declined > len(queries) // 20:
                bad += 1
                print(f"drover ended with {p.returncode} after {len(docs)} of {len(queries)}, {declined} refused: {p.stderr[-1000:]}")
            print(f"{title}: {len(queries) - bad - declined} of {len(queries)} agree with DuckDB, {declined} refused, {name}", flush=True)
            wrong += bad
    return wrong

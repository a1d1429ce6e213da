#!/usr/bin/env python3
"""The 22 TPC-H queries in DuckDB's texts, over the same Parquet files, with DuckDB's rows, on every layout: tpch_rows.py [SCALE].
Prints a line a layout with its seconds (no test looks at those)."""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import duck  # noqa: E402
import tpch  # noqa: E402

LAYOUTS = {"embedded": [], "1 executor": ["--executors", "1", "--slots", "1"], "2 executors": ["--executors", "2", "--slots", "1"],
           "4 executors": ["--executors", "4", "--slots", "1"],
           "4 executors, exchanges": ["--executors", "4", "--slots", "1", "--conf", "drover.plan.single=false", "--conf",
                                      "drover.broadcast.max=0", "--conf", "drover.shuffle.ride.max=0"]}


def main():
    import duckdb
    scale = sys.argv[1] if len(sys.argv) > 1 else "0.1"
    folder, queries = tpch.data(scale), tpch.queries()
    con = duckdb.connect()
    tpch.duckdb_views(con, folder)
    want = {n: con.execute(q).fetchall() for n, q in queries.items()}
    binary = os.path.join(tpch.ROOT, "build", "drover")
    wrong = 0
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "tpch.sql")
        with open(script, "w") as f:
            f.write(tpch.views(folder) + "\n".join(queries.values()))
        for name, options in LAYOUTS.items():
            start = time.monotonic()
            docs, p = duck.drover(binary, script, options)
            seconds = time.monotonic() - start
            docs = docs[len(tpch.TABLES):]
            good = 0
            for n, doc in zip(queries, docs):
                why = doc["error"]["message"] if doc.get("error") else duck.difference(doc["rows"], want[n])
                if why:
                    print(f"q{n}: {why} ({name})")
                good += not why
            print(f"tpch: {good} of {len(queries)} at SF {scale}, {name}: {seconds:.1f} s", flush=True)
            if len(docs) != len(queries):
                print(f"drover ended with {p.returncode}: {p.stderr[-1000:]}")
            wrong += good != len(queries)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

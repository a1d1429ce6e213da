#!/usr/bin/env python3
"""A task over its grant fails with the table of its operators' memory, and its executor lives: the specification's words.
Every blocking operator meets the limit once; the same process then still answers. So it does after statements
whose errors or plans are larger than a message may be."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import duck  # noqa: E402
import tpch  # noqa: E402

# What makes an operator large, and which of them must stand in the table: the outputs of the stage before count too.
OVER = {"HashAggregate": "SELECT count(*) FROM (SELECT id, count(*) c FROM range(3000000) GROUP BY id)",
        "Sort": "SELECT count(*) FROM (SELECT concat(CAST(id AS STRING), ' padding padding padding') t FROM range(2000000) "
                "ORDER BY t LIMIT 1500000)",
        "Expressions": "SELECT max(length(repeat(concat('x', CAST(id AS STRING)), 100000))) FROM range(3000)",
        "Expressions Project": "SELECT max(length(repeat('x', 1000000000)) + id) FROM range(3)",  # a constant that no driver holds
        "HashJoin JoinBuild ExchangeWrite": "SELECT count(*) FROM range(3000000) a JOIN range(3000000) b ON a.id = b.id + 1"}
# Statements whose errors or plans no message can carry as they are: the first are cut, the last is refused.
LARGE = {"USER_RAISED_EXCEPTION": "SELECT raise_error(repeat('a', 2000000)) FROM range(3)",
         "CAST_INVALID_INPUT": "SELECT CAST(repeat('x', 3000000) AS INT) + id FROM range(3)",
         "DROVER_STATEMENT_TOO_LARGE": f"SELECT count(*) FROM range(3) WHERE concat(id, '{'x' * 40000000}') <> ''"}
AFTER = "SELECT sum(id) FROM range(1000000)"


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "memory.sql")
        with open(script, "w") as f:
            f.write("".join(q + ";\n" + AFTER + ";\n" for q in OVER.values()))
        docs, p = duck.drover(os.path.join(tpch.ROOT, "build", "drover"), script, ["--memory", "24m", "--slots", "2"])
    if len(docs) != 2 * len(OVER):
        wrong.append(f"{len(docs)} answers: {p.stderr[-1000:]}")
    for (name, q), over, after in zip(OVER.items(), docs[::2], docs[1::2]):
        error = over.get("error") or {}
        table = error.get("messageParameters", {}).get("table", "")
        if error.get("errorClass") != "UNABLE_TO_ACQUIRE_MEMORY" or error.get("sqlState") != "53200" or not any(n in table for n in name.split()):
            wrong.append(f"{q}: {error or over}")
        if after.get("rows") != [["499999500000"]]:
            wrong.append(f"after {q}: {after}")
    if "lost" in p.stderr:
        wrong.append(f"an executor was lost: {p.stderr[-500:]}")
    with tempfile.TemporaryDirectory() as tmp:
        script = os.path.join(tmp, "large.sql")
        with open(script, "w") as f:
            f.write("".join(q + ";\n" + AFTER + ";\n" for q in LARGE.values()))
        docs, p = duck.drover(os.path.join(tpch.ROOT, "build", "drover"), script, ["--memory", "1g"])
    if [d.get("error", {}).get("errorClass") for d in docs[::2]] != list(LARGE) or any(d.get("rows") != [["499999500000"]] for d in docs[1::2]):
        wrong.append(f"large statements: {str(docs)[:500]} {p.stderr[-500:]}")
    print("\n".join(wrong) or f"memory: {len(OVER)} tasks over their grants failed with their tables, the executor lived")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

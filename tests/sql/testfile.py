"""The .test files: statements, each followed by what another engine answers.

    # What the file is about; the engine whose rows it expects.
    # engine: Spark 4.3.0
    # set: spark.sql.ansi.enabled=false

    SELECT a, 1 / b FROM t;
    schema struct<a:int,(1 / b):double>
    ["1","0.5"]
    [null,null]

    SELECT 1 / 0;
    error DIVIDE_BY_ZERO 22012 {"config":"\\"spark.sql.ansi.enabled\\""} "1 / 0"

A statement ends with the `;` that ends a line; what is expected follows it up to an empty line: the schema as
Spark's catalogString and one JSON array of cells a row, or one error: class, SQLSTATE, parameters and the
fragment of the statement that is to blame. A statement without expectations must only succeed. Rows are a multiset
unless the statement orders them. A comment `# differs: why` above a statement keeps expect.py from it: what is
expected there was written by hand.
"""
import json
import re
from dataclasses import dataclass, field

# What every file starts from; `# set:` lines change it.
DEFAULTS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
}


@dataclass
class Case:
    line: int
    comments: list
    sql: str
    expected: list = field(default_factory=list)

    @property
    def by_hand(self):
        return any(c.startswith("# differs:") for c in self.comments)

    @property
    def ordered(self):
        flat, depth = [], 0
        for c in re.sub(r"'(?:[^'\\]|\\.)*'", "''", self.sql):
            depth += (c == "(") - (c == ")")
            if depth == 0:
                flat.append(c)
        return re.search(r"\border\s+by\b", "".join(flat), re.I) is not None


@dataclass
class TestFile:
    path: str
    head: list
    cases: list
    settings: dict


def load(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    head, cases, comments, sql, i = [], [], [], [], 0
    while i < len(lines) and lines[i].startswith("#"):
        head.append(lines[i])
        i += 1
    settings = dict(DEFAULTS)
    for h in head:
        if h.startswith("# set:"):
            key, value = h[len("# set:"):].strip().split("=", 1)
            settings[key] = value
    while i < len(lines):
        line = lines[i]
        if sql or (line.strip() and not line.startswith("#")):
            if not sql:
                start = i + 1
            sql.append(line)
            if line.rstrip().endswith(";"):
                case = Case(start, comments, "\n".join(sql).rstrip()[:-1])
                comments, sql = [], []
                while i + 1 < len(lines) and lines[i + 1].strip():
                    i += 1
                    case.expected.append(lines[i])
                cases.append(case)
        elif line.startswith("#"):
            comments.append(line)
        i += 1
    assert not sql, f"{path}: the last statement has no end"
    return TestFile(path, head, cases, settings)


def save(t):
    out = list(t.head) + [""]
    for c in t.cases:
        out += c.comments + [c.sql + ";"] + c.expected + [""]
    with open(t.path, "w", encoding="utf-8") as f:
        f.write("\n".join(out))


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=isinstance(value, dict))


def one_line(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in text else text


# Parameters whose values are sentences: every engine has its own.
PROSE = {"alternative", "message", "hint", "rangeMessage", "parsingError"}


def strip(params):
    out = {k: "" if k in PROSE else v for k, v in params.items() if k != "docroot"}
    if "proposal" in out:  # equally near names come in any order
        out["proposal"] = ", ".join(sorted(out["proposal"].split(", ")))
    return out


def render_error(cls, state, params, fragment):
    params = strip(params)
    out = f"error {cls} {state} {compact(params)}"
    return out + (" " + compact(fragment) if fragment else "")


def parse_error(line):
    """class, SQLSTATE, parameters, fragment or None"""
    _, cls, state, rest = line.split(" ", 3)
    params, end = json.JSONDecoder().raw_decode(rest)
    rest = rest[end:].strip()
    params = strip(params)
    return cls, state, params, json.loads(rest) if rest else None


def field_types(schema):
    """The types of struct<name:type,...>, names with any characters but `:` and `,` at depth 0 of the type."""
    body, out, depth, start = schema[len("struct<"):-1], [], 0, 0
    # Walk backwards: a type has no quotes, a name may have anything, so take the text after the last colon at depth 0.
    parts, cur, depth = [], "", 0
    for c in body:
        depth += c in "<(" 
        depth -= c in ">)"
        if c == "," and depth <= 0:
            parts.append(cur)
            cur = ""
        else:
            cur += c
    parts.append(cur)
    for p in parts:
        out.append(p.rsplit(":", 1)[1] if ":" in p else "?")
    return out

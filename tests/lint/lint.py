#!/usr/bin/env python3
"""Rules of the tree that a compiler does not check. Prints file:line: what, and fails when there is anything to print.

   lint.py             all rules but the compilation of headers
   lint.py headers CC  each header compiled alone
"""
import os
import re
import subprocess
import sys

# Inside common a folder includes only folders named before it.
COMMON = ["base", "error", "log", "config", "metrics", "sm", "col", "expr", "fs", "format", "plan", "loop", "rpc"]
TOP = {"common": {"common", "proto"}, "driver": {"common", "proto", "driver"}, "executor": {"common", "proto", "executor"},
       "cli": {"common", "proto", "driver", "executor", "cli"}}
EXCEPTIONS = {("common/base/account.h", "common/error/error.h"), ("common/base/account.c", "common/error/error.h"),
              ("common/base/base.c", "common/error/error.h")}
PURE = ("driver/sched/", "executor/control/", "common/expr/", "executor/op/")
PURE_BANNED = {"driver/sched/": r"\b(clock_\w+_us|fopen|open|read|write|getenv|time|rand|pthread_\w+)\s*\(",
               "executor/control/": r"\b(clock_\w+_us|fopen|open|read|write|getenv|time|rand|pthread_\w+)\s*\("}
BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|usleep|alloca)\s*\("
ALLOC = r"(?<![\w.>])(malloc|calloc|realloc|strdup|strndup|asprintf)\s*\("
# Below these, allocation is the allocator itself, a library frees what it is given, or nothing of ours is linked.
ALLOC_FREE = ("common/base/", "tests/", "driver/web/serve.c", "cli/edit.c")
NEED_README = ["common/" + d for d in ("base", "error", "config", "col", "expr", "plan", "fs", "format", "format/parquet", "rpc")] + \
    ["driver/" + d for d in ("sql", "analyze", "optimize", "physical", "sched", "catalog", "server", "web")] + \
    ["executor/" + d for d in ("control", "op", "source", "shuffle", "server")] + \
    ["proto", "cli", "deploy", "tests", "tests/unit", "tests/sql", "tests/sim", "tests/cluster", "tests/fault", "tests/fuzz", "tests/web",
     "tests/bench", "tests/lint", "common", "driver", "executor", "."]

LINE_MAX = 160

problems = []


def bad(path, line, what):
    problems.append(f"{path}:{line}: {what}")


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True)
    return sorted(p for p in out.stdout.split("\n") if p and os.path.exists(p))


def folder_rule(path, line, target):
    top, target_top = path.split("/")[0], target.split("/")[0]
    if top not in TOP or "/" not in target:
        return
    if target_top in ("common", "driver", "executor", "cli", "proto", "tests") and target_top not in TOP[top]:
        bad(path, line, f"{top} may not include {target_top}: {target}")
    if top == "common" and target_top == "common" and (path, target) not in EXCEPTIONS:
        mine, theirs = path.split("/")[1], target.split("/")[1]
        if mine not in COMMON or theirs not in COMMON:
            bad(path, line, f"the lint does not know the folder common/{mine if mine not in COMMON else theirs}")
        elif COMMON.index(theirs) > COMMON.index(mine):
            bad(path, line, f"common/{mine} may not include common/{theirs}")


def code_only(text):
    """The text with comments and strings blanked, newlines kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def c_file(path, text):
    code = code_only(text)
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
        if m:
            folder_rule(path, n, m.group(1))
            if path.startswith(PURE) and m.group(1) in ("uv.h", "pthread.h") and not path.startswith(("common/expr/", "executor/op/")):
                bad(path, n, f"a pure folder includes {m.group(1)}")
            if path.startswith(PURE) and m.group(1) == "uv.h":
                bad(path, n, "this folder knows no libuv")
        if len(line) > LINE_MAX:
            bad(path, n, f"a line of more than {LINE_MAX} characters")
        if re.search(r"[ \t]+$", line):
            bad(path, n, "blanks at the end of a line")
        if "\t" in line:
            bad(path, n, "a tab")
    for n, line in enumerate(code.split("\n"), 1):
        m = re.search(BANNED, line)
        if m and not path.startswith("tests/"):
            bad(path, n, f"{m.group(1)} is banned")
        m = re.search(ALLOC, line)
        if m and not path.startswith(ALLOC_FREE):
            bad(path, n, f"{m.group(1)}: memory comes from base.h")
        for folder, pattern in PURE_BANNED.items():
            m = re.search(pattern, line)
            if m and path.startswith(folder):
                bad(path, n, f"{m.group(1)} in a pure folder")
        if re.search(r"\b(struct|union)\s+\w+\s*\{.*\btypedef\b|typedef\s+struct\s*\w*\s*\{", line):
            bad(path, n, "no typedefs of structs")
    for n, line in enumerate(text.split("\n"), 1):
        if re.search(r"\b(TODO|FIXME|HACK)\b", line):
            bad(path, n, "an open end in a comment")
    if not path.endswith((".inc.h", ".def")) and not text.lstrip().startswith(("/*", "//")):
        bad(path, 1, "a file begins with a comment that says what it is")
    if path.endswith(".h") and not path.endswith(".inc.h") and "#pragma once" not in text:
        bad(path, 1, "a header without #pragma once")


def def_file(path, text):
    """Rows are sorted by their first argument within each group, except where the file says that their order means something."""
    if "not sorted" in text or "order is" in text:
        return
    last = None
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'[A-Z_]+\(\s*"?([^",)]+)"?', line)
        key = (m.group(1).zfill(9) if m.group(1).isdigit() else m.group(1)) if m else None
        if m and last and last > key:
            bad(path, n, f"row {m.group(1)} is out of order")
        last = key  # another line, such as the title of a group, begins anew


def text_rules(path, text):
    for n, line in enumerate(text.split("\n"), 1):
        if re.search(r"(/work/|/root/|/home/\w+/|deb\.debian\.org|pypi\.org|maven\.org|npmjs)", line) and path != "tests/lint/lint.py":
            bad(path, n, "a path or a host of one machine")


def headers(cc):
    for path in tracked():
        if path.endswith(".h") and not path.endswith(".inc.h"):
            run = subprocess.run(cc.split() + ["-std=gnu17", "-D_GNU_SOURCE", "-I.", "-Ibuild/gcc", "-Wall", "-Wextra", "-Werror", "-Wno-unused",
                                               "-fsyntax-only", "-x", "c", "-include", path, "/dev/null"], capture_output=True, text=True)
            if run.returncode:
                bad(path, 1, "does not compile alone: " + run.stderr.split("\n")[0])


def main():
    if sys.argv[1:2] == ["headers"]:
        headers(sys.argv[2])
    else:
        for path in tracked():
            if path.endswith((".png", ".parquet", ".gz", ".zst")) or "/corpus/" in path:
                continue
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
            text_rules(path, text)
            if path.endswith((".c", ".h", ".cc")):
                c_file(path, text)
            elif path.endswith(".def"):
                def_file(path, text)
        for folder in NEED_README:
            if os.path.isdir(folder) and not os.path.exists(os.path.join(folder, "README.md")):
                bad(folder, 1, "no README.md")
    print("\n".join(problems) if problems else "lint: clean")
    sys.exit(bool(problems))


main()

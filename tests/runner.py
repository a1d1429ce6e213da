"""Runs tests against real processes, one after the other, and says how each went.

A test that fails is run once more, so that a moment of the machine does not hide what the others say; a pass at the second try is
shown and counted apart, and is a bug to look for. STRICT=1: the first failure counts."""
import os
import sys
import time
import traceback


def attempt(title, fn):
    t0 = time.monotonic()
    try:
        note = fn() or ""
        print(f"{title}: {time.monotonic() - t0:.1f} s {note}", flush=True)
        return True
    except Exception:
        traceback.print_exc()
        print(f"{title}: FAILED after {time.monotonic() - t0:.1f} s", flush=True)
        return False


def run(suite, tests):
    """tests: pairs of a name and a function of no arguments that raises when it fails and returns a note. Those whose names have a part
    that the command line or TESTS gives are run, or all. Returns an exit code."""
    wanted = sys.argv[1:] + os.environ.get("TESTS", "").split()
    failed, repeated, count, start = [], [], 0, time.monotonic()
    for name, fn in tests:
        if wanted and not any(w in name for w in wanted):
            continue
        count += 1
        if attempt(f"{suite} {name}", fn):
            continue
        if os.environ.get("STRICT") != "1" and attempt(f"{suite} {name} (repeated)", fn):
            repeated.append(name)
        else:
            failed.append(name)
    if repeated:
        print(f"{suite}: passed only when repeated:", *repeated)
    print(f"{suite}: {count - len(failed)} of {count} passed in {time.monotonic() - start:.0f} s", *failed)
    return 1 if failed or count == 0 else 0

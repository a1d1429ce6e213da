"""Runs the tests of this folder: functions called test_* in files called test_*.py, one after the other.
run.py [PART OF A NAME...]; TESTS=... does the same."""
import glob
import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


def main():
    wanted = sys.argv[1:] + os.environ.get("TESTS", "").split()
    failed, count, start = [], 0, time.monotonic()
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        name = os.path.basename(path)[:-3]
        module = importlib.import_module(name)
        for fn in [f for k, f in vars(module).items() if k.startswith("test_") and callable(f)]:
            full = f"{name[5:]}.{fn.__name__[5:]}"
            if wanted and not any(w in full for w in wanted):
                continue
            t0 = time.monotonic()
            count += 1
            try:
                note = fn() or ""
                print(f"cluster {full}: {time.monotonic() - t0:.1f} s {note}", flush=True)
            except Exception:
                failed.append(full)
                traceback.print_exc()
                print(f"cluster {full}: FAILED after {time.monotonic() - t0:.1f} s", flush=True)
    print(f"cluster: {count - len(failed)} of {count} passed in {time.monotonic() - start:.0f} s", *failed)
    return 1 if failed or count == 0 else 0


sys.exit(main())

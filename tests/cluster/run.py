"""Runs the tests of this folder: functions called test_* in files called test_*.py, one after the other.
run.py [PART OF A NAME...]; TESTS=... does the same."""
import glob
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import runner  # noqa: E402


def tests():
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        name = os.path.basename(path)[:-3]
        for k, fn in vars(importlib.import_module(name)).items():
            if k.startswith("test_") and callable(fn):
                yield f"{name[5:]}.{k[5:]}", fn


sys.exit(runner.run("cluster", list(tests())))

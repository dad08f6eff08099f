#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Decide a backend's architecture from seven answers, with every number's source: python scripts/backend_decision_engine.py --help"""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error: backend_decision_engine needs Python 3.11 or newer, this is %s (%s)\n"
        "hint: python3.11 scripts/backend_decision_engine.py, or: uv run scripts/backend_decision_engine.py\n" % (sys.version.split()[0], sys.executable)
    )
    sys.exit(4)

# -P and -I leave the script's own folder out of the search path
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))


def start() -> int:
    try:
        from senior_backend.decide.command import main

        return main()
    except KeyboardInterrupt:  # while still importing: console.run answers it later on
        return 130


if __name__ == "__main__":
    sys.exit(start())

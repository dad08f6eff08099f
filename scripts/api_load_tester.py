#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["requests>=2.32"]
# ///
"""Load test an HTTP API: python scripts/api_load_tester.py --help"""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error: api_load_tester needs Python 3.11 or newer, this is %s (%s)\n"
        "hint: python3.11 scripts/api_load_tester.py, or: uv run scripts/api_load_tester.py\n" % (sys.version.split()[0], sys.executable)
    )
    sys.exit(4)

# -P and -I leave the script's own folder out of the search path
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))


def start() -> int:
    try:
        from senior_backend.load.command import main

        return main()
    except KeyboardInterrupt:  # while still importing: console.run answers it later on
        return 130


if __name__ == "__main__":
    sys.exit(start())

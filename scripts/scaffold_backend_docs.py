#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["PyYAML>=6", "postgast==0.2.0", "tree-sitter==0.26.1", "tree-sitter-typescript==0.23.2"]
# ///
"""Backend design documents from what a project proves, each fact with file and line: python scripts/scaffold_backend_docs.py --help"""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error: scaffold_backend_docs needs Python 3.11 or newer, this is %s (%s)\n"
        "hint: python3.11 scripts/scaffold_backend_docs.py, or: uv run scripts/scaffold_backend_docs.py\n" % (sys.version.split()[0], sys.executable)
    )
    sys.exit(4)

# -P and -I leave the script's own folder out of the search path
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))


def start() -> int:
    try:
        from senior_backend.docs.command import main

        return main()
    except KeyboardInterrupt:  # while still importing: console.run answers it later on
        return 130


if __name__ == "__main__":
    sys.exit(start())

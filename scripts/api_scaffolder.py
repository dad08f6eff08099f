#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["PyYAML>=6", "psycopg[binary]>=3.2", "postgast==0.2.0", "tree-sitter==0.26.1", "tree-sitter-typescript==0.23.2"]
# ///
"""Turn an OpenAPI document, or a PostgreSQL database, into an Express, Fastify or Koa server in TypeScript: python scripts/api_scaffolder.py --help"""
import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("error: api_scaffolder needs Python 3.11 or newer, this is %s (%s)\nhint: python3.11 scripts/api_scaffolder.py, or: uv run scripts/api_scaffolder.py\n"
                     % (sys.version.split()[0], sys.executable))
    sys.exit(4)

# -P and -I leave the script's own folder out of the search path
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))


def start() -> int:
    try:
        from senior_backend.scaffold.command import main
        return main()
    except KeyboardInterrupt:      # while still importing: console.run answers it later on
        return 130


if __name__ == "__main__":
    sys.exit(start())

"""The flags of --from-db."""
from __future__ import annotations

import argparse

from senior_backend.console import CommandError

LISTS = {"tables": ("NAMES", "tables and views to take: names or patterns, commas between them (default: all of the schema)"), "exclude": ("NAMES", "tables and views to leave out"),
         "schema": ("NAMES", "schemas to look in (default: public)"), "hide": ("TABLE.COLUMN", "columns that no answer shows, besides those that look secret"),
         "show": ("TABLE.COLUMN", "columns that look secret and are not")}
OTHERS = ("big_numbers", "require_if_match", "idempotency")


def add_database_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("from a database")
    group.add_argument("--from-db", metavar="URL|SCHEMA.sql", help="a REST API over the tables of a PostgreSQL database, or of a schema file: openapi.yaml, and handlers that work")
    for name, (value, text) in LISTS.items():
        group.add_argument(f"--{name}", metavar=value, action="append", help=text)
    group.add_argument("--big-numbers", choices=["strings", "numbers"], help="what bigint and numeric are in JSON (default: strings, which are exact)")
    group.add_argument("--require-if-match", action="store_true", help="changes of rows that have an ETag need If-Match, else 428")
    group.add_argument("--idempotency", action="store_true", help="POST takes Idempotency-Key; idempotency.sql makes the table for it")


def check_arguments(arguments: argparse.Namespace) -> None:
    """CommandError exit 2 for flags that do not go together."""
    if arguments.from_db is None:
        stray = next((name for name in (*LISTS, *OTHERS) if getattr(arguments, name)), None)
        if stray:
            raise CommandError(f"--{stray.replace('_', '-')} belongs to --from-db", "give the database: --from-db postgresql://USER@HOST/DATABASE", identifier="USAGE")
    elif arguments.source is not None or arguments.lenient or arguments.generate_spec:
        extra = "a document" if arguments.source is not None else "--lenient" if arguments.lenient else "--generate-spec"
        raise CommandError(f"{extra} and --from-db cannot be given together", "leave one of them out: the database is the source of its own document", identifier="USAGE")


def listed(given: list[str] | None) -> list[str]:
    """The values of a repeatable flag; commas part several."""
    return [one for text in given or [] for one in map(str.strip, text.split(",")) if one]

"""database_migration_tool: its options, which of them go together, and which part of it answers."""
from __future__ import annotations

import argparse
import importlib

from senior_backend import console
from senior_backend.console import CommandError, Console, Outcome

TOOL = "database_migration_tool"
EXAMPLES = [
    "python scripts/database_migration_tool.py --connection postgres://localhost/shop --compare schema/v2.sql --output migrations/",
    "python scripts/database_migration_tool.py --connection $STAGING_URL --compare $PRODUCTION_URL --json",
    "python scripts/database_migration_tool.py schema/v1.sql --compare schema/v2.sql --rename users.name=users.full_name",
    "python scripts/database_migration_tool.py --connection $DATABASE_URL --analyze --html report.html",
    "python scripts/database_migration_tool.py --connection $DATABASE_URL --suggest-indexes --output migrations/",
    "python scripts/database_migration_tool.py --connection $DATABASE_URL --migrate migrations/add_indexes.sql --dry-run",
]
EXIT_CODES = {
    0: "done",
    1: "the proof failed, or there are findings at or above --fail-on",
    2: "the arguments or a file cannot be used",
    3: "refused: something that the tool does not handle, or that a person must allow",
    4: "a server cannot be reached or refuses, or something is missing on this machine",
    70: "a fault of this program",
    130: "interrupted",
}
# folder of migrate/ -> its options
MODES = {"compare": ("compare",), "analyze": ("analyze",), "advise": ("suggest_indexes",), "apply": ("migrate", "rollback", "status")}
# option -> the modes that it is for
BELONGS = {
    "no_verify": {"compare"}, "rename": {"compare"}, "offline": {"compare"}, "verify": {"advise"}, "workload": {"advise"}, "dry_run": {"apply"}, "allow_hazards": {"apply"}, "html": {"analyze"},
    "shadow": {"compare", "analyze", "advise", "apply"}, "output": {"compare", "advise"}, "fail_on": {"compare", "analyze", "apply"},
}


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(TOOL, "Compare PostgreSQL schemas and write migrations that were tried out, analyze databases, advise on indexes, apply migrations.", EXAMPLES, EXIT_CODES)
    made.add_argument("schema", nargs="?", metavar="SCHEMA.sql", help="the source: a SQL file, or a folder of them")
    made.add_argument("--connection", metavar="URL", help="the source: a live database, postgres://USER@HOST/DATABASE")
    for add in (add_modes, add_compare, add_apply, add_advise, add_common):
        add(made)
    return made


def add_modes(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("what to do (one of them)")
    group.add_argument("--analyze", action="store_true", help="report what is wrong with the schema or the database (default)")
    group.add_argument("--compare", metavar="TARGET", help="write the migration from the source to TARGET (a SQL file, a folder, or a URL), and its rollback")
    group.add_argument("--suggest-indexes", action="store_true", help="indexes that the workload lacks, with evidence")
    group.add_argument("--migrate", metavar="FILE", help="apply a migration to --connection")
    group.add_argument("--rollback", metavar="FILE", help="apply the rollback of a migration that was applied")
    group.add_argument("--status", action="store_true", help="which migrations were applied to --connection")


def add_compare(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("compare")
    group.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="a rename that the comparison cannot know: users.name=users.full_name or users=members; may be given several times")
    group.add_argument("--offline", action="store_true", help="plain statements, not the forms that do not block a live database (which a source given by --connection gets)")
    group.add_argument("--no-verify", action="store_true", help="do not try migration and rollback out on a scratch server")


def add_apply(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("migrate")
    group.add_argument("--dry-run", nargs="?", const="scratch", choices=["scratch", "live"], help="show what would happen; live: in a transaction on the target that is rolled back")
    group.add_argument("--allow-hazards", metavar="LIST", help="hazards that may be: data-loss")


def add_advise(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("suggest indexes")
    group.add_argument("--workload", metavar="FILE", help="a SQL file of the statements to make fast, instead of those that pg_stat_statements counted")
    group.add_argument("--verify", action="store_true", help="build the indexes on a copy of the tables on the scratch server, and measure")


def add_common(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("output and scratch server")
    group.add_argument("-o", "--output", metavar="DIR", help="write the migration and its rollback there; printed without it")
    group.add_argument("--html", metavar="FILE", help="write the report as one self-contained page")
    group.add_argument("--fail-on", choices=["error", "warning"], help="exit 1 for findings of this severity; in a comparison error is data-loss and irreversible, warning any hazard")
    group.add_argument("--shadow", metavar="URL", help="a server to try things out on, instead of one started here; databases are made and dropped there")


def mode_of(arguments: argparse.Namespace) -> str:
    """The folder of migrate/ that answers; CommandError exit 2 where options contradict each other."""
    asked = [(name, folder) for folder, names in MODES.items() for name in names if getattr(arguments, name)]
    if len(asked) > 1:
        raise usage(" and ".join(map(flag, [name for name, _ in asked])) + " exclude each other", "ask for one thing at a time")
    name, mode = asked[0] if asked else ("analyze", "analyze")
    check_source(arguments, mode, name)
    for option, modes in BELONGS.items():
        if getattr(arguments, option) and mode not in modes:
            raise usage(f"{flag(option)} does not go with {flag(name)}", "leave it out, or see --help for what it is for")
    return mode


def check_source(arguments: argparse.Namespace, mode: str, name: str) -> None:
    from senior_backend.postgres.connection import masked

    if arguments.schema and "://" in arguments.schema:
        raise usage("the URL of a source database stands after --connection", f"--connection {masked(arguments.schema)}")
    if arguments.schema and arguments.connection:
        raise usage("two sources: a SQL file and --connection", "give one of them; the other side of a comparison stands after --compare")
    if not arguments.schema and not arguments.connection:
        raise usage("no source", "give a SQL file or --connection postgres://USER@HOST/DATABASE")
    if (mode == "apply" or arguments.verify) and not arguments.connection:
        raise usage(f"{flag(name if mode == 'apply' else 'verify')} needs a live database", "--connection postgres://USER@HOST/DATABASE")


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def usage(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, identifier="USAGE")


def main(argv: list[str] | None = None) -> int:
    return console.run(TOOL, parser(), answer, argv)


def answer(arguments: argparse.Namespace, out: Console) -> Outcome:
    mode = mode_of(arguments)
    module = importlib.import_module(f"senior_backend.migrate.{'compare' if mode == 'compare' else mode + '.command'}")
    return module.run(arguments, out)

"""--analyze: a database or a schema file is read, the rules are asked, and the report is made."""
from __future__ import annotations

import argparse
import contextlib
import gc
import pathlib
from typing import TYPE_CHECKING, Any, Sequence

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate import sources
from senior_backend.migrate.analyze import measured, rules, workload
from senior_backend.migrate.analyze.measured import Statistics
from senior_backend.migrate.analyze.report import MOST_LINES, Report, file_lines, live_lines
from senior_backend.migrate.analyze.rules import SEVERITIES, Finding
from senior_backend.migrate.analyze.schema import Schema
from senior_backend.postgres import connection, live, parsed, sql_files
from senior_backend.postgres.model import Catalogue

if TYPE_CHECKING:
    import psycopg


def run(arguments: argparse.Namespace, console: Console) -> Outcome:
    gc.disable()            # a run makes no garbage worth collecting; 5,000 tables are read in two thirds of the time
    report = analyze(arguments)
    if not report.schema.tables:
        raise CommandError(f"{report.source}: no table was found", "give a database or a file with tables; those of extensions and of the system do not count",
                           identifier="NOTHING_TO_ANALYZE")
    for note in report.notes:
        console.detail(f"note: {note}")
    most = len(report.findings) if arguments.verbose else MOST_LINES
    files = write_page(arguments.html, report) if arguments.html else {}
    lines = live_lines(report, most) if report.statistics else file_lines(report, most)
    return Outcome({**report.as_json(), **files}, lines, exit_code(report.findings, arguments.fail_on))


def analyze(arguments: argparse.Namespace) -> Report:
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(sources.Workshop(arguments.shadow))
        sessions = [stack.enter_context(contextlib.closing(connection.connect(arguments.connection))) for _ in range(2)] if arguments.connection else []
        counting = sources.background(measured.read, sessions[1]) if sessions else None
        catalogue, notes = read_live(arguments.connection, sessions[0]) if sessions else read_files(pathlib.Path(arguments.schema), workshop)
        schema = Schema(catalogue)
        report = Report(catalogue.source, schema, rules.check(schema), notes)
        if counting:
            measure(report, counting.result(), sessions[1])
    report.findings.sort(key=lambda one: (SEVERITIES.index(one.severity), one.rule.code, one.table, one.object))
    return report


def read_live(url: str, session: psycopg.Connection[Any]) -> tuple[Catalogue, list[str]]:
    return live.read(session, connection.masked(url)), []


def read_files(path: pathlib.Path, workshop: sources.Workshop) -> tuple[Catalogue, list[str]]:
    """By parser alone also where the server lacks an extension: nothing here has to be proven."""
    try:
        side = sources.read_files(path, workshop, 0)
        return side.catalogue, side.notes
    except CommandError as error:
        if error.identifier != "EXTENSION_MISSING":
            raise
        script = sql_files.read(path)
        return parsed.read(script), [*script.notes, f"read by parser alone: {error.message}"]


def measure(report: Report, statistics: Statistics, session: psycopg.Connection[Any]) -> None:
    report.statistics = statistics
    queries = report.workload = workload.read(session, report.schema)
    for one in report.findings:
        if one.rule.code == "fk-without-index":
            one.values["mean"] = queries.mean_of(*one.values["key"])
    report.findings += [*measured.check(report.schema, statistics), *workload.check(report.schema, statistics, queries)]
    report.missing = [*statistics.missing, *measured.unreadable(statistics), *queries.missing]


def write_page(name: str, report: Report) -> dict[str, Any]:
    from senior_backend.migrate.analyze import page

    place = pathlib.Path(name)
    new = place.with_name(f"{place.name}.new") if place.is_file() else place
    try:
        new.write_text(page.render(report), encoding="utf-8")
        new.replace(place)
    except OSError as error:
        raise CommandError(f"--html {name}: {error.strerror}", "give a file in a folder that exists and that you may write to", ExitCode.ENVIRONMENT, "CANNOT_WRITE") from None
    return {"files": [name]}


def exit_code(findings: Sequence[Finding], fail_on: str | None) -> ExitCode:
    grave = SEVERITIES[:SEVERITIES.index(fail_on) + 1] if fail_on else ()
    return ExitCode.FOUND if any(one.severity in grave for one in findings) else ExitCode.DONE

"""--analyze: a database or a schema file is read, the rules are asked, and the report is made."""
from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import pathlib
from typing import Any, Sequence

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate import sources
from senior_backend.migrate.analyze import rules
from senior_backend.migrate.analyze.rules import SEVERITIES, Finding
from senior_backend.migrate.analyze.schema import Schema
from senior_backend.postgres import connection

MOST_LINES = 20


@dataclasses.dataclass
class Report:
    """missing: what could not be asked, and which findings lack because of it."""
    source: str
    schema: Schema
    findings: list[Finding]
    rows: int | None = None
    missing: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    live: bool = False

    def as_json(self) -> dict[str, Any]:
        counts = collections.Counter(one.severity for one in self.findings)
        return {"source": self.source, "tables": len(self.schema.tables), "total_rows": self.rows, **{f"{name}s": counts[name] for name in SEVERITIES},
                "issues_detail": [one.as_json() for one in self.findings], "not_assessed": self.missing, "notes": self.notes}


def run(arguments: argparse.Namespace, console: Console) -> Outcome:
    report = analyze(arguments)
    if not report.schema.tables:
        raise CommandError(f"{report.source}: no table was found", "give a database or a file with tables; those of extensions and of the system do not count", identifier="NOTHING_TO_ANALYZE")
    for note in report.notes:
        console.progress(f"note: {note}")
    most = len(report.findings) if arguments.verbose else MOST_LINES
    return Outcome(report.as_json(), live_lines(report, most) if report.live else file_lines(report, most), exit_code(report.findings, arguments.fail_on))


def analyze(arguments: argparse.Namespace) -> Report:
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(sources.Workshop(arguments.shadow))
        session = stack.enter_context(contextlib.closing(connection.connect(arguments.connection))) if arguments.connection else None
        side = sources.read(arguments.connection or arguments.schema, session, workshop, 0)
        schema = Schema(side.catalogue)
        report = Report(side.catalogue.source, schema, rules.check(schema), notes=side.notes, live=session is not None)
    report.findings.sort(key=lambda one: (SEVERITIES.index(one.severity), one.rule.code, one.table, one.object))
    return report


def exit_code(findings: Sequence[Finding], fail_on: str | None) -> ExitCode:
    grave = SEVERITIES[:SEVERITIES.index(fail_on) + 1] if fail_on else ()
    return ExitCode.FOUND if any(one.severity in grave for one in findings) else ExitCode.DONE


def head(report: Report) -> list[str]:
    return ["=== Database Analysis Report ===", f"Source: {report.source}", f"Tables: {len(report.schema.tables)}"]


def file_lines(report: Report, most: int) -> list[str]:
    lines = head(report)
    for severity in SEVERITIES:
        lines += section(f"{severity.upper()}S", [one for one in report.findings if one.severity == severity], most)
    return lines


def section(title: str, findings: Sequence[Finding], most: int) -> list[str]:
    if not findings:
        return []
    lines = ["", f"{title} ({len(findings)}):"]
    for one in findings[:most]:
        lines += [f"  [{one.table or 'database'}] {one.message}", f"    Suggestion: {one.suggestion}"]
    return lines + ([f"  and {len(findings) - most} more: --verbose or --json shows all"] if len(findings) > most else [])


live_lines = file_lines

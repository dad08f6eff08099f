"""What an analysis has found, as the JSON object and as the lines of the console."""
from __future__ import annotations

import collections
import dataclasses
from typing import Any, Sequence

from senior_backend.migrate.analyze.measured import Statistics
from senior_backend.migrate.analyze.rules import SEVERITIES, Finding
from senior_backend.migrate.analyze.schema import Schema
from senior_backend.migrate.analyze.workload import Workload

LACKING = ("missing-index", "fk-without-index")
MOST_LINES = 20


@dataclasses.dataclass
class Report:
    """missing: what could not be asked, and which findings lack because of it. statistics and workload: of live databases."""
    source: str
    schema: Schema
    findings: list[Finding]
    notes: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    statistics: Statistics | None = None
    workload: Workload | None = None

    @property
    def rows(self) -> int | None:
        return self.statistics.rows() if self.statistics else None

    def as_json(self) -> dict[str, Any]:
        counts = collections.Counter(one.severity for one in self.findings)
        slowest = {"queries": [one.as_json() for one in self.workload.statements[:MOST_LINES]]} if self.workload and self.workload.statements is not None else {}
        return {"source": self.source, "tables": len(self.schema.tables), "total_rows": self.rows, **{f"{name}s": counts[name] for name in SEVERITIES},
                "issues_detail": [one.as_json() for one in self.findings], "not_assessed": self.missing, "notes": self.notes, **slowest}


def head(report: Report) -> list[str]:
    rows = [f"Total rows: {report.rows:,}"] if report.rows is not None else []
    return ["=== Database Analysis Report ===", f"Source: {report.source}", f"Tables: {len(report.schema.tables)}", *rows]


def live_lines(report: Report, most: int) -> list[str]:
    """The contract's report: what lacks an index, N+1 risks, what else was found, and the statements that mend it."""
    lacking = [one for one in report.findings if one.rule.code in LACKING]
    repeated = [one for one in report.findings if one.rule.code == "n-plus-one"]
    lines = head(report) + ["", f"MISSING INDEXES ({len(lacking)} found):", *some_lines([lacking_line(one) for one in lacking], most)]
    if report.workload and report.workload.statements is not None:
        lines += ["", f"N+1 QUERY RISKS ({len(repeated)} found):", *some_lines([f"{one.table}: {one.message} ({one.evidence})" for one in repeated], most)]
    else:
        lines += ["", "N+1 QUERY RISKS: not assessable"]
    for severity in SEVERITIES:
        lines += section(f"{severity.upper()}S", [one for one in report.findings if one.severity == severity and one not in lacking and one not in repeated], most)
    mending = list(dict.fromkeys(one.sql for one in report.findings if one.sql and one.rule.category != "maintenance"))
    lines += ["", "SUGGESTED MIGRATIONS:", *some_lines([f"{place}. {sql};" for place, sql in enumerate(mending, 1)], most)] if mending else []
    return lines + (["", "NOT ASSESSED:", *(f"  {one}" for one in report.missing)] if report.missing else [])


def lacking_line(finding: Finding) -> str:
    """The query time only where one was measured."""
    mean = finding.values.get("mean")
    said = f"{mean:.0f}ms avg query time" if mean is not None and mean >= 0.5 else f"{mean:.2f}ms avg query time" if mean is not None else "foreign key without index"
    return f"{finding.table}.{finding.values['columns']} - {said}, ADD INDEX recommended"


def file_lines(report: Report, most: int) -> list[str]:
    lines = head(report)
    for severity in SEVERITIES:
        lines += section(f"{severity.upper()}S", [one for one in report.findings if one.severity == severity], most)
    return lines if report.findings else [*lines, "", "Nothing was found."]


def section(title: str, findings: Sequence[Finding], most: int) -> list[str]:
    if not findings:
        return []
    said = [f"[{one.table or 'database'}] {one.message}\n    Suggestion: {one.suggestion}" for one in findings]
    return ["", f"{title} ({len(findings)}):", *some_lines(said, most)]


def some_lines(lines: Sequence[str], most: int) -> list[str]:
    return [f"  {line}" for line in lines[:most]] + ([f"  and {len(lines) - most} more: --verbose shows all"] if len(lines) > most else [])

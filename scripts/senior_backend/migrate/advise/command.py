"""--suggest-indexes: the workload is planned on a stand-in of the database, and the indexes that make it cheapest are told, each with its evidence."""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import re
import time
from typing import TYPE_CHECKING, Any, Sequence

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate import output, sources
from senior_backend.migrate.advise import choice, report, statements
from senior_backend.migrate.advise.facts import Facts, Name
from senior_backend.migrate.advise.report import Suggestion
from senior_backend.migrate.advise.stage import Stage
from senior_backend.migrate.advise.statements import Statement
from senior_backend.migrate.analyze import command as analysis
from senior_backend.migrate.analyze.measured import size
from senior_backend.migrate.analyze.schema import Schema, shown
from senior_backend.migrate.bench import Failed
from senior_backend.postgres import connection, live
from senior_backend.postgres.model import Catalogue

if TYPE_CHECKING:
    import psycopg

SECONDS = 60
MOST_LINES = 20


@dataclasses.dataclass
class Advice:
    """What one run found. workload: where the statements come from, None where there is none; planner: who costed them."""
    source: str
    suggestions: list[Suggestion] = dataclasses.field(default_factory=list)
    workload: str | None = None
    planner: str | None = None
    seen: list[Statement] = dataclasses.field(default_factory=list)
    not_costed: list[tuple[Statement, str]] = dataclasses.field(default_factory=list)
    before: float | None = None
    after: float | None = None
    missing: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"source": self.source, "suggestions_count": len(self.suggestions), "suggestions": [one.as_json() for one in self.suggestions], "workload": self.workload, "planner": self.planner,
                "statements": len(self.seen), "not_costed": [{"query": one.shown, "reason": why} for one, why in self.not_costed], "total_ms": self.before and round(self.before, 3),
                "estimated_total_ms": self.after and round(self.after, 3), "not_assessed": self.missing, "notes": self.notes}


def run(arguments: argparse.Namespace, console: Console) -> Outcome:
    output.check_folder(arguments.output)
    with contextlib.ExitStack() as stack:
        advice = advise(arguments, stack)
    for note in advice.notes:
        console.detail(f"note: {note}")
    files: list[str] = []
    if arguments.output and any(one.up for one in advice.suggestions):
        words, up, down = report.pair(advice.source, advice.suggestions)
        files = output.write_pair(arguments.output, words, up, down)
    return Outcome({**advice.as_json(), "files": files}, [*lines(advice, console.verbose), *(f"Wrote {name}" for name in files)])


def advise(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Advice:
    workshop = stack.enter_context(sources.Workshop(None))
    session = stack.enter_context(contextlib.closing(connection.connect(arguments.connection))) if arguments.connection else None
    if session:
        workshop.start(session.info.server_version)
        catalogue, facts = live.read(session, connection.masked(arguments.connection)), Facts.read(session)
        schema = Schema(catalogue)
    else:
        catalogue, notes = analysis.read_files(pathlib.Path(arguments.schema), workshop)
        schema = Schema(catalogue)
        facts = Facts.imagine(schema)
    if not schema.tables:
        raise CommandError(f"{catalogue.source}: no table was found", "give a database or a file with tables", identifier="NOTHING_TO_ANALYZE")
    advice = Advice(catalogue.source, missing=facts.missing)
    found = read_workload(arguments, session, facts, advice)
    writer = report.Writer(facts, catalogue, schema)
    if found:
        plan(found, session, facts, catalogue, workshop, stack, advice, writer)
    advice.suggestions += writer.redundant(list(advice.suggestions))
    if advice.workload is None:
        advice.suggestions += writer.guesses()
    advice.suggestions.sort(key=lambda one: one.guess)
    return advice


def read_workload(arguments: argparse.Namespace, session: psycopg.Connection[Any] | None, facts: Facts, advice: Advice) -> list[Statement]:
    """The statements that touch a table of this database."""
    if arguments.workload:
        found, notes = statements.of_file(pathlib.Path(arguments.workload))
        advice.notes += notes
        advice.workload = arguments.workload
    elif session:
        counted, missing = statements.counted(session, [one["query"] for one in facts.parts.get("activity", ())])
        advice.missing += [f"the workload: {missing}; or give it with --workload FILE"] if missing else []
        advice.workload = None if counted is None else "pg_stat_statements"
        found = counted or []
    else:
        return []
    advice.seen = [one for one in found if any(facts.find(*name) for name in one.names())]
    if arguments.workload and not advice.seen:
        raise CommandError(f"{arguments.workload}: none of its {len(found)} statements speaks of a table of {advice.source}", "see that file and database belong together", identifier="NO_STATEMENTS")
    return advice.seen


def plan(found: list[Statement], session: psycopg.Connection[Any] | None, facts: Facts, catalogue: Catalogue, workshop: sources.Workshop, stack: contextlib.ExitStack, advice: Advice,
         writer: report.Writer) -> None:
    roots = {relation.root for one in found for name in one.names() if (relation := facts.find(*name))}
    if session:
        facts.learn(session, roots)
    names = {one.name for one in facts.relations.values() if one.root in roots}
    words = {word for one in found for word in re.findall(r"[\w$]+", one.text)}
    try:
        stage = Stage(workshop.server(catalogue.server_version), stack, catalogue, facts, names, words)
    except (CommandError, Failed) as error:
        advice.missing.append(f"costs: {getattr(error, 'message', error)}")
        return
    advice.planner = f"PostgreSQL {stage.text}, on a stand-in without rows that has the statistics and sizes of the database"
    planning = choice.Planning(stage, facts, time.monotonic() + SECONDS)
    queries = planning.queries(found)
    choice.propose(planning, queries, set())
    chosen = choice.Choice(planning, queries, choice.Writes(found, facts))
    picked = chosen.run()
    advice.suggestions += writer.chosen(chosen, picked)
    advice.not_costed = planning.failed
    advice.before = sum(one.total for one in queries)
    advice.after = sum(one.time(planning.explain(one, chosen.chosen)[1]) for one in queries)


def lines(advice: Advice, verbose: bool) -> list[str]:
    said = ["=== Index Advice ===", f"Source: {advice.source}", f"Workload: {advice.workload or 'none'}" + (f", {len(advice.seen)} statements" if advice.workload else "")]
    if advice.planner:
        said.append(f"Costed by: {advice.planner}")
    if advice.before:
        said.append(f"Time of these statements: {advice.before / 1000:.2f} s; with the indexes about {advice.after / 1000:.2f} s (estimated)")
    most = len(advice.suggestions) if verbose else MOST_LINES
    for title, chosen in (("SUGGESTED INDEXES", [one for one in advice.suggestions if not one.guess and one.action != "drop"]), ("INDEXES TO REMOVE", [one for one in advice.suggestions if one.action == "drop"]),
                          ("GUESSES, WITHOUT EVIDENCE", [one for one in advice.suggestions if one.guess and one.action != "drop"])):
        if chosen:
            said += ["", f"{title} ({len(chosen)}):"]
            for number, one in enumerate(chosen[:most], 1):
                said += told(number, one)
            said += [f"  and {len(chosen) - most} more: --verbose shows all"] if len(chosen) > most else []
    if not advice.suggestions:
        said += ["", "No index is missing or needless, as far as this workload shows."]
    if advice.not_costed:
        said += ["", f"NOT COSTED ({len(advice.not_costed)}):", *(f"  {one.shown}: {why}" for one, why in advice.not_costed[:most])]
    return said + (["", "NOT ASSESSED:", *(f"  {one}" for one in advice.missing)] if advice.missing else [])


def told(number: int, one: Suggestion) -> list[str]:
    said = [f"  {number}. {one.table} ({', '.join(one.columns)}): {one.reason}", f"     {one.sql};", f"     Evidence: {one.evidence}"]
    if one.bytes is not None:
        said.append(f"     Size: {'about ' if one.action == 'create' else ''}{size(one.bytes)}" + (f"; writers: {one.writers}" if one.writers else ""))
    return said + [f"     - {row['query']}" for row in one.queries[:report.MOST_QUERIES]]

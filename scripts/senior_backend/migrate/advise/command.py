"""--suggest-indexes: the workload is planned on a stand-in of the database, and the indexes that make it cheapest are told, each with its evidence."""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import re
import time
from typing import TYPE_CHECKING, Any, Sequence

from senior_backend import dependencies
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate import output, sources
from senior_backend.migrate.advise import choice, report, statements
from senior_backend.migrate.advise.candidates import Candidate
from senior_backend.migrate.advise.facts import Facts, Name
from senior_backend.migrate.advise.hypothetical import Hypothetical, asked
from senior_backend.migrate.advise.report import Suggestion
from senior_backend.migrate.advise.stage import Stage
from senior_backend.migrate.advise.statements import Statement
from senior_backend.migrate.advise.trial import Copy
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
    unusable: list[dict[str, str]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"source": self.source, "suggestions_count": len(self.suggestions), "suggestions": [one.as_json() for one in self.suggestions], "workload": self.workload, "planner": self.planner,
                "statements": len(self.seen), "not_costed": [{"query": one.shown, "reason": why} for one, why in self.not_costed], "total_ms": self.before and round(self.before, 3),
                "estimated_total_ms": self.after and round(self.after, 3), "unusable": self.unusable, "not_assessed": self.missing, "notes": self.notes}


def run(arguments: argparse.Namespace, console: Console) -> Outcome:
    output.check_folder(arguments.output)
    with contextlib.ExitStack() as stack:
        advice = advise(arguments, stack)
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
        catalogue, _ = analysis.read_files(pathlib.Path(arguments.schema), workshop)
        schema = Schema(catalogue)
        facts = Facts.imagine(schema)
    if not schema.tables:
        raise CommandError(f"{catalogue.source}: no table was found", "give a database or a file with tables", identifier="NOTHING_TO_ANALYZE")
    advice = Advice(catalogue.source, missing=facts.missing, unusable=[unusable(one) for one in facts.parts.get("unusable", ())])
    run = Run(arguments, session, facts, catalogue, schema, workshop, stack, advice)
    found = run.workload()
    if found:
        run.plan(found)
    advice.suggestions += run.writer.redundant(list(advice.suggestions))
    if advice.workload is None:
        advice.suggestions += run.writer.guesses(advice.suggestions)
    advice.suggestions.sort(key=lambda one: one.guess)
    return advice


class Run:
    """One database or file, from its workload to suggestions. session: to the target, None for a file."""

    def __init__(self, arguments: argparse.Namespace, session: psycopg.Connection[Any] | None, facts: Facts, catalogue: Catalogue, schema: Schema, workshop: sources.Workshop,
                 stack: contextlib.ExitStack, advice: Advice):
        self.arguments, self.session, self.facts, self.catalogue, self.schema = arguments, session, facts, catalogue, schema
        self.workshop, self.stack, self.advice = workshop, stack, advice
        self.writer = report.Writer(facts, catalogue, schema)

    def workload(self) -> list[Statement]:
        """The statements that touch a table of this database, and what their deletes look up; without any, what the deletes that were counted looked up."""
        advice, found = self.advice, []
        if self.arguments.workload:
            found, notes = statements.of_file(pathlib.Path(self.arguments.workload))
            advice.notes += notes
            advice.workload = self.arguments.workload
        elif self.session:
            counted, missing = statements.counted(self.session, [one["query"] for one in self.facts.parts.get("activity", ())])
            advice.missing += [f"the workload: {missing}; or give one with --workload FILE"] if missing else []
            advice.workload, found = (None, []) if counted is None else ("pg_stat_statements", counted)
        advice.seen = [one for one in found if any(self.facts.find(*name) for name in one.names())]
        if self.arguments.workload and not advice.seen:
            raise CommandError(f"{self.arguments.workload}: none of its {len(found)} statements speaks of a table of {advice.source}", "see that file and database belong together",
                               identifier="NO_STATEMENTS")
        if not self.session and not self.arguments.workload:
            advice.notes.append("of the schema alone: --workload FILE gives the statements that indexes are for")
        if advice.workload and not advice.seen:
            advice.workload = None
            advice.notes.append("pg_stat_statements has counted no statement on these tables yet")
        keys = self.schema.foreign_keys
        if advice.workload is None:
            return statements.lookups({name: one.changes["deleted"] for name, one in self.facts.relations.items()}, keys)
        return advice.seen + statements.checks(advice.seen, keys, self.facts)

    def plan(self, found: list[Statement]) -> None:
        advice, facts = self.advice, self.facts
        roots = {relation.root for one in found for name in one.names() if (relation := facts.find(*name))}
        if self.session:
            facts.learn(self.session, roots)
        words = {word for one in found for word in re.findall(r"[\w$]+", one.text)}
        planner = self.planner({one.name for one in facts.relations.values() if one.root in roots}, words)
        if planner is None:
            return
        planning = choice.Planning(planner, facts, time.monotonic() + SECONDS)
        queries = planning.queries(found)
        choice.propose(planning, queries)
        chosen = choice.Choice(planning, queries, choice.Writes(found, facts))
        picked = chosen.run()
        self.confirm(chosen, picked, planner)
        new = list(self.writer.chosen(chosen, picked))
        advice.suggestions += self.verified(new, chosen, words) if self.arguments.verify else new
        advice.not_costed = planning.failed
        advice.before = sum(one.total for one in queries)
        advice.after = sum(one.time(chosen.now(one)[1]) for one in queries)

    def planner(self, names: set[Name], words: set[str]) -> Stage | None:
        """The stand-in; where there is none, hypopg on the target itself, if it is there."""
        advice, psycopg = self.advice, dependencies.require("psycopg")
        try:
            stage = Stage(self.workshop.server(self.catalogue.server_version), self.stack, self.catalogue, self.facts, names, words)
            advice.planner = f"PostgreSQL {stage.text}, on a stand-in without rows that has " + ("this schema" if self.facts.imagined else "the database's statistics and sizes")
            advice.missing += [f"statements on what the extension {name} brings: the stand-in lacks it" for name in sorted(stage.lacking)]
            return stage
        except (CommandError, Failed, OSError, psycopg.Error) as error:
            reason = getattr(error, "message", None) or str(error)
        if self.session and self.facts.server.get("hypopg"):
            advice.planner = "hypopg, in sessions on the database itself (btree and brin alone)"
            advice.missing.append(f"indexes of other kinds: there is no stand-in: {reason}")
            return Hypothetical(self.arguments.connection, self.facts, self.stack)
        advice.missing.append(f"costs, and so all but guesses: there is no stand-in: {reason}; nor hypopg in the database")
        return None

    def confirm(self, chosen: choice.Choice, picked: list[Candidate], planner: Stage) -> None:
        """Where hypopg is in the database, its own planner is asked too. Its no says nothing: hypopg 1.3 passes over partial indexes with IS NOT NULL and indexes of partitioned tables."""
        if not self.session or not self.facts.server.get("hypopg") or isinstance(planner, Hypothetical):
            return
        try:
            target = Hypothetical(self.arguments.connection, self.facts, self.stack)
            self.writer.confirmed = asked(target, picked, {one: [query.scenario.sql for query in chosen.gains(one)] for one in picked})
        except (CommandError, dependencies.require("psycopg").Error) as error:
            self.advice.missing.append(f"confirmation by hypopg: {getattr(error, 'message', None) or str(error).strip()}")

    def verified(self, new: list[Suggestion], chosen: choice.Choice, words: set[str]) -> list[Suggestion]:
        if not self.session or not any(one.candidate for one in new):
            return new
        psycopg = dependencies.require("psycopg")
        try:
            workshop = self.stack.enter_context(sources.Workshop(self.arguments.shadow)) if self.arguments.shadow else self.workshop
            copy = Copy(workshop.server(self.catalogue.server_version), self.stack, self.catalogue, self.facts, chosen, words)
            copy.fill(self.session)
            unused = copy.verify(new)
        except (CommandError, Failed, psycopg.Error) as error:
            self.advice.missing.append(f"--verify: {getattr(error, 'message', None) or str(error).strip()}")
            return new
        self.advice.notes += [f"left out: {one.sql}, since no statement used it on a copy with all rows" for one in unused]
        return [one for one in new if one not in unused]


def unusable(one: dict[str, Any]) -> dict[str, str]:
    """An index that is there and not used yet, and what it waits for."""
    waits = f"pid {one['pid']}, whose transaction began at {one['since']}" if one["pid"] else ""
    if one["builder"]:
        reason = f"it is being built by pid {one['builder']} ({one['phase']})" + (f", which waits for {waits}" if waits else "")
    elif one["invalid"]:
        reason = "it is invalid: its build failed or was stopped; drop it and build it again"
    else:
        reason = "statements do not use it as long as transactions go on that are older than it: " + (waits or "one of another database, or a prepared one")
    return {"index": one["index"], "table": one["table"], "reason": reason}


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
    if advice.unusable:
        said += ["", f"INDEXES THAT CANNOT BE USED YET ({len(advice.unusable)}):", *(f"  {one['index']} on {one['table']}: {one['reason']}" for one in advice.unusable)]
    said += ["", *(f"note: {note}" for note in advice.notes[:most])] if advice.notes else []
    return said + (["", "NOT ASSESSED:", *(f"  {one}" for one in advice.missing)] if advice.missing else [])


def told(number: int, one: Suggestion) -> list[str]:
    said = [f"  {number}. {one.table} ({', '.join(one.columns)}): {one.reason}", f"     {one.sql};", f"     Evidence: {one.evidence}"]
    if one.measured:
        said.append(f"     Measured on {'a copy with all rows' if one.measured['rows'] == 'all' else one.measured['rows']}: {one.measured['before_ms']:.2f} ms -> {one.measured['after_ms']:.2f} ms, "
                    f"{size(one.measured['size_bytes'])}, built in {one.measured['build_seconds']:.1f} s")
    if one.bytes is not None:
        said.append(f"     Size: {'about ' if one.action == 'create' else ''}{size(one.bytes)}" + (f"; writers: {one.writers}" if one.writers else ""))
    return said + [f"     - {row['query']}" for row in one.queries[:report.MOST_QUERIES]]

"""--suggest-indexes: the workload is planned on a stand-in of the database, and the indexes that make it cheapest are told, each with its evidence."""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import re
import time
from typing import Any

from senior_backend import dependencies
from senior_backend.console import CommandError, Console, Outcome
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
from senior_backend.migrate.analyze.schema import Schema
from senior_backend.migrate.bench import Failed
from senior_backend.postgres import connection, live

SECONDS = 60
MOST_LINES = 20


@dataclasses.dataclass
class Advice:
    """What one run found. workload: where the statements come from, None where there are none; planner: who costed them; before, after: ms of all statements, measured and estimated."""
    source: str
    missing: list[str]
    unusable: list[dict[str, str]]
    suggestions: list[Suggestion] = dataclasses.field(default_factory=list)
    workload: str | None = None
    planner: str | None = None
    seen: list[Statement] = dataclasses.field(default_factory=list)
    not_costed: list[tuple[Statement, str]] = dataclasses.field(default_factory=list)
    before: float | None = None
    after: float | None = None
    notes: list[str] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"source": self.source, "suggestions_count": len(self.suggestions), "suggestions": [one.as_json() for one in self.suggestions], "workload": self.workload,
                "planner": self.planner, "statements": len(self.seen), "not_costed": [{"query": one.shown, "reason": why} for one, why in self.not_costed],
                "total_ms": self.before and round(self.before, 3), "estimated_total_ms": self.after and round(self.after, 3), "unusable": self.unusable,
                "not_assessed": self.missing, "notes": self.notes}


def run(arguments: argparse.Namespace, console: Console) -> Outcome:
    output.check_folder(arguments.output)
    with contextlib.ExitStack() as stack:
        advice = Run(arguments, stack).advise()
    files: list[str] = []
    if arguments.output and advice.suggestions:
        files = output.write_pair(arguments.output, *report.pair(advice.source, advice.suggestions))
    return Outcome({**advice.as_json(), "files": files}, [*lines(advice, console.verbose), *(f"Wrote {name}" for name in files)])


class Run:
    """One database or file, from its workload to suggestions. session: to the target, None for a file."""

    def __init__(self, arguments: argparse.Namespace, stack: contextlib.ExitStack):
        self.arguments, self.stack, self.url = arguments, stack, arguments.connection
        self.workshop = stack.enter_context(sources.Workshop(None))
        self.session = stack.enter_context(contextlib.closing(connection.connect(self.url))) if self.url else None
        if self.session:
            self.workshop.start(self.session.info.server_version)
            self.catalogue = live.read(self.session, connection.masked(self.url))
        else:
            self.catalogue, _ = analysis.read_files(pathlib.Path(arguments.schema), self.workshop)
        self.schema = Schema(self.catalogue)
        if not self.schema.tables:
            raise CommandError(f"{self.catalogue.source}: no table was found", "give a database or a file with tables", identifier="NOTHING_TO_ANALYZE")
        self.facts = Facts.read(self.session) if self.session else Facts.imagine(self.schema)
        self.advice = Advice(self.catalogue.source, self.facts.missing, [unusable(one) for one in self.facts.parts.get("unusable", ())])
        self.writer = report.Writer(self.facts, self.catalogue, self.schema)

    def advise(self) -> Advice:
        advice, found = self.advice, self.workload()
        if found:
            self.plan(found)
        advice.suggestions += self.writer.redundant(list(advice.suggestions))
        if not advice.workload or not advice.planner:
            advice.suggestions += self.writer.guesses(advice.suggestions)
        advice.suggestions.sort(key=lambda one: one.guess)
        return advice

    def workload(self) -> list[Statement]:
        """The statements that touch a table of this database, and what their deletes look up; without any, what the deletes that were counted looked up."""
        advice, found, file = self.advice, None, self.arguments.workload
        if file:
            found, advice.notes = statements.of_file(pathlib.Path(file))
        elif self.session:
            found, missing = statements.counted(self.session, [one["query"] for one in self.facts.parts.get("activity", ())])
            advice.missing += [f"the workload: {missing}; or give one with --workload FILE"] if missing else []
        else:
            advice.notes.append("of the schema alone: --workload FILE gives the statements that indexes are for")
        advice.seen = [one for one in found or () if any(self.facts.find(*name) for name in one.names())]
        if file and not advice.seen:
            raise CommandError(f"{file}: none of its {len(found)} statements speaks of a table of {advice.source}", "see that file and database belong together",
                               identifier="NO_STATEMENTS")
        if not advice.seen:
            advice.notes += ["pg_stat_statements has counted no statement on these tables yet"] if found is not None else []
            deleted = {name: one.raw["deleted"] for name, one in self.facts.relations.items()}
            return statements.lookups(deleted, self.schema.foreign_keys)
        advice.workload = file or "pg_stat_statements"
        return advice.seen + statements.checks(advice.seen, self.schema.foreign_keys, self.facts)

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
        advice.notes += dict.fromkeys(f"{one.statement.note}: {one.statement.shown}" for one in queries if one.scenario.blurred)
        advice.before, advice.after = sum(one.total for one in queries), sum(one.time(chosen.now(one)[1]) for one in queries)

    def planner(self, names: set[Name], words: set[str]) -> Stage | None:
        """The stand-in; where there is none, hypopg on the target itself, if it is there."""
        advice = self.advice
        try:
            stage = Stage(self.workshop.server(self.catalogue.server_version), self.stack, self.catalogue, self.facts, names, words)
        except (*failures(), OSError) as error:
            reason = f"there is no stand-in: {said(error)}"
        else:
            what = "this schema" if self.facts.imagined else "the database's statistics and sizes"
            advice.planner = f"PostgreSQL {stage.text}, on a stand-in without rows that has {what}"
            advice.missing += [f"statements on what the extension {name} brings: the stand-in lacks it" for name in sorted(stage.lacking)]
            return stage
        if not self.session or not self.facts.server.get("hypopg"):
            advice.missing.append(f"costs, and so all but guesses: {reason}; nor hypopg in the database")
            return None
        advice.planner = "hypopg, in sessions on the database itself (btree and brin alone)"
        advice.missing.append(f"indexes of other kinds: {reason}")
        return Hypothetical(self.url, self.facts, self.stack)

    def confirm(self, chosen: choice.Choice, picked: list[Candidate], planner: Stage) -> None:
        """Where hypopg is in the database, its own planner is asked too. Its no says nothing: hypopg 1.3 passes over partial indexes with IS NOT NULL and indexes of partitioned tables."""
        if not self.session or not self.facts.server.get("hypopg") or isinstance(planner, Hypothetical):
            return
        try:
            target = Hypothetical(self.url, self.facts, self.stack)
            self.writer.confirmed = asked(target, picked, {one: [query.scenario.sql for query in chosen.gains(one)] for one in picked})
        except failures() as error:
            self.advice.missing.append(f"confirmation by hypopg: {said(error)}")

    def verified(self, new: list[Suggestion], chosen: choice.Choice, words: set[str]) -> list[Suggestion]:
        if not any(one.candidate for one in new):
            return new
        try:
            workshop = self.stack.enter_context(sources.Workshop(self.arguments.shadow)) if self.arguments.shadow else self.workshop
            copy = Copy(workshop.server(self.catalogue.server_version), self.stack, self.catalogue, self.facts, chosen, words)
            copy.fill(self.session)
            unused = copy.verify(new)
        except failures() as error:
            self.advice.missing.append(f"--verify: {said(error)}")
            return new
        self.advice.notes += [f"left out: {one.sql}, since no statement used it on a copy with all rows" for one in unused]
        return [one for one in new if one not in unused]


def failures() -> tuple[type[Exception], ...]:
    return CommandError, Failed, dependencies.require("psycopg").Error


def said(error: Exception) -> str:
    return getattr(error, "message", None) or (connection.told(error) if hasattr(error, "diag") else str(error).strip())


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
    most = 10**9 if verbose else MOST_LINES
    head = ["=== Index Advice ===", f"Source: {advice.source}", f"Workload: {advice.workload or 'none'}" + f", {len(advice.seen)} statements" * bool(advice.workload)]
    head += [f"Costed by: {advice.planner}"] if advice.planner else []
    head += [f"Time of these statements: {advice.before / 1000:.2f} s; with the indexes about {advice.after / 1000:.2f} s (estimated)"] if advice.before else []
    drops = [one for one in advice.suggestions if one.action == "drop"]
    guesses = [one for one in advice.suggestions if one.guess and one not in drops]
    said = section("SUGGESTED INDEXES", list(map(told, (one for one in advice.suggestions if one not in drops and one not in guesses))), most)
    said += section("INDEXES TO REMOVE", list(map(told, drops)), most) + section("GUESSES, WITHOUT EVIDENCE", list(map(told, guesses)), most)
    said = said or ["", "Nothing to suggest: no index is missing or needless, as far as was seen."]
    said += section("NOT COSTED", [f"{one.shown}: {why}" for one, why in advice.not_costed], most)
    said += section("INDEXES THAT CANNOT BE USED YET", [f"{one['index']} on {one['table']}: {one['reason']}" for one in advice.unusable], most)
    return head + said + section("NOTES", advice.notes, most) + section("NOT ASSESSED", advice.missing, most)


def section(title: str, texts: list[str], most: int) -> list[str]:
    more = [f"  and {len(texts) - most} more: --verbose shows all"] if len(texts) > most else []
    return ["", f"{title} ({len(texts)}):", *(f"  {number}. {text}" for number, text in enumerate(texts[:most], 1)), *more] if texts else []


def told(one: Suggestion) -> str:
    said = [f"{one.table} ({', '.join(one.columns)}): {one.reason}", f"{one.sql};", f"Evidence: {one.evidence}"]
    if one.measured:
        rows = "a copy with all rows" if one.measured["rows"] == "all" else one.measured["rows"]
        said.append(f"Measured on {rows}: {one.measured['before_ms']:.2f} ms -> {one.measured['after_ms']:.2f} ms, {size(one.measured['size_bytes'])}, "
                    f"built in {one.measured['build_seconds']:.1f} s")
    if one.bytes is not None:
        said.append(f"Size: {'about ' if one.action == 'create' else ''}{size(one.bytes)}" + (f"; writers: {one.writers}" if one.writers else ""))
    return "\n     ".join(said + [f"- {row['query']}" for row in one.queries[:report.MOST_QUERIES]])

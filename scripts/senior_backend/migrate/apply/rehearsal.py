"""--dry-run: every statement of a migration run on a scratch copy of the live schema, its locks, rewrites and scans measured, and what they mean for the live database."""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import re
import time
from typing import TYPE_CHECKING, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate import closure
from senior_backend.migrate.apply import executor, history, losses, rules
from senior_backend.migrate.apply.rules import BLOCKS, Observed
from senior_backend.migrate.apply.script import Group, Migration
from senior_backend.migrate.apply.statements import Statement
from senior_backend.migrate.bench import Failed, Trial
from senior_backend.migrate.sources import Workshop, background
from senior_backend.postgres import connection as connections
from senior_backend.postgres import live, quote
from senior_backend.postgres.loading import MISSING_EXTENSION
from senior_backend.postgres.model import Catalogue, Id
from senior_backend.postgres.trees import nodes

if TYPE_CHECKING:
    import psycopg

RELATIONS = """
select c.oid::int8, n.nspname, c.relname, c.relkind::text, coalesce(pg_relation_filenode(c.oid), 0)::int8, coalesce(i.indrelid, 0)::int8, coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0)
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid left join pg_stat_xact_user_tables s on s.relid = c.oid
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'm', 'f', 'v', 'i', 'I', 'S')"""
LOCKS = """
select relation::int8, array_agg(mode) from pg_locks where pid = %s and locktype = 'relation' and database = (select oid from pg_database where datname = current_database()) group by 1"""
TABLES = ("r", "p", "m")
LOCKABLE = ("r", "p", "m", "f", "v")
STATEMENT_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Relation:
    """A relation at one moment. file: what changes when it is rewritten; table: an index's; scans: so far in this transaction."""
    oid: int
    schema: str
    name: str
    kind: str
    file: int
    table: int
    scans: int

    @property
    def label(self) -> str:
        return quote.qualified(self.name) if self.schema == "public" else quote.qualified(self.schema, self.name)


@dataclasses.dataclass(frozen=True)
class Moment:
    """What is there, and which locks the measured session holds or waits for, by oid."""
    relations: dict[int, Relation]
    locks: dict[int, set[str]]


def moment(observer: psycopg.Connection, pid: int) -> Moment:
    locks = {oid: set(modes) for oid, modes in observer.execute(LOCKS, [pid])}
    return Moment({row[0]: Relation(*row) for row in observer.execute(RELATIONS)}, locks)


class Stage:
    """A session on which statements are run and measured. url: where others may watch it; trial: what gives statements the rights of a superuser, on the scratch server."""

    def __init__(self, session: psycopg.Connection, url: str, trial: Trial | None = None):
        self.session, self.url, self.trial, self.pid = session, url, trial, session.info.backend_pid
        self.existing = moment(session, self.pid).relations
        self.notices: list[tuple[str, str, str]] = []
        session.add_notice_handler(lambda one: self.notices.append((one.severity_nonlocalized, one.sqlstate, one.message_primary)))

    def group(self, group: Group) -> Iterator[Observed]:
        """Run a group as the migration would; what comes after a failure is not run."""
        if not group.transactional:
            yield self.alone(group.statements[0])
            return
        held: dict[str, tuple[str, int]] = {}
        self.session.execute(group.begin.text if group.begin else "begin")
        failed = False
        for one in group.statements:
            if not one.number:
                failed = failed or self.attempt(Observed(one)).error is not None
                continue
            seen = Observed(one, held=dict(held)) if failed else self.within(one, held)
            failed = failed or seen.error is not None and not seen.needs_data
            for name, modes in seen.locks.items():
                held.setdefault(name, (rules.strongest(modes), one.number))
            yield seen
        unfinished = group.begin and not group.end
        self.session.execute("rollback" if failed or unfinished or group.end and group.end.control == "ROLLBACK" else "commit")

    def within(self, statement: Statement, held: dict[str, tuple[str, int]]) -> Observed:
        seen, before = Observed(statement, held=dict(held)), moment(self.session, self.pid)
        held_before = losses.holdings(self.session) if statement.opaque else {}
        self.session.execute("savepoint rehearsal")
        if self.attempt(seen).error:
            self.session.execute("rollback to rehearsal")
            return seen
        seen.lost = losses.gone(held_before, losses.holdings(self.session)) if statement.opaque and not statement.losses else ()
        return self.compared(seen, before, moment(self.session, self.pid))

    def compared(self, seen: Observed, before: Moment, after: Moment) -> Observed:
        rewritten = []
        for oid, then in self.existing.items():
            now, was = after.relations.get(oid), before.relations.get(oid)
            new = after.locks.get(oid, set()) - before.locks.get(oid, set())
            if new and (then.kind in LOCKABLE or "AccessExclusiveLock" in new and "AccessExclusiveLock" not in after.locks.get(then.table, ())):
                seen.locks[then.label] = new
            if was and now and now.file != was.file and seen.statement.kind != "TruncateStmt":
                rewritten.append(then)
            if was and now and now.scans > was.scans:
                seen.scans.append(then.label)
        seen.rewrites.extend(one.label for one in rewritten if one.kind in TABLES)
        new = [one.table for one in rewritten if one.table] + [after.relations[oid].table for oid in after.relations.keys() - before.relations.keys()]
        seen.built.extend(dict.fromkeys(self.existing[oid].label for oid in new if oid in self.existing and self.existing[oid].label not in seen.rewrites))
        return seen

    def attempt(self, seen: Observed) -> Observed:
        """Run the statement, with its time, its notices and what goes wrong."""
        clock = time.monotonic()
        try:
            with self.trial.rights(seen.statement.text) if self.trial else contextlib.nullcontext():
                executor.send(self.session, seen.statement)
        except dependencies.require("psycopg").Error as error:
            if self.session.broken:
                raise CommandError(f"{seen.statement.place}: the server of the dry run went away: {connections.told(error)}", "run it again", ExitCode.ENVIRONMENT, "CONNECTION_LOST") from None
            seen.error = (error.sqlstate or "", connections.told(error))
        seen.seconds = time.monotonic() - clock
        seen.notices, self.notices = tuple(self.notices), []
        return seen

    def alone(self, statement: Statement) -> Observed:
        """A statement without a transaction: held up by a lock of ours on every table, so that what it asks for can be seen."""
        seen, before, asked = Observed(statement), moment(self.session, self.pid), {}
        with contextlib.closing(connections.connect(self.url)) as guard, contextlib.closing(connections.connect(self.url)) as observer:
            guard.execute("begin")
            for one in before.relations.values():
                if one.kind in ("r", "p"):
                    guard.execute(f"lock table only {quote.qualified(one.schema, one.name)} in share update exclusive mode")
            running = background(self.attempt, seen)
            let_go = time.monotonic() + 0.5
            while not running.done():
                for oid, modes in moment(observer, self.pid).locks.items():
                    if oid in self.existing and self.existing[oid].kind in LOCKABLE:
                        asked.setdefault(self.existing[oid].label, set()).update(modes)
                if asked or time.monotonic() > let_go:
                    guard.rollback()
                time.sleep(0.005)
        if not running.result().error:
            self.compared(seen, before, moment(self.session, self.pid))
        seen.locks, seen.scans, seen.built = asked, [], []
        return seen


def run(arguments: argparse.Namespace, migration: Migration, console: Console) -> Outcome:
    url = arguments.connection
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(contextlib.closing(connections.connect(url, default_transaction_read_only="on", lock_timeout="1s", statement_timeout="60s")))
        catalogue = live.read(target, connections.masked(url))
        digest = catalogue.digest()
        _, done = history.standing(history.runs(target, migration.name), migration)
        stage, server = staged(stack.enter_context(Workshop(arguments.shadow)), stack, target, catalogue, migration)
        observed = rehearsed(stage, migration, done)
        if arguments.dry_run == "live":
            observed = on_target(url, migration, observed, done)
        facts = rules.Facts(target, migration, {one.label: (one.schema, one.name, one.kind) for one in stage.existing.values()})
        findings = rules.findings(observed, facts, done)
        after = live.read(target, "").digest()
        if after != digest:
            console.progress("the schema of the target was changed by somebody else meanwhile")
        return told(arguments, migration, observed, findings, facts, f"PostgreSQL {server}", (digest, after))


def staged(workshop: Workshop, stack: contextlib.ExitStack, target: psycopg.Connection, catalogue: Catalogue, migration: Migration) -> tuple[Stage, str]:
    """A scratch database with what the file speaks of, all that depends on it, and all that these need."""
    server = workshop.server(catalogue.server_version)
    named = {role.rolename for one in migration.statements for role in nodes(one.node, "RoleSpec") if role.rolename}
    server.ensure_roles(row[0] for row in target.execute("select rolname from pg_roles where rolname = any(%s)", [list(named)]))
    path = target.execute("show search_path").fetchone()[0]
    trial = Trial(server, catalogue, closure.cut(catalogue, set(catalogue.facts) - spoken_of(catalogue, migration)), path)
    stack.enter_context(trial)
    try:
        trial.build()
    except Failed as failure:
        raise CommandError(f"the live schema cannot be made on the scratch server: {failure}", "name a server like the live one with --shadow URL, or use --dry-run=live", ExitCode.ENVIRONMENT, "REHEARSAL") from None
    trial.connection.execute(f"reset check_function_bodies; set statement_timeout = '{STATEMENT_SECONDS}s'; set lock_timeout = '10s'")
    return Stage(trial.connection, server.url(trial.name), trial), server.text


def spoken_of(catalogue: Catalogue, migration: Migration) -> set[Id]:
    """Facts whose names occur in the file, and in the bodies of the routines that it calls."""
    words = set(re.findall(r"[\w$]+", " ".join(one.text for one in migration.statements)))
    words |= {word.lower() for word in words}
    found: set[Id] = set()
    while True:
        more = {one for one in catalogue.facts if one not in found and one.name[min(1, len(one.name) - 1)] in words}
        if not more:
            return found
        found |= more
        for one in more:
            if one.kind in ("function", "procedure"):
                words |= set(re.findall(r"[\w$]+", str(catalogue[one].attributes)))


def rehearsed(stage: Stage, migration: Migration, done: int) -> list[Observed]:
    """done: so many statements are applied already; only their settings are made again."""
    observed: list[Observed] = []
    for group in migration.groups:
        if all(one.number <= done for one in group.counted):
            executor.replay(stage.session, group)
            continue
        if any(one.error and not one.needs_data for one in observed):
            observed += [Observed(one) for one in group.counted]
            continue
        try:
            observed += stage.group(group)
        finally:
            stage.session.rollback()
    for one in observed:
        missing = MISSING_EXTENSION.search(one.error[1]) if one.error else None
        if missing:
            raise CommandError(f"{one.statement.place}: the scratch server has no extension {missing[1] or missing[2]}", "install it beside the local PostgreSQL, or name a server that has it: --shadow URL",
                               ExitCode.ENVIRONMENT, "EXTENSION")
    return observed


def on_target(url: str, migration: Migration, observed: list[Observed], done: int) -> list[Observed]:
    """The same in one transaction on the target, rolled back: real durations and what real data refuses. What cannot run in a transaction is not run there."""
    found: dict[int, Observed] = {}
    with contextlib.closing(connections.connect(url, lock_timeout="2s", statement_timeout=f"{STATEMENT_SECONDS}s")) as session:
        stage = Stage(session, url)
        session.execute("begin")
        try:
            for one in migration.statements:
                if one.number <= done:
                    if one.sets_session:
                        session.execute(one.text)
                elif one.transactional and not any(seen.error for seen in found.values()):
                    found[one.number] = stage.within(one, {})
        finally:
            session.rollback()
    merged = []
    for one in observed:
        seen = found.get(one.statement.number)
        merged.append(dataclasses.replace(one, seconds=seen.seconds, rewrites=seen.rewrites or one.rewrites, error=seen.error or one.error, where="target") if seen else one)
    return merged


def told(arguments: argparse.Namespace, migration: Migration, observed: list[Observed], findings: list[rules.Finding], facts: rules.Facts, server: str, digests: tuple[str, str]) -> Outcome:
    counts = {level: sum(one.severity == level for one in findings) for level in ("error", "warning", "info")}
    tables = sorted({name for one in observed for name in one.locks})
    sizes = [facts.size(name) for name in tables]
    place = "the target, rolled back" if arguments.dry_run == "live" else f"a scratch server ({server})"
    data = {
        "file": migration.name, "format": migration.format, "direction": migration.direction, "dry_run": arguments.dry_run, "server": server, "tables": len(tables),
        "total_rows": int(sum(max(0, size.rows) for size in sizes)), "errors": counts["error"], "warnings": counts["warning"], "suggestions": counts["info"],
        "issues_detail": [one.as_json() for one in findings], "hazards": [one.as_hazard() for one in findings if one.hazard], "statements": [one.as_json() for one in observed],
        "unchanged": {"digest_before": digests[0], "digest_after": digests[1], "equal": digests[0] == digests[1]},
    }
    lines = [f"=== Dry run of {migration.name} on {place} ===", *(line for one in observed for line in shown(one)), ""]
    for one in findings:
        lines += [f"{one.severity.upper()} [{one.table or '-'}] line {one.statement.line}: {one.message}", *([f"  Suggestion: {one.suggestion}"] if one.suggestion else [])]
    lines += [f"{counts['error']} errors, {counts['warning']} warnings; nothing was changed"]
    bad = arguments.fail_on and (counts["error"] or arguments.fail_on == "warning" and counts["warning"])
    return Outcome(data, lines, ExitCode.FOUND if bad or any(one.error and not one.needs_data for one in observed) else ExitCode.DONE)


def shown(one: Observed) -> list[str]:
    took = f"{one.seconds:8.3f} s" if one.seconds is not None else "   not run"
    marks = [f"{rules.mode_words(rules.strongest(modes))} on {name}{f' (blocks {BLOCKS[rules.strongest(modes)]})' if rules.strongest(modes) in BLOCKS else ''}" for name, modes in one.locks.items()]
    marks += [f"rewrites {name}" for name in one.rewrites] + ([] if one.statement.transactional else ["no transaction"])
    return [f"{one.statement.number:>4} {took}  {one.statement.headline}", *([f"{'':16} {'; '.join(marks)}"] if marks else [])]

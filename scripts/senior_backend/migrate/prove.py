"""The proof: the source's schema is made on a scratch server, the migration and its rollback run there, and the results are compared with both sides."""
from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any, Sequence

from senior_backend import dependencies
from senior_backend.console import CommandError
from senior_backend.migrate import closure, diff, plan
from senior_backend.migrate.output import grouped
from senior_backend.migrate.sources import Workshop
from senior_backend.migrate.steps import Step
from senior_backend.postgres import connection, live, quote, scratch
from senior_backend.postgres.model import Catalogue

SECONDS = 100           # callers give up at 120
MOST_DIFFERENCES = 20


@dataclasses.dataclass
class Proof:
    """verified: migration and rollback ran and gave exactly both sides. server: where ("15.18"). reason: why it is not proven; failed: it was tried, and is wrong.

    differences: what differs after forward or rollback; scope: facts looked at, and all there are.
    """
    verified: bool = False
    server: str = ""
    forward: str = "not run"
    rollback: str = "not run"
    reason: str = ""
    failed: bool = False
    differences: list[str] = dataclasses.field(default_factory=list)
    scope: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    def line(self) -> str:
        if self.verified:
            return f"proven on PostgreSQL {self.server}: forward {self.forward}, rollback {self.rollback}"
        return f"NOT PROVEN: {self.reason}"

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "scope": {"objects": self.scope[0], "of": self.scope[1]}, "seconds": round(self.seconds, 2)}


class Failed(Exception):
    """A statement that the scratch server refuses, or a result that is not what it should be."""

    def __init__(self, reason: str, differences: Sequence[str] = ()):
        super().__init__(reason)
        self.differences = list(differences)


def prove(workshop: Workshop, old: Catalogue, new: Catalogue, up: Sequence[Step], down: Sequence[Step], path: str = "") -> Proof:
    """path: the search_path that the statements will run with."""
    started = time.monotonic()
    proof = Proof()
    try:
        server = workshop.server(old.server_version)
        proof.server = server.text
        with Trial(server, old, new, path) as trial:
            proof.scope = (len(trial.old.facts), len(old.facts))
            trial.build()
            trial.check(proof, "forward", up, trial.new)
            trial.check(proof, "rollback", down, trial.old)
        proof.verified = True
    except CommandError as error:
        proof.reason = error.message + (f" ({error.hint})" if error.hint else "")
    except Failed as failure:
        proof.reason, proof.differences = str(failure), failure.differences[:MOST_DIFFERENCES]
        proof.failed = "failed" in (proof.forward, proof.rollback)
    proof.seconds = time.monotonic() - started
    return proof


class Trial(contextlib.AbstractContextManager):
    """A database of the scratch server, in the role of the live one."""

    def __init__(self, server: scratch.Server, old: Catalogue, new: Catalogue, path: str):
        self.server, self._stack = server, contextlib.ExitStack()
        server.ensure_roles(closure.roles(old, new))
        try:
            name = self._stack.enter_context(server.database())
            self.connection = self._stack.enter_context(contextlib.closing(connection.connect(server.url(name))))
            if path:
                self.connection.execute("SELECT set_config('search_path', %s, false)", [path])
            self.connection.execute("SET check_function_bodies = off")
            self.empty = live.read(self.connection)
        except BaseException:
            self._stack.close()
            raise
        self.old, self.new = closure.scope(old, new, self.empty.facts)
        self.role = old.role

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def build(self) -> None:
        """Make the source's schema."""
        try:
            self.run(plan.migration(self.empty, self.old))
        except Failed as failure:
            raise Failed(f"the source's schema cannot be made on the scratch server: {failure}") from None
        self.connection.execute(f"SET ROLE {quote.ident(self.role)}")

    def check(self, proof: Proof, direction: str, steps: Sequence[Step], expected: Catalogue) -> None:
        setattr(proof, direction, "failed")
        self.run(steps)
        differences = described(diff.compare(live.read(self.connection), expected))
        if differences:
            setattr(proof, direction, "different")
            raise Failed(f"after the {'migration' if direction == 'forward' else 'rollback'} the schema is not what it should be: {'; '.join(differences[:3])}", differences)
        setattr(proof, direction, "equal")

    def run(self, steps: Sequence[Step]) -> None:
        psycopg = dependencies.require("psycopg")
        for group in grouped(steps):
            step = group[0]
            try:
                if len(group) > 1:
                    self.connection.execute("BEGIN")
                for step in group:
                    self.connection.execute(step.sql)
                if len(group) > 1:
                    self.connection.execute("COMMIT")
            except psycopg.Error as error:
                raise Failed(f"{str(error).strip()} (in: {step.sql[:500]})") from None


def described(difference: diff.Difference) -> list[str]:
    """What is there and should not be, what lacks, and which attributes differ."""
    lines = [f"{fact.id} should not be there" for fact in difference.removed] + [f"{fact.id} is missing" for fact in difference.added]
    for found, wanted in difference.changed:
        names = sorted(name for name in {*found.attributes, *wanted.attributes} if found.attributes.get(name) != wanted.attributes.get(name))
        lines += [f"{wanted.id}: {name} is {short(found.attributes.get(name))}, should be {short(wanted.attributes.get(name))}" for name in names]
    return lines


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."

"""The proof: the source's schema is made on a scratch server, the migration and its rollback run there, and the results are compared with both sides."""
from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import time
from typing import Any

from senior_backend.console import CommandError
from senior_backend.migrate import plan
from senior_backend.migrate.bench import Failed, Trial
from senior_backend.migrate.sources import Workshop
from senior_backend.migrate.steps import Step
from senior_backend.postgres import binaries, cache, live, scratch
from senior_backend.postgres.model import Catalogue

SECONDS = 90            # callers give up at 120
CORRECTIONS = 3
MOST_DIFFERENCES = 20
MOST_BYTES = 5_000_000


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


@dataclasses.dataclass
class Case:
    """What is to be proven: up makes new of old, and down old of new. path: the search_path they will run with; online: the forms that were asked for.

    A trial corrects up and down: it adds at their end what is then left to do, and takes out a statement that fails and is not needed.
    """
    old: Catalogue
    new: Catalogue
    up: list[Step]
    down: list[Step]
    path: str = ""
    online: bool = False

    def digest(self, program: binaries.Binaries) -> str:
        steps = [[step.sql, step.transactional, step.commit_after] for step in (*self.up, *self.down)]
        return cache.key("proof", program.text, str(program.folder), self.old.digest(), self.new.digest(), self.old.role, self.path, steps)


def prove(workshop: Workshop, case: Case) -> Proof:
    """Only what is proven changes the case."""
    started, planned = time.monotonic(), (list(case.up), list(case.down))
    place = None if workshop.shadow else kept(case)
    known = cache.read(place) if place else None
    if known:
        return Proof(**{**json.loads(known), "seconds": time.monotonic() - started})
    proof = first = corrected(workshop, case, started + SECONDS, whole=False)
    if not proof.verified and proof.scope[0] < proof.scope[1]:         # something that no dependency tells of was left out
        proof = corrected(workshop, case, started + SECONDS, whole=True)
    if not proof.verified:
        case.up, case.down = planned
        proof = proof if proof.failed else first
    elif place and (case.up, case.down) == planned:
        cache.write(place, json.dumps(dataclasses.asdict(proof)).encode(), MOST_BYTES)
    proof.seconds = time.monotonic() - started
    return proof


def kept(case: Case) -> pathlib.Path | None:
    """Where the proof of exactly this is kept from run to run."""
    folder = cache.folder("proofs")
    with contextlib.suppress(CommandError):
        return folder / case.digest(binaries.find(case.old.server_version)) if folder else None
    return None


def corrected(workshop: Workshop, case: Case, deadline: float, whole: bool) -> Proof:
    """The outcome of the trials; of the first where none succeeds, since its failure is the one to tell."""
    first, culprit = tried(workshop, case, deadline, whole)
    proof, left = first, CORRECTIONS
    while culprit and left:
        case.up, case.down = ([step for step in steps if step is not culprit] for steps in (case.up, case.down))
        proof, culprit = tried(workshop, case, deadline, whole)
        left -= 1
    return proof if proof.verified else first


def tried(workshop: Workshop, case: Case, deadline: float, whole: bool) -> tuple[Proof, Step | None]:
    """The outcome of one trial, and the statement that the server refused."""
    proof, culprit = Proof(), None
    try:
        server = workshop.server(case.old.server_version)
        proof.server = server.text
        with Trial(server, case.old, case.new, case.path, whole, deadline) as trial:
            proof.scope = (len(trial.old.facts), len(case.old.facts))
            trial.build()
            check(trial, proof, "forward", case.up, trial.new, case.online)
            check(trial, proof, "rollback", case.down, trial.old, case.online)
        proof.verified = True
    except CommandError as error:
        proof.reason = error.message + (f" ({error.hint})" if error.hint else "")
    except Failed as failure:
        proof.reason, proof.differences = str(failure), failure.differences[:MOST_DIFFERENCES]
        proof.failed = bool({"failed", "different"} & {proof.forward, proof.rollback})
        proof.reason += other_version(server, case.old)
        culprit = failure.step if proof.failed else None
    return proof, culprit


def other_version(server: scratch.Server, catalogue: Catalogue) -> str:
    """Why a failure may not be the migration's."""
    major = catalogue.server_version // 10000
    if not major or server.version // 10000 == major:
        return ""
    return f"; the scratch server is PostgreSQL {server.text}, {catalogue.source} is {major}: install PostgreSQL {major} here, or name a server of that version with --shadow URL"


def check(trial: Trial, proof: Proof, direction: str, steps: list[Step], expected: Catalogue, online: bool) -> None:
    """Run one direction and compare; what is left to do then is added to its steps."""
    setattr(proof, direction, "failed")
    trial.run(steps)
    differences = trial.unlike(expected)
    if differences:
        setattr(proof, direction, "different")
        more = harmless(dataclasses.replace(live.read(trial.connection), role=expected.role), expected, online)
        trial.run(more)
        if not more or trial.unlike(expected):
            raise Failed(f"after the {'migration' if direction == 'forward' else 'rollback'} the schema is not what it should be: {'; '.join(differences[:3])}", differences)
        steps += more
    setattr(proof, direction, "equal")


def harmless(found: Catalogue, expected: Catalogue, online: bool) -> list[Step]:
    """The steps from what came out to what should have; none when they would lose data."""
    steps = plan.migration(found, expected, online)
    return [] if any(hazard.kind == "data-loss" for step in steps for hazard in step.hazards) else steps

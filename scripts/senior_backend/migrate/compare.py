"""--compare: from two sides to a migration, its rollback, their hazards and the proof."""
from __future__ import annotations

import argparse
import contextlib

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate import diff, evidence, output, plan, report, sources
from senior_backend.migrate.bench import Failed, Trial
from senior_backend.migrate.prove import Case, Proof, prove
from senior_backend.migrate.renames import Rename, candidates, confirmed, following
from senior_backend.migrate.sources import Side, Workshop
from senior_backend.postgres.model import Catalogue

SEVERITIES = {"error": ("data-loss", "irreversible"), "warning": ("data-loss", "irreversible", "rewrite", "blocks-reads", "blocks-writes", "fails-on-data")}


def run(arguments: argparse.Namespace, out: Console) -> Outcome:
    output.check_folder(arguments.output)
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(Workshop(arguments.shadow))
        old, new = sources.read_both(arguments.connection or arguments.schema, arguments.compare, workshop, not arguments.no_verify, stack)
        notes = [*old.notes, *new.notes, *diff.agree(old.catalogue, new.catalogue)]
        renames = confirmed(arguments.rename, old.catalogue, new.catalogue)
        if not renames and not diff.compare(old.catalogue, new.catalogue):
            return report.unchanged(old.catalogue, new.catalogue, notes)
        found = migration(old, new.catalogue, renames, workshop, arguments, notes)
    files = output.write_pair(arguments.output, found.what_changed(), found.up_sql, found.down_sql) if arguments.output else []
    return Outcome(report.as_json(found, files), report.lines(found, files, out.verbose), exit_code(found, arguments.fail_on))


def migration(side: Side, new: Catalogue, renames: list[Rename], workshop: Workshop, arguments: argparse.Namespace, notes: list[str]) -> report.Migration:
    """Both directions, tried out unless --no-verify says otherwise."""
    old = start = side.catalogue
    if renames:
        renames, start = renamed(old, new, renames, workshop, side.path)
    difference = diff.compare(start, new)

    def attempt(online: bool) -> tuple[Case, Proof]:
        up = [rename.step() for rename in renames] + plan.migration(start, new, online, difference)
        down = plan.migration(new, start, online, difference.back()) + [rename.step(back=True) for rename in reversed(renames)]
        case = Case(old, new, up, down, side.path, online)
        return case, Proof(reason="--no-verify") if arguments.no_verify else prove(workshop, case)

    case, proof = attempt(online := side.connection is not None and not arguments.offline)
    if online and proof.failed:
        plain, proven = attempt(False)
        if proven.verified:
            notes.append(f"plain statements, since the forms that do not block fail: {proof.reason}")
            case, proof = plain, proven
    return report.Migration(old, new, difference, renames, candidates(difference, start, new), case.up, case.down, proof, evidence.gather(side, case.up, renames), notes)


def renamed(old: Catalogue, new: Catalogue, renames: list[Rename], workshop: Workshop, path: str) -> tuple[list[Rename], Catalogue]:
    """The renames with those that follow from them, and the source's schema after them."""
    try:
        with Trial(workshop.server(old.server_version), old, new, path, whole=True) as trial:
            trial.build()
            start = trial.changed([rename.step() for rename in renames])
            more = following(start, new)
            return renames + more, trial.after([rename.step() for rename in more])
    except Failed as failure:
        raise CommandError(f"the renames cannot be tried out: {failure}", "leave out --rename, and rename by hand before comparing", ExitCode.REFUSED, "RENAME") from None


def exit_code(found: report.Migration, fail_on: str | None) -> ExitCode:
    kinds = {hazard.kind for step in found.up for hazard in step.hazards}
    if found.proof.failed or fail_on and kinds.intersection(SEVERITIES[fail_on]):
        return ExitCode.FOUND
    return ExitCode.DONE

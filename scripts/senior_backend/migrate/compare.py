"""--compare: from two sides to a migration, its rollback, their hazards and the proof."""
from __future__ import annotations

import argparse
import contextlib

from senior_backend.console import Console, ExitCode, Outcome
from senior_backend.migrate import diff, evidence, output, plan, report, sources
from senior_backend.migrate.prove import Proof, prove

SEVERITIES = {"error": ("data-loss", "irreversible"), "warning": ("data-loss", "irreversible", "rewrite", "blocks-reads", "blocks-writes", "fails-on-data")}


def run(arguments: argparse.Namespace, out: Console) -> Outcome:
    output.check_folder(arguments.output)
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(sources.Workshop(arguments.shadow))
        old, new = sources.read_both(arguments.connection or arguments.schema, arguments.compare, workshop, not arguments.no_verify, stack)
        notes = sources.agree(old.catalogue, new.catalogue)
        difference = diff.compare(old.catalogue, new.catalogue)
        if not difference:
            return report.unchanged(old.catalogue, new.catalogue, notes)
        online = old.connection is not None and not arguments.offline
        up = plan.migration(old.catalogue, new.catalogue, online)
        down = plan.migration(new.catalogue, old.catalogue, online)
        proof = Proof(reason="--no-verify") if arguments.no_verify else prove(workshop, old.catalogue, new.catalogue, up, down, old.path)
        found = report.Migration(old.catalogue, new.catalogue, difference, up, down, proof, evidence.gather(old, up), notes)
    files = output.write_pair(arguments.output, found.what_changed(), found.up_sql, found.down_sql) if arguments.output else []
    return Outcome(report.as_json(found, files), report.lines(found, files, out.verbose), exit_code(found, arguments.fail_on))


def exit_code(found: report.Migration, fail_on: str | None) -> ExitCode:
    kinds = {hazard.kind for step in found.up for hazard in step.hazards}
    if found.proof.failed or fail_on and kinds.intersection(SEVERITIES[fail_on]):
        return ExitCode.FOUND
    return ExitCode.DONE

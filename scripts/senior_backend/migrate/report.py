"""What a comparison says: its JSON object, its lines for people, the heads of its files."""
from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Sequence

from senior_backend.console import VERSION, Outcome
from senior_backend.migrate import output
from senior_backend.migrate.diff import Difference, attributes
from senior_backend.migrate.prove import Proof
from senior_backend.migrate.renames import Rename
from senior_backend.migrate.steps import HAZARDS, Hazard, Step
from senior_backend.postgres.model import Catalogue, Fact, Id

TABLES = ("table", "foreign_table")
MOST_LINES = 40
# what names a migration, if it changes several things
NOTABLE = {kind: place for place, kind in enumerate(("schema", "table", "foreign_table", "view", "materialized_view", "column", "function", "procedure", "enum", "domain", "composite_type", "constraint",
                                                     "index"))}
WORDS = {"add": "add", "remove": "drop", "change": "alter", "rename": "rename"}


@dataclasses.dataclass
class Migration:
    """Everything that a comparison found. told: the evidence for a hazard of up."""
    old: Catalogue
    new: Catalogue
    difference: Difference
    renames: Sequence[Rename]
    candidates: list[dict[str, Any]]
    up: Sequence[Step]
    down: Sequence[Step]
    proof: Proof
    told: Callable[[Hazard], str]
    notes: list[str]

    @functools.cached_property
    def changes(self) -> list[dict[str, Any]]:
        """One entry for each thing; what comes or goes with the thing it is a part of has none."""
        difference = self.difference
        found = [{"action": "rename", "kind": one.old.kind, "name": ".".join(one.old.name), "to": ".".join(one.new.name)} for one in self.renames]
        found += [self._entry(action, fact) for action, facts in (("remove", difference.removed), ("add", difference.added)) for fact in facts if not goes_with_parent(fact, facts)]
        return found + [{**self._entry("change", after), "attributes": attributes(before, after)} for before, after in difference.changed]

    @staticmethod
    def _entry(action: str, fact: Fact) -> dict[str, Any]:
        return {"action": action, "kind": fact.id.kind, "name": ".".join(fact.id.name)}

    def what_changed(self) -> str:
        """A few words: "add users email"."""
        first = min(self.changes, key=lambda change: NOTABLE.get(change["kind"], len(NOTABLE)))
        words = f"{WORDS[first['action']]} {first['name'].removeprefix('public.')}" + (f" to {first['to'].rsplit('.')[-1]}" if "to" in first else "")
        return words if len(self.changes) == 1 else f"{words[:35]} and {len(self.changes) - 1} more"

    @functools.cached_property
    def up_sql(self) -> str:
        return output.script(self.head("migration"), self.up, lambda hazard: f"{hazard.object}: {hazard.message} ({self.told(hazard)})")

    @functools.cached_property
    def down_sql(self) -> str:
        lost = list(dict.fromkeys(f"  {hazard.object}: {hazard.message}" for step in self.up for hazard in step.hazards if hazard.kind in ("data-loss", "irreversible")))
        head = [*self.head("rollback of"), *(["What cannot come back:", *lost] if lost else [])]
        return output.script(head, self.down, lambda hazard: f"{hazard.object}: {hazard.message}")

    def head(self, title: str) -> list[str]:
        old, new = (self.old, self.new) if title == "migration" else (self.new, self.old)
        lines = [f"senior-backend {VERSION}, {title}: {self.what_changed()}", f"from {self.about(old)}", f"to   {self.about(new)}", self.proof.line()]
        return lines + [f"note: {note}" for note in self.notes]

    def about(self, catalogue: Catalogue) -> str:
        version = f"PostgreSQL {catalogue.server_version // 10000}.{catalogue.server_version % 10000}, " if catalogue.server_version else ""
        return f"{catalogue.source} ({version}schema {self.digests[catalogue is self.new][:16]})"

    @functools.cached_property
    def digests(self) -> tuple[str, str]:
        return self.old.digest(), self.new.digest()


def goes_with_parent(fact: Fact, others: Sequence[Fact]) -> bool:
    return fact.parent is not None and any(fact.parent == other.id for other in others)


def table_name(identity: Id) -> str:
    """As people write it: the schema only where it is not public."""
    return ".".join(identity.name).removeprefix("public.")


def unchanged(old: Catalogue, new: Catalogue, notes: list[str]) -> Outcome:
    data = {"up_sql": "", "down_sql": "", "added_tables": [], "removed_tables": [], "changes": [], "hazards": [], "verified": old.exact and new.exact, "proof": None, "files": [],
            "rename_candidates": [], "notes": notes, **both(old, new, (old.digest(), new.digest()))}
    return Outcome(data, ["No difference: both sides have the same schema.", *(f"note: {note}" for note in notes)])


def both(old: Catalogue, new: Catalogue, digests: tuple[str, str]) -> dict[str, Any]:
    return {"source": old.source, "target": new.source, "digests": dict(zip(("source", "target"), digests))}


def as_json(found: Migration, files: list[str]) -> dict[str, Any]:
    difference = found.difference
    return {
        "up_sql": found.up_sql, "down_sql": found.down_sql,
        "added_tables": sorted(table_name(fact.id) for fact in difference.added if fact.id.kind in TABLES),
        "removed_tables": sorted(table_name(fact.id) for fact in difference.removed if fact.id.kind in TABLES),
        "changes": found.changes, "hazards": hazards(found.up, found.told), "verified": found.proof.verified, "proof": found.proof.as_json(), "files": files,
        "rename_candidates": found.candidates, "notes": found.notes, **both(found.old, found.new, found.digests),
    }


def hazards(steps: Sequence[Step], told: Callable[[Hazard], str]) -> list[dict[str, str]]:
    return [{"kind": hazard.kind, "statement": step.sql, "object": ".".join(hazard.object.name), "evidence": told(hazard), "message": f"{hazard.object}: {hazard.message}"}
            for step in steps for hazard in step.hazards]


def lines(found: Migration, files: list[str], verbose: bool) -> list[str]:
    """A summary; the statements too where they go to no file."""
    most = len(found.changes) if verbose else MOST_LINES
    said = [f"{len(found.changes)} change{'s' * (len(found.changes) != 1)} from {found.old.source} to {found.new.source}:"]
    said += [in_a_line(change) for change in found.changes[:most]]
    said += [f"  ... and {len(found.changes) - most} more (-v shows all)"] if len(found.changes) > most else []
    dangers = hazards(found.up, found.told)
    for kind in HAZARDS:
        said += [f"hazard {kind}: {one['message']} ({one['evidence']})" for one in dangers if one["kind"] == kind]
    said += [f"{one['kind']} {one['from']} may have been renamed to {one['to']}: if so, compare again with {one['flag']}" for one in found.candidates]
    said += [found.proof.line()[0].upper() + found.proof.line()[1:], *(f"note: {note}" for note in found.notes)]
    if files:
        return said + [f"Wrote {name}" for name in files]
    return said + ["", "=== migration ===", *found.up_sql.splitlines(), "", "=== rollback ===", *found.down_sql.splitlines()]


def in_a_line(change: dict[str, Any]) -> str:
    more = f" ({', '.join(change['attributes'])})" if change.get("attributes") else f" to {change['to']}" if "to" in change else ""
    return f"  {change['action']:7}{change['kind'].replace('_', ' ')} {change['name']}{more}"

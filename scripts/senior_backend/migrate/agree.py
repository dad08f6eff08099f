"""Two catalogues made comparable: what a file does not speak of stays as it is in the database, and what is a state, not a schema, never differs."""
from __future__ import annotations

from senior_backend.postgres.model import Catalogue, Id


def agree(old: Catalogue, new: Catalogue) -> None:
    """Change both in place, before they are compared. old: where the statements will run.

    Owners that a file does not state are those of the live side, and whoever runs the statements for what only the file has. Grants count when
    both sides are databases, or both files and one of them grants something, or the file grants something. Whether a materialized view is
    populated is kept.
    """
    if old.stated is not None and new.stated is not None:
        old.stated = new.stated = old.stated | new.stated
        for side in (old, new):
            leave_to_runner(side)
    for file, live in ((old, new), (new, old)):
        if file.stated is not None and live.stated is None:
            take_owners(file, live)
            if "grant" not in file.stated:
                take_grants(file, live)
            file.role = live.role
    new.role = old.role
    for fact in old.of_kind("materialized_view"):
        if fact.id in new:
            new[fact.id].attributes["populated"] = fact.attributes["populated"]


def leave_to_runner(file: Catalogue) -> None:
    """What the file gives to nobody belongs to the role that loaded it: the owner is left out."""
    for fact in file.facts.values():
        if fact.attributes.get("owner") == file.role:
            del fact.attributes["owner"]


def take_owners(file: Catalogue, live: Catalogue) -> None:
    for identity, fact in file.facts.items():
        if fact.attributes.get("owner") == file.role or "owner" in fact.attributes and "owner" not in file.stated:
            del fact.attributes["owner"]
        known = live.get(identity)
        if known and "owner" in known.attributes and "owner" not in fact.attributes:
            fact.attributes["owner"] = known.attributes["owner"]


def take_grants(file: Catalogue, live: Catalogue) -> None:
    """The privileges of everything that both sides have."""
    for fact in list(file.of_kind("grant", "default_privilege")):
        del file.facts[fact.id]
    for fact in live.of_kind("grant", "default_privilege"):
        thing = Id(fact.id.name[0], fact.id.name[1:]) if fact.id.kind == "grant" else fact.parent
        if thing is None or thing in file or thing not in live:
            file.facts[fact.id] = fact

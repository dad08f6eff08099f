"""What differs between two catalogues, once they are made comparable: what a file does not speak of stays as it is in the database, and what is a state, not a schema, never differs."""
from __future__ import annotations

import dataclasses

from senior_backend.postgres.model import Catalogue, Fact, Id


@dataclasses.dataclass
class Difference:
    """Facts that only the old or only the new catalogue has, and pairs (old, new) whose attributes differ."""
    removed: list[Fact]
    added: list[Fact]
    changed: list[tuple[Fact, Fact]]

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.changed)

    def back(self) -> Difference:
        """The same, seen from the other side."""
        return Difference(self.added, self.removed, [(after, before) for before, after in self.changed])


def compare(old: Catalogue, new: Catalogue) -> Difference:
    """By kind and name, whatever the order that a server gave its rows in."""
    removed = [fact for identity, fact in old.facts.items() if identity not in new.facts]
    found = Difference(removed, [], [])
    for identity, fact in new.facts.items():
        before = old.facts.get(identity)
        if before is None:
            found.added.append(fact)
        elif before.content is not fact.content and not before.same(fact):       # readers intern what they read
            found.changed.append((before, fact))
    for facts in (found.removed, found.added):
        facts.sort(key=lambda fact: fact.id)
    found.changed.sort(key=lambda pair: pair[0].id)
    return found


def attributes(before: Fact, after: Fact) -> list[str]:
    """The names of those that differ."""
    return sorted(name for name in {*before.attributes, *after.attributes} if before.attributes.get(name) != after.attributes.get(name))


def described(difference: Difference) -> list[str]:
    """What is there and should not be, what lacks, and which attributes differ."""
    lines = [f"{fact.id} should not be there" for fact in difference.removed] + [f"{fact.id} is missing" for fact in difference.added]
    for found, wanted in difference.changed:
        lines += [f"{wanted.id}: {name} is {short(found.attributes.get(name))}, should be {short(wanted.attributes.get(name))}" for name in attributes(found, wanted)]
    return lines


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def agree(old: Catalogue, new: Catalogue) -> list[str]:
    """Change both in place before they are compared: both are to be made by one role. Gives notes on what was not compared.

    A file against a live database: who owns a thing, where the file does not say so, is who owns it in the database, or who runs the
    statements; privileges are the database's unless the file grants something. Whether a materialized view is populated is kept.
    """
    notes = []
    loaders = old.role, new.role
    old.role = new.role = new.role if old.stated is not None and new.stated is None else old.role
    for file, other, loader in ((old, new, loaders[0]), (new, old, loaders[1])):
        if file.stated is None or other.stated is not None:
            continue
        adopt_owners(file, other, loader)
        if "owner" not in file.stated:
            notes.append(f"owners were not compared: {file.source} names none")
        if "grant" not in file.stated:
            adopt_grants(file, other)
            notes.append(f"privileges were not compared: {file.source} grants none")
    for fact in old.of_kind("materialized_view"):
        if fact.id in new:
            change(new, fact.id, "populated", fact.attributes["populated"])
    return notes


def adopt_owners(file: Catalogue, other: Catalogue, loader: str) -> None:
    """loader: the role that loaded the file, the owner of what the file gives to nobody."""
    for identity, fact in list(file.facts.items()):
        if "owner" in fact.attributes and ("owner" not in file.stated or fact.attributes["owner"] == loader):
            known = other.get(identity)
            change(file, identity, "owner", known.attributes.get("owner", other.role) if known else other.role)


def adopt_grants(file: Catalogue, other: Catalogue) -> None:
    """The privileges of everything that both sides have, and of what is no fact: an extension's functions, the system's."""
    for fact in list(file.of_kind("grant", "default_privilege")):
        del file.facts[fact.id]
    for fact in other.of_kind("grant", "default_privilege"):
        thing = Id(fact.id.name[0], fact.id.name[1:-1]) if fact.id.kind == "grant" else next(iter(fact.depends), None)
        if thing is None or thing in file or thing not in other and (fact.parent is None or fact.parent in file):
            file.facts[fact.id] = fact


def change(catalogue: Catalogue, identity: Id, name: str, value: object) -> None:
    fact = catalogue[identity]
    if fact.attributes.get(name) != value:
        catalogue.facts[identity] = Fact(fact.id, {**fact.attributes, name: value}, fact.parent, fact.depends, fact.order)

"""The part of two catalogues that a change has to do with: what it touches, what depends on that, and all that these need."""
from __future__ import annotations

import dataclasses
from typing import Callable, Iterable

from senior_backend.migrate import diff
from senior_backend.postgres.model import Catalogue, Id

# below this many facts loading everything takes less than a second, and says more
WHOLE = 3000
TABLES = ("table", "foreign_table")


def scope(old: Catalogue, new: Catalogue, present: Iterable[Id] = ()) -> tuple[Catalogue, Catalogue]:
    """Both catalogues cut down to the same scope; unchanged when they are small. present: what every new database has; it stays."""
    if max(len(old.facts), len(new.facts)) <= WHOLE:
        return old, new
    wanted = affected(old, new)
    grown = -1
    while grown != len(wanted):
        grown = len(wanted)
        for catalogue in (old, new):
            wanted |= needed(catalogue, wanted)
    wanted.update(present)
    return cut(old, wanted), cut(new, wanted)


def affected(old: Catalogue, new: Catalogue) -> set[Id]:
    """What differs, and on either side everything that depends on it."""
    difference = diff.compare(old, new)
    touched = {fact.id for fact in (*difference.removed, *difference.added, *(after for _, after in difference.changed))}
    return touched | reached(touched, old, old.dependants) | reached(touched, new, new.dependants)


def needed(catalogue: Catalogue, wanted: set[Id]) -> set[Id]:
    """Everything that must exist for these things; tables with all their columns, since rows and children are made of all of them."""
    def needs(identity: Id) -> list[Id]:
        columns = [part.id for part in catalogue.parts(identity, "column")] if identity.kind in TABLES else []
        return [*catalogue.depends(identity), *columns]

    return reached(wanted, catalogue, needs)


def reached(start: Iterable[Id], catalogue: Catalogue, follow: Callable[[Id], Iterable[Id]]) -> set[Id]:
    found: set[Id] = set()
    waiting = [one for one in start if one in catalogue]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [other for other in follow(one) if other in catalogue]
    return found


def cut(catalogue: Catalogue, wanted: set[Id]) -> Catalogue:
    return dataclasses.replace(catalogue, facts={identity: fact for identity, fact in catalogue.facts.items() if identity in wanted})


def roles(*catalogues: Catalogue) -> set[str]:
    """The roles that these schemas speak of."""
    found = set()
    for catalogue in catalogues:
        found.add(catalogue.role)
        for fact in catalogue.facts.values():
            attributes = fact.attributes
            found.add(attributes.get("owner"))
            found.update(attributes.get("roles") or ())
            found.update(name for entry in (*attributes.get("entries", ()), *attributes.get("base", ())) for name in entry[:2])
            if fact.id.kind in ("default_privilege", "user_mapping"):
                found.add(fact.id.name[0 if fact.id.kind == "default_privilege" else 1])
    return {name for name in found if name and name != "public"}

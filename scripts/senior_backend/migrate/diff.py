"""What differs between two catalogues."""
from __future__ import annotations

import dataclasses

from senior_backend.postgres.model import Catalogue, Fact


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

"""What happens to each thing between two catalogues: it is dropped, made, both (replaced), altered in place, or moved to a type that is made anew."""
from __future__ import annotations

import re
from typing import Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate import diff
from senior_backend.migrate.kinds import anew, types
from senior_backend.migrate.kinds.registry import KINDS
from senior_backend.migrate.steps import Alteration, Context, Step
from senior_backend.postgres.model import Catalogue, Fact, Id

# kinds whose names exclude each other within a schema
RELATIONS = frozenset(("table", "foreign_table", "view", "materialized_view", "index", "sequence", "composite_type"))
TYPES = frozenset(("enum", "domain", "composite_type", "range_type", "base_type"))
ROUTINES = frozenset(("function", "procedure", "aggregate"))


class Changes:
    """dropped and made: the facts of either side (in both: made again). moved: columns whose type is made anew -> whether that is done; retired: types that
    step aside until those columns have moved.
    """

    def __init__(self, old: Catalogue, new: Catalogue, online: bool):
        self.old, self.new, self.online = old, new, online
        self.dropped: dict[Id, Fact] = {}
        self.made: dict[Id, Fact] = {}
        self.altered: dict[Id, Alteration] = {}
        self.moved: dict[Id, bool] = {}
        self.moves: dict[Id, tuple[Step, ...]] = {}
        self.retired: set[Id] = set()

    def take(self, difference: diff.Difference) -> None:
        refuse_unknown(difference)
        self.dropped = {fact.id: fact for fact in difference.removed}
        self.made = {fact.id: fact for fact in difference.added}
        context = Context(self.old, self.new, self.online, frozenset(self.made), frozenset(self.dropped))
        for fact in (*difference.added, *(after for _, after in difference.changed)):
            if fact.id.kind == "domain_constraint" and types.out_of_reach(fact, self.old):
                self.replace(fact.parent)
        for before, after in difference.changed:
            if before.id not in self.dropped:
                self._change(before, after, context)
        taken = {name for fact in difference.added for name in names(fact)}
        changed = {before.id for before, _ in difference.changed}
        for fact in difference.removed:
            for fallen in self._fallen(fact.id):
                self.replace(fallen)
            if fact.id.kind == "index_partition" and Id("partition", self.old[fact.parent].parent.name) not in self.dropped:
                self.replace(fact.depends[0])       # nothing takes an index out of a partitioned one
            reused = not taken.isdisjoint(names(fact))
            for dependant in self.old.dependants(fact.id):
                if reused and dependant in self.new and anew.holds(self.old[dependant], fact.id):
                    self.moved.setdefault(dependant, False)
                    self.retired.add(fact.id)
                elif dependant in self.new and (reused or dependant not in changed) and not self._stays(dependant, fact.id):
                    self.replace(dependant)
        self._move(context)

    def _stays(self, dependant: Id, removed: Id) -> bool:
        """Whether something unchanged outlives what it seems to need: a table its parents, a column its parents' column."""
        return dependant.kind in ("table", "column") and removed.kind in ("table", "column", "partition", "inheritance") and self.old[dependant].parent != removed

    def _change(self, before: Fact, after: Fact, context: Context) -> None:
        alteration = KINDS[before.id.kind].alter(before, after, context)
        if alteration is None:
            self.replace(before.id)
            return
        self.altered[before.id] = alteration
        for dependant in self.old.dependants(before.id):
            if dependant in self.new and alteration.rebuild(self.old[dependant]):
                self.replace(dependant)

    def replace(self, identity: Id) -> None:
        """Drop and make again, with everything that needs it; what only one side has is dropped or made anyway."""
        waiting: list[tuple[Id, Id | None]] = [(identity, None)]
        while waiting:
            one, needed = waiting.pop()
            if one in self.dropped or one not in self.new or needed and self._stays(one, needed):
                continue
            if needed and anew.holds(self.old[one], needed):
                self.moved.setdefault(one, False)
                self.retired.add(needed)
                continue
            self.dropped[one], self.made[one] = self.old[one], self.new[one]
            self.altered.pop(one, None)
            waiting += [(dependant, one) for dependant in self.old.dependants(one)]
            waiting += [(fallen, None) for fallen in self._fallen(one)]
            if one.kind == "attribute":         # in another place it would be another type
                waiting.append((self.old[one].parent, None))

    def _fallen(self, identity: Id) -> list[Id]:
        """The indexes of partitions that a partitioned index takes with it."""
        links = [self.old[one] for one in self.old.dependants(identity) if one.kind == "index_partition"] if identity.kind in ("index", "constraint") else []
        return [link.parent for link in links if link.depends[0] == identity and Id("partition", self.old[link.parent].parent.name) not in self.dropped]

    def _move(self, context: Context) -> None:
        """Columns move to the new types, before which what stands in their way goes; what an old type needs stays as long as it."""
        while waiting := [one for one, done in self.moved.items() if not done and one not in self.dropped]:
            for one in waiting:
                self.moved[one] = True
                self.moves[one] = tuple(anew.move(self.old[one], self.new[one], context)) if self._renewed(one) else ()
                self.altered.setdefault(one, Alteration(()))
                for dependant in self.old.dependants(one):
                    if dependant in self.new and anew.in_the_way(self.old[dependant]):
                        self.replace(dependant)
        more = self.retired
        while more := {needed for one in more for needed in self.needs(one) if needed in self.dropped and needed in self.made and needed.kind in anew.MOVABLE} - self.retired:
            self.retired |= more
        self.retired &= self.dropped.keys()

    def _renewed(self, column: Id) -> bool:
        """Whether what a column holds is made anew, perhaps as another kind of type."""
        made_anew = {one.name for one in self.retired}
        return any(needed.name in made_anew and needed.kind in anew.MOVABLE for needed in self.new.depends(column))

    def needs(self, identity: Id) -> Iterator[Id]:
        """What a type needs in the old catalogue, itself or in its attributes."""
        for one in (identity, *(part.id for part in self.old.parts(identity, "attribute"))):
            yield from self.old.depends(one)


def names(fact: Fact) -> Iterator[tuple]:
    """The names that only one object can have, where facts of different kinds may want the same."""
    kind, name = fact.id
    if kind in RELATIONS:
        yield ("relation", *name)
    if kind in TYPES or kind in RELATIONS and kind not in ("index", "sequence"):
        yield ("type", *name)
    if kind in ROUTINES:
        yield ("routine", *name)
    if kind == "constraint" and fact.attributes["type"] in "pux":
        yield ("relation", name[0], name[2])
    if kind == "column" and fact.attributes.get("identity"):
        yield ("relation", *fact.attributes["identity"]["sequence"])


def refuse_unknown(difference: diff.Difference) -> None:
    facts = [*difference.removed, *difference.added, *(after for _, after in difference.changed)]
    unknown = [re.sub(r"'(?:[^']|'')*'", "'...'", str(fact.id)) for fact in facts if fact.id.kind not in KINDS]          # a statement's constants may be secrets
    if unknown:
        raise CommandError(f"cannot migrate a change of {', '.join(unknown[:5])}{' and others' if len(unknown) > 5 else ''}: this kind of object is not handled",
                           "make this change by hand on one side, then compare again", ExitCode.REFUSED, "UNHANDLED_KIND")

"""From two catalogues to ordered statements: what is dropped, made, altered and rebuilt, in an order that the dependencies of both sides allow.

Removed things are dropped, added ones made, changed ones altered in place where their kind can, else dropped and made again together with
everything that needs them. A statement comes after what it needs and before what it stops needing is dropped.
"""
from __future__ import annotations

import dataclasses
from typing import Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate import diff
from senior_backend.migrate.graph import Graph
from senior_backend.migrate.kinds import moving
from senior_backend.migrate.kinds.registry import KINDS, RANKS
from senior_backend.migrate.steps import Alteration, Context, Step
from senior_backend.postgres.model import Catalogue, Fact, Id

Node = tuple[str, Id]           # ("drop" | "create" | "alter" | "bury", what)
# kinds whose names exclude each other within a schema
RELATIONS = frozenset(("table", "foreign_table", "view", "materialized_view", "index", "sequence", "composite_type"))
TYPES = frozenset(("table", "foreign_table", "view", "materialized_view", "composite_type", "enum", "domain", "range_type", "base_type"))
ROUTINES = frozenset(("function", "procedure", "aggregate"))


def migration(old: Catalogue, new: Catalogue, online: bool = False) -> list[Step]:
    """The statements that make a database like old one like new, in order."""
    difference = diff.compare(old, new)
    changes = Changes(old, new, online)
    changes.take(difference)
    apart: set[Id] = set()
    while True:
        plan = Plan(changes, apart)
        order, circle = plan.graph.order()
        if not circle:
            return [step for node in order for step in plan.steps(node)]
        apart.add(plan.to_split(circle))


class Changes:
    """What happens to each thing: dropped, made (both: replaced), altered."""

    def __init__(self, old: Catalogue, new: Catalogue, online: bool):
        self.old, self.new, self.online = old, new, online
        self.dropped: dict[Id, Fact] = {}
        self.made: dict[Id, Fact] = {}
        self.altered: dict[Id, Alteration] = {}
        self.moved: dict[Id, bool] = {}         # columns whose type is made anew -> whether that is done
        self.retired: set[Id] = set()           # types that step aside until those columns have moved

    def take(self, difference: diff.Difference) -> None:
        refuse_unknown(difference)
        self.dropped = {fact.id: fact for fact in difference.removed}
        self.made = {fact.id: fact for fact in difference.added}
        context = Context(self.old, self.new, self.online, frozenset(self.made))
        taken = {name for fact in difference.added for name in namespaces(fact.id)}
        changed = {before.id for before, _ in difference.changed}
        for before, after in difference.changed:
            if before.id not in self.dropped:
                self._change(before, after, context)
        for fact in difference.removed:
            reused = not taken.isdisjoint(namespaces(fact.id))
            for dependant in self.old.dependants(fact.id):
                if dependant in self.new and (reused or dependant not in changed):
                    self.replace(dependant)
        self._move(context)

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
            if one in self.dropped or one not in self.new:
                continue
            if needed and moving.holds(self.old[one], needed):
                self.moved.setdefault(one, False)
                self.retired.add(needed)
                continue
            self.dropped[one], self.made[one] = self.old[one], self.new[one]
            self.altered.pop(one, None)
            waiting += [(dependant, one) for dependant in self.old.dependants(one)]
            if one.kind == "attribute":         # in another place it would be another type
                waiting.append((self.old[one].parent, None))

    def _move(self, context: Context) -> None:
        """Columns move to the new types, before which what stands in their way goes; what an old type needs stays as long as it."""
        while waiting := [one for one, done in self.moved.items() if not done and one not in self.dropped]:
            for one in waiting:
                self.moved[one] = True
                others = self.altered[one].steps if one in self.altered else ()
                steps = moving.move(self.old[one], self.new[one], context) if self.retired.intersection(self.new.depends(one)) else []
                self.altered[one] = Alteration((*steps, *others))
                for dependant in self.old.dependants(one):
                    if dependant in self.new and moving.in_the_way(self.old[dependant]):
                        self.replace(dependant)
        more = self.retired
        while more := {needed for one in more for needed in self.needs(one) if needed in self.dropped and needed in self.made and needed.kind in moving.MOVABLE} - self.retired:
            self.retired |= more
        self.retired &= self.dropped.keys() & self.made.keys()

    def needs(self, identity: Id) -> Iterator[Id]:
        """What a type needs in the old catalogue, itself or in its attributes."""
        for one in (identity, *(part.id for part in self.old.parts(identity, "attribute"))):
            yield from self.old.depends(one)


class Plan:
    """The nodes of the graph and their edges. apart: parts that get a statement of their own although their parent's could do."""

    def __init__(self, changes: Changes, apart: set[Id]):
        self.changes, self.apart = changes, apart
        folded: dict[Id, list[Fact]] = {}
        for identity, fact in changes.made.items():
            if self.maker(identity) != identity and fact.parent:
                folded.setdefault(fact.parent, []).append(fact)
        parts = {parent: tuple(sorted(facts, key=lambda fact: (fact.order, fact.id))) for parent, facts in folded.items()}
        self.context = Context(changes.old, changes.new, changes.online, frozenset(changes.made), parts)
        self.graph = Graph({node: self.rank(node) for node in self.nodes()})
        self.add_edges()

    def dropper(self, identity: Id) -> Id:
        """Whose DROP statement removes it: its own, or that of what it is a part of."""
        parent = self.changes.dropped[identity].parent
        return self.dropper(parent) if parent in self.changes.dropped and identity not in self.apart else identity

    def maker(self, identity: Id) -> Id:
        """Whose CREATE statement makes it."""
        fact = self.changes.made[identity]
        parent = fact.parent
        if parent in self.changes.made and identity not in self.apart and identity.kind in KINDS[parent.kind].parts and KINDS[identity.kind].folds(fact):
            return self.maker(parent)
        return identity

    def nodes(self) -> Iterator[Node]:
        yield from (("drop", one) for one in self.changes.dropped if self.dropper(one) == one)
        yield from (("create", one) for one in self.changes.made if self.maker(one) == one)
        yield from (("alter", one) for one in self.changes.altered)
        yield from (("bury", one) for one in self.changes.retired)

    def rank(self, node: Node) -> tuple:
        """Drops first, the last kinds first; then the kinds in their order; within a kind by position and name."""
        action, identity = node
        place = RANKS[identity.kind]
        fact = self.changes.made.get(identity)
        return (0, -place) if action == "drop" else (1, place, fact.order if fact else 0)

    def add_edges(self) -> None:
        changes, graph = self.changes, self.graph
        for one in changes.dropped:
            for needed in changes.old.depends(one):
                if needed in changes.dropped:
                    graph.add(("drop", self.dropper(one)), ("drop", self.dropper(needed)), one)
                graph.add(("drop", self.dropper(one)), ("alter", needed), one)
        for one in changes.made:
            for needed in changes.new.depends(one):
                self._after_new(needed, ("create", self.maker(one)), one)
            if one in changes.dropped:
                graph.add(("drop", self.dropper(one)), ("create", self.maker(one)), one)
        for one in changes.altered:
            for needed in changes.new.depends(one):
                self._after_new(needed, ("alter", one), one)
            for needed in changes.old.depends(one):
                if needed in changes.dropped and needed not in changes.made:
                    graph.add(("alter", one), ("drop", self.dropper(needed)), one)
        self._bury_last()
        self._keep_names_apart()

    def _after_new(self, needed: Id, node: Node, reason: Id) -> None:
        if needed in self.changes.made:
            self.graph.add(("create", self.maker(needed)), node, reason)
        self.graph.add(("alter", needed), node, reason)

    def _bury_last(self) -> None:
        for one in self.changes.retired:
            self.graph.add(("create", self.maker(one)), ("bury", one))
            for needed in self.changes.needs(one):
                self.graph.add(("bury", one), ("bury", needed))
            for user in self.changes.old.dependants(one):
                self.graph.add(("alter", user), ("bury", one))

    def _keep_names_apart(self) -> None:
        """A name is free only after what had it is gone."""
        had = {name: one for one in self.changes.dropped for name in namespaces(one)}
        for one in self.changes.made:
            for name in namespaces(one):
                if name in had:
                    self.graph.add(("drop", self.dropper(had[name])), ("create", self.maker(one)), one)

    def to_split(self, circle: list[Node]) -> Id:
        """The part whose own statement would break the circle."""
        for reason in self.graph.reasons(circle):
            hosts = [changed(reason) for changed, among in ((self.dropper, self.changes.dropped), (self.maker, self.changes.made)) if reason in among]
            if reason not in self.apart and any(host != reason for host in hosts) and reason.kind in ("constraint", "default"):
                return reason
        names = " -> ".join(f"{action} {identity}" for action, identity in [*circle, circle[0]])
        raise CommandError(f"these changes need each other and no order is left: {names}", "make the change in two steps", ExitCode.REFUSED, "CIRCULAR_CHANGE")

    def steps(self, node: Node) -> list[Step]:
        action, identity = node
        if action == "alter":
            return list(self.changes.altered[identity].steps)
        if action == "bury":
            return moving.bury(self.changes.old[identity], self.context)
        if action == "drop" and identity in self.changes.retired:
            return moving.retire(self.changes.old[identity], self.context)
        if action == "drop":
            return KINDS[identity.kind].drop(self.changes.dropped[identity], self.context)
        return KINDS[identity.kind].create(self.changes.made[identity], self.context)


def namespaces(identity: Id) -> Iterator[tuple]:
    """The names that only one object can have: two facts of different kinds may want the same."""
    kind, name = identity
    if kind in RELATIONS:
        yield ("relation", *name)
    if kind in TYPES:
        yield ("type", *name)
    if kind in ROUTINES:
        yield ("routine", *name)
    if kind == "constraint":
        yield ("relation", name[0], name[2])


def refuse_unknown(difference: diff.Difference) -> None:
    facts = [*difference.removed, *difference.added, *(after for _, after in difference.changed)]
    unknown = [str(fact.id) for fact in facts if fact.id.kind not in KINDS]
    if unknown:
        raise CommandError(f"cannot migrate a change of {', '.join(unknown[:5])}{' and others' if len(unknown) > 5 else ''}: this kind of object is not handled",
                           "make this change by hand on one side, then compare again", ExitCode.REFUSED, "UNHANDLED_KIND")

"""From two catalogues to ordered statements: what is dropped, made, altered and rebuilt, in an order that the dependencies of both sides allow.

A statement comes after what it needs and before what it stops needing is dropped; the order of the registry decides where that leaves a choice.
"""
from __future__ import annotations

import dataclasses
import graphlib
import heapq
from typing import Hashable, Iterable, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate import diff
from senior_backend.migrate.changes import Changes, names
from senior_backend.migrate.kinds import anew, inheriting
from senior_backend.migrate.kinds.registry import KINDS, RANKS
from senior_backend.migrate.steps import Context, Step
from senior_backend.postgres.model import Catalogue, Fact, Id

Node = tuple[str, Id]           # ("drop" | "create" | "alter" | "bury" | "keep" | "refill", what)
# what does not mind that the thing it hangs on is altered
UNTOUCHED = frozenset(("sequence_owner", "index_partition", "comment", "grant", "security_label"))


def migration(old: Catalogue, new: Catalogue, online: bool = False, difference: diff.Difference | None = None) -> list[Step]:
    """The statements that make a database like old one like new, in order. difference: between the two, where it is known already."""
    changes = Changes(old, new, online)
    changes.take(difference or diff.compare(old, new))
    apart: set[Id] = set()
    while True:
        plan = Plan(changes, apart)
        order, circle = plan.graph.order()
        if not circle:
            return [step for node in order for step in plan.steps(node)]
        apart.add(plan.to_split(circle))


@dataclasses.dataclass
class Graph:
    """Nodes with edges between them. before[x] holds what must come after x. rank: which of the nodes that could be next is taken (the smallest)."""
    rank: dict[Hashable, tuple]
    before: dict[Hashable, dict[Hashable, object]] = dataclasses.field(default_factory=dict)

    def add(self, first: Hashable, then: Hashable, reason: object = None) -> None:
        """first comes before then; reason: what this is for, given back when a circle has to be broken."""
        if first != then and first in self.rank and then in self.rank:
            self.before.setdefault(first, {}).setdefault(then, reason)

    def order(self) -> tuple[list, list]:
        """(nodes in order, nodes of one circle that is left or [])."""
        sorter, circle = graphlib.TopologicalSorter({node: () for node in sorted(self.rank, key=lambda node: (self.rank[node], node))}), []
        for first, followers in self.before.items():
            for follower in followers:
                sorter.add(follower, first)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            circle = error.args[1][:-1]
        ready, done = [], []
        while sorter.is_active():
            for node in sorter.get_ready():
                heapq.heappush(ready, (self.rank[node], node))
            done.append(heapq.heappop(ready)[1])
            sorter.done(done[-1])
        return done, circle

    def reasons(self, circle: Iterable) -> list:
        """The reasons of the edges of a circle."""
        nodes = list(circle)
        return [self.before[first][then] for first, then in zip(nodes, nodes[1:] + nodes[:1])]


class Plan:
    """The nodes of the graph and their edges. apart: parts that get a statement of their own although another's could do."""

    def __init__(self, changes: Changes, apart: set[Id]):
        self.changes, self.apart = changes, apart
        self.dropped, self.made = changes.dropped, changes.made
        self.carried = {one for one in self.dropped if one in self.made and anew.possible(one, changes.old, self.dropped, self.made)}
        self.droppers = {one: self._dropper(one) for one in self.dropped}
        self.makers = {one: self._maker(one) for one in self.made}
        self.context = Context(changes.old, changes.new, changes.online, frozenset(self.made), frozenset(self.dropped), self._folded())
        self.graph = Graph({node: self.rank(node) for node in self.nodes()})
        self.add_edges()

    def _dropper(self, identity: Id) -> Id:
        """Whose DROP statement removes it: its own, or that of what it is a part of."""
        host = next((one for one in self._falls_with(identity) if one in self.dropped and identity not in self.apart), None)
        return self._dropper(host) if host else identity

    def _falls_with(self, identity: Id) -> Iterator[Id]:
        old, parent = self.changes.old, self.dropped[identity].parent
        if parent:
            yield parent
        if identity.kind == "sequence" and (owner := old.get(Id("sequence_owner", identity.name))):
            yield from (one for one in owner.depends if one.kind == "column")
        if identity.kind in ("index", "constraint"):
            for link in old.parts(identity, "index_partition"):
                if Id("partition", self.dropped[identity].parent.name) not in self.dropped:
                    yield from link.depends

    def _maker(self, identity: Id) -> Id:
        """Whose CREATE statement makes it."""
        kind, fact = KINDS[identity.kind], self.made[identity]
        host = kind.within(fact, self.changes.new)
        whole = fact.parent in (None, host) or fact.parent in self.made
        if host in self.made and whole and identity not in self.apart and identity.kind in KINDS[host.kind].parts and kind.folds(fact):
            return self._maker(host)
        return identity

    def _folded(self) -> dict[Id, tuple[Fact, ...]]:
        found: dict[Id, list[Fact]] = {}
        for identity, fact in self.made.items():
            host = KINDS[identity.kind].within(fact, self.changes.new)
            if host and self.makers[identity] != identity:
                found.setdefault(host, []).append(fact)
        return {host: tuple(sorted(facts, key=lambda fact: (RANKS[fact.id.kind], fact.order, fact.id))) for host, facts in found.items()}

    def nodes(self) -> Iterator[Node]:
        yield from (("drop", one) for one, host in self.droppers.items() if one == host)
        yield from (("create", one) for one, host in self.makers.items() if one == host)
        yield from (("alter", one) for one in self.changes.altered)
        yield from (("bury", one) for one in self.changes.retired)
        yield from ((action, one) for one in self.carried for action in ("keep", "refill"))

    def rank(self, node: Node) -> tuple:
        """Drops first, the last kinds first; then the kinds in their order; within a kind by position and name."""
        action, identity = node
        place, fact = RANKS[identity.kind], self.made.get(identity)
        return (0, -place) if action in ("drop", "keep") else (1, place, fact.order if fact else 0)

    def add_edges(self) -> None:
        old, new, add = self.changes.old, self.changes.new, self.graph.add
        for one, host in self.droppers.items():
            for needed in old.depends(one):
                if needed in self.dropped:
                    add(("drop", host), ("drop", self.droppers[needed]), one)
                if one.kind not in UNTOUCHED:
                    add(("drop", host), ("alter", needed), one)
        for one, host in self.makers.items():
            self._after_new(new.depends(one), ("create", host), one)
            if one in self.dropped:
                add(("drop", self.droppers[one]), ("create", host), one)
        for one in self.changes.altered:
            self._after_new(new.depends(one), ("alter", one), one)
            for needed in old.depends(one):
                if needed in self.dropped and needed not in self.made and needed not in self.changes.retired:
                    add(("alter", one), ("drop", self.droppers[needed]), one)
        self._bury_last()
        self._carry_rows()
        self._follow()
        self._keep_names_apart()

    def _after_new(self, needed: tuple[Id, ...], node: Node, reason: Id) -> None:
        for one in needed:
            if one in self.made:
                self.graph.add(("create", self.makers[one]), node, reason)
            self.graph.add(("alter", one), node, reason)

    def _bury_last(self) -> None:
        """An old type goes when everything has moved to the new one."""
        for one in self.changes.retired:
            for kind in anew.MOVABLE:
                self.graph.add(("create", Id(kind, one.name)), ("bury", one))
            for needed in self.changes.needs(one):
                self.graph.add(("bury", one), ("bury", needed))
            for user in self.changes.old.dependants(one):
                self.graph.add(("alter", user), ("bury", one))

    def _carry_rows(self) -> None:
        """Rows go out before anything of their table goes; they are back when it has its partitions and sequences, and before what watches over them."""
        for table in self.carried:
            out, back = ("keep", table), ("refill", table)
            for one in self._around(table, self.changes.old):
                self.graph.add(out, ("drop", self.droppers.get(one, one)), table)
            self.graph.add(("create", self.makers[table]), back, table)
            for one in self._around(table, self.changes.new):
                node = ("create", self.makers.get(one, one))
                if node[1] == table:
                    continue
                first = one.kind in ("column", "default", "sequence_owner", "partition")
                self.graph.add(*((node, back) if first else (back, node)), table)

    def _around(self, table: Id, catalogue: Catalogue) -> set[Id]:
        """A table, its parts, and what needs one of them."""
        own = {table, *(part.id for part in catalogue.parts(table))}
        return own.union(*map(catalogue.dependants, own)) - {table}

    def _follow(self) -> None:
        """What comes later without needing it."""
        for facts, hosts, action, side in ((self.made, self.makers, "create", self.changes.new), (self.dropped, self.droppers, "drop", self.changes.old)):
            for one in facts:
                for other in KINDS[one.kind].follows(facts[one], side, action == "create"):
                    if other in facts:
                        self.graph.add((action, hosts[other]), (action, hosts[one]), one)
                    if action == "create":
                        self.graph.add(("alter", other), (action, hosts[one]), one)
        for one in (one for one, host in self.droppers.items() if one == host):
            for part in inheriting.kept_apart(self.dropped[one], self.changes.old):
                self.graph.add(("drop", one), ("alter", part), one)
                if self.droppers.get(part) == part:
                    self.graph.add(("drop", one), ("drop", part), one)

    def _keep_names_apart(self) -> None:
        """A name is free only after what had it is gone or has another."""
        old, new = self.changes.old, self.changes.new
        freed = {name: ("drop", self.droppers[one]) for one, fact in self.dropped.items() for name in names(fact)}
        freed |= {name: ("alter", one) for one in self.changes.altered for name in names(old[one])}
        taken = [(name, ("create", self.makers[one])) for one, fact in self.made.items() for name in names(fact)]
        taken += [(name, ("alter", one)) for one in self.changes.altered for name in names(new[one])]
        for name, node in taken:
            if name in freed:
                self.graph.add(freed[name], node, node[1])

    def to_split(self, circle: list[Node]) -> Id:
        """The part whose own statement would break the circle."""
        for reason in self.graph.reasons(circle):
            hosts = {self.droppers.get(reason, reason), self.makers.get(reason, reason)}
            if reason not in self.apart and hosts != {reason} and reason.kind in ("constraint", "default", "policy", "rule", "trigger"):
                return reason
        described = " -> ".join(f"{action} {identity}" for action, identity in [*circle, circle[0]])
        raise CommandError(f"these changes need each other and no order is left: {described}", "make the change in two steps", ExitCode.REFUSED, "CIRCULAR_CHANGE")

    def steps(self, node: Node) -> list[Step]:
        action, identity = node
        if action == "alter":
            return self._alter(identity)
        if action in ("keep", "refill"):
            return (anew.keep if action == "keep" else anew.refill)(identity, self.context)
        if action == "bury":
            return anew.bury(self.changes.old[identity], self.context)
        if action == "create":
            return KINDS[identity.kind].create(self.made[identity], self.context)
        if identity in self.changes.retired:
            return anew.retire(self.changes.old[identity], self.context)
        return KINDS[identity.kind].drop(self.dropped[identity], self.context)

    def _alter(self, identity: Id) -> list[Step]:
        """Written anew, now that it is known what else is made and dropped."""
        before, after = self.changes.old[identity], self.changes.new[identity]
        alteration = None if before.same(after) else KINDS[identity.kind].alter(before, after, self.context)
        return [*self.changes.moves.get(identity, ()), *(alteration.steps if alteration else ())]

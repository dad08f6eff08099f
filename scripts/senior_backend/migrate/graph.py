"""Order: nodes with edges between them, sorted so that what is wanted first comes first, and the circle where there is no order."""
from __future__ import annotations

import dataclasses
import heapq
from typing import Hashable, Iterable


@dataclasses.dataclass
class Graph:
    """before[x] holds what must come after x. rank: which of the nodes that could be next is taken (the smallest)."""
    rank: dict[Hashable, tuple]
    before: dict[Hashable, dict[Hashable, object]] = dataclasses.field(default_factory=dict)

    def add(self, first: Hashable, then: Hashable, reason: object = None) -> None:
        """first comes before then; reason: what this is for, given back when a circle has to be broken."""
        if first != then and first in self.rank and then in self.rank:
            self.before.setdefault(first, {}).setdefault(then, reason)

    def order(self) -> tuple[list, list]:
        """(nodes in order, nodes of one circle that is left or [])."""
        waiting = dict.fromkeys(self.rank, 0)
        for followers in self.before.values():
            for follower in followers:
                waiting[follower] += 1
        ready = [(self.rank[node], node) for node, count in waiting.items() if not count]
        heapq.heapify(ready)
        done = []
        while ready:
            _, node = heapq.heappop(ready)
            done.append(node)
            for follower in self.before.get(node, ()):
                waiting[follower] -= 1
                if not waiting[follower]:
                    heapq.heappush(ready, (self.rank[follower], follower))
        return done, [] if len(done) == len(self.rank) else self._circle({node for node, count in waiting.items() if count})

    def _circle(self, stuck: set) -> list:
        """A circle among nodes each of which waits for another of them."""
        behind = {then: first for first in sorted(stuck, key=self.rank.__getitem__, reverse=True) for then in self.before.get(first, ()) if then in stuck}
        node, seen = min(stuck, key=self.rank.__getitem__), []
        while node not in seen:
            seen.append(node)
            node = behind[node]
        return seen[seen.index(node):][::-1]

    def reasons(self, circle: Iterable) -> list:
        """The reasons of the edges of a circle."""
        nodes = list(circle)
        return [self.before[first][then] for first, then in zip(nodes, nodes[1:] + nodes[:1])]

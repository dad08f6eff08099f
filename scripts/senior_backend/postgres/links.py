"""What pg_depend says, kept as numbers until somebody asks: which thing needs which, in terms of the facts that were read."""
from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Iterator, Sequence

if TYPE_CHECKING:
    from senior_backend.postgres.model import Id

# what has no fact of its own belongs to what it depends on in these ways, the first that holds: internal (array and row types, a constraint's index),
# member of an extension, copy for a partition
BELONGS = "ieP"


class Links:
    """Dependencies of one database. text: "dependant needed type" triples as dependencies.sql writes them, where the first two are addresses:
    oid << 32 | catalog << 16 | column. id_of: the fact at each address.
    """

    def __init__(self, text: str, id_of: dict[int, Id]):
        self._text, self._id_of = text, id_of
        self._loaded = False

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        words = self._text.split()
        self._text = ""
        users, needed, types = array("q", map(int, words[0::3])), array("q", map(int, words[1::3])), words[2::3]
        self._by_user = _Index(users, needed, types)
        self._by_needed = _Index(needed, users, types)
        self._address_of = {identity: address for address, identity in self._id_of.items()}

    def packed(self) -> tuple[str, list[tuple[int, Id]]]:
        """What it was made of, as JSON values; before the first question."""
        return self._text, list(self._id_of.items())

    def depends(self, identity: Id) -> list[Id]:
        return self._linked(identity, forward=True)

    def dependants(self, identity: Id) -> list[Id]:
        return self._linked(identity, forward=False)

    def _linked(self, identity: Id, forward: bool) -> list[Id]:
        self._load()
        address = self._address_of.get(identity)
        if address is None:
            return []
        index = self._by_user if forward else self._by_needed
        found = (self.owner(other) for own in self._belonging(address) for other, _type in index.rows(own))
        return list(dict.fromkeys(one for one in found if one and one != identity))

    def _belonging(self, address: int) -> Iterator[int]:
        """The address and those of everything that belongs to it and has no fact. Copies for partitions need the partition, which the original does not."""
        yield address
        if not address & 0xffff:        # columns of what has no facts for them, views above all
            yield from (part for part in {*self._by_needed.columns(address), *self._by_user.columns(address)} if part not in self._id_of)
        for other, kind in self._by_needed.rows(address):
            if kind in "ie" and other not in self._id_of and self.owner(other) == self.owner(address):
                yield from self._belonging(other)

    def owner(self, address: int, depth: int = 0) -> Id | None:
        """The fact that an address means; None for what the catalogue leaves out."""
        found = self._id_of.get(address)
        if found or depth > 9:
            return found
        if address & 0xffff:
            return self.owner(address & ~0xffff, depth + 1)
        rows = sorted(((BELONGS.find(kind), needed) for needed, kind in self._by_user.rows(address) if kind in BELONGS))
        return next((owner for _rank, needed in rows if (owner := self.owner(needed, depth + 1))), None)


class _Index:
    """Rows of numbers found by one of them: sorted once, searched by bisection, since a dictionary of lists would take ten times the memory."""

    def __init__(self, keys: array[int], values: array[int], types: Sequence[str]):
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self.keys = array("q", map(keys.__getitem__, order))
        self.values = array("q", map(values.__getitem__, order))
        self.types = "".join(map(types.__getitem__, order))

    def rows(self, key: int) -> Iterator[tuple[int, str]]:
        for row in range(bisect_left(self.keys, key), bisect_right(self.keys, key)):
            yield self.values[row], self.types[row]

    def columns(self, key: int) -> list[int]:
        """The addresses of a relation's columns among the keys."""
        return self.keys[bisect_right(self.keys, key):bisect_right(self.keys, key | 0xffff)].tolist()

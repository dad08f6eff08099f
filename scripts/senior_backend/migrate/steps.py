"""What a plan is made of: statements with what they need, what they may hurt, and how they run."""
from __future__ import annotations

import dataclasses
from typing import Callable, Iterable, Mapping

from senior_backend.postgres.model import Catalogue, Fact, Id

HAZARDS = ("data-loss", "irreversible", "rewrite", "blocks-reads", "blocks-writes", "fails-on-data")


@dataclasses.dataclass(frozen=True)
class Hazard:
    """What a statement may do to a live database. probe: SQL of one number on the source database that is the evidence ("4,711 non-null values"); unit: what it counts."""
    kind: str
    object: Id
    message: str
    probe: str = ""
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Step:
    """One statement, without its semicolon. transactional False: it must run outside a transaction (CONCURRENTLY).

    commit_before / commit_after: the values it adds or uses are only visible in a later transaction (enum values).
    """
    sql: str
    transactional: bool = True
    commit_after: bool = False
    hazards: tuple[Hazard, ...] = ()


@dataclasses.dataclass(frozen=True)
class Context:
    """What a kind may look at while it writes statements. Forward: old is what there is, new what is wanted; rollback the other way round.

    online: the forms that do not block a live database. fresh: everything that is made in this migration, where plain forms are as good;
    gone: everything that is dropped (what is made again is in both).
    folded: the parts that a CREATE statement of the key writes itself (a new table's columns, defaults, constraints).
    """
    old: Catalogue
    new: Catalogue
    online: bool
    fresh: frozenset[Id] = frozenset()
    gone: frozenset[Id] = frozenset()
    folded: Mapping[Id, tuple[Fact, ...]] = dataclasses.field(default_factory=dict)

    def live(self, identity: Id | None) -> bool:
        """Whether the online forms are wanted for a thing (a table): it is there already, perhaps in use."""
        return self.online and identity not in self.fresh


@dataclasses.dataclass(frozen=True)
class Alteration:
    """A change in place. rebuild(dependant) says whether something that depends on the altered thing must be dropped before and made again after."""
    steps: tuple[Step, ...]
    rebuild: Callable[[Fact], bool] = lambda dependant: False


@dataclasses.dataclass(frozen=True)
class Kind:
    """How one kind of object is made, removed and changed. alter: None when it must be dropped and made again.

    parts: the kinds that its CREATE statement can write itself (Context.folded); folds: whether the CREATE statement of another can write this one,
    within: of which other, where that is not the parent; follows: what it comes after without needing it, made (True) or dropped (False).
    """
    create: Callable[[Fact, Context], list[Step]]
    drop: Callable[[Fact, Context], list[Step]]
    alter: Callable[[Fact, Fact, Context], Alteration | None] = lambda before, after, context: None
    parts: tuple[str, ...] = ()
    folds: Callable[[Fact], bool] = lambda fact: True
    within: Callable[[Fact, Catalogue], Id | None] = lambda fact, catalogue: fact.parent
    follows: Callable[[Fact, Catalogue, bool], Iterable[Id]] = lambda fact, catalogue, made: ()

"""The catalogue: one fact for each thing that a schema holds, whoever read it.

Readers (live.py, parsed.py) make it; the diff, the analysis and the scaffolder only read it. Two databases have the same schema when
their catalogues hold the same identities with the same attributes.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Iterator, NamedTuple


class Id(NamedTuple):
    """What a thing is and what it is called: Id("column", ("public", "users", "email")).

    name: the parts of the qualified name, unquoted; functions end in their identity arguments ("integer, text"). Things that hang on another
    thing (comment, grant, security_label) carry its kind and name: Id("comment", ("table", "public", "users")).
    """
    kind: str
    name: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {'.'.join(self.name)}"


@dataclasses.dataclass(slots=True)
class Fact:
    """One thing. attributes: JSON values in a canonical form, so that equal attributes mean that nothing has to be done.

    parent: the thing it is a part of and is dropped with (column -> table), None for what stands alone. depends: what must exist before it
    (from pg_depend; the parent need not be repeated). order: where readers want it among its siblings (columns: attnum); never compared.
    """
    id: Id
    attributes: dict[str, Any]
    parent: Id | None = None
    depends: tuple[Id, ...] = ()
    order: int = 0


@dataclasses.dataclass(slots=True)
class Catalogue:
    """All facts of one schema. source: what people call it (a masked URL, a file). exact: False when read by parser alone.

    server_version: server_version_num (150018), 0 for a parsed file. stated: what a file spoke of ("owner", "grant"); None for live databases,
    where everything is stated. unhandled: things met that no fact stands for, by name.
    """
    source: str
    server_version: int = 0
    exact: bool = True
    facts: dict[Id, Fact] = dataclasses.field(default_factory=dict)
    stated: frozenset[str] | None = None
    unhandled: list[str] = dataclasses.field(default_factory=list)

    def __contains__(self, identity: object) -> bool:
        return identity in self.facts

    def __getitem__(self, identity: Id) -> Fact:
        return self.facts[identity]

    def get(self, identity: Id | None) -> Fact | None:
        return self.facts.get(identity) if identity else None

    def of_kind(self, *kinds: str) -> Iterator[Fact]:
        return (fact for fact in self.facts.values() if fact.id.kind in kinds)

    def digest(self) -> str:
        """SHA-256 over identities and attributes: equal for equal schemas."""
        rows = sorted(json.dumps([fact.id, fact.attributes], sort_keys=True) for fact in self.facts.values())
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

"""The catalogue: one fact for each thing that a schema holds, whoever read it.

Readers (live.py, parsed.py) make it; the diff, the analysis and the scaffolder only read it. Two databases have the same schema when
their catalogues hold the same identities with the same attributes.
"""
from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from typing import Any, Iterator, NamedTuple

from senior_backend.postgres.links import Links


class Id(NamedTuple):
    """What a thing is and what it is called: Id("column", ("public", "users", "email")).

    name: the parts of the qualified name, unquoted; functions end in their identity arguments ("integer, text"). Things that hang on another
    thing (comment, grant, security_label) carry its kind and name: Id("comment", ("table", "public", "users")).
    """
    kind: str
    name: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {'.'.join(self.name)}"


class Fact:
    """One thing. attributes: JSON values in a canonical form, so that equal attributes mean that nothing has to be done; what is absent has its usual value.

    parent: the thing it is a part of and is dropped with (column -> table), None for what stands alone. depends: what must exist before it,
    as far as the reader says so itself; Catalogue.depends adds what the server knows. order: where readers want it among its siblings (columns: attnum); never compared.
    """
    __slots__ = ("id", "content", "parent", "depends", "order")

    def __init__(self, id: Id, attributes: dict[str, Any] | str, parent: Id | None = None, depends: tuple[Id, ...] = (), order: int = 0):
        """attributes: also as canonical JSON text, which is read when somebody looks."""
        self.id, self.content, self.parent, self.depends, self.order = id, attributes, parent, depends, order

    @property
    def attributes(self) -> dict[str, Any]:
        if isinstance(self.content, str):
            self.content = json.loads(self.content)
        return self.content

    @property
    def text(self) -> str:
        """The attributes as PostgreSQL writes a jsonb value: equal attributes have equal texts."""
        return self.content if isinstance(self.content, str) else canonical(self.content)

    def same(self, other: Fact) -> bool:
        """Whether nothing has to be done to make one the other; texts are compared as texts."""
        return self.content == other.content or self.attributes == other.attributes

    def __repr__(self) -> str:
        return f"Fact({self.id}, {self.attributes})"


@dataclasses.dataclass
class Catalogue:
    """All facts of one schema. source: what people call it (a masked URL, a file). exact: False when read by parser alone.

    server_version: server_version_num (150018), 0 for a parsed file. role: who read it; its new objects are its own. stated: what a file spoke of
    ("owner", "grant"); None for live databases, where everything is stated. unhandled: things met that no fact stands for, by name.
    links: the server's own dependencies, None where no server was asked.
    """
    source: str
    server_version: int = 0
    exact: bool = True
    facts: dict[Id, Fact] = dataclasses.field(default_factory=dict)
    stated: frozenset[str] | None = None
    unhandled: list[str] = dataclasses.field(default_factory=list)
    role: str = ""
    links: Links | None = None

    def __contains__(self, identity: object) -> bool:
        return identity in self.facts

    def __getitem__(self, identity: Id) -> Fact:
        return self.facts[identity]

    def get(self, identity: Id | None) -> Fact | None:
        return self.facts.get(identity) if identity else None

    def of_kind(self, *kinds: str) -> Iterator[Fact]:
        return (fact for fact in self.facts.values() if fact.id.kind in kinds)

    def states(self, what: str) -> bool:
        """Whether it speaks of owners ("owner") or privileges ("grant"); a database always does."""
        return self.stated is None or what in self.stated

    def parts(self, identity: Id, *kinds: str) -> list[Fact]:
        """What has this parent (of these kinds), in order."""
        found = [fact for fact in self._parts.get(identity, ()) if not kinds or fact.id.kind in kinds]
        return sorted(found, key=lambda fact: (fact.order, fact.id))

    def depends(self, identity: Id) -> tuple[Id, ...]:
        """What must exist before this thing, directly: its parent, what its reader named, and what the server knows."""
        fact = self.facts[identity]
        known = self.links.depends(identity) if self.links else ()
        named = (one for one in ((fact.parent,) if fact.parent else ()) + fact.depends if one in self.facts)
        return tuple(dict.fromkeys((*named, *known)))

    def dependants(self, identity: Id) -> tuple[Id, ...]:
        """What needs this thing directly, its parts included."""
        known = self.links.dependants(identity) if self.links else ()
        return tuple(dict.fromkeys((*(fact.id for fact in self._parts.get(identity, ())), *self._named.get(identity, ()), *known)))

    @functools.cached_property
    def grants(self) -> dict[tuple[str, ...], list[Fact]]:
        """Grants and default privileges by kind and name without the grantee. Asked for when the facts change no more."""
        found: dict[tuple[str, ...], list[Fact]] = {}
        for fact in self.of_kind("grant", "default_privilege"):
            found.setdefault((fact.id.kind, *fact.id.name[:-1]), []).append(fact)
        return found

    @functools.cached_property
    def _parts(self) -> dict[Id, list[Fact]]:
        found: dict[Id, list[Fact]] = {}
        for fact in self.facts.values():
            if fact.parent:
                found.setdefault(fact.parent, []).append(fact)
        return found

    @functools.cached_property
    def _named(self) -> dict[Id, list[Id]]:
        found: dict[Id, list[Id]] = {}
        for fact in self.facts.values():
            for needed in fact.depends:
                found.setdefault(needed, []).append(fact.id)
        return found

    def digest(self) -> str:
        """SHA-256 over identities and attributes: equal for equal schemas."""
        digest = hashlib.sha256()
        for row in sorted(f"{fact.id.kind}\n{fact.id.name}\n{fact.text}\n" for fact in self.facts.values()):
            digest.update(row.encode())
        return digest.hexdigest()


def canonical(value: Any) -> str:
    """JSON in the form of jsonb's text output: keys by length, then by bytes.

    >>> canonical({"type": "text", "not_null": True, "z": [1, {"b": None}]})
    '{"z": [1, {"b": null}], "type": "text", "not_null": true}'
    """
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)

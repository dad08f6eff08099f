"""Catalogues of files, kept from run to run: the second comparison of the same schema needs no server."""
from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import zlib
from typing import Any

from senior_backend.console import VERSION
from senior_backend.postgres import cache
from senior_backend.postgres.links import Links
from senior_backend.postgres.model import Catalogue, Fact, Id

MOST_BYTES = 50_000_000
HERE = pathlib.Path(__file__).parent


def key(*parts: Any) -> str:
    """A name for what was read from these parts by this version of the readers."""
    return hashlib.sha256(json.dumps([readers(), parts]).encode()).hexdigest()


@functools.cache
def readers() -> str:
    """A digest of the code that a catalogue is made by: it changes more often than the version."""
    digest = hashlib.sha256(VERSION.encode())
    for path in (*sorted((HERE / "queries").glob("*.sql")), *(HERE / name for name in ("live.py", "links.py", "model.py", "treatment.py", "loading.py", "cluster.py", "stored.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def get(name: str, source: str) -> Catalogue | None:
    """The catalogue of that key, as of this source; None when it is not kept or cannot be read."""
    place = cache.folder("catalogues")
    data = cache.read(place / name) if place else None
    try:
        return unpacked(json.loads(zlib.decompress(data)), source) if data else None
    except (ValueError, KeyError, TypeError, zlib.error):         # cut short by a full disk
        return None


def put(name: str, catalogue: Catalogue) -> None:
    place = cache.folder("catalogues")
    if place:
        cache.write(place / name, zlib.compress(json.dumps(packed(catalogue), separators=(",", ":")).encode(), 1), MOST_BYTES)


def packed(catalogue: Catalogue) -> dict[str, Any]:
    facts = [[fact.id.kind, fact.id.name, fact.content, fact.parent, fact.depends, fact.order] for fact in catalogue.facts.values()]
    return {"version": catalogue.server_version, "exact": catalogue.exact, "stated": sorted(catalogue.stated or ()), "unhandled": catalogue.unhandled, "role": catalogue.role, "facts": facts,
            "links": catalogue.links.packed() if catalogue.links else None}


def unpacked(data: dict[str, Any], source: str) -> Catalogue:
    catalogue = Catalogue(source, data["version"], data["exact"], stated=frozenset(data["stated"]), unhandled=data["unhandled"], role=data["role"])
    identities: dict[tuple[str, tuple[str, ...]], Id] = {}

    def known(kind: str, name: list[str]) -> Id:
        identity = Id(kind, tuple(name))
        return identities.setdefault(identity, identity)

    for kind, name, content, parent, depends, order in data["facts"]:
        identity = known(kind, name)
        catalogue.facts[identity] = Fact(identity, content, known(*parent) if parent else None, tuple(known(*one) for one in depends), order)
    if data["links"]:
        text, addresses = data["links"]
        catalogue.links = Links(text, {address: known(*one) for address, one in addresses})
    return catalogue

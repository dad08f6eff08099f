"""What may be kept between runs: below the user's cache folder, readable by the user alone, bounded in size. So are catalogues of files: the second comparison needs no server."""
from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import zlib
from typing import Any

from senior_backend.console import VERSION
from senior_backend.postgres.links import Links
from senior_backend.postgres.model import Catalogue, Fact, Id

MOST_BYTES = 50_000_000
HERE = pathlib.Path(__file__).parent


def folder(name: str) -> pathlib.Path | None:
    """The user's own folder for one purpose, made when missing; None where there is no safe place for one.

    Safe: owned by the user, closed to others, so that nobody else can put something there that we would trust.
    """
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    try:
        path = (pathlib.Path(base) if base and pathlib.Path(base).is_absolute() else pathlib.Path.home() / ".cache") / "senior-backend" / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name != "nt":
            for one, closed in ((path.parent, 0o022), (path, 0o077)):
                about = one.stat()
                if about.st_uid != os.geteuid() or about.st_mode & closed:
                    return None
        return path
    except (OSError, RuntimeError):
        return None


def write(path: pathlib.Path, data: bytes, most: int) -> None:
    """Put a file in place at once, and keep at most `most` bytes in its folder; what cannot be written is not kept."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(name, path)
    except OSError:
        return
    trim(path.parent, most)


def read(path: pathlib.Path) -> bytes | None:
    """The file's bytes, its age renewed; None when there is none."""
    try:
        data = path.read_bytes()
        os.utime(path)
        return data
    except OSError:
        return None


def trim(place: pathlib.Path, most: int) -> None:
    """Remove the entries that were used longest ago until the rest fits."""
    entries = []
    for path in place.iterdir():
        try:
            entries.append((path.stat().st_mtime, size(path), path))
        except OSError:             # removed by another run
            continue
    total = sum(entry[1] for entry in entries)
    for _, bytes_, path in sorted(entries, key=lambda entry: entry[0]):
        if total <= most:
            return
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        total -= bytes_


def size(path: pathlib.Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size


def key(*parts: Any) -> str:
    """A name for what was read from these parts by this version of the readers."""
    return hashlib.sha256(json.dumps([readers(), parts]).encode()).hexdigest()


@functools.cache
def readers() -> str:
    """A digest of the code that a catalogue is made by: it changes more often than the version."""
    digest = hashlib.sha256(VERSION.encode())
    for path in sorted((*HERE.glob("*.py"), *HERE.glob("queries/*.sql"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def catalogue(name: str, source: str) -> Catalogue | None:
    """The catalogue of that key, as of this source; None when it is not kept or cannot be read."""
    place = folder("catalogues")
    data = read(place / name) if place else None
    try:
        return unpacked(json.loads(zlib.decompress(data)), source) if data else None
    except (ValueError, KeyError, TypeError, zlib.error):         # cut short by a full disk
        return None


def keep(name: str, catalogue: Catalogue) -> None:
    place = folder("catalogues")
    if place:
        write(place / name, zlib.compress(json.dumps(packed(catalogue), separators=(",", ":")).encode(), 1), MOST_BYTES)


def packed(catalogue: Catalogue) -> dict[str, Any]:
    facts = [[fact.id.kind, fact.id.name, fact.content, fact.parent, fact.depends, fact.order] for fact in catalogue.facts.values()]
    return {"version": catalogue.server_version, "exact": catalogue.exact, "stated": sorted(catalogue.stated or ()), "unhandled": catalogue.unhandled, "role": catalogue.role, "facts": facts,
            "links": catalogue.links.packed() if catalogue.links else None}


def unpacked(data: dict[str, Any], source: str) -> Catalogue:
    found = Catalogue(source, data["version"], data["exact"], stated=frozenset(data["stated"]), unhandled=data["unhandled"], role=data["role"])
    identities: dict[tuple[str, tuple[str, ...]], Id] = {}

    def known(kind: str, name: list[str]) -> Id:
        identity = Id(kind, tuple(name))
        return identities.setdefault(identity, identity)

    for kind, name, content, parent, depends, order in data["facts"]:
        identity = known(kind, name)
        found.facts[identity] = Fact(identity, content, known(*parent) if parent else None, tuple(known(*one) for one in depends), order)
    if data["links"]:
        text, addresses = data["links"]
        found.links = Links(text, {address: known(*one) for address, one in addresses})
    return found

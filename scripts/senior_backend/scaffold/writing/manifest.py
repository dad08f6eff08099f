"""The manifest .senior-backend.json of an output folder: which text was written last, so that a person's edits are told from old output."""
from __future__ import annotations

import dataclasses
import hashlib
import json

NAME = ".senior-backend.json"
ABOUT = "Kept by senior-backend's api_scaffolder to tell files that were edited by hand from files that were not. Commit it."


@dataclasses.dataclass
class Owned:
    """A file that belongs to a person: the exports ever asked of it that it still has, and the digest of the text written last when it has just these, else ''."""
    digest: str
    names: list[str]


@dataclasses.dataclass
class Manifest:
    """generated: file -> digest of the text written last. pending: digests of a run that was cut off while it put its files in place."""
    generated: dict[str, str] = dataclasses.field(default_factory=dict)
    owned: dict[str, Owned] = dataclasses.field(default_factory=dict)
    pending: dict[str, str] = dataclasses.field(default_factory=dict)
    damaged: bool = False

    def wrote(self, name: str, data: bytes) -> bool:
        """Is this the text that was written last, and not edited since?"""
        return digest(data) in (self.generated.get(name), self.pending.get(name))

    def text(self) -> bytes:
        content = {"about": ABOUT, "generated": self.generated, "owned": {name: dataclasses.asdict(record) for name, record in self.owned.items()}}
        if self.pending:
            content["pending"] = self.pending
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def read_manifest(data: bytes | None) -> Manifest:
    """The manifest of an output folder; an empty one when there is none, marked as damaged when it cannot be read."""
    if data is None:
        return Manifest()
    try:
        content = json.loads(data)
        owned = {str(name): Owned(str(record["digest"]), [str(known) for known in record["names"]]) for name, record in content["owned"].items()}
        return Manifest(dict(content["generated"]), owned, dict(content.get("pending", {})))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Manifest(damaged=True)


def digest(data: bytes) -> str:
    """SHA-256 of a text, the same for both kinds of line end (git may change them on checkout)."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()

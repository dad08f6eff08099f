"""From rendered blocks to files: what is new, unchanged, kept because a person edited it, or drifted; and all of it written at once."""
from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.docs import blocks
from senior_backend.docs.facts import Facts
from senior_backend.docs.render.documents import fresh
from senior_backend.docs.render.view import View
from senior_backend.scaffold.writing.transaction import Change, apply, read

FACTS, FORMAT, TOOL = "facts.json", 1, "scaffold_backend_docs"
LISTED = 40


@dataclasses.dataclass
class Result:
    """Names are relative to the folder of the documents. drift: {file, problem[, fact, line]}, filled by --check alone; kept: {file, block, problem, new}."""
    written: list[str] = dataclasses.field(default_factory=list)
    unchanged: list[str] = dataclasses.field(default_factory=list)
    kept: list[dict[str, str]] = dataclasses.field(default_factory=list)
    drift: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def folder_of(target: pathlib.Path, out: str) -> pathlib.Path:
    """The folder of the documents. CommandError exit 2 when it is not below the target, exit 3 when a link leads out of it."""
    folder = pathlib.Path(out)
    folder = folder if folder.is_absolute() else target / folder
    plain = pathlib.Path(*[part for part in folder.parts if part != "."])
    if ".." in plain.parts or not plain.is_relative_to(target) or plain == target:
        raise CommandError(f"--out {out}: expected a folder below {target}", "--out docs/backend", identifier="OUTSIDE_TARGET")
    check_links(target, plain)
    if plain.exists() and not plain.is_dir():
        raise CommandError(f"{plain} is a file; expected a folder to write to", "choose another folder: --out docs/backend")
    return plain


def check_links(target: pathlib.Path, path: pathlib.Path) -> None:
    """CommandError exit 3 when a link on the way from the target to the path leads out of the target."""
    for one in (*reversed(path.parents), path):
        if one.is_relative_to(target) and one != target and one.is_symlink() and not one.resolve().is_relative_to(target):
            raise CommandError(f"{one} is a link out of {target}; nothing was read through it and nothing written", "replace the link by a folder or file of the project, or choose another --out", ExitCode.REFUSED, "OUTSIDE_TARGET")


class Writer:
    """One run over one folder. names: the documents that are wanted."""

    def __init__(self, target: pathlib.Path, folder: pathlib.Path, names: list[str], force: bool):
        self.folder, self.names, self.force = folder, names, force
        for name in [*names, FACTS, *(f"{name}.new" for name in (*names, FACTS))]:
            check_links(target, folder / name)
        self.present = {name: read(folder / name) for name in (*names, FACTS)}
        self.result, self.changes = Result(), list[Change]()
        self.stored = self.read_stored()

    def read_stored(self) -> dict[str, Any] | None:
        """facts.json as it was written; None when there is none, or a person edited it."""
        try:
            found = json.loads(self.present[FACTS] or b"")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and found.get("tool") == TOOL and found.get("digest") == digest(found) else None

    def plan(self, view: View, texts: dict[str, dict[str, str]]) -> Result:
        """What is to be done with each document; facts.json last."""
        for name in self.names:
            if name != FACTS:
                self.document(name, texts[name])
        self.facts(view)
        return self.result

    def document(self, name: str, texts: dict[str, str]) -> None:
        present = self.present[name]
        if present is None:
            self.put(name, fresh(name, texts), "is missing")
            return
        try:
            merged = blocks.merge(present, texts, self.force)
        except blocks.Broken as error:
            self.keep(name, "", f"{error}; mend the marks, or move the file away", texts)
            return
        if len(merged.missing) == len(texts) and not merged.changed:
            if self.force:
                self.put(name, fresh(name, texts), "is not from this tool")
            else:
                self.keep(name, "", "was there before and has no managed block", texts)
            return
        if merged.missing and not self.force:
            self.result.warnings.append(f"{name} lacks the block{'s' if len(merged.missing) > 1 else ''} {', '.join(merged.missing)}: --force puts {'them' if len(merged.missing) > 1 else 'it'} at its end")
        for block, why in merged.kept.items():
            self.keep(name, block, why, {block: texts[block]})
        if not merged.kept:
            self.clear(name)
        self.put(name, merged.data, "", merged.changed)

    def keep(self, name: str, block: str, why: str, texts: dict[str, str]) -> None:
        """What a person wrote stays; the new text waits beside it."""
        new = f"{name}.new"
        told = {entry["block"]: texts[entry["block"]] if entry["block"] in texts else self.waiting[name][entry["block"]] for entry in self.result.kept if entry["file"] == name and entry["block"]} | texts
        self.waiting[name] = told
        self.result.kept.append({"file": name, "block": block, "problem": why, "new": new})
        self.changes = [change for change in self.changes if change.path != self.folder / new]
        data, before = blocks.beside(told), read(self.folder / new)
        if before != data:
            self.changes.append(Change(self.folder / new, data, before))

    @property
    def waiting(self) -> dict[str, dict[str, str]]:
        return self.__dict__.setdefault("_waiting", {})

    def clear(self, name: str) -> None:
        """A NAME.new that is no longer needed, and that nobody wrote into."""
        before = read(self.folder / f"{name}.new")
        if before is not None and blocks.ours(before):
            self.changes.append(Change(self.folder / f"{name}.new", None, before))

    def put(self, name: str, data: bytes, problem: str, changed: list[str] | None = None) -> None:
        before = self.present[name]
        if data == before:
            if name not in {entry["file"] for entry in self.result.kept}:
                self.result.unchanged.append(name)
            return
        self.changes.append(Change(self.folder / name, data, before))
        self.result.written.append(name)
        if problem:
            self.result.drift.append({"file": name, "problem": problem})
        self.result.drift += [{"file": name, "problem": f"the block {block} is out of date"} for block in changed or ()]

    def facts(self, view: View) -> None:
        made = content(view)
        present = self.present[FACTS]
        if self.stored is not None and digest(self.stored) == digest(made):
            self.result.unchanged.append(FACTS)
        elif present is not None and self.stored is None and not self.force:
            self.result.kept.append({"file": FACTS, "block": "", "problem": "is not from this tool, or was edited by hand; --force writes it again", "new": ""})
        else:
            self.put(FACTS, text_of(made), "is missing" if present is None else "")
            if self.stored is not None:
                self.result.drift += differences(self.stored, made)

    def write(self) -> None:
        """All changes, or none: CommandError CANNOT_WRITE."""
        if self.changes:
            apply(self.folder, self.changes)


def digest(found: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps({key: value for key, value in found.items() if key != "digest"}, sort_keys=True).encode()).hexdigest()[:16]


def content(view: View) -> dict[str, Any]:
    facts: Facts = view.facts
    return {"tool": TOOL, "format": FORMAT, "totals": facts.totals(), "unknown": [one.as_json() for one in view.unknowns.values()], "unread": facts.unread, "inputs": {kind: listed for kind, listed in view.inputs.items() if listed},
            "facts": [fact.as_json() for fact in facts]}


def text_of(made: dict[str, Any]) -> bytes:
    """JSON with one fact on a line, so that a change shows as a line."""
    made = {**made, "digest": digest(made)}
    facts = ",\n".join("    " + json.dumps(fact) for fact in made["facts"])
    head = json.dumps({key: made[key] for key in ("tool", "format", "digest", "totals", "unknown", "unread", "inputs")}, indent=2)
    return (head.removesuffix("\n}") + ',\n  "facts": [\n' + facts + "\n  ]\n}\n").encode()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Facts that came, went or changed; a fact that only moved to another line is none."""
    before, after = ({fact["id"]: fact for fact in found["facts"]} for found in (old, new))
    found = [{"file": fact["file"], "line": fact["line"], "fact": name, "problem": "is in the code, not in the documents"} for name, fact in after.items() if name not in before]
    found += [{"file": fact["file"], "line": fact["line"], "fact": name, "problem": "is in the documents, no longer in the code"} for name, fact in before.items() if name not in after]
    return found + [{"file": fact["file"], "line": fact["line"], "fact": name, "problem": "has changed"} for name, fact in after.items() if name in before and even(before[name]) != even(fact)]


def even(fact: dict[str, Any]) -> str:
    """A fact without line numbers, also those of places in its value."""
    places = {"imported", "used", "documented"}
    value = {key: part.rpartition(":")[0] if key in places and isinstance(part, str) else part for key, part in fact["value"].items()}
    return json.dumps([value, fact["file"]], sort_keys=True)

"""From rendered blocks to files: what is new, unchanged, kept because a person edited it, or drifted; and all of it written at once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.docs import blocks
from senior_backend.docs.render.documents import fresh
from senior_backend.docs.render.view import View
from senior_backend.scaffold.writing.transaction import Change, apply, read

FACTS, FORMAT, TOOL = "facts.json", 1, "scaffold_backend_docs"


@dataclasses.dataclass
class Result:
    """Names are relative to the folder of the documents. drift: {file, problem[, fact, line]}; kept: {file, block, problem, new}."""

    written: list[str] = dataclasses.field(default_factory=list)
    unchanged: list[str] = dataclasses.field(default_factory=list)
    kept: list[dict[str, str]] = dataclasses.field(default_factory=list)
    drift: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def folder_of(target: pathlib.Path, out: str) -> pathlib.Path:
    """The folder of the documents. CommandError exit 2 when it is not below the target, exit 3 when a link leads out of it."""
    folder = target / out
    if ".." in folder.parts or target not in folder.parents:
        raise CommandError(f"--out {out}: expected a folder below {target}", "--out docs/backend", identifier="OUTSIDE_TARGET")
    check_links(target, folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise CommandError(f"{folder} is a file; expected a folder to write to", "choose another folder: --out docs/backend")
    return folder


def check_links(target: pathlib.Path, path: pathlib.Path) -> None:
    """CommandError exit 3 when a link on the way from the target to the path leads out of the target."""
    for one in (*reversed(path.parents), path):
        if target in one.parents and os.path.islink(one) and not one.resolve().is_relative_to(target):
            raise CommandError(
                f"{one} is a link out of {target}; nothing was read through it and nothing written",
                "replace the link by a folder or file of the project, or choose another --out",
                ExitCode.REFUSED,
                "OUTSIDE_TARGET",
            )


class Writer:
    """One run over one folder. names: all documents; stored: facts.json as it was written, None when there is none or a person edited it."""

    def __init__(self, target: pathlib.Path, folder: pathlib.Path, names: list[str], force: bool):
        self.folder, self.force, self.result, self.changes = folder, force, Result(), list[Change]()
        for name in (*names, FACTS):
            check_links(target, folder / name)
            check_links(target, folder / f"{name}.new")
        self.present = {name: read(folder / name) for name in (*names, FACTS)}
        try:
            found = json.loads(self.present[FACTS] or b"0")
        except (ValueError, RecursionError):
            found = None
        self.stored = found if isinstance(found, dict) and found.get("tool") == TOOL and found.get("digest") == digest(found) else None

    def plan(self, view: View, texts: dict[str, dict[str, str]], wanted: list[str]) -> Result:
        """What is to be done with each wanted document, and with facts.json."""
        for name in wanted:
            self.document(name, texts[name])
        made = {
            "tool": TOOL,
            "format": FORMAT,
            "totals": view.facts.totals(),
            "unknown": [dataclasses.asdict(one) for one in view.unknowns.values()],
            "unread": view.facts.unread,
            "inputs": view.inputs,
            "facts": [dataclasses.asdict(fact) for fact in view.facts],
        }
        if self.stored and digest(self.stored) == digest(made):
            self.result.unchanged.append(FACTS)
        elif self.present[FACTS] is not None and not self.stored and not self.force:
            self.result.kept.append({"file": FACTS, "block": "", "problem": "is not from this tool, or was edited by hand; --force writes it again", "new": ""})
        else:
            self.put(FACTS, json_text(made), [] if self.stored else ["is missing"])
            self.result.drift += differences(self.stored, made) if self.stored else []
        return self.result

    def document(self, name: str, texts: dict[str, str]) -> None:
        present = self.present[name]
        if present is None:
            self.put(name, fresh(name, texts), ["is missing"])
            return
        try:
            merged = blocks.merge(present, texts, self.force)
        except blocks.Broken as error:
            self.keep(name, f"{error}; mend the marks, or move the file away", texts)
            return
        if len(merged.missing) == len(texts) and not self.force:
            self.keep(name, "was there before and has no managed block", texts)
        elif len(merged.missing) == len(texts):
            self.put(name, fresh(name, texts), ["is not from this tool"])
        else:
            if merged.missing and not self.force:
                self.result.warnings.append(f"{name} lacks {', '.join(merged.missing)}: --force puts what was taken out at its end")
            self.keep(name, "was edited by hand", {block: texts[block] for block in merged.kept})
            self.put(name, merged.data, [f"the block {block} is out of date" for block in merged.changed])

    def keep(self, name: str, why: str, texts: dict[str, str]) -> None:
        """What a person wrote stays, and the new text waits beside it; without any such text what waited there goes, unless somebody wrote into it."""
        new = f"{name}.new"
        before, data = read(self.folder / new), blocks.NEW_HEAD + b"\n".join(blocks.written(block, text) for block, text in texts.items()) if texts else None
        self.result.kept += [{"file": name, "block": block, "problem": why, "new": new} for block in (texts if why == "was edited by hand" else [""])]
        if data != before and (data or before and blocks.ours(before)):
            self.changes.append(Change(self.folder / new, data, before))

    def put(self, name: str, data: bytes, problems: list[str]) -> None:
        if data != self.present[name]:
            self.changes.append(Change(self.folder / name, data, self.present[name]))
            self.result.written.append(name)
            self.result.drift += [{"file": name, "problem": problem} for problem in problems]
        elif not any(one["file"] == name for one in self.result.kept):
            self.result.unchanged.append(name)

    def write(self) -> None:
        """All changes, or none: CommandError CANNOT_WRITE."""
        if self.changes:
            apply(self.folder, self.changes)


def digest(found: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps({key: value for key, value in found.items() if key != "digest"}, sort_keys=True).encode()).hexdigest()[:16]


def json_text(made: dict[str, Any]) -> bytes:
    """JSON with one fact on a line, so that a change shows as a line."""
    head = json.dumps({**{key: value for key, value in made.items() if key != "facts"}, "digest": digest(made)}, indent=2).removesuffix("\n}")
    return (head + ',\n  "facts": [\n' + ",\n".join("    " + json.dumps(fact) for fact in made["facts"]) + "\n  ]\n}\n").encode()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Facts that came, went or changed; a fact that only moved to another line is none."""
    before, after = ({fact["id"]: fact for fact in found["facts"]} for found in (old, new))

    def told(names: list[str], facts: dict[str, Any], problem: str) -> list[dict[str, Any]]:
        return [{"file": facts[name]["file"], "line": facts[name]["line"], "fact": name, "problem": problem} for name in names]

    return (
        told([name for name in after if name not in before], after, "is in the code, not in the documents")
        + told([name for name in before if name not in after], before, "is in the documents, no longer in the code")
        + told([name for name in after if name in before and even(before[name]) != even(after[name])], after, "has changed")
    )


def even(fact: dict[str, Any]) -> Any:
    """A fact without line numbers, also those of places in its value."""
    return fact["file"], {key: part.rpartition(":")[0] if key in ("imported", "used", "documented") and part else part for key, part in fact["value"].items()}

"""From templates to documents to files: what is new, unchanged, kept because a person edited it, or drifted; and all of it written at once.

A block of a template holds lines of a small language: table, ask, asks, check, threats, call, none, text; assets/docs/templates.md is written in it.
"""
from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.docs import sections
from senior_backend.docs.view import NEW_HEAD, Broken, View, merge, ours, places, table, written
from senior_backend.scaffold.writing.writer import Change, apply, read

TEMPLATES = pathlib.Path(__file__).resolve().parents[3] / "assets" / "docs" / "templates.md"
HOLE = re.compile(r"^\{\{(\w+)\n(.*?)^\}\}$\n?", re.M | re.S)
INDEX = "README.md"
STRIDE = {"S": "Spoofing", "T": "Tampering", "R": "Repudiation", "I": "Information disclosure", "D": "Denial of service", "E": "Elevation of privilege"}
ROW = re.compile(r"(?:[a-z]+\.[\w-]+|[STRIDE]) \|")


@functools.cache
def templates() -> dict[str, tuple[str, str]]:
    """document -> (what it is about, its text)"""
    parts = re.split(r"^=== ([^|\n]+) \| ([^\n]+)\n", TEMPLATES.read_text(encoding="utf-8"), flags=re.M)
    return {name: (title, text) for name, title, text in zip(parts[1::3], parts[2::3], parts[3::3])}


def render(view: View) -> dict[str, dict[str, str]]:
    """document -> block -> text. The index comes last: it counts what the others left open."""
    made: dict[str, dict[str, str]] = {}
    view.titles = {name: title for name, (title, _) in templates().items()}
    for name in [*(name for name in view.titles if name != INDEX), INDEX]:
        view.document = name
        for block, body in HOLE.findall(templates()[name][1]):
            text = "\n".join(lines(view, body)).replace("<!--", "&lt;!--")  # no text may end its block
            made.setdefault(name, {})[block] = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.M)).strip("\n") + "\n"
    return {name: made[name] for name in view.titles}


def fresh(name: str, texts: dict[str, str]) -> bytes:
    """A document that is not there yet."""
    return HOLE.sub(lambda found: written(found[1], texts[found[1]]).decode(), templates()[name][1]).encode()


def lines(view: View, body: str) -> list[str]:
    """The text of one block."""
    made: list[str] = []
    filled = False  # whether anything stands that makes "none" and "ask" needless
    mode: tuple[str, ...] = ("",)
    for line in body.splitlines():
        word, _, rest = line.partition(" ")
        parts = [part.strip() for part in line.split(" | ")]
        if ROW.match(line):
            made += row(view, mode, [part.strip() for part in line.split("|")])
        elif word == "table":
            new = tabled(view, *rest.split(": ", 1))
            made, filled = made + new, filled or bool(new)
        elif word == "call":
            new = getattr(sections, rest)(view)
            made, filled = made + new, filled or bool(new)
        elif word == "none:" or word == "ask":
            made += [] if filled else [rest if word == "none:" else view.unknown(parts[0].removeprefix("ask "), *parts[1:]), ""]
        elif word in ("asks", "check", "threats"):
            made += finished(mode) + ([""] if mode[0] else [])
            mode = (word, *rest.split(" | "))
            made += ["", f"### {rest}", ""] if word == "check" else []
            if word == "threats":
                mode = (*mode, [])
        else:
            made += [re.sub(r"\{([\w!~= -]+)\}", lambda found: str(len(view.select(found[1]))), line), ""]
    return made + finished(mode)


def tabled(view: View, selection: str, columns: str) -> list[str]:
    pairs = [column.split("=", 1) for column in columns.split(" | ")]
    return table([head for head, _ in pairs], [[view.cell(fact, expression) for _, expression in pairs] for fact in view.select(selection)])


def row(view: View, mode: tuple, parts: list[str]) -> list[str]:
    if mode[0] == "threats" and not view.select(mode[2]):
        return []
    if mode[0] == "threats":
        threat = sections.threat(view, mode[1], *parts)
        mode[-1].extend([threat] if threat else [])
        return []
    if mode[0] == "asks":
        return [f"- {view.unknown(*parts)}"]
    identity, who, claim, good, bad = [*parts, "", ""][:5]
    if good == "result load":
        return [f"- [x] {claim} ({view.source('load')})"] if view.runs else [f"- [ ] {view.unknown(identity, who, f'{claim}: is it so?', sections.LOAD)}"]
    against, proof = view.select(bad) if bad else [], view.select(good) if good else []
    if against:
        return [f"- [ ] {claim}. Not so: {places(against, 5)}. Who mends it: {view.owner(against[0].file) or who}."]
    return [f"- [x] {claim} ({places(proof, 3)})"] if proof else [f"- [ ] {view.unknown(identity, who, f'{claim}: is it so?')}"]


def finished(mode: tuple) -> list[str]:
    """The table of a group of threats."""
    if mode[0] != "threats" or not mode[-1]:
        return []
    rows = [
        [STRIDE[one.letter], f"{one.owasp}:2023" if one.owasp else "-", {"open": "**open**", "ask": "to ask"}.get(one.state, one.state), one.text, one.proof]
        for one in mode[-1]
    ]
    return ["", f"### {mode[1].replace(' > ', ' to ')}", "", *table(["Threat", "OWASP API", "State", "What the project shows", "Where"], rows)]


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
                "replace the link by a folder or file of the project, or choose another --out", ExitCode.REFUSED, "OUTSIDE_TARGET"
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
            "tool": TOOL, "format": FORMAT, "totals": view.facts.totals(), "unknown": [dataclasses.asdict(one) for one in view.unknowns.values()],
            "unread": view.facts.unread, "inputs": view.inputs, "facts": [dataclasses.asdict(fact) for fact in view.facts]
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
            merged = merge(present, texts, self.force)
        except Broken as error:
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
        before, data = read(self.folder / new), NEW_HEAD + b"\n".join(written(block, text) for block, text in texts.items()) if texts else None
        self.result.kept += [{"file": name, "block": block, "problem": why, "new": new} for block in (texts if why == "was edited by hand" else [""])]
        if data != before and (data or before and ours(before)):
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

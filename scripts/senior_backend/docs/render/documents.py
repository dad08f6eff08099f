"""From templates to documents.

A block of a template holds lines of a small language: table, ask, asks, check, threats, call, none, text; assets/docs/templates.md is written in it.
"""

from __future__ import annotations

import functools
import pathlib
import re

from senior_backend.docs import blocks
from senior_backend.docs.render import sections
from senior_backend.docs.render.view import View, places, table

TEMPLATES = pathlib.Path(__file__).resolve().parents[4] / "assets" / "docs" / "templates.md"
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
    return HOLE.sub(lambda found: blocks.written(found[1], texts[found[1]]).decode(), templates()[name][1]).encode()


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

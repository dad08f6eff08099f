"""Which documents there are, and which function gives the text of each of their blocks."""
from __future__ import annotations

import functools
import pathlib
import re
from typing import Any

from senior_backend.docs import blocks
from senior_backend.docs.facts import Facts
from senior_backend.docs.render import design, operations, threats
from senior_backend.docs.render.view import View

TEMPLATES = pathlib.Path(__file__).resolve().parents[4] / "assets" / "docs" / "templates.md"
HOLE = re.compile(r"^\{\{(\w+)\}\}\n?", re.M)
INDEX = "README.md"


@functools.cache
def templates() -> dict[str, tuple[str, str]]:
    """document -> (what it is about, its text with {{block}} where a managed block stands)"""
    parts = re.split(r"^=== ([^|\n]+) \| ([^\n]+)\n", TEMPLATES.read_text(encoding="utf-8"), flags=re.M)
    return {name: (title, text) for name, title, text in zip(parts[1::3], parts[2::3], parts[3::3])}


def render(view: View) -> dict[str, dict[str, str]]:
    """document -> block -> text. The index comes last: it counts what the others left open."""
    made: dict[str, dict[str, str]] = {}
    titles = {name: title for name, (title, _) in templates().items()}
    for name in [*(name for name in titles if name != INDEX), INDEX]:
        view.document = name
        made[name] = {}
        for block in HOLE.findall(templates()[name][1]):
            source = next(module for module in (design, operations, threats) if hasattr(module, block))
            lines = operations.index(view, titles) if block == "index" else getattr(source, block)(view)
            made[name][block] = "\n".join(lines).replace("<!--", "&lt;!--")            # no text may end its block
            made[name][block] = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", made[name][block], flags=re.M)).strip("\n") + "\n"
    return {name: made[name] for name in titles}


def fresh(name: str, texts: dict[str, str]) -> bytes:
    """A document that is not there yet."""
    return HOLE.sub(lambda found: blocks.written(found[1], texts[found[1]]).decode(), templates()[name][1]).encode()


def view_of(facts: Facts, inputs: dict[str, list[dict[str, Any]]], present: dict[str, bytes | None]) -> View:
    return View(facts, inputs, {name: blocks.people(data) for name, data in present.items() if data})

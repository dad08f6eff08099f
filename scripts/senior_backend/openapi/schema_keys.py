"""The keys under which schemas without a name of their own are kept: readable, unique, the same in every run."""
from __future__ import annotations

import pathlib
import re
from typing import Container

# segments of pointers that say how a schema is reached and nothing about what it is
STRUCTURE = frozenset(("components", "schemas", "definitions", "$defs", "properties", "paths", "responses", "content", "schema", "parameters", "requestBodies", "requestBody", "headers", "allOf", "anyOf", "oneOf"))
HOMES = (("components", "schemas"), ("definitions",), ("$defs",))
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.]+")


def derived_key(path: pathlib.Path, in_root: bool, tokens: tuple[str, ...], taken: Container[str]) -> str:
    """A key for what stands at the pointer `tokens` of a file."""
    own = tidy("_".join(telling(tokens)))
    stem = tidy(path.name.split(".")[0])
    wishes = [own or stem, own if in_root else f"{stem}_{own}" if own else f"{tidy(path.parent.name)}_{stem}"]
    for wish in wishes:
        if wish and wish not in taken:
            return wish
    base = wishes[-1] or "schema"
    return next(key for number in range(2, 1 << 30) if (key := f"{base}_{number}") not in taken)


def telling(tokens: tuple[str, ...]) -> list[str]:
    """The segments of a pointer that say what it leads to."""
    for home in HOMES:
        if tokens[:-1] == home:
            return [tokens[-1]]
    told = ["item" if token == "items" else token for token in tokens if token not in STRUCTURE]
    return told or list(tokens[-1:])


def tidy(text: str) -> str:
    return NOT_IN_NAMES.sub("_", text).strip("_.")

"""Files that belong to a person: their text when they are created, and what is appended to them later."""
from __future__ import annotations

import codecs
import pathlib

from senior_backend.console import CommandError
from senior_backend.scaffold.writing.bindings import Bindings, Unfinished, exported_names
from senior_backend.scaffold.plan import OwnedBlock, OwnedFile

LINE_WIDTH = 120


def new_text(file: OwnedFile) -> str:
    """The whole file when it is created."""
    parts = [file.header, import_lines(file.blocks, set()), *(block.text for block in file.blocks)]
    return "\n".join(part for part in parts if part)


def appended(data: bytes, blocks: list[OwnedBlock], taken: set[str]) -> bytes:
    """A person's file with blocks (and the imports whose names are not taken yet) behind its last byte, in the line ends that it uses."""
    text = "\n".join(part for part in (import_lines(blocks, taken), *(block.text for block in blocks)) if part)
    line_end = b"\r\n" if data.count(b"\r\n") * 2 > data.count(b"\n") else b"\n"
    separator = b"\n" if data.endswith(b"\n") or not data else b"\n\n"
    return data + (separator + text.encode()).replace(b"\n", line_end)


def import_lines(blocks: list[OwnedBlock], taken: set[str]) -> str:
    """One import declaration per module, for names that the module does not have yet."""
    modules: dict[str, set[str]] = {}
    for block in blocks:
        for module, names in block.imports.items():
            modules.setdefault(module, set()).update(name for name in names if name.removeprefix("type ") not in taken)
    return "".join(import_line(module, sorted(names, key=import_order)) for module, names in sorted(modules.items()) if names)


def import_order(name: str) -> tuple[str, str]:
    """By name, whether it is a type or not; the names themselves decide between `Route` and `route`."""
    return name.removeprefix("type ").lower(), name


def import_line(module: str, names: list[str]) -> str:
    """
    >>> import_line("./types.ts", ["type Pet", "type User"])
    "import type { Pet, User } from './types.ts';\\n"
    """
    keyword = "import"
    if all(name.startswith("type ") for name in names):
        keyword, names = "import type", [name.removeprefix("type ") for name in names]
    line = f"{keyword} {{ {', '.join(names)} }} from '{module}';\n"
    return line if len(line) <= LINE_WIDTH else f"{keyword} {{\n" + "".join(f"  {name},\n" for name in names) + f"}} from '{module}';\n"


def read_person_file(path: pathlib.Path, data: bytes) -> tuple[Bindings, set[str]]:
    """Bindings and exported names of a person's file; CommandError when nothing can be appended to it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CommandError(f"{path} is not UTF-8 (its byte order mark says UTF-16)", "save it as UTF-8 and run again")
    try:
        return exported_names(path, data.decode("utf-8", "replace").removeprefix("\ufeff"))
    except Unfinished as unfinished:
        raise CommandError(f"{path} ends inside {unfinished}; nothing can be appended to it", "finish what is open in that file and run again") from unfinished

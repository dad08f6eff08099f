"""The files of a document: found, read within limits, decoded and parsed; and the version of OpenAPI that it is written in."""
from __future__ import annotations

import codecs
import contextlib
import dataclasses
import gc
import os
import pathlib
import re
import stat
from typing import Any, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.openapi.model import Place, kind
from senior_backend.json_text import SyntaxProblem, parse_json

FILE_LIMIT = 64 << 20       # bytes; five times GitHub's document, the largest that was met
DOCUMENT_START = re.compile(r"\s*[{\[]")
YAML_START = re.compile(r"\s*(?:---|%YAML|#|\w+[\"']?\s*:)")
ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclasses.dataclass(slots=True, eq=False)
class Document:
    """One parsed file. Its containers stay the same objects for as long as it lives, so that they can be found again by identity."""
    name: str                           # as the user named it
    path: pathlib.Path
    text: str
    root: Any
    marks: dict[int, tuple] | None      # YAML: id of a container -> (row of its entry, row and column of its first character), from 0; None for JSON
    duplicates: list[tuple[dict, str]]  # mappings that give a key twice


def load(path: pathlib.Path, name: str) -> Document:
    """The parsed file; CommandError with every place when it cannot be read."""
    return parsed(decode(read_bytes(path, name), name), path, name)


def parsed(text: str, path: pathlib.Path, name: str) -> Document:
    """A text as the file at a path would be."""
    exhausted = False
    with collection_paused():
        try:
            root, marks, duplicates = parse(text, path.suffix.lower() == ".json")
        except SyntaxProblem as problem:
            raise invalid([Place(name, problem.line, "#", problem.message, problem.hint)]) from None
        except MemoryError:
            exhausted = True        # told below, where what was read is gone and there is memory again
    if exhausted:
        raise invalid([Place(name, 1, "#", "there is not enough memory to read the file")])
    return Document(name, path, text, root, marks, duplicates)


def read_bytes(path: pathlib.Path, name: str) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise CommandError(f"{name} is {what}: expected an OpenAPI document (YAML or JSON)", "name the document itself, for example openapi.yaml", identifier="INVALID_DOCUMENT")
        if status.st_size > FILE_LIMIT:
            raise invalid([Place(name, 1, "#", f"the file has {status.st_size >> 20} MB; the limit is {FILE_LIMIT >> 20} MB")])
        with open(path, "rb") as file:
            return file.read(FILE_LIMIT)
    except PermissionError as error:
        raise CommandError(f"{name} cannot be read: permission denied", "give yourself the right to read the file", ExitCode.ENVIRONMENT) from error
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        message = f"there is no file {name}" if missing else f"{name} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise CommandError(message, "give the path of an OpenAPI document", identifier="INVALID_DOCUMENT") from error


def decode(data: bytes, name: str) -> str:
    if not data.strip():
        raise invalid([Place(name, 1, "#", "the file is empty")])
    encoding = next((encoding for mark, encoding in ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise invalid([Place(name, line, "#", f"the file is not {encoding.removesuffix('-sig').upper()} text", "save it as UTF-8")]) from None
    nul = text.find("\0")
    if nul >= 0:
        raise invalid([Place(name, text.count("\n", 0, nul) + 1, "#", "the file holds a NUL character: it is not text", "save it as UTF-8")])
    return text


def parse(text: str, named_json: bool) -> tuple[Any, dict[int, tuple] | None, list]:
    """What a text holds, by its content: JSON when it begins like JSON, else YAML. Raises SyntaxProblem."""
    if DOCUMENT_START.match(text) or named_json and not YAML_START.match(text):
        try:
            root, duplicates = parse_json(text)
            return root, None, duplicates
        except SyntaxProblem:
            if named_json:
                raise
    from senior_backend.openapi.yaml12 import parse_yaml    # needs PyYAML, which JSON does without
    return parse_yaml(text)


def invalid(places: list[Place]) -> CommandError:
    """The error that lists all problems of a document, one per line."""
    hints = list(dict.fromkeys(place.hint for place in places if place.hint))
    hint = hints[0] if len(hints) == 1 else f"mend the document at the place{'s' if len(places) > 1 else ''} named above"
    return CommandError("\n".join(map(str, places)), hint, identifier="INVALID_DOCUMENT", data={"problems": [place.as_json() for place in places]})


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """No garbage collection: with it, half of the time of building a large document goes into walking it over and over."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


NEWEST = re.compile(r"3\.[0-2](?:\.\d+)?(?:-.+)?")
KNOWN = "expected swagger: '2.0', or openapi: 3.0.x, 3.1.x or 3.2.x"


@dataclasses.dataclass(frozen=True, slots=True)
class Dialect:
    version: str                       # as written
    swagger: bool                      # Swagger 2.0
    old_schemas: bool                  # 2.0 and 3.0: nullable, siblings of $ref are ignored
    components: tuple[str, ...]        # where schemas with names stand


def dialect_of(root: dict) -> Dialect | tuple[str, str | None]:
    """The dialect of a document, or what is wrong with its version and the key that it is about."""
    if "swagger" in root:
        version = str(root["swagger"])
        return Dialect(version, True, True, ("definitions",)) if version in ("2.0", "2") else (f"the version of Swagger is {kind(root['swagger'])}: {KNOWN}", "swagger")
    if "openapi" not in root:
        return f"this is no OpenAPI document: the version is missing ({KNOWN})", None
    written: Any = root["openapi"]
    version = str(written)
    if type(written) in (str, float) and NEWEST.fullmatch(version):
        return Dialect(version, False, version.startswith("3.0"), ("components", "schemas"))
    return f"the version of OpenAPI is {kind(written)}: {KNOWN}", "openapi"

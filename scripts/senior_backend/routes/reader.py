"""From a folder of sources to the operations that they serve. Sources are read with tree-sitter and never run."""
from __future__ import annotations

import pathlib
import re

from senior_backend.dependencies import require
from senior_backend.routes.model import Found, Route, Unresolved

SKIPPED = frozenset(("node_modules", "dist", "build", "coverage", "test", "tests", "__tests__", ".git"))
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "all")
PARAMETER = re.compile(r":(\w+)(\([^)]*\))?\??")


def read(folder: pathlib.Path) -> Found:
    """The operations of all sources below the folder."""
    found = Found([], [], [])
    parser, query = prepared()
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix in (".ts", ".js", ".mjs", ".cjs", ".mts", ".cts") and not SKIPPED & set(path.relative_to(folder).parts) and path.is_file():
            name = path.relative_to(folder).as_posix()
            found.files.append(name)
            read_file(path.read_bytes(), name, parser, query, found)
    return found


def prepared():
    tree_sitter, typescript = require("tree_sitter"), require("tree_sitter_typescript")
    language = tree_sitter.Language(typescript.language_typescript())
    query = tree_sitter.Query(language, "(call_expression function: (member_expression property: (property_identifier) @method) arguments: (arguments . (string) @path . (_))) @call")
    return tree_sitter.Parser(language), tree_sitter.QueryCursor(query)


def read_file(source: bytes, name: str, parser, query, found: Found) -> None:
    for _, captured in query.matches(parser.parse(source).root_node):
        method, path = captured["method"][0].text.decode(), captured["path"][0].text.decode()[1:-1]
        if method in METHODS and path.startswith("/"):
            line = captured["call"][0].start_point[0] + 1
            if method == "all":
                found.unresolved.append(Unresolved(name, line, "all() serves every method"))
            else:
                found.operations.append(Route(method, PARAMETER.sub(r"{\1}", path), name, line, {"responses": {}}))

"""What names a TypeScript module exports, declares and imports, found without a compiler: comments, strings, templates and regular expressions are passed over."""
from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Iterator, NamedTuple

TOKEN = re.compile(r"""
    (?P<blank>\s+|\A\#![^\n]*|//[^\n\r\u2028\u2029]*|/\*.*?\*/)
  | (?P<word>[A-Za-z_$\u0080-\uffff][\w$]*)
  | (?P<number>\d[\w.]*)
  | (?P<string>'(?:[^'\\\r\n]|\\(?:\r\n|.))*'|"(?:[^"\\\r\n]|\\(?:\r\n|.))*")
  | (?P<open>[({\[])
  | (?P<close>[)}\]])
  | (?P<mark>`|/\*|=>|.)
""", re.VERBOSE | re.DOTALL)
TEMPLATE_TEXT = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{|\Z)", re.DOTALL)
REGULAR_EXPRESSION = re.compile(r"/(?![*/])(?:[^\\/\[\r\n]|\\.|\[(?:[^\]\\\r\n]|\\.)*\])+/[A-Za-z]*")
# a slash after one of these starts a regular expression; after a value it divides
WORDS_BEFORE_EXPRESSION = frozenset("return typeof case in of delete void instanceof new throw else do yield await default".split())
WORDS_BEFORE_CONDITION = frozenset(("if", "while", "for", "with"))
MODIFIERS = frozenset("export async abstract declare default".split())
DECLARATIONS = frozenset("const let var function class enum namespace module".split())


class Token(NamedTuple):
    kind: str
    text: str
    depth: int                  # how many brackets enclose it


class Unfinished(Exception):
    """The module ends inside a comment or template, or with open brackets: what is appended would not be read as code."""


@dataclasses.dataclass
class Bindings:
    exported: set[str] = dataclasses.field(default_factory=set)
    local: set[str] = dataclasses.field(default_factory=set)            # declared or imported at the top level, exported or not
    types: set[str] = dataclasses.field(default_factory=set)            # declared interfaces and type aliases
    star_modules: list[str] = dataclasses.field(default_factory=list)   # `export * from`


def read_bindings(text: str) -> Bindings:
    r"""Names at the top level of a module; types alone are left out of the exported ones.

    >>> found = read_bindings("import { a as b } from './a.ts';\nexport async function go() {} // export const no = 1\nexport { b as c };")
    >>> sorted(found.exported), sorted(found.local)
    (['c', 'go'], ['b', 'go'])
    """
    tokens = list(tokenize(text))
    found = Bindings()
    for index, token in enumerate(tokens):
        if token.depth or token.kind != "word" or index and tokens[index - 1].text == ".":
            continue
        if token.text == "import":
            found.local |= imported(tokens, index + 1)
        elif token.text == "export":
            export_clause(tokens, index + 1, found)
        elif token.text in ("type", "interface") and tokens[index + 1:] and tokens[index + 1].kind == "word":
            found.types.add(tokens[index + 1].text)
        elif token.text in DECLARATIONS:
            names = declared(tokens, index)
            found.local |= names
            if is_exported(tokens, index):
                found.exported |= names
    return found


def exported_names(path: pathlib.Path, text: str) -> tuple[Bindings, set[str]]:
    """The module's bindings, and all it exports with `export * from './x.ts'` followed one level."""
    found = read_bindings(text)
    names = set(found.exported)
    for specifier in found.star_modules:
        for candidate in module_files(path.parent, specifier):
            if candidate.is_file():
                names |= read_bindings(candidate.read_text(encoding="utf-8", errors="replace")).exported
                break
    return found, names


def module_files(folder: pathlib.Path, specifier: str) -> list[pathlib.Path]:
    if not specifier.startswith("."):
        return []
    base = re.sub(r"\.(?:ts|js|mts|mjs)$", "", specifier)
    return [folder / name for name in (specifier, f"{base}.ts", f"{base}.mts", f"{base}/index.ts") if name.endswith("ts")]


def tokenize(text: str) -> Iterator[Token]:
    """Words and marks with their depth; raises Unfinished."""
    position, brackets, previous = 0, [], Token("mark", ";", 0)
    while position < len(text):
        match = TOKEN.match(text, position)
        kind, word = match.lastgroup, match[0]
        position = match.end()
        if kind == "blank":
            continue
        if word == "/*":
            raise Unfinished("a comment")
        if word == "/" and not ends_value(previous) and (expression := REGULAR_EXPRESSION.match(text, match.start())):
            kind, position = "string", expression.end()
        elif word == "`":
            position = after_template(text, position, brackets)
            kind = "string"
        elif kind == "open":
            yield Token(kind, word, len(brackets))
            brackets.append(word if previous.text not in WORDS_BEFORE_CONDITION else "condition")
            previous = Token(kind, word, 0)
            continue
        elif kind == "close":
            opened = brackets.pop() if brackets else ""
            if opened == "${":
                position, kind = after_template(text, position, brackets), "string"
            elif opened == "condition":
                kind = "mark"
        previous = Token(kind, word, len(brackets))
        yield previous
    if brackets:
        raise Unfinished(f"an open {brackets[-1]}")


def after_template(text: str, position: int, brackets: list[str]) -> int:
    """Where the code goes on: behind the closing backtick, or inside the next ${, which is pushed."""
    match = TEMPLATE_TEXT.match(text, position)
    if match[1] == "":
        raise Unfinished("a template string")
    if match[1] == "${":
        brackets.append("${")
    return match.end()


def ends_value(token: Token) -> bool:
    return token.kind in ("number", "string", "close") or token.kind == "word" and token.text not in WORDS_BEFORE_EXPRESSION


def is_exported(tokens: list[Token], index: int) -> bool:
    """Does `export` stand among the modifiers before a declaration (and no `default`, which gives it another name)?"""
    modifiers = set()
    while index and tokens[index - 1].text in MODIFIERS | {"const"}:
        index -= 1
        modifiers.add(tokens[index].text)
    return "export" in modifiers and "default" not in modifiers


def declared(tokens: list[Token], index: int) -> set[str]:
    """Names that the declaration at index introduces."""
    keyword = tokens[index].text
    start = index + 1
    while start < len(tokens) and tokens[start].text in ("*", "enum"):
        start += 1
    if start >= len(tokens):
        return set()
    if keyword not in ("const", "let", "var") or tokens[start - 1].text == "enum":
        return {tokens[start].text} if tokens[start].kind == "word" else set()
    names = pattern_names(tokens, start)
    for at in range(start + 1, len(tokens) - 2):
        if tokens[at].depth:
            continue
        if tokens[at].text == ";" or tokens[at].text in DECLARATIONS | {"export", "import"}:
            break
        if tokens[at].text == "," and tokens[at + 1].kind == "word" and tokens[at + 2].text in ("=", ":", "!"):
            names.add(tokens[at + 1].text)
    return names


def pattern_names(tokens: list[Token], start: int) -> set[str]:
    """The names of `a`, `{ a, b: c }` or `[a, b]`."""
    if tokens[start].kind == "word":
        return {tokens[start].text}
    names = set()
    for at in range(start + 1, len(tokens) - 1):
        if tokens[at].depth <= tokens[start].depth:
            break
        if tokens[at].kind == "word" and tokens[at + 1].text != ":":
            names.add(tokens[at].text)
    return names


def imported(tokens: list[Token], index: int) -> set[str]:
    """Local names of an import declaration; none for `import(...)`, `import.meta` and `import 'x'`."""
    names = set()
    if index < len(tokens) and tokens[index].text in ("(", "."):
        return names
    for at in range(index, len(tokens)):
        token = tokens[at]
        if token.kind == "string" or token.text in ("from", ";"):
            break
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.kind == "word" and token.text != "as" and following != "as" and (token.text != "type" or following in (",", "}", "from")):
            names.add(token.text)
    return names


def export_clause(tokens: list[Token], index: int, found: Bindings) -> None:
    """`export { a as b }`, `export * from 'x'`, `export * as n from 'x'`; declarations are found at their own keyword."""
    following = tokens[index:index + 4]
    if following and following[0].text == "*":
        if following[1:] and following[1].text == "as":
            found.exported.add(following[2].text)
        elif len(following) > 2 and following[1].text == "from":
            found.star_modules.append(following[2].text[1:-1])
    elif following and following[0].text == "{":
        specifiers: list[list[str]] = [[]]
        for token in tokens[index + 1:]:
            if token.text == "}":
                break
            specifiers[-1].append(token.text) if token.text != "," else specifiers.append([])
        found.exported |= {words[-1].strip("'\"") for words in specifiers if words and not (words[0] == "type" and len(words) > 1 and words[1] != "as")}

"""JSDoc: what people write above functions, routes and members."""
from __future__ import annotations

import re
import textwrap
from typing import Any

BLOCK = re.compile(r"/\*\*(.*?)\*/", re.DOTALL)
STAR = re.compile(r"^[ \t]*\*(?: |$)?|^[ \t]+$", re.MULTILINE)
TAG = re.compile(r"^@(\w+)[ \t]*(.*(?:\n(?!@).*)*)", re.MULTILINE)
NUMBERS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "multipleOf")


def above(node: Any) -> str:
    """The text of the JSDoc comment right above a node, "" when there is none."""
    while node is not None:
        before = node.prev_named_sibling
        if before is not None and before.type == "comment":
            found = BLOCK.fullmatch(before.text.decode("utf-8", "replace"))
            return plain(found[1]) if found else ""
        if before is None and node.parent is not None and node.parent.type in ("export_statement", "lexical_declaration", "expression_statement", "variable_declaration"):
            node = node.parent
            continue
        return ""
    return ""


def plain(text: str) -> str:
    return STAR.sub("", text).replace("*\\/", "*/").strip()


def parsed(text: str) -> tuple[str, dict[str, str]]:
    """(the text before the tags, {tag: its text})."""
    at = re.search(r"^@\w", text, re.MULTILINE)
    return (text[:at.start()] if at else text).strip(), {found[1]: found[2].strip() for found in TAG.finditer(text)}


def documented(source: str) -> list[tuple[str, int]]:
    """The YAML of the blocks that begin with @openapi or @swagger, and their lines."""
    found = []
    for block in BLOCK.finditer(source) if "@openapi" in source or "@swagger" in source else ():
        text = STAR.sub("", block[1])
        for part in re.split(r"^[ \t]*@(?=\w)", text, flags=re.MULTILINE)[1:]:
            word, _, rest = part.partition("\n")
            if word.strip() in ("openapi", "swagger"):
                found.append((textwrap.dedent(rest), source.count("\n", 0, block.start()) + 1))
    return found


def unescaped(text: str) -> str:
    return re.sub(r"(?m)^\\@", "@", text)


def operation(text: str) -> dict:
    """summary, description, deprecated, tags, operationId as a comment gives them."""
    body, tags = parsed(text)
    first, _, rest = body.partition("\n\n") if "\n\n" in body else body.partition("\n")
    made: dict = {}
    summary = tags.get("summary") or " ".join(first.split())
    description = tags.get("description") or tags.get("desc") or rest.strip()
    if summary:
        made["summary"] = unescaped(summary)
    if description:
        made["description"] = unescaped(description)
    if "deprecated" in tags:
        made["deprecated"] = True
    if tags.get("tag") or tags.get("tags"):
        made["tags"] = [tag.strip() for tag in re.split(r"[,\n]", tags.get("tag") or tags["tags"]) if tag.strip()]
    if tags.get("operationId"):
        made["operationId"] = tags["operationId"]
    return made


def annotations(node: Any) -> dict:
    """Keywords of JSON Schema as the comment above a member or type gives them."""
    text = above(node)
    if not text:
        return {}
    body, tags = parsed(text)
    made: dict = {"description": body} if body else {}
    made.update({"description": tags["description"]} if tags.get("description") else {})
    if "deprecated" in tags:
        made["deprecated"] = True
    made.update({name: tags[name] for name in ("format", "pattern") if tags.get(name)})
    for name in NUMBERS:
        if name in tags:
            try:
                made[name] = int(tags[name])
            except ValueError:
                continue
    return made

"""Schemas that would have to be checked to check themselves, on the same value: found and opened, so that every validator ends.

Recursion through properties or items is none of this: there the value gets smaller.
"""
from __future__ import annotations

from typing import Iterator

from senior_backend.openapi.model import Schema
from senior_backend.openapi.places import DocumentReport
from senior_backend.openapi.schema_keywords import ANNOTATIONS

LISTS = ("allOf", "anyOf", "oneOf")
SINGLE = ("not", "if", "then", "else")
CHOICES = ("oneOf", "anyOf", "discriminator")


def open_circles(schemas: dict[str, Schema], report: DocumentReport) -> None:
    refuse_endless_chains(schemas, report)
    for key in list(schemas):
        open_polymorphism(key, schemas, report)
    for node, key in back_references(schemas):
        report.warn(f"'{key}' is part of itself here: this part counts for nothing", node, "$ref")
        del node["$ref"]


def refuse_endless_chains(schemas: dict[str, Schema], report: DocumentReport) -> None:
    """References that lead to nothing but references, and back."""
    sound: set[str] = set()
    for start in schemas:
        key, passed = start, set()
        while key not in sound and key not in passed and type(schemas[key]) is dict and "$ref" in schemas[key]:
            passed.add(key)
            key = schemas[key]["$ref"]
        if key in passed:
            report.error("the references lead in a circle", schemas[key], "$ref")
            del schemas[key]["$ref"]
        sound |= passed


def open_polymorphism(key: str, schemas: dict[str, Schema], report: DocumentReport) -> None:
    """A base that lists its children under oneOf, and children that have the base under allOf: they get the base without the list."""
    base = schemas[key]
    if type(base) is not dict or not ("oneOf" in base or "anyOf" in base):
        return
    children = [child["$ref"] for keyword in ("oneOf", "anyOf") for child in base.get(keyword, ()) if type(child) is dict and "$ref" in child]
    nodes = inheriting(key, children, schemas)
    if not nodes:
        return
    common = {keyword: value for keyword, value in base.items() if keyword not in CHOICES}
    if all(keyword in ANNOTATIONS or keyword.startswith("x-") for keyword in common):
        for node in nodes:
            del node["$ref"]
        return
    name = f"{key}Base"
    while name in schemas:
        name += "_"
    schemas[name] = report.stands_for(common, base)
    for node in nodes:
        node["$ref"] = name


def inheriting(key: str, children: list[str], schemas: dict[str, Schema]) -> list[dict]:
    """The references to `key` that the children reach through allOf and references alone."""
    found, seen, pending = [], {key}, list(children)
    while pending:
        child = pending.pop(0)
        if child in seen:
            continue
        seen.add(child)
        for node in references_of(schemas[child], ("allOf",), ()):
            if node["$ref"] == key:
                found.append(node)
            else:
                pending.append(node["$ref"])
    return found


def references_of(schema: Schema, lists: tuple = LISTS, single: tuple = SINGLE) -> Iterator[dict]:
    """The references in a schema that apply to the same value as the schema itself."""
    pending = [schema]
    while pending:
        node = pending.pop()
        if type(node) is not dict:
            continue
        if "$ref" in node:
            yield node
        for keyword in lists:
            pending.extend(node.get(keyword, ()))
        for keyword in single:
            if keyword in node:
                pending.append(node[keyword])
        if single and "dependentSchemas" in node:
            pending.extend(node["dependentSchemas"].values())


def back_references(schemas: dict[str, Schema]) -> list[tuple[dict, str]]:
    """The references that close a circle, by a walk over the graph of keys."""
    found: list[tuple[dict, str]] = []
    open_keys: set[str] = set()
    done: set[str] = set()
    for start in schemas:
        walk = [(start, references_of(schemas[start]))] if start not in done else []
        open_keys.update(key for key, _ in walk)
        while walk:
            key, edges = walk[-1]
            node = next(edges, None)
            if node is None:
                walk.pop()
                open_keys.discard(key)
                done.add(key)
            elif node["$ref"] in open_keys:
                found.append((node, node["$ref"]))
            elif node["$ref"] not in done:
                open_keys.add(node["$ref"])
                walk.append((node["$ref"], references_of(schemas[node["$ref"]])))
    return found

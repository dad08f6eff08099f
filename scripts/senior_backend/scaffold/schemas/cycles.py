"""References that lead back to where they start without entering a member or an item: no type alias and no validator can follow them."""
from __future__ import annotations

from senior_backend.openapi.model import Schema


def endless_references(schemas: dict[str, Schema]) -> set[tuple[str, str]]:
    """The pairs (component, what it refers to) that have to be cut: those inside allOf first, since alternatives carry the types."""
    inward = {key: direct(schema, ("allOf",)) for key, schema in schemas.items()}
    every = {key: direct(schema, ("allOf", "oneOf", "anyOf")) for key, schema in schemas.items()}
    if not any(every.values()):
        return set()
    cut = {(source, target) for source, target in within_cycles(every) if target in inward[source]}
    left = {key: [target for target in targets if (key, target) not in cut] for key, targets in every.items()}
    return cut | within_cycles(left)


def direct(schema: Schema, keywords: tuple[str, ...]) -> list[str]:
    found, pending = [], [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if "$ref" in node:
                found.append(node["$ref"])
            for keyword in keywords:
                pending.extend(node.get(keyword, ()))
    return found


def within_cycles(graph: dict[str, list[str]]) -> set[tuple[str, str]]:
    """The edges from whose end a path leads back to their start."""
    return {(source, target) for source, targets in graph.items() for target in targets if source in reached(graph, target)}


def reached(graph: dict[str, list[str]], start: str) -> set[str]:
    found, pending = {start}, [start]
    while pending:
        fresh = [target for target in graph[pending.pop()] if target not in found]
        found.update(fresh)
        pending.extend(fresh)
    return found

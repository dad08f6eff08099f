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
    """The edges inside a strongly connected component (Tarjan's algorithm, without recursion)."""
    group = strong_groups(graph)
    sizes: dict[int, int] = {}
    for number in group.values():
        sizes[number] = sizes.get(number, 0) + 1
    return {(source, target) for source, targets in graph.items() for target in targets if group[source] == group[target] and (sizes[group[source]] > 1 or source == target)}


def strong_groups(graph: dict[str, list[str]]) -> dict[str, int]:
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    group: dict[str, int] = {}
    path: list[str] = []
    for root in graph:
        work = [(root, iter(graph[root]))] if root not in order else []
        if work:
            order[root] = low[root] = len(order)
            path.append(root)
        while work:
            node, targets = work[-1]
            fresh = next((target for target in targets if settle(node, target, order, low, group)), None)
            if fresh is not None:
                order[fresh] = low[fresh] = len(order)
                path.append(fresh)
                work.append((fresh, iter(graph[fresh])))
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == order[node]:
                while node not in group:
                    group[path.pop()] = order[node]
    return group


def settle(node: str, target: str, order: dict[str, int], low: dict[str, int], group: dict[str, int]) -> bool:
    """Note what an edge to a visited node means; True when the target is not visited yet."""
    if target not in order:
        return True
    if target not in group:
        low[node] = min(low[node], order[target])
    return False

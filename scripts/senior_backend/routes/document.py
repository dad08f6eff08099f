"""The OpenAPI document of what was read."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.routes.model import Found

VERSION = "3.1.0"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def document(found: Found) -> dict:
    """paths in the order of registration, components that are used."""
    made: dict = {"openapi": VERSION, "info": info(found), "paths": {}}
    made.update(found.about)
    for route in found.operations:
        made["paths"].setdefault(route.path, {})[route.method] = dict(route.operation)
    name_operations(made["paths"])
    components: dict = {}
    schemas = used_schemas(made["paths"], found)
    if schemas:
        components["schemas"] = schemas
    if found.security:
        components["securitySchemes"] = found.security
    if components:
        made["components"] = components
    if found.unresolved:
        made["x-unresolved"] = list(dict.fromkeys(f"{place.file}: {place.message}" for place in found.unresolved))
    return made


def info(found: Found) -> dict:
    package = found.package
    texts = {name: package[name] for name in ("name", "version", "description") if isinstance(package.get(name), str) and package[name]}
    made = {"title": texts.get("name", found.name), "version": texts.get("version", "0.0.0")}
    return {**made, "description": texts["description"]} if "description" in texts else made


def name_operations(paths: dict) -> None:
    """The name of its handler is an operation's id where no other has it."""
    operations = [operation for item in paths.values() for operation in item.values()]
    taken = [operation.get("operationId") for operation in operations] + [operation.get("x-handler") for operation in operations]
    for operation in operations:
        name = operation.pop("x-handler", None)
        if name and taken.count(name) == 1:
            operation["operationId"] = name


def references(value: Any) -> list[str]:
    found, pending = [], [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                found.append(reference.rpartition("/")[2])
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return found


def used_schemas(paths: dict, found: Found) -> dict:
    schemas, wanted, pending = found.schemas, set(), [*references(paths), *found.kept]
    while pending:
        name = pending.pop()
        if name in schemas and name not in wanted:
            wanted.add(name)
            pending.extend(references(schemas[name]))
    return {name: schema for name, schema in schemas.items() if name in wanted}

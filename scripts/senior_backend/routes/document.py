"""What is read out of sources, and the OpenAPI document of it."""
from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterator
from urllib.parse import urlsplit

from senior_backend.openapi.operations import placeholders, shape
from senior_backend.routes.interpreter import Unresolved

VERSION = "3.1.0"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
INFERRED = "x-inferred"
ORDER = ("tags", "summary", "description", "externalDocs", "operationId", "deprecated", "security", "parameters", "requestBody", "responses")


@dataclasses.dataclass(slots=True)
class Route:
    """One operation that the sources serve: method in lower case, path as OpenAPI template, the place where it is registered (file relative to the folder), OpenAPI operation object."""
    method: str
    path: str
    file: str
    line: int
    operation: dict


@dataclasses.dataclass(slots=True)
class Found:
    """What is read. files: relative to the folder, sorted; schemas, security: components of the document; package: package.json; name: of the folder; about: what the sources say of the
    document itself (info, servers, tags); kept: schemas that belong to it whether an operation refers to them or not; annotations: (what an @openapi block says, (file, line))."""
    operations: list[Route]
    unresolved: list[Unresolved]
    files: list[str]
    schemas: dict
    security: dict
    package: dict
    name: str
    about: dict
    kept: list
    annotations: list


def document(found: Found) -> dict:
    """paths in the order of registration, components that are used; what is only inferred carries a mark (see unmarked)."""
    made: dict = {"openapi": VERSION, "info": info(found), **{name: value for name, value in found.about.items() if name != "info"}, "paths": {}}
    for route in found.operations:
        told = [place.message for place in found.unresolved if (place.file, place.line) == (route.file, route.line)]
        made["paths"].setdefault(route.path, {})[route.method] = {**route.operation, **({"x-unresolved": told} if told else {})}
    components: dict = {"schemas": dict(found.schemas), "securitySchemes": dict(found.security)}
    for block, place in found.annotations:
        annotate(made, components, block, place, found)
    name_operations(made["paths"])
    for _, _, operation in each(made["paths"]):
        require_known(operation, components.get("securitySchemes", {}))
    for path, method, operation in each(made["paths"]):
        made["paths"][path][method] = {name: operation[name] for name in sorted(operation, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))}
    components["schemas"] = used(components["schemas"], made["paths"], found)
    if components := {name: value for name, value in components.items() if value}:
        made["components"] = components
    if found.unresolved:
        made["x-unresolved"] = list(dict.fromkeys(f"{place.file}: {place.message}" for place in found.unresolved))
    return made


def info(found: Found) -> dict:
    package = {name: found.package[name] for name in ("name", "version", "description") if isinstance(found.package.get(name), str) and found.package[name]}
    made = {"title": package.get("name", found.name), "version": package.get("version", "0.0.0"), **({"description": package["description"]} if "description" in package else {})}
    told = found.about.get("info")
    return {**({} if told and "title" in told and "version" in told else made), **told} if isinstance(told, dict) else made


def name_operations(paths: dict) -> None:
    """The name of its handler is an operation's id where no other has it."""
    operations = [operation for _, _, operation in each(paths)]
    taken = [operation.get(name) for operation in operations for name in ("operationId", "x-handler")]
    for operation in operations:
        name = operation.pop("x-handler", None)
        if name and taken.count(name) == 1 and "operationId" not in operation:
            operation["operationId"] = name


def require_known(operation: dict, schemes: dict) -> None:
    """Leave out what asks for a security scheme that nothing defines."""
    given = operation.get("security") if isinstance(operation.get("security"), list) else []
    unknown = [name for requirement in given if isinstance(requirement, dict) for name in requirement if name not in schemes]
    if unknown:
        operation["x-unresolved"] = [*operation.get("x-unresolved", []), *(f"the security scheme {name} is defined nowhere" for name in unknown)]
        operation["security"] = [requirement for requirement in given if isinstance(requirement, dict) and not set(requirement) & set(unknown)]
        if not operation["security"]:
            del operation["security"]


def each(paths: Any) -> Iterator[tuple[str, str, dict]]:
    """(path, method, operation) of a document's paths."""
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method, operation in item.items() if isinstance(item, dict) else ():
            if method in METHODS and isinstance(operation, dict):
                yield path, method, operation


# what people wrote in @openapi blocks
def annotate(made: dict, components: dict, block: dict, place: tuple, found: Found) -> None:
    paths = block.get("paths") if isinstance(block.get("paths"), dict) else {key: value for key, value in block.items() if str(key).startswith("/")}
    bases = ["", *(urlsplit(server["url"]).path.rstrip("/") for server in made.get("servers", []) if isinstance(server, dict) and isinstance(server.get("url"), str))]
    for path, method, told in each(paths):
        path = re.sub(r":(\w+)", r"{\1}", path)
        alike = {shape(other): other for other, item in made["paths"].items() if method in item}
        ending = [other for form, other in alike.items() if form.endswith(shape(path))]
        known = next((alike[shape(base + path)] for base in bases if shape(base + path) in alike), ending[0] if len(ending) == 1 else None)
        if known is None:
            found.unresolved.append(Unresolved(*place, f"{method.upper()} {path} is described here, but no route was found"))
            made["paths"].setdefault(path, {})[method] = {"responses": {}, **told}
        else:
            names = dict(zip(placeholders(path), placeholders(known)[-len(placeholders(path)):] if placeholders(path) else []))
            made["paths"][known][method] = combined(made["paths"][known][method], told, names)
    for kind, members in block.get("components", {}).items() if isinstance(block.get("components"), dict) else ():
        components.setdefault(kind, {}).update(members if isinstance(members, dict) else {})
    for tag in block.get("tags", []) if isinstance(block.get("tags"), list) else ():
        made.setdefault("tags", []).append(tag if isinstance(tag, dict) else {"name": str(tag)})


def combined(read: dict, told: dict, names: dict[str, str]) -> dict:
    """An operation as it was read, with what a person says of it, which counts where both speak. names: of path parameters there -> here."""
    made = {**read, **told}
    responses = {str(status): response for status, response in told.get("responses", {}).items()} if isinstance(told.get("responses"), dict) else {}
    made["responses"] = dict(sorted({**read.get("responses", {}), **responses}.items()))
    named = {(parameter.get("in"), parameter.get("name")): parameter for parameter in read.get("parameters", [])}
    for parameter in told.get("parameters", []) if isinstance(told.get("parameters"), list) else ():
        if isinstance(parameter, dict):
            in_path = parameter.get("in") == "path"
            name = names.get(parameter.get("name"), parameter.get("name")) if in_path else parameter.get("name")
            named[parameter.get("in", parameter.get("$ref")), name] = {**parameter, **({"required": True, "name": name} if in_path else {})}
    return {**made, **({"parameters": list(named.values())} if named else {})}


def renamed(operation: dict, path: str, home: str) -> dict:
    """The operation with the names that the other template has for its path parameters."""
    names = dict(zip(placeholders(path), placeholders(home)))
    return {**operation, **({"parameters": [{**parameter, "name": names.get(parameter["name"], parameter["name"])} if parameter.get("in") == "path" else parameter for parameter in operation["parameters"]]} if "parameters" in operation else {})}


# components
def references(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"].rpartition("/")[2]
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def used(schemas: dict, paths: dict, found: Found) -> dict:
    told = [name for block, _ in found.annotations for name in references(block)]
    wanted, pending = set(), [*references(paths), *found.kept, *told]
    while pending:
        name = pending.pop()
        if name in schemas and name not in wanted:
            wanted.add(name)
            pending.extend(references(schemas[name]))
    return {name: schemas[name] for name in [*found.kept, *(name for name in schemas if name not in found.kept)] if name in wanted}


def unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: unmarked(member) for name, member in value.items() if name != INFERRED}
    return [unmarked(item) for item in value] if isinstance(value, list) else value

"""What is done once all schemas are read: discriminators get their mapping completed, and schemas that would have to check themselves on the same value are opened."""
from __future__ import annotations

from typing import Any, Iterator

from senior_backend.openapi.document import Document
from senior_backend.openapi.kinds import kind, quoted
from senior_backend.openapi.model import Schema
from senior_backend.openapi.places import DocumentReport
from senior_backend.openapi.references import Dangling
from senior_backend.openapi.schema_keywords import ANNOTATIONS
from senior_backend.openapi.schemas import SchemaReader

LISTS = ("allOf", "anyOf", "oneOf")
SINGLE = ("not", "if", "then", "else")
CHOICES = ("oneOf", "anyOf", "discriminator")


def complete_discriminators(reader: SchemaReader) -> None:
    """For every discriminator that was met: {"propertyName", "mapping": {value: key}}; unusable ones are left out and told."""
    completed: dict[int, dict] = {}         # by id: an alias of YAML may give one discriminator to several schemas
    while reader.discriminators:
        schema, document = reader.discriminators.pop()
        if id(schema["discriminator"] if "discriminator" in schema else None) in completed:
            continue
        holder = schema if "discriminator" in schema else reader.references.moved.get(id(schema), schema)
        complete(reader, holder, schema, document)
        if type(holder.get("discriminator")) is dict:
            completed[id(holder["discriminator"])] = holder["discriminator"]
        reader.drain()


def complete(reader: SchemaReader, holder: dict, schema: dict, document: Document) -> None:
    written = holder.get("discriminator")
    given = {"propertyName": written} if type(written) is str else written
    if type(given) is not dict or type(given.get("propertyName")) is not str:
        problem = f"a discriminator must be a mapping with propertyName, not {kind(written)}" if type(given) is not dict else "a discriminator must name its propertyName"
        reader.report.error(problem, schema, "discriminator")
        del holder["discriminator"]
        return
    if "defaultMapping" in given:
        reader.report.warn("defaultMapping of a discriminator is left out", given, "defaultMapping")
    mapping = explicit(reader, given, document)
    named = set(mapping.values())
    for branch in [*listed(holder, "oneOf"), *listed(holder, "anyOf")]:
        key = branch.get("$ref") if type(branch) is dict else None
        if key is not None and key not in named:
            mapping.setdefault(reader.names.get(key, key), key)
    name = given["propertyName"]
    given.clear()
    given.update(propertyName=name, mapping=mapping)
    holder["discriminator"] = given if given is written else reader.report.stands_for(given, schema)


def listed(schema: dict, keyword: str) -> list:
    value = schema.get(keyword)
    return value if type(value) is list else []


def explicit(reader: SchemaReader, discriminator: dict, document: Document) -> dict[str, str]:
    """The mapping as written, its values as keys."""
    written: Any = discriminator.get("mapping")
    if type(written) is not dict:
        if written is not None:
            reader.report.error(f"mapping must be a mapping of values to schemas, not {kind(written)}", discriminator, "mapping")
        return {}
    for value, target in list(written.items()):
        key = key_of(reader, target, document)
        if key is None:
            reader.report.warn(f"the mapping of {quoted(value)} leads to no schema: it is left out", written, value)
            del written[value]
        else:
            written[value] = key
    return written


def key_of(reader: SchemaReader, target: Any, document: Document) -> str | None:
    """The key of a mapping's target: the name of a component, a reference or a file."""
    if type(target) is not str:
        return None
    if (id(document), (*reader.dialect.components, target)) in reader.keys:
        return reader.keys[id(document), (*reader.dialect.components, target)]
    for reference in (target, f"#/{'/'.join(reader.dialect.components)}/{target}"):
        try:
            return reader.key_of_target(reader.references.resolve(reference, document))
        except Dangling:
            continue
    return None


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

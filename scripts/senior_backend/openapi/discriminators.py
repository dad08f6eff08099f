"""Discriminators with their mapping completed: from each value to the key of a schema."""
from __future__ import annotations

from typing import Any

from senior_backend.openapi.document import Document
from senior_backend.openapi.kinds import kind, quoted
from senior_backend.openapi.references import Dangling
from senior_backend.openapi.schemas import SchemaReader


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

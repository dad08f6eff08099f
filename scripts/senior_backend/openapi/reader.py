"""From a file to the api model."""
from __future__ import annotations

import pathlib
import re
from typing import Any

from senior_backend.openapi import swagger2
from senior_backend.openapi.schemas import SchemaReader, complete_discriminators, open_circles
from senior_backend.openapi.document import Dialect, Document, collection_paused, dialect_of, invalid, load, parsed
from senior_backend.openapi.model import Api, Place, kind, quoted
from senior_backend.openapi.operations import OperationReader, read_schemes
from senior_backend.openapi.references import DocumentReport, References
from senior_backend.openapi.source import Source
from senior_backend.openapi.swagger2 import Operations2

VARIABLE = re.compile(r"\{([^{}]*)\}")


def read_api(path: pathlib.Path, lenient: bool = False, need_operations: bool = True) -> Api:
    """The api that a document describes.

    Raises CommandError INVALID_DOCUMENT that lists every problem with its place. When lenient, what is unusable is left out and stays
    in api.report.errors; only a document of which nothing is left is refused. A document without operations, but with schemas, is an api.
    """
    given = pathlib.Path(path)
    return read_document(load(given.absolute().parent.resolve() / given.name, str(path)), lenient, need_operations)


def read_text(text: str, path: pathlib.Path) -> Api:
    """The api of a document that has not been written yet; path: where it will be."""
    return read_document(parsed(text, path, str(path)))


def read_document(document: Document, lenient: bool = False, need_operations: bool = True) -> Api:
    with collection_paused():
        report, path = DocumentReport(), document.name
        report.documents.append(document)
        try:
            api = read(report)
        except RecursionError:
            raise invalid([Place(path, 1, "#", "references follow one another too deeply")]) from None
        if not api.operations and not report.errors:
            check_emptiness(api, need_operations)
        if report.errors and (not lenient or not api.operations and not api.schemas):
            places = report.located(report.errors)
            raise invalid(sorted(places, key=lambda place: (place.file != path, place.file, place.line)))
    return api


def read(report: DocumentReport) -> Api:
    document = report.documents[0]
    if type(document.root) is not dict:
        report.error(f"an OpenAPI document must be a mapping, not {kind(document.root)}", document.root if type(document.root) is list else None)
        raise invalid(report.located(report.errors))
    dialect = dialect_of(document.root)
    if not isinstance(dialect, Dialect):
        message, key = dialect
        report.error(message, document.root, key)
        raise invalid(report.located(report.errors))
    references = References(document, report.documents)
    source = Source(document, dialect, references, SchemaReader(document, dialect, references, report), report)
    return read_source(source)


def read_source(source: Source) -> Api:
    root, report, dialect = source.root.root, source.report, source.dialect
    holder = root if dialect.swagger else source.mapping(root, "components")
    source.schemas.read_components(source.mapping(holder, dialect.components[-1]))
    schemes = read_schemes(source)
    operations = (Operations2 if dialect.swagger else OperationReader)(source, schemes).read()
    complete_discriminators(source.schemas)
    open_circles(source.schemas.schemas, report)
    note_what_is_left_out(source)
    if root.get("info") is None:
        report.warn("the document has no info: title and version are missing", root)
    info = source.mapping(root, "info")
    api = Api(source.text(info, "title"), source.text(info, "version"), source.text(info, "description"), dialect.version, operations, source.schemas.schemas, schemes,
              tags_of(source), servers_of(source), report)
    for read_document in report.documents:
        for mapping, key in read_document.duplicates:
            report.error(f"the key {quoted(key)} is given twice", mapping, key)
    return api


def note_what_is_left_out(source: Source) -> None:
    root = source.root.root
    if root.get("webhooks"):
        source.report.warn("webhooks are left out: they are requests that the server sends", root, "webhooks")
    if "paths" not in root and (source.dialect.old_schemas or not ("webhooks" in root or "components" in root)):
        source.report.error("paths are missing: the document declares no operation", root)


def check_emptiness(api: Api, need_operations: bool) -> None:
    root = api.report.documents[0].root
    place = "paths" if "paths" in root else None
    if not api.schemas:
        api.report.error("the document declares no operation and no schema" if need_operations else "the document declares no schema", root, place)
    elif need_operations:
        api.report.warn("the document declares no operation: there are only types", root, place)


def tags_of(source: Source) -> dict[str, str]:
    found = {}
    for tag in source.sequence(source.root.root, "tags"):
        if type(tag) is dict and type(tag.get("name")) is str:
            description: Any = tag.get("description")
            found[tag["name"]] = description if type(description) is str else ""
    return found


def servers_of(source: Source) -> list[str]:
    """The URLs of the servers, variables replaced by their defaults."""
    root = source.root.root
    if source.dialect.swagger:
        return swagger2.servers_of(source)
    found = []
    for index, server in enumerate(source.sequence(root, "servers")):
        if type(server) is not dict or type(server.get("url")) is not str:
            source.report.error("a server must be a mapping with a url", root["servers"], index)
            continue
        variables = source.mapping(server, "variables")
        found.append(VARIABLE.sub(lambda match: default_of(variables.get(match[1]), match[0]), server["url"]))
    return found


def default_of(variable: Any, otherwise: str) -> str:
    return str(variable["default"]) if type(variable) is dict and "default" in variable else otherwise

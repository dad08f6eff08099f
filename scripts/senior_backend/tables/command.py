"""--from-db: a database's tables become a document, the document an api, and its handlers work on the tables."""
from __future__ import annotations

import argparse
import pathlib
from typing import Any

from senior_backend.console import CommandError, Console
from senior_backend.openapi.model import Api
from senior_backend.openapi.reader import read_text
from senior_backend.openapi.writing import document_text
from senior_backend.scaffold.generate import Generated, generate, generate_types
from senior_backend.scaffold.plan import Options
from senior_backend.scaffold.server.runtime import asset
from senior_backend.tables import code, source
from senior_backend.tables.document import Choices, Document
from senior_backend.tables.kinds import Kinds
from senior_backend.tables.options import listed
from senior_backend.tables.relations import Reading, Relation

DOCUMENT = "openapi.yaml"


def from_database(arguments: argparse.Namespace, out: Console) -> tuple[Api, Generated]:
    """What is generated for the database or schema file of --from-db."""
    place, schemas = arguments.from_db, listed(arguments.schema) or ["public"]
    read = source.read(place)
    for note in read.notes:
        out.detail(f"note: {note}")
    hidden, revealed = set(listed(arguments.hide)), set(listed(arguments.show))
    reading = Reading(read.catalogue, read.rights, Kinds(read.catalogue, arguments.big_numbers != "numbers", set()), hidden, revealed)
    facts = source.chosen(reading.candidates(), listed(arguments.tables), listed(arguments.exclude), schemas, read.catalogue.source)
    kept = [fact for fact in facts if fact.id.name[1] != code.IDEMPOTENCY_TABLE]
    relations = [relation for fact in kept if (relation := reading.relation(fact))]
    check(arguments, reading, relations, read.catalogue.source)
    choices = Choices(read.title, arguments.errors, arguments.require_if_match, arguments.idempotency)
    document = Document(relations, reading.kinds, choices, schemas[0])
    text = document_text(document.root, DOCUMENT)
    api = read_text(text, pathlib.Path(arguments.output) / DOCUMENT)
    warn(api, document, [*reading.warnings, *((identity, f"{'.'.join(identity.name)}: {message}") for identity, message in document.unindexed)])
    return api, generated(arguments, document, api, text, schemas[0])


def check(arguments: argparse.Namespace, reading: Reading, relations: list[Relation], place: str) -> None:
    unmet = [(flag, name) for flag, names in (("--hide", arguments.hide), ("--show", arguments.show)) for name in listed(names) if name not in reading.used]
    if unmet:
        raise CommandError(f"{place}: {unmet[0][0]} {unmet[0][1]}: there is no such column among the chosen tables", "name it as TABLE.COLUMN", identifier="NO_SUCH_COLUMN")
    if not relations:
        raise CommandError(f"{place}: nothing is left to make an API of: " + "; ".join(message for _, message in reading.warnings[:5]), "connect as a role that may read the tables, or choose others",
                           identifier="NOTHING_UNDERSTOOD")


def warn(api: Api, document: Document, warnings: list[tuple[Any, str]]) -> None:
    """Warnings about tables, placed at the tables' lists in the document."""
    paths = api.report.documents[0].root["paths"]
    for identity, message in warnings:
        resource = document.by_id.get(identity)
        api.report.warn(message, paths[f"/{resource.segment}"] if resource else paths)


def generated(arguments: argparse.Namespace, document: Document, api: Api, text: str, main_schema: str) -> Generated:
    if arguments.types_only:
        return generate_types(api)
    written = code.Code(document, api, main_schema)
    made = generate(api, Options(arguments.framework, arguments.with_app, arguments.errors, written.implementations(), code.PACKAGES, code.DEV_PACKAGES))
    made.files |= {name: asset(name) for name in code.ASSETS} | {DOCUMENT: text, "tables.ts": written.tables()}
    if document.choices.idempotency:
        made.files |= {"idempotency.ts": asset("idempotency.ts"), "idempotency.sql": code.idempotency_sql(main_schema)}
    return made

"""--from-db: a database's tables become a document, the document an api, and its handlers work on the tables."""
from __future__ import annotations

import argparse
import pathlib

from senior_backend.console import CommandError, Console
from senior_backend.openapi.model import Api
from senior_backend.openapi.reader import read_text
from senior_backend.openapi.yaml12 import document_text
from senior_backend.scaffold.generate import Generated, asset, generate, generate_types
from senior_backend.scaffold.plan import Options
from senior_backend.tables import code, source
from senior_backend.tables.document import Choices, Document
from senior_backend.tables.kinds import Kinds
from senior_backend.tables.options import listed
from senior_backend.tables.relations import Reading, Relation

DOCUMENT = "openapi.yaml"


def from_database(arguments: argparse.Namespace, out: Console) -> tuple[Api, Generated]:
    """What is generated for the database or schema file of --from-db."""
    schemas, read = listed(arguments.schema) or ["public"], source.read(arguments.from_db)
    for note in read.notes:
        out.detail(f"note: {note}")
    kinds = Kinds(read.catalogue, arguments.big_numbers != "numbers")
    reading = Reading(read.catalogue, read.rights, kinds, set(listed(arguments.hide)), set(listed(arguments.show)))
    facts = source.chosen(reading.candidates(), listed(arguments.tables), listed(arguments.exclude), schemas, read.catalogue.source)
    relations = [relation for fact in facts if fact.id.name[1] != code.IDEMPOTENCY_TABLE and (relation := reading.relation(fact))]
    check(arguments, reading, relations, read.catalogue.source)
    document = Document(relations, kinds, Choices(read.title, schemas[0], arguments.errors, arguments.require_if_match, arguments.idempotency))
    text = document_text(document.root, DOCUMENT)
    api = read_text(text, pathlib.Path(arguments.output) / DOCUMENT)
    for identity, message in document.unindexed:
        reading.warn(identity, message)
    paths = api.report.documents[0].root["paths"]
    for identity, message in reading.warnings:
        api.report.warn(message, paths[f"/{document.by_id[identity].segment}"] if identity in document.by_id else paths)
    return api, generate_types(api) if arguments.types_only else generated(arguments, document, api, text)


def check(arguments: argparse.Namespace, reading: Reading, relations: list[Relation], place: str) -> None:
    for flag, names in (("--hide", arguments.hide), ("--show", arguments.show)):
        for name in set(listed(names)) - reading.used:
            raise CommandError(f"{place}: {flag} {name}: there is no such column among the chosen tables", "name it as TABLE.COLUMN", identifier="NO_SUCH_COLUMN")
    if not relations:
        raise CommandError(f"{place}: nothing is left to make an API of: " + "; ".join(message for _, message in reading.warnings[:5]), "connect as a role that may read the tables, or choose others",
                           identifier="NOTHING_UNDERSTOOD")


def generated(arguments: argparse.Namespace, document: Document, api: Api, text: str) -> Generated:
    written = code.Code(document, api)
    made = generate(api, Options(arguments.framework, arguments.with_app, arguments.errors, written.implementations(), code.PACKAGES, code.DEV_PACKAGES))
    made.files |= {name: asset(name) for name in code.ASSETS} | {DOCUMENT: text, "tables.ts": written.tables()}
    if document.choices.idempotency:
        made.files |= {"idempotency.ts": asset("idempotency.ts"), "idempotency.sql": code.idempotency_sql(document.choices.schema)}
    return made

"""api_scaffolder: its options, the order of its work, and what it reports."""
from __future__ import annotations

import argparse
import gc
import pathlib
import re

from senior_backend import console
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.openapi.model import Api
from senior_backend.openapi.reader import read_api
from senior_backend.routes.command import generate_spec
from senior_backend.scaffold.plan import FRAMEWORKS, Options
from senior_backend.scaffold.generate import Generated, generate, generate_types
from senior_backend.scaffold.writing.writer import Writer, WriteResult
from senior_backend.tables.options import add_database_arguments, check_arguments

TOOL = "api_scaffolder"
DEFAULT_OUTPUT = "./generated"
LISTED_ROUTES, LISTED_WARNINGS = 100, 10
EXPORTED_TYPE = re.compile(r"^export (?:interface|type) ", re.MULTILINE)


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(
        TOOL, "Turn an OpenAPI document, or the tables of a PostgreSQL database, into an Express, Fastify or Koa server in TypeScript: types, Zod validators, routes and handlers.",
        ["python scripts/api_scaffolder.py openapi.yaml --framework express --output src/routes/", "python scripts/api_scaffolder.py openapi.yaml -f koa -o server --with-app",
         "python scripts/api_scaffolder.py openapi.yaml -o src/routes/ --check", "python scripts/api_scaffolder.py openapi.yaml --types-only --json",
         "python scripts/api_scaffolder.py --from-db postgresql://app@localhost/shop -o server --with-app", "python scripts/api_scaffolder.py src --generate-spec --output openapi.yaml"],
        {0: "done, or nothing to do", 1: "a generated file was edited by hand (see NAME.new), or --check found a difference",
         2: "the document, the tables or the arguments cannot be used", 4: "a package is missing, the database is out of reach, or a file cannot be read or written", 70: "a fault of this program", 130: "interrupted"})
    made.add_argument("source", nargs="?", metavar="SPEC", help="OpenAPI 3.0, 3.1 or Swagger 2.0 document, YAML or JSON; $ref to files below its folder are followed")
    made.add_argument("-f", "--framework", choices=sorted(FRAMEWORKS), default="express", help="what the server is built on (default: express)")
    made.add_argument("-o", "--output", metavar="DIR", help=f"folder to write to (default: {DEFAULT_OUTPUT}); with --generate-spec the document, YAML or JSON by its ending (default: stdout)")
    made.add_argument("--types-only", action="store_true", help="write types.ts alone")
    made.add_argument("--with-app", action="store_true", help="also write app.ts, server.ts, package.json and tsconfig.json, with handlers that answer examples")
    made.add_argument("--errors", choices=["envelope", "problem"], default="envelope", help="error bodies: {\"error\", \"meta\"}, or RFC 9457 problem details (default: envelope)")
    made.add_argument("--lenient", action="store_true", help="leave out the broken parts of a document, list them, and generate the rest")
    made.add_argument("--check", action="store_true", help="write nothing; exit 1 when the files are not what the document gives (with --generate-spec: the document is not what the sources give)")
    made.add_argument("--force", action="store_true", help="overwrite generated files that were edited by hand")
    add_database_arguments(made)
    made.add_argument("--generate-spec", action="store_true", help="SPEC is a folder: read the routes of the Express, Fastify or Koa sources in it, and write or update their OpenAPI document")
    return made


def main(argv: list[str] | None = None) -> int:
    gc.disable()        # a run makes no garbage worth collecting; 13 MB documents are read in a quarter of the time
    return console.run(TOOL, parser(), scaffold, argv)


def scaffold(arguments: argparse.Namespace, out: Console) -> Outcome:
    check_arguments(arguments)
    if arguments.generate_spec:
        return generate_spec(arguments, out)
    arguments.output = arguments.output or DEFAULT_OUTPUT
    api, made = from_database(arguments, out) if arguments.from_db else from_document(arguments)
    out.detail(f"{api.title} {api.version} (OpenAPI {api.spec_version}): {len(api.operations)} operations, {len(api.schemas)} schemas")
    result = Writer(pathlib.Path(arguments.output), check=arguments.check, force=arguments.force).write(made.files, made.owned, complete=not arguments.types_only)
    return outcome(arguments, out, api, made, result)


def from_document(arguments: argparse.Namespace) -> tuple[Api, Generated]:
    api = read_api(document_path(arguments), lenient=arguments.lenient, need_operations=not arguments.types_only)
    return api, generate_types(api) if arguments.types_only else generate(api, Options(arguments.framework, arguments.with_app, arguments.errors))


def from_database(arguments: argparse.Namespace, out: Console) -> tuple[Api, Generated]:
    from senior_backend.tables import command          # with all that reads databases

    return command.from_database(arguments, out)


def document_path(arguments: argparse.Namespace) -> pathlib.Path:
    if arguments.source is None:
        raise CommandError("no document given: expected the path of an OpenAPI document", "python scripts/api_scaffolder.py openapi.yaml", identifier="USAGE")
    return pathlib.Path(arguments.source)


def outcome(arguments: argparse.Namespace, out: Console, api: Api, made: Generated, result: WriteResult) -> Outcome:
    warnings = api.report.located(api.report.warnings)
    left_out = api.report.located(api.report.errors)
    for title, places in (("left out", left_out), ("warning", warnings)):
        shown = places if out.verbose else places[:LISTED_WARNINGS]
        for place in () if arguments.json else shown:
            out.progress(f"{title}: {place}")
        if len(shown) < len(places) and not arguments.json:
            out.progress(f"{title}: {len(places) - len(shown)} more (--verbose or --json lists all)")
    data = {
        "generated_files": sorted([*made.files, *made.owned]), "routes_count": len(made.routes), "types_count": len(EXPORTED_TYPE.findall(made.files.get("types.ts", ""))),
        "output": arguments.output, "framework": arguments.framework, "warnings": [place.as_json() for place in warnings], "left_out": [place.as_json() for place in left_out],
        "schemas": made.schemas, "routes": made.routes, **result.as_json(),
    }
    return Outcome(data, lines(arguments, out, made, result), ExitCode.FOUND if result.needs_attention else ExitCode.DONE)


def lines(arguments: argparse.Namespace, out: Console, made: Generated, result: WriteResult) -> list[str]:
    """What a person reads on stdout."""
    folder = arguments.output.rstrip("/\\") + "/"
    if arguments.check:
        return result.lines(folder) or [f"{folder} is what the {'database' if arguments.from_db else 'document'} gives"]
    said = []
    if made.routes:
        shown = made.routes if out.verbose else made.routes[:LISTED_ROUTES]
        said += [f"Generated {len(made.routes)} route handlers in {folder}"]
        said += [f"- {route['method']} {route['path']} ({route['operation']})" for route in shown]
        said += [f"  ... and {len(made.routes) - len(shown)} more (--verbose lists all)"] if len(shown) < len(made.routes) else []
        said += [f"Created API document: {folder}openapi.yaml"] * bool(arguments.from_db)
        said += [f"Created validation middleware: {folder}validators.ts"]
    return [*said, f"Created TypeScript types: {folder}types.ts", *result.lines(folder)]

"""api_scaffolder DIR --generate-spec: from the sources of a server to its OpenAPI document, and whether the two still agree."""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import tempfile

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.openapi.document import Document, load
from senior_backend.openapi.yaml12 import document_text, patched_json, patched_yaml
from senior_backend.routes.document import Found, document, unmarked
from senior_backend.routes.merging import merged
from senior_backend.routes.reader import read, uncollected

LISTED = 10                 # places that are told without --verbose
NAMES, ENDINGS = ("openapi.yaml", "openapi.yml", "openapi.json"), (".yaml", ".yml", ".json")
EXAMPLE = "python scripts/api_scaffolder.py src --generate-spec --output openapi.yaml"


@uncollected()
def generate_spec(arguments: argparse.Namespace, out: Console) -> Outcome:
    folder = folder_of(arguments)
    target = target_of(arguments, folder)
    found = read(folder)
    if not found.operations:
        raise nothing_found(folder, found)
    existing, marked = existing_document(target, arguments.force), document(found)
    made, drift = unmarked(marked), [f"there is no file {target}"] if arguments.check else []
    text = document_text(made, target.name if target else NAMES[0])
    if existing is not None:
        made, drift = merged(existing.root, marked, not any(place.blocks for place in found.unresolved))
        text = updated(existing, made, target, out) if drift else existing.text
    wrote = target is not None and not arguments.check and (existing is None or bool(drift))
    if wrote:
        write(target, text)
    return outcome(arguments, out, found, made, drift, target, text, wrote)


def usage(message: str, hint: str = EXAMPLE) -> CommandError:
    return CommandError(message, hint, identifier="USAGE")


def folder_of(arguments: argparse.Namespace) -> pathlib.Path:
    for flag in ("types_only", "with_app", "lenient"):
        if getattr(arguments, flag):
            raise usage(f"--{flag.replace('_', '-')} does not go with --generate-spec")
    if arguments.source is None or not os.path.isdir(arguments.source):
        what = "no folder given" if arguments.source is None else f"{arguments.source} is no folder" if os.path.exists(arguments.source) else f"there is no folder {arguments.source}"
        raise usage(f"{what}: expected the folder with the sources of a server")
    return pathlib.Path(arguments.source)


def target_of(arguments: argparse.Namespace, folder: pathlib.Path) -> pathlib.Path | None:
    """The file to write or to check; None for stdout."""
    if arguments.output is None:
        known = next((folder / name for name in NAMES if (folder / name).is_file()), None)
        if arguments.check and known is None:
            raise usage("--check needs a document to compare with: expected --output FILE")
        return known if arguments.check else None
    target = pathlib.Path(arguments.output)
    if target.suffix.lower() not in ENDINGS:
        raise usage(f"{arguments.output} is no name for a document: expected one that ends in {', '.join(ENDINGS)}")
    return target


def existing_document(target: pathlib.Path | None, force: bool) -> Document | None:
    """What stands in the file that is to be written; None when there is none, or when it may be thrown away."""
    if target is None or not target.exists():
        return None
    try:
        found = load(target, str(target))
    except CommandError:
        if force:
            return None
        raise
    if isinstance(found.root, dict) and str(found.root.get("openapi", "")).startswith("3.") and not found.duplicates:
        return found
    if force:
        return None
    raise CommandError(f"{target} is not an OpenAPI 3 document: it cannot be updated", "name another file, or take --force to replace it", identifier="INVALID_DOCUMENT")


def updated(existing: Document, made: dict, target: pathlib.Path, out: Console) -> str:
    if existing.marks is None:
        return patched_json(existing.text, made)
    text, kept = patched_yaml(existing.text, existing.root, made)
    if not kept:
        out.progress(f"warning: {target} is written in a way that cannot be changed piece by piece: its comments are lost")
    return text


def write(target: pathlib.Path, text: str) -> None:
    """All of it or nothing."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}-", suffix=".tmp", delete=False, encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(file.name, target.stat().st_mode & 0o7777 if target.exists() else 0o644)
        os.replace(file.name, target)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}", "give another --output, or the right to write there", ExitCode.ENVIRONMENT) from error


def nothing_found(folder: pathlib.Path, found: Found) -> CommandError:
    shown, rest = found.files[:2 * LISTED], len(found.files) - 2 * LISTED
    listed = f"{len(found.files)} files were read: {', '.join(shown)}" + (f" and {rest} more" if rest > 0 else "") if shown else "there is no TypeScript or JavaScript source in it"
    message = "\n".join([f"no routes of Express, Fastify or Koa in {folder}: {listed}", *map(str, found.unresolved[:LISTED])])
    return CommandError(message, "name the folder in which the app is built; tests, dist and node_modules are not read", identifier="NO_ROUTES",
                        data={"files": found.files, "unresolved": [place.as_json() for place in found.unresolved]})


def outcome(arguments: argparse.Namespace, out: Console, found: Found, made: dict, drift: list[str], target: pathlib.Path | None, text: str, wrote: bool) -> Outcome:
    routes = [{"method": route.method.upper(), "path": route.path, "operation": made["paths"].get(route.path, {}).get(route.method, {}).get("operationId", ""), "file": route.file, "line": route.line}
              for route in found.operations]
    unresolved = [place.as_json() for place in found.unresolved]
    data = {"operations_count": len(routes), "routes": routes, "unresolved": unresolved, "drift": drift, "warnings": unresolved, **({"output": str(target)} if target else {"document": made})}
    code = ExitCode.FOUND if arguments.check and drift else ExitCode.DONE
    told = [f"Found {len(routes)} routes in {arguments.source}", *(f"- {route['method']} {route['path']} ({route['operation'] or route['file']})" for route in routes)]
    told += [f"{'differs' if arguments.check else 'changed'}: {line}" for line in drift]
    told += [f"Wrote {target}"] if wrote else [f"{target} is what the sources give"] if target and not drift else []
    shown = found.unresolved if out.verbose else found.unresolved[:LISTED]
    notes = [f"unresolved: {place}" for place in shown] + ([f"unresolved: {len(unresolved) - LISTED} more (--verbose or --json lists all)"] if len(shown) < len(unresolved) else [])
    for line in () if arguments.json else [*notes, *([] if target else told)]:
        out.progress(line)
    return Outcome(data, told if target else printable(text, made, out), code)


def printable(text: str, made: dict, out: Console) -> list[str]:
    """The document as lines that the console can hold: as JSON in ASCII, which is YAML too, where it cannot."""
    try:
        text.encode(getattr(out.out, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(made, indent=2)
    return text.splitlines()

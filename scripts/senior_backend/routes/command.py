"""api_scaffolder DIR --generate-spec: from the sources of a server to its OpenAPI document, and whether the two still agree."""
from __future__ import annotations

import argparse
import os
import pathlib
import tempfile

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.openapi.document import Document, load
from senior_backend.openapi.patching import patched_json, patched_yaml
from senior_backend.openapi.writing import document_text
from senior_backend.routes.document import document
from senior_backend.routes.merging import merged
from senior_backend.routes.reader import Found
from senior_backend.routes.reader import read

LISTED = 10                 # places that are told without --verbose
STANDARD_NAMES = ("openapi.yaml", "openapi.yml", "openapi.json")
ENDINGS = (".yaml", ".yml", ".json")


def generate_spec(arguments: argparse.Namespace, out: Console) -> Outcome:
    folder = folder_of(arguments)
    target = target_of(arguments, folder)
    found = read(folder)
    if not found.operations:
        raise nothing_found(folder, found)
    existing = existing_document(target, arguments.force)
    made, drift = document(found), []
    text = document_text(made, target.name if target else "openapi.yaml")
    if existing is not None:
        made, drift = merged(existing.root, document(found, marked=True), not any(place.blocks for place in found.unresolved))
        text = existing.text if not drift else updated(existing, made, target, out)
    elif arguments.check:
        drift = [f"there is no file {target}"]
    wrote = target is not None and not arguments.check and (existing is None or bool(drift))
    if wrote:
        write(target, text)
    return outcome(arguments, out, found, made, drift, target, text, wrote)


def folder_of(arguments: argparse.Namespace) -> pathlib.Path:
    unfit = [flag for flag, given in (("--types-only", arguments.types_only), ("--with-app", arguments.with_app), ("--lenient", arguments.lenient)) if given]
    if unfit:
        raise CommandError(f"{unfit[0]} does not go with --generate-spec", "python scripts/api_scaffolder.py src --generate-spec --output openapi.yaml", identifier="USAGE")
    if arguments.source is None:
        raise CommandError("no folder given: expected the folder with the sources of a server", "python scripts/api_scaffolder.py src --generate-spec", identifier="USAGE")
    folder = pathlib.Path(arguments.source)
    if not folder.is_dir():
        what = f"{arguments.source} is no folder" if folder.exists() else f"there is no folder {arguments.source}"
        raise CommandError(f"{what}: expected the folder with the sources of a server", "python scripts/api_scaffolder.py src --generate-spec", identifier="USAGE")
    return folder


def target_of(arguments: argparse.Namespace, folder: pathlib.Path) -> pathlib.Path | None:
    """The file to write or to check; None for stdout."""
    if arguments.output is None:
        known = next((folder / name for name in STANDARD_NAMES if (folder / name).is_file()), None)
        if arguments.check and known is None:
            raise CommandError("--check needs a document to compare with: expected --output FILE", f"name it: --output {STANDARD_NAMES[0]}", identifier="USAGE")
        return known if arguments.check else None
    target = pathlib.Path(arguments.output)
    if target.suffix.lower() not in ENDINGS:
        raise CommandError(f"{arguments.output} is no name for a document: expected one that ends in {', '.join(ENDINGS)}", "for example --output openapi.yaml", identifier="USAGE")
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
        if target.exists():
            os.chmod(file.name, target.stat().st_mode & 0o7777)
        else:
            os.chmod(file.name, 0o666 & ~umask())
        os.replace(file.name, target)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}", "give another --output, or the right to write there", ExitCode.ENVIRONMENT) from error


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def nothing_found(folder: pathlib.Path, found: Found) -> CommandError:
    shown = ", ".join(found.files[:LISTED * 2]) + (f" and {len(found.files) - LISTED * 2} more" if len(found.files) > LISTED * 2 else "")
    message = f"no routes of Express, Fastify or Koa in {folder}: " + (f"{len(found.files)} files were read: {shown}" if found.files else "there is no TypeScript or JavaScript source in it")
    places = "".join(f"\n{place}" for place in found.unresolved[:LISTED])
    return CommandError(message + places, "name the folder in which the app is built; tests, dist and node_modules are not read", identifier="NO_ROUTES",
                        data={"files": found.files, "unresolved": [place.as_json() for place in found.unresolved]})


def outcome(arguments: argparse.Namespace, out: Console, found: Found, made: dict, drift: list[str], target: pathlib.Path | None, text: str, wrote: bool) -> Outcome:
    routes = [{"method": route.method.upper(), "path": route.path, "operation": made["paths"].get(route.path, {}).get(route.method, {}).get("operationId", ""), "file": route.file, "line": route.line}
              for route in found.operations]
    unresolved = [place.as_json() for place in found.unresolved]
    data = {"operations_count": len(routes), "routes": routes, "unresolved": unresolved, "drift": drift, "warnings": unresolved, **({"output": str(target)} if target else {"document": made})}
    code = ExitCode.FOUND if arguments.check and drift else ExitCode.DONE
    if arguments.json:
        return Outcome(data, [], code)
    told = [f"Found {len(routes)} routes in {arguments.source}", *(f"- {route['method']} {route['path']} ({route['operation'] or route['file']})" for route in routes)]
    told += [f"{'differs' if arguments.check else 'changed'}: {line}" for line in drift]
    told += [f"Wrote {target}"] if wrote else [f"{target} is what the sources give"] if target and not drift else []
    for place in found.unresolved if out.verbose else found.unresolved[:LISTED]:
        out.progress(f"unresolved: {place}")
    if len(found.unresolved) > LISTED and not out.verbose:
        out.progress(f"unresolved: {len(found.unresolved) - LISTED} more (--verbose or --json lists all)")
    if target:
        return Outcome(data, told, code)
    for line in told:
        out.progress(line)
    return Outcome(data, printable(text, made, out), code)


def printable(text: str, made: dict, out: Console) -> list[str]:
    """The document as lines that the console can hold: as JSON in ASCII, which is YAML too, where it cannot."""
    try:
        text.encode(getattr(out.out, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        import json
        text = json.dumps(made, indent=2)
    return text.splitlines()

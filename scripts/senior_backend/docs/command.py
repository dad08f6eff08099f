"""scaffold_backend_docs: its options, the order of its work (and in which facts are looked for), and what it reports."""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import pathlib
import re

from senior_backend import console, dependencies
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.docs.facts import Facts
from senior_backend.docs.results import gather
from senior_backend.docs.tree import Tree
from senior_backend.docs.view import View, people
from senior_backend.docs.writing import FACTS, TOOL, Result, Writer, folder_of, render, templates

LISTED = 40
COMMAND = "python scripts/scaffold_backend_docs.py"
EXAMPLES = [
    COMMAND, f"{COMMAND} . --out docs/backend --decision decision.json --load load.json --migration analysis.json",
    f"{COMMAND} services/orders --only slo --load load.json", f"{COMMAND} . --check --json"
]
EXIT_CODES = {
    0: "the documents say what the project shows", 1: "--check found drift, or a block that a person edited was kept",
    2: "the arguments, a file or the project cannot be used (no backend was found)", 3: "refused: a link would lead out of the target",
    4: "a package is missing, or a file cannot be read or written", 70: "a fault of this program", 130: "interrupted"
}
LOOKED_FOR = (
    "package.json, pyproject.toml, requirements*.txt, Pipfile, go.mod or Cargo.toml with a backend's packages, routes, an OpenAPI document, "
    "migrations, a compose file, Kubernetes workloads"
)
PROOF = ("route", "framework", "operation", "migrations", "compose-service", "workload", "table")
ENV_EXAMPLES = r"(?:^|/)(?:\.env(?:[\w.-]*[.-])?(?:example|sample|template|dist|defaults)|(?:example|sample)\.env|env\.(?:example|sample))$"
TEXTS = r"(?i)(?:^|/)(?:readme|contributing|configuration|install|setup|deploy\w*)[\w.-]*$|^docs?/"


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(
        TOOL, "Write a backend's design documents from what its files prove; what they do not prove is marked UNKNOWN, with who should answer.", EXAMPLES,
        EXIT_CODES
    )
    made.add_argument("target", nargs="?", default=".", metavar="TARGET", help="folder of the project (default: the current one)")
    made.add_argument("--out", default="docs/backend", metavar="DIR", help="folder of the documents, below TARGET (default: docs/backend)")
    made.add_argument(
        "--force", action="store_true",
        help="overwrite blocks that a person edited and files that are not from this tool, and put back blocks that were taken out"
    )
    made.add_argument("--check", action="store_true", help="write nothing; exit 1 when documents and code have drifted apart")
    made.add_argument("--dry-run", action="store_true", help="write nothing; show what would be written")
    made.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="one document (slo, threat-model, ...) and facts.json; may be given several times"
    )
    made.add_argument("--decision", metavar="FILE", action="append", default=[], help="JSON of backend_decision_engine.py --output json")
    made.add_argument("--load", metavar="FILE", action="append", default=[], help="report of api_load_tester.py --output")
    made.add_argument("--migration", metavar="FILE", action="append", default=[], help="JSON of database_migration_tool.py; may be given several times")
    return made


def main(argv: list[str] | None = None) -> int:
    gc.disable()  # syntax trees of thousands of files hold no garbage
    return console.run(TOOL, parser(), run, argv)


def run(arguments: argparse.Namespace, out: Console) -> Outcome:
    if arguments.check and (arguments.force or arguments.dry_run):
        raise CommandError("--check only looks: it goes neither with --force nor with --dry-run", "leave out the other", identifier="USAGE")
    target = project(arguments.target)
    folder = folder_of(target, arguments.out)
    wanted, writer = chosen(arguments.only, list(templates())), Writer(target, folder, list(templates()), arguments.force)
    facts = detect(target, folder)
    out.detail(f"{len(facts)} facts: " + ", ".join(f"{count} {kind}" for kind, count in facts.totals().items()))
    results, warnings = gather(
        {"decision": arguments.decision[-1:], "load": arguments.load, "migration": arguments.migration}, (writer.stored or {}).get("inputs", {}), target
    )
    for module in (
        facts.lacking if arguments.check and writer.stored else ()
    ):  # what is not read here was read when the documents were written: that is no drift
        dependencies.require(module)
    view = View(facts, results, {name: people(data) for name, data in writer.present.items() if data})
    result = writer.plan(view, render(view), wanted)
    result.warnings += [*warnings, *facts.unread]
    if not arguments.check and not arguments.dry_run:
        writer.write()
    return outcome(arguments, out, result, len(facts), len(view.unknowns))


def detect(root: pathlib.Path, without: pathlib.Path | None) -> Facts:
    """All facts of the project below root. without: the folder of the documents themselves. CommandError exit 2 when there is no backend."""
    from senior_backend.docs.detect import code, contract, django, go_routes, infrastructure, migrations, python, schema, services

    facts = Facts()
    tree = Tree(root, facts, without)
    found = services.Reader(tree, facts).read()
    variables: dict[str, list] = {}
    imports, sources = code.read(tree, facts, found, variables)
    project = python.Project(facts, sources)
    python.Routes(project).tell()
    django.Routes(project).tell()
    go_routes.read([one for one in sources.values() if one.service.language == "go"])
    contract.node_routes(tree, facts, found)
    infrastructure.read(tree, facts, found)
    schema.read(tree, facts, project, sources, migrations.Reader(tree, facts).read())
    contract.compare(facts, contract.documents(tree, facts))
    serving = {route["service"] for route in facts.of("route")}
    for service in found:
        service.kind = "backend" if service.name in serving else service.kind
    services.tell(tree, facts, found, imports)
    code.tell_variables(tree, facts, variables, documented(tree, variables))
    if not facts.of(*PROOF) and not any(service.kind == "backend" for service in found):
        raise CommandError(f"{root}: no backend found", f"looked for {LOOKED_FOR}; give the folder of the project", identifier="NO_BACKEND")
    facts.sort()
    return facts


def documented(tree: Tree, variables: dict[str, list]) -> dict[str, str]:
    """Name -> place, of the variables that an example of .env or a text for people names."""
    found: dict[str, str] = {}
    for pattern, suffixes, words in (
        (ENV_EXAMPLES, "", r"^[ \t]*#?[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)="), (TEXTS, "md rst txt adoc", r"\b([A-Z][A-Z0-9_]{2,})\b")
    ):
        for path in tree.matching(pattern, suffixes, aside=True):
            text = tree.read(path)
            for one in (
                re.finditer(words, text, re.M) if "<!-- senior-backend:begin" not in text else ()
            ):  # not our own documents, also where an earlier --out put them
                if one[1] in variables:
                    found.setdefault(one[1], f"{path}:{text.count(chr(10), 0, one.start(1)) + 1}")
    return found


def project(given: str) -> pathlib.Path:
    try:
        path = pathlib.Path(given).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise CommandError(
            f"{given}: no such folder ({getattr(error, 'strerror', None) or error})", f"give the folder of a project: {COMMAND} .", identifier="NO_SUCH_FOLDER"
        ) from None
    if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        raise CommandError(f"{given} cannot be read: permission denied", "give yourself the right to read the folder", ExitCode.ENVIRONMENT)
    if not path.is_dir():
        raise CommandError(f"{given} is a file; expected the folder of a project", f"{COMMAND} .", identifier="NO_SUCH_FOLDER")
    return path


def chosen(names: list[str], known: list[str]) -> list[str]:
    """The documents that are meant: slo, slo.md, 0001-backend-architecture, decisions."""
    found = []
    for name in names:
        wanted = name.lower().replace("\\", "/").strip("/").removesuffix(".md").removesuffix(".json")
        fitting = [
            one
            for one in (*known, FACTS)
            if wanted in (one.lower().rpartition(".")[0], one.lower().rpartition("/")[2].rpartition(".")[0], one.lower().partition("/")[0])
        ]
        if len(fitting) != 1:
            raise CommandError(f"--only {name}: no such document", "one of: " + ", ".join(one.rpartition(".")[0] for one in known), identifier="USAGE")
        found += fitting
    return [one for one in known if one in found] if names else known


def outcome(arguments: argparse.Namespace, out: Console, result: Result, facts: int, unknown: int) -> Outcome:
    if arguments.check:
        result.written = []
    else:
        result.drift = []
    shown = result.warnings if out.verbose else result.warnings[:10]
    if not arguments.json:
        for warning in shown:
            out.progress(f"warning: {warning}")
        if len(shown) < len(result.warnings):
            out.progress(f"warning: {len(result.warnings) - len(shown)} more (--verbose or --json lists all)")
    data = {"out": arguments.out, **dataclasses.asdict(result), "unknown": unknown, "facts": facts, "dry_run": arguments.dry_run}
    return Outcome(data, lines(arguments, result, facts, unknown), ExitCode.FOUND if result.kept or result.drift else ExitCode.DONE)


def lines(arguments: argparse.Namespace, result: Result, facts: int, unknown: int) -> list[str]:
    """What a person reads on stdout."""
    base = arguments.out.rstrip("/\\") + "/"
    said = [
        f"{one['fact']} {one['problem']} ({one['file']}:{one['line']})" if "fact" in one else f"{base}{one['file']}: {one['problem']}" for one in result.drift
    ]
    said += [f"{'Would write' if arguments.dry_run else 'Wrote'} {base}{name}" for name in result.written]
    said += [
        f"{base}{one['file']}: {'the block ' + one['block'] + ' ' if one['block'] else ''}{one['problem']}"
        + (f"; the new text is in {base}{one['new']}" if one["new"] and not arguments.check else "")
        for one in result.kept
    ]
    said = [*said[:LISTED], f"... and {len(said) - LISTED} more (--json lists all)"] if len(said) > LISTED else said
    return [*(said or [f"{base} says what the project shows"]), f"{facts} facts, {unknown} questions unknown, {len(result.unchanged)} files unchanged"]

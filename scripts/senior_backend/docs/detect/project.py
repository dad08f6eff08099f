"""From a folder to the facts that its files prove: the order in which they are looked for."""

from __future__ import annotations

import pathlib
import re

from senior_backend.console import CommandError
from senior_backend.docs.detect import code, infrastructure, migrations, python, routes, schema, services
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree

LOOKED_FOR = (
    "package.json, pyproject.toml, requirements*.txt, Pipfile, go.mod or Cargo.toml with a backend's packages, routes, an OpenAPI document, "
    "migrations, a compose file, Kubernetes workloads"
)
PROOF = ("route", "framework", "operation", "migrations", "compose-service", "workload", "table")
EXAMPLES = r"(?:^|/)(?:\.env(?:[\w.-]*[.-])?(?:example|sample|template|dist|defaults)|(?:example|sample)\.env|env\.(?:example|sample))$"
TEXTS = r"(?i)(?:^|/)(?:readme|contributing|configuration|install|setup|deploy\w*)[\w.-]*$|^docs?/"


def detect(root: pathlib.Path, without: pathlib.Path | None) -> Facts:
    """All facts of the project below root. without: the folder of the documents themselves. CommandError exit 2 when there is no backend."""
    facts = Facts()
    tree = Tree(root, facts, without)
    found = services.Reader(tree, facts).read()
    variables: dict[str, list] = {}
    imports, sources = code.read(tree, facts, found, variables)
    project = python.Project(facts, sources)
    python.Routes(project).tell()
    routes.DjangoRoutes(project).tell()
    for one in sources.values():
        if one.service.language == "go":
            routes.go_routes(one)
    routes.node_routes(tree, facts, found)
    infrastructure.read(tree, facts, found)
    schema.read(tree, facts, project, sources, migrations.Reader(tree, facts).read())
    routes.compare(facts, routes.documents(tree, facts))
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
        (EXAMPLES, "", r"^[ \t]*#?[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)="), (TEXTS, "md rst txt adoc", r"\b([A-Z][A-Z0-9_]{2,})\b")
    ):
        for path in tree.matching(pattern, suffixes, aside=True):
            text = tree.read(path)
            for one in (
                re.finditer(words, text, re.M) if "<!-- senior-backend:begin" not in text else ()
            ):  # not our own documents, also where an earlier --out put them
                if one[1] in variables:
                    found.setdefault(one[1], f"{path}:{text.count(chr(10), 0, one.start(1)) + 1}")
    return found

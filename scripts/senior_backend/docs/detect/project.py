"""From a folder to the facts that its files prove: the order in which they are looked for."""
from __future__ import annotations

import pathlib
import re

from senior_backend.console import CommandError
from senior_backend.docs.detect import contract, django_routes, go_code, infrastructure, javascript, migrations, python_code, python_routes, schema, services
from senior_backend.docs.facts import SECRET_NAME, Facts
from senior_backend.docs.tree import Tree

LOOKED_FOR = ("package.json, pyproject.toml, requirements*.txt, Pipfile, go.mod, Cargo.toml, Gemfile, pom.xml, build.gradle, composer.json, *.csproj with a backend's packages, "
              "routes, an OpenAPI document, migrations, a compose file, Kubernetes workloads")
PROOF = ("route", "framework", "operation", "migrations", "compose-service", "workload", "table")
EXAMPLES = re.compile(r"(?:^|/)(?:\.env[\w.-]*\.(?:example|sample|template|dist)|\.env\.(?:example|sample|template|dist|defaults)|(?:example|sample)\.env|env\.(?:example|sample)|\.env-(?:example|sample))$")
TEXTS = re.compile(r"(?i)(?:^|/)(?:readme|contributing|configuration|install|setup|deploy\w*)[\w.-]*\.(?:md|rst|txt|adoc)$|^docs?/.*\.(?:md|rst|adoc)$")


def detect(root: pathlib.Path, without: pathlib.Path | None) -> Facts:
    """All facts of the project below root. without: the folder of the documents themselves. CommandError exit 2 when there is no backend."""
    facts = Facts()
    tree = Tree(root, facts, without)
    found = services.read(tree, facts)
    variables: dict[str, list] = {}
    project = python_code.read(tree, facts, found, variables)
    python_code.beat(project)
    python_routes.Routes(project).tell()
    django_routes.Routes(project).tell()
    imports, sources = javascript.read(tree, facts, found, variables)
    imports |= project.places | go_code.read(tree, facts, found, variables)
    contract.node_routes(tree, facts, found, sources)
    contract.unread_frameworks(facts, found)
    infrastructure.read(tree, facts, found)
    kept = migrations.read(tree, facts)
    schema.read(tree, facts, project, sources, kept)
    operations = contract.documents(tree, facts)
    contract.drift(facts, operations)
    contract.health(facts)
    serving = {route["service"] for route in facts.of("route")}
    for one in found:
        one.kind = "backend" if one.name in serving else one.kind
    services.tell(tree, facts, found, imports)
    tell_variables(tree, facts, variables)
    if not facts.of(*PROOF) and not any(one.kind == "backend" for one in found):
        raise CommandError(f"{root}: no backend found", f"looked for {LOOKED_FOR}; give the folder of the project", identifier="NO_BACKEND")
    facts.sort()
    return facts


def tell_variables(tree: Tree, facts: Facts, variables: dict[str, list]) -> None:
    """Environment variables that code reads, and where they are documented; never a value."""
    for path in tree.with_suffix("prisma"):
        text = tree.read(path)
        for found in re.finditer(r'\benv\("(\w+)"\)', text):
            variables.setdefault(found[1], []).append((None, path, text.count("\n", 0, found.start()) + 1, False))
    documented: dict[str, str] = {}
    for pattern, suffixes, words in ((EXAMPLES, "", re.compile(r"^[ \t]*#?[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=", re.M)), (TEXTS, "md rst txt adoc", re.compile(r"\b([A-Z][A-Z0-9_]{2,})\b"))):
        for path in tree.matching(pattern.pattern, suffixes, code=False):
            text = tree.read(path)
            if "<!-- senior-backend:begin" in text:         # our own documents, also where an earlier --out put them
                continue
            for found in words.finditer(text):
                if found[1] in variables and found[1] not in documented:
                    documented[found[1]] = f"{path}:{text.count(chr(10), 0, found.start(1)) + 1}"
    for name, uses in sorted(variables.items()):
        uses.sort(key=lambda use: (use[1], use[2]))
        _, file, line, _ = uses[0]
        owners = sorted({service.name for service, _, _, _ in uses if service})
        facts.add("env", name, {"name": name, "services": owners, "documented": documented.get(name), "uses": len(uses), "secret": bool(SECRET_NAME.search(name))}, file, line)
        literal = next(((file, line) for _, file, line, literal in uses if literal), None)
        if literal and SECRET_NAME.search(name):
            facts.add("secret-default", name, {"name": name}, *literal)

"""What runs the services and who builds and owns them: compose files, Dockerfiles, Kubernetes, CI, CODEOWNERS, commands.

Of variables only names are taken, of commands only programs.
"""

from __future__ import annotations

import re
from typing import Any

from senior_backend import dependencies
from senior_backend.docs.detect.services import Service, table, word
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree, line_of

WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"}
OBJECTS = {
    "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap", "Secret", "Gateway", "HTTPRoute", "ServiceMonitor",
    "PrometheusRule"
}
NODE = r"(?:npm|pnpm|yarn|bun)(?: run)? "
DOES = {
    what: re.compile(pattern)
    for what, pattern in {  # what a CI job does -> words in it that prove it
        "tests": rf"\b(?:pytest|vitest|jest|mocha|go test|cargo (?:test|nextest)|{NODE}(?:-\w+ )*test|node --test|tox|nox|make (?:\S+-)?test"
        rf"|manage\.py test|mvn (?:\S+ )*(?:test|verify)|gradlew? (?:\S+ )*(?:test|check)|rspec|unittest)",
        "lint": rf"\b(?:eslint|biome|ruff|flake8|pylint|mypy|pyright|golangci-lint|go vet|clippy|{NODE}(?:lint|typecheck)|make lint|tsc\b|prettier"
        rf"|pre-commit|black --check)",
        "build": rf"\b(?:docker (?:buildx )?build|docker/build-push-action|{NODE}build|go build|cargo build|mvn (?:\S+ )*package|make build|kaniko)",
        "scan": r"\b(?:(?:npm|pnpm|yarn)(?: npm)? audit|pip-audit|safety check|snyk|trivy|grype|codeql|semgrep|bandit|gitleaks|trufflehog|govulncheck|gosec"
        r"|cargo[ -](?:audit|deny)|dependency-review|osv-scanner|checkov)",
        "migrate": r"\b(?:prisma migrate deploy|alembic upgrade|manage\.py migrate|knex migrate|typeorm migration:run|sequelize db:migrate"
        r"|drizzle-kit migrate|flyway migrate|goose .*\bup\b|dbmate (?:up|migrate)|rails db:migrate)",
        "deploy": r"(?i)\b(?:deploy\b|kubectl (?:apply|set|rollout)|helm (?:upgrade|install)|terraform apply|flyctl|serverless|docker push|gcloud run"
        r"|aws ecs|argocd|vercel|heroku)|push:\s*true",
    }.items()
}
OTHER_CI = {".circleci/config.yml": "CircleCI", "azure-pipelines.yml": "Azure Pipelines", "Jenkinsfile": "Jenkins", "bitbucket-pipelines.yml": "Bitbucket"}
NOT_JOBS = {"stages", "variables", "default", "include", "workflow", "image", "services", "before_script", "after_script", "cache"}
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)(?::?-([^}]*))?\}?")
MANAGERS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lockb": "bun", "bun.lock": "bun"}


class Node:
    """A place in a YAML text; what is not there is a Node without value."""

    def __init__(self, node: Any = None, line: int = 0):
        self.node, self.line = node, line or (node.start_mark.line + 1 if node is not None else 1)

    def __bool__(self) -> bool:
        return self.node is not None

    def items(self) -> list[tuple[str, Node]]:
        """(key, value with the line of the key); merged mappings last."""
        pairs = [(key, value) for key, value in self.node.value if key.id == "scalar"] if self and self.node.id == "mapping" else []
        own = [(key.value, Node(value, key.start_mark.line + 1)) for key, value in pairs if key.value != "<<"]
        return own + [pair for key, value in pairs if key.value == "<<" and value is not self.node for pair in Node(value).items() if pair[0] not in dict(own)]

    def get(self, *keys: str) -> Node:
        found = self
        for key in keys:
            found = next((value for name, value in found.items() if name == key), Node())
        return found

    def list(self) -> list[Node]:
        return [Node(one) for one in self.node.value] if self and self.node.id == "sequence" else [self] if self.text else []

    @property
    def text(self) -> str:
        return self.node.value if self and self.node.id == "scalar" else ""

    def at(self, *keys: str) -> str:
        return self.get(*keys).text

    def texts(self) -> list[str]:
        """Of a list its strings; of a mapping its keys."""
        return [name for name, _ in self.items()] or [one.text for one in self.list() if one.text]

    def number(self, *keys: str) -> int | None:
        return int(self.at(*keys)) if self.at(*keys).isdecimal() else None


def documents(tree: Tree, facts: Facts, path: str) -> list[Node]:
    """The documents of a YAML file; what is not YAML (a template) is noted."""
    yaml, text = dependencies.require("yaml"), tree.read(path)
    try:
        return [Node(one) for one in yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if one is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        facts.missing(f"{path}:{mark.line + 1 if mark else 1} was not understood: {'it is a template' if '{{' in text else 'it is not YAML'}")
        return []


def read(tree: Tree, facts: Facts, services: list[Service]) -> None:
    for path in tree.matching(r"(?:^|/)(?:[\w.-]+\.)?(?:Docker|Container)file(?:\.[\w.-]+)?$"):
        dockerfile(facts, path, tree.read(path))
    for path in tree.matching("", "yaml yml"):
        text = tree.read(path)
        if re.search(r"(?:^|/)(?:docker-)?compose[\w.-]*$", path.rpartition(".")[0]):
            for name, one, document in ((name, one, document) for document in documents(tree, facts, path) for name, one in document.get("services").items()):
                compose(facts, path, name, one)
        elif path.startswith(".github/workflows/"):
            github(tree, facts, path)
        elif path in (".gitlab-ci.yml", ".gitlab-ci.yaml"):
            for name, job in (pair for document in documents(tree, facts, path) for pair in document.items()):
                if name not in NOT_JOBS and name[0] != "." and job.get("script"):
                    ci_job(
                        facts, "GitLab CI", path, name, job.at("stage") or "test", "\n".join([name, *job.get("script").texts()]), [], job.get("needs").texts(),
                        job.line
                    )
        elif re.search(r"^kind:", text, re.M) and re.search(r"^apiVersion:", text, re.M):
            for document in documents(tree, facts, path):
                for one in document.get("items").list() if document.at("kind") == "List" else [document]:
                    kubernetes(facts, path, one)
    for path, system in OTHER_CI.items():
        if path in tree:
            ci_job(facts, system, path, path, "", tree.read(path), [], [], 1)
    for path in [one for one in (".github/dependabot.yml", "renovate.json", ".github/renovate.json", ".renovaterc") if one in tree]:
        facts.add("dependency-updates", path, {"by": "Dependabot" if "dependabot" in path else "Renovate"}, path, 1)
    owners(tree, facts)
    commands(tree, facts, services)


def resolved(text: str, defaults: dict[str, str] | None = None) -> str:
    """${TAG:-16} as 16; a digest is not repeated."""
    return VARIABLE.sub(lambda found: (defaults or {}).get(found[1]) or found[2] or f"${found[1]}", text).partition("@sha256")[0]


def program(test: str) -> str:
    """The program of a health check, and the path that it asks for."""
    words, url = (
        re.findall(r"[^\s\[\]\",']+", re.sub(r"\b(?:CMD-SHELL|CMD)\b|--(?:interval|timeout|retries|start-\w+)=\S+", " ", test)),
        re.search(r"https?://[^/\s'\"]+(/[\w./-]*)", test),
    )
    return (words[0].rpartition("/")[2] + (f" {url[1]}" if url else "")) if words else ""


def compose(facts: Facts, path: str, name: str, one: Node) -> None:
    command, check = one.get("command"), one.get("healthcheck")
    test = " ".join(check.get("test").texts())
    facts.add(
        "compose-service", f"{path}:{name}",
        {
            "name": name, "image": resolved(one.at("image")), "build": bool(one.get("build")),
            "ports": [each.text or ":".join(filter(None, map(each.at, ("host_ip", "published", "target")))) for each in one.get("ports").list()],
            "volumes": [":".join((each.text.split(":") if each.text else [each.at("source"), each.at("target")])[:2]) for each in one.get("volumes").list()],
            "health": bool(check) and test != "NONE" and check.at("disable") != "true", "check": program(test),
            "environment": sorted({text.partition("=")[0] for text in one.get("environment").texts()}), "needs": one.get("depends_on").texts(),
            "privileged": one.at("privileged") == "true"
        },
        path, one.line
    )
    if found := re.search(r"\bmax_connections\s*=\s*(\d+)", " ".join(command.texts())):
        facts.add("pool", f"{name}:max_connections", {"service": name, "setting": "max_connections", "size": int(found[1])}, path, command.line)


def dockerfile(facts: Facts, path: str, text: str) -> None:
    stages: dict[str, dict[str, Any]] = {}
    defaults: dict[str, str] = {}
    last: dict[str, Any] = {}
    for found in re.finditer(r"^[ \t]*(ARG|FROM|USER|HEALTHCHECK|EXPOSE)[ \t]+((?:\\\n|[^\n])*)", text, re.M | re.I):
        word_, rest = found[1].upper(), re.sub(r"\\\n", " ", found[2]).strip()
        if word_ == "ARG" and not last:
            defaults[rest.partition("=")[0]] = rest.partition("=")[2].strip("\"'")
        elif word_ == "FROM":
            image, _, alias = re.sub(r"--\S+\s+", "", rest).partition(" ")
            base = stages.get(image.lower()) or {
                "image": resolved(image, defaults), "pinned": "@sha256:" in image, "user": None, "health": False, "check": "", "expose": []
            }
            last = {**base, "expose": list(base["expose"]), "line": text.count("\n", 0, found.start(1)) + 1}
            stages[re.sub(r"(?i)^as\s+", "", alias.strip()).lower() or f"#{len(stages)}"] = last
        elif last and word_ == "USER":
            last["user"] = resolved(rest, defaults)
        elif last and word_ == "HEALTHCHECK":
            last |= {"health": rest.upper() != "NONE", "check": program(rest)}
        elif last:
            last["expose"] += rest.split()
    if last:
        line, user = last.pop("line"), last["user"]
        root = user.partition(":")[0] in ("root", "0") if user else not re.search(r"nonroot|unprivileged|rootless", last["image"])
        facts.add("dockerfile", path, {**last, "stages": len(stages), "root": root}, path, line)


def kubernetes(facts: Facts, path: str, document: Node) -> None:
    kind, name, space, spec = document.at("kind"), document.at("metadata", "name"), document.at("metadata", "namespace"), document.get("spec")
    value, line = {"type": kind, "name": name, "namespace": space}, document.get("kind").line
    if kind in OBJECTS:
        if kind == "HorizontalPodAutoscaler":
            value |= {"min": spec.number("minReplicas"), "max": spec.number("maxReplicas"), "target": spec.at("scaleTargetRef", "name")}
        facts.add("k8s-object", f"{space}:{kind}:{name}", value, path, line)
    elif kind in WORKLOADS:
        pod = spec.get("jobTemplate", "spec", "template", "spec") or spec.get("template", "spec") or (spec if kind == "Pod" else Node())
        facts.add("workload", f"{space}:{kind}:{name}", {**value, "replicas": spec.number("replicas"), "schedule": spec.at("schedule")}, path, line)
        if kind == "CronJob" and spec.at("schedule"):
            facts.add(
                "job", f"cron:{space}:{name}", {"service": name, "type": "cron", "name": f"CronJob {name}", "schedule": spec.at("schedule")}, path,
                spec.get("schedule").line
            )
        for one in pod.get("containers").list():
            own, whole = one.get("securityContext"), pod.get("securityContext")
            limits = {part: {name: amount.text for name, amount in one.get("resources", part).items()} for part in ("limits", "requests")}
            facts.add(
                "container", f"{space}:{name}:{one.at('name')}",
                {
                    "workload": name, "name": one.at("name"), "image": resolved(one.at("image")),
                    **{part: probe(one.get(f"{part}Probe")) for part in ("liveness", "readiness", "startup")}, **limits,
                    "nonroot": {"true": True, "false": False}.get(own.at("runAsNonRoot") or whole.at("runAsNonRoot")),
                    "privileged": own.at("privileged") == "true", "environment": sorted(each.at("name") for each in one.get("env").list())
                },
                path, one.get("name").line
            )


def probe(one: Node) -> str | None:
    return (one.at("httpGet", "path").partition("?")[0] or next((kind for kind in ("exec", "tcpSocket", "grpc") if one.get(kind)), "other")) if one else None


def ci_job(facts: Facts, system: str, path: str, name: str, workflow: str, text: str, on: list[str], needs: list[str], line: int) -> None:
    does = [what for what, words in DOES.items() if words.search(text)]
    facts.add("ci-job", f"{path}:{name}", {"system": system, "workflow": workflow, "name": name, "does": does, "on": on, "needs": needs}, path, line)


def github(tree: Tree, facts: Facts, path: str) -> None:
    for document in documents(tree, facts, path):
        for name, job in document.get("jobs").items():
            steps = [
                part
                for step in job.get("steps").list()
                for part in (step.at("run"), step.at("uses"), " ".join(f"{key}: {one.text}" for key, one in step.get("with").items()))
            ]
            ci_job(
                facts, "GitHub Actions", path, name, document.at("name") or path.rpartition("/")[2], "\n".join([name, job.at("uses"), *steps]),
                document.get("on").texts(), job.get("needs").texts(), job.line
            )


def owners(tree: Tree, facts: Facts) -> None:
    path = next((name for name in (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS") if name in tree), None)
    for line, text in enumerate(tree.read(path).split("\n") if path else (), 1):
        pattern, *names = text.partition(" #")[0].split() or ["#"]
        if names and pattern[0] not in "#[^":
            facts.add("owner", pattern, {"pattern": pattern, "owners": [name for name in names if "@" in name]}, path, line)


def commands(tree: Tree, facts: Facts, services: list[Service]) -> None:
    """How people start things: names of scripts and targets, never their text."""
    seen: set[str] = set()

    def command(run: str, path: str, line: int) -> None:
        if f"{path}:{run}" not in seen:
            seen.add(f"{path}:{run}")
            facts.add("command", f"{path}:{run}", {"run": run, "folder": path.rpartition("/")[0] or "."}, path, line)

    for one in services:
        if one.language == "node" and one.kind != "frontend":
            text, given = tree.read(one.manifest), word(one.data.get("packageManager")).partition("@")[0]
            manager = given or next((name for folder in (one.folder, "") for lock, name in MANAGERS.items() if folder + lock in tree), "npm")
            for name in table(one.data, "scripts"):
                command(f"{manager} run {name}", one.manifest, line_of(text, rf'"{re.escape(name)}"\s*:', max(text.find('"scripts"'), 0)))
    for path in tree.matching(r"(?:^|/)(?:GNUm|M|m)akefile$|(?:^|/)[Jj]ustfile$|(?:^|/)Procfile$"):
        runner = {"makefile": "make", "justfile": "just"}.get(path.rpartition("/")[2].lower().removeprefix("gnu"), "Procfile")
        for found in re.finditer(r"^([A-Za-z0-9][\w./-]*)(?:[ \t]+[^\n:=]*)?[ \t]*:(?![=:])", tree.read(path), re.M):
            command(f"{runner} {found[1]}", path, found.string.count("\n", 0, found.start()) + 1)

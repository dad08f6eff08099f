"""What runs the services and who builds and owns them: compose files, Dockerfiles, Kubernetes, CI, CODEOWNERS, commands. Of variables only names are taken, of commands only programs."""
from __future__ import annotations

import re
from typing import Any, Iterator

from senior_backend import dependencies
from senior_backend.docs.detect.services import Service, table
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree, line_of

WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet", "Rollout"}
OBJECTS = {"Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap", "Secret", "ServiceAccount", "Gateway", "HTTPRoute", "PersistentVolumeClaim", "ServiceMonitor", "PrometheusRule"}
# what a CI job does -> words in it that prove it
DOES = {"tests": r"\b(?:pytest|vitest|jest|mocha|go test|cargo (?:test|nextest)|(?:npm|pnpm|yarn|bun)(?: run)? (?:-\w+ )*test|npm t\b|node --test|tox|nox|make (?:\S+-)?test|manage\.py test|mvn (?:\S+ )*(?:test|verify)|gradlew? (?:\S+ )*(?:test|check)|rspec|phpunit|dotnet test|unittest)",
        "lint": r"\b(?:eslint|biome|ruff|flake8|pylint|mypy|pyright|golangci-lint|go vet|clippy|rustfmt|(?:npm|pnpm|yarn|bun)(?: run)? (?:lint|typecheck|type-check)|make lint|tsc\b|prettier|pre-commit|black --check|hadolint)",
        "build": r"\b(?:docker (?:buildx )?build|docker/build-push-action|(?:npm|pnpm|yarn|bun)(?: run)? build|go build|cargo build|mvn (?:\S+ )*package|gradlew? (?:\S+ )*build|make build|kaniko)",
        "scan": r"\b(?:npm audit|pnpm audit|yarn (?:npm )?audit|pip-audit|safety check|snyk|trivy|grype|codeql|semgrep|bandit|gitleaks|trufflehog|govulncheck|gosec|cargo[ -](?:audit|deny)|dependency-review|osv-scanner|checkov|zap-)",
        "migrate": r"\b(?:prisma migrate deploy|alembic upgrade|manage\.py migrate|knex migrate|typeorm migration:run|sequelize db:migrate|drizzle-kit migrate|flyway migrate|goose .*\bup\b|dbmate (?:up|migrate)|atlas migrate apply|rails db:migrate)",
        "deploy": r"(?i)\b(?:deploy\b|kubectl (?:apply|set|rollout)|helm (?:upgrade|install)|terraform apply|flyctl|fly deploy|serverless|docker push|gcloud (?:run|app) deploy|aws (?:ecs|lambda|deploy)|argocd|railway|vercel|heroku)|push:\s*true"}
OTHER_CI = {".circleci/config.yml": "CircleCI", "azure-pipelines.yml": "Azure Pipelines", "Jenkinsfile": "Jenkins", "bitbucket-pipelines.yml": "Bitbucket", ".drone.yml": "Drone", ".buildkite/pipeline.yml": "Buildkite"}
GITLAB_WORDS = {"stages", "variables", "default", "include", "workflow", "image", "services", "before_script", "after_script", "cache", "pages", "spec"}
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)(?::?-([^}]*))?\}?")


class Node:
    """A place in a YAML text; what is not there is a Node without value."""

    def __init__(self, node: Any = None, line: int = 0):
        self.node, self.line = node, line or (node.start_mark.line + 1 if node is not None else 1)

    def __bool__(self) -> bool:
        return self.node is not None

    def items(self) -> list[tuple[str, Node]]:
        """(key, value with the line of the key); merged mappings last."""
        pairs = self.node.value if self.node is not None and self.node.id == "mapping" else []
        own = [(key.value, Node(value, key.start_mark.line + 1)) for key, value in pairs if key.id == "scalar" and key.value != "<<"]
        merged = [pair for key, value in pairs if key.id == "scalar" and key.value == "<<" and value.id == "mapping" and value is not self.node for pair in Node(value).items()]
        return own + [pair for pair in merged if pair[0] not in dict(own)]

    def get(self, *keys: str) -> Node:
        found = self
        for key in keys:
            found = next((value for name, value in found.items() if name == key), Node())
        return found

    def list(self) -> list[Node]:
        return [Node(one) for one in self.node.value] if self.node is not None and self.node.id == "sequence" else [self] if self.text else []

    @property
    def text(self) -> str:
        return self.node.value if self.node is not None and self.node.id == "scalar" else ""

    def texts(self) -> list[str]:
        """Of a list its strings; of a mapping its keys."""
        return [name for name, _ in self.items()] or [one.text for one in self.list() if one.text]

    def names(self) -> list[str]:
        """Names of variables, in either form of compose."""
        return sorted({text.partition("=")[0] for text in self.texts()})


def documents(tree: Tree, facts: Facts, path: str) -> list[Node]:
    """The documents of a YAML file; what is not YAML (a template) is noted."""
    yaml = dependencies.require("yaml")
    text = tree.read(path)
    try:
        return [Node(one) for one in yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if one is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        facts.missing(f"{path}:{mark.line + 1 if mark else 1} was not understood: {'it is a template' if '{{' in text else 'it is not YAML'}")
        return []


def read(tree: Tree, facts: Facts, services: list[Service]) -> None:
    for path in tree.matching(r"(?:^|/)(?:docker-)?compose[\w.-]*\.ya?ml$", "yaml yml"):
        for document in documents(tree, facts, path):
            compose(facts, path, document)
    for path in tree.matching(r"(?:^|/)(?:[\w.-]+\.)?(?:Docker|Container)file(?:\.[\w.-]+)?$"):
        dockerfile(facts, path, tree.read(path))
    for path in tree.with_suffix("yaml yml"):
        if not path.startswith((".github/", ".gitlab")) and not re.search(r"compose|openapi|swagger", path) and re.search(r"^kind:", text := tree.read(path), re.M) and re.search(r"^apiVersion:", text, re.M):
            for document in documents(tree, facts, path):
                for one in document.get("items").list() if document.get("kind").text == "List" else [document]:
                    kubernetes(facts, path, one)
    continuous_integration(tree, facts)
    owners(tree, facts)
    commands(tree, facts, services)


# --- compose
def compose(facts: Facts, path: str, document: Node) -> None:
    for name, one in document.get("services").items():
        command = " ".join(one.get("command").texts() + one.get("entrypoint").texts())
        check = one.get("healthcheck")
        test = " ".join(check.get("test").texts())
        value = {
            "name": name, "image": resolved(one.get("image").text), "build": bool(one.get("build")), "ports": [published(each) for each in one.get("ports").list()], "volumes": [mounted(each) for each in one.get("volumes").list()],
            "health": bool(check) and test != "NONE" and check.get("disable").text != "true", "check": program(test), "environment": one.get("environment").names(), "needs": one.get("depends_on").texts(),
            "limits": bool(one.get("deploy", "resources", "limits") or one.get("mem_limit")), "restart": one.get("restart").text, "replicas": number(one.get("deploy", "replicas").text), "privileged": one.get("privileged").text == "true",
        }
        facts.add("compose-service", f"{path}:{name}", value, path, one.line)
        if found := re.search(r"\bmax_connections\s*=\s*(\d+)", command):
            facts.add("pool", f"{name}:max_connections", {"service": name, "setting": "max_connections", "size": int(found[1]), "of": "database server"}, path, (one.get("command") or one).line)


def resolved(text: str) -> str:
    """${TAG:-16} as 16; a digest is not repeated."""
    return VARIABLE.sub(lambda found: found[2] if found[2] else f"${found[1]}", text).partition("@sha256")[0]


def published(one: Node) -> str:
    host = ":".join(filter(None, (one.get("host_ip").text, one.get("published").text, one.get("target").text)))
    return one.text or host


def mounted(one: Node) -> str:
    source, _, target = one.text.partition(":")
    return f"{source}:{target.partition(':')[0]}" if target else source or f"{one.get('source').text}:{one.get('target').text}"


def program(test: str) -> str:
    """The program of a health check, and the path that it asks for."""
    words = [word for word in re.split(r"\s+", test) if word and word not in ("CMD", "CMD-SHELL", "[", "exec")]
    url = re.search(r"https?://[^/\s'\"]+(/[\w./-]*)", test)
    return (words[0].rpartition("/")[2].strip("'\"[],") + (f" {url[1]}" if url else "")) if words else ""


def number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


# --- Dockerfile
def dockerfile(facts: Facts, path: str, text: str) -> None:
    stages: list[dict[str, Any]] = []
    defaults: dict[str, str] = {}
    for line, word, rest in instructions(text):
        if word == "ARG" and not stages:
            name, _, default = rest.partition("=")
            defaults[name.strip()] = default.strip().strip("\"'")
        elif word == "FROM":
            image, _, alias = re.sub(r"--\S+\s+", "", rest).strip().partition(" ")
            image = VARIABLE.sub(lambda found: defaults.get(found[1]) or found[2] or found[0], image)
            base = next((one for one in stages if one["alias"] and one["alias"] == image.lower()), None)
            stages.append({"alias": re.sub(r"(?i)^as\s+", "", alias.strip()).lower(), "image": base["image"] if base else image, "user": base["user"] if base else None, "health": bool(base and base["health"]),
                           "check": base["check"] if base else "", "expose": list(base["expose"]) if base else [], "line": line})
        elif stages and word == "USER":
            stages[-1]["user"] = VARIABLE.sub(lambda found: defaults.get(found[1]) or found[2] or found[0], rest.strip())
        elif stages and word == "HEALTHCHECK":
            stages[-1]["health"], stages[-1]["check"] = rest.strip().upper() != "NONE", program(re.sub(r"[\[\]\",]", " ", re.sub(r"^(?:--\S+\s+)*(?:CMD\s*)?", "", rest)))
        elif stages and word == "EXPOSE":
            stages[-1]["expose"] += rest.split()
    if stages:
        last = stages[-1]
        image, user = last["image"].partition("@sha256")[0], last["user"]
        root = user.partition(":")[0] in ("root", "0") if user else not re.search(r"nonroot|unprivileged|rootless", image)
        value = {"image": image, "pinned": "@sha256:" in last["image"], "stages": len(stages), "user": user, "root": root, "health": last["health"], "check": last["check"], "expose": last["expose"]}
        facts.add("dockerfile", path, value, path, last["line"])


def instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, word, rest) with continued lines joined."""
    waiting, begin = "", 0
    for line, one in enumerate(text.split("\n"), 1):
        if one.lstrip().startswith("#") or not one.strip() and not waiting:
            continue
        begin = begin or line
        waiting += one.rstrip("\\") + " " if one.endswith("\\") else one
        if not one.endswith("\\"):
            word, _, rest = waiting.strip().partition(" ")
            yield begin, word.upper(), rest
            waiting, begin = "", 0


# --- Kubernetes
def kubernetes(facts: Facts, path: str, document: Node) -> None:
    kind, name, space = document.get("kind").text, document.get("metadata", "name").text, document.get("metadata", "namespace").text
    spec = document.get("spec")
    if kind in OBJECTS:
        value = {"type": kind, "name": name, "namespace": space}
        if kind == "HorizontalPodAutoscaler":
            value |= {"min": number(spec.get("minReplicas").text), "max": number(spec.get("maxReplicas").text), "target": spec.get("scaleTargetRef", "name").text}
        facts.add("k8s-object", f"{space}:{kind}:{name}", value, path, document.get("kind").line)
    elif kind in WORKLOADS:
        pod = spec.get("jobTemplate", "spec", "template", "spec") or spec.get("template", "spec") or (spec if kind == "Pod" else Node())
        facts.add("workload", f"{space}:{kind}:{name}", {"type": kind, "name": name, "namespace": space, "replicas": number(spec.get("replicas").text), "schedule": spec.get("schedule").text}, path, document.get("kind").line)
        if kind == "CronJob" and spec.get("schedule").text:
            facts.add("job", f"cron:{space}:{name}", {"service": name, "type": "cron", "name": f"CronJob {name}", "schedule": spec.get("schedule").text}, path, spec.get("schedule").line)
        for one in pod.get("containers").list():
            facts.add("container", f"{space}:{name}:{one.get('name').text}", {"workload": name, **container(pod, one)}, path, one.get("name").line)


def container(pod: Node, one: Node) -> dict[str, Any]:
    own, whole = one.get("securityContext"), pod.get("securityContext")
    return {
        "name": one.get("name").text, "image": one.get("image").text.partition("@sha256")[0], "liveness": probe(one.get("livenessProbe")), "readiness": probe(one.get("readinessProbe")), "startup": probe(one.get("startupProbe")),
        "limits": {name: amount.text for name, amount in one.get("resources", "limits").items()}, "requests": {name: amount.text for name, amount in one.get("resources", "requests").items()},
        "nonroot": {"true": True, "false": False}.get((own.get("runAsNonRoot") or whole.get("runAsNonRoot")).text), "readonly": own.get("readOnlyRootFilesystem").text == "true",
        "privileged": own.get("privileged").text == "true", "environment": sorted(each.get("name").text for each in one.get("env").list()),
    }


def probe(one: Node) -> str | None:
    if not one:
        return None
    if path := one.get("httpGet", "path").text:
        return path.partition("?")[0]
    return next((kind for kind in ("exec", "tcpSocket", "grpc", "httpGet") if one.get(kind)), "other")


# --- CI
def does(text: str) -> list[str]:
    return [what for what, words in DOES.items() if re.search(words, text)]


def continuous_integration(tree: Tree, facts: Facts) -> None:
    for path in tree.matching(r"^\.github/workflows/[^/]+\.ya?ml$", "yaml yml"):
        for document in documents(tree, facts, path):
            workflow = document.get("name").text or path.rpartition("/")[2]
            triggers = document.get("on") or document.get("true")
            for name, job in document.get("jobs").items():
                text = "\n".join([name, job.get("uses").text, *(part for step in job.get("steps").list() for part in (step.get("run").text, step.get("uses").text, " ".join(f"{key}: {one.text}" for key, one in step.get("with").items())))])
                facts.add("ci-job", f"{path}:{name}", {"system": "GitHub Actions", "workflow": workflow, "name": name, "does": does(text), "on": triggers.texts(), "needs": job.get("needs").texts()}, path, job.line)
    for path in [name for name in tree.named(".gitlab-ci.yml", ".gitlab-ci.yaml") if "/" not in name]:
        for document in documents(tree, facts, path):
            for name, job in document.items():
                if name not in GITLAB_WORDS and not name.startswith(".") and job.get("script"):
                    text = "\n".join([name, *job.get("script").texts()])
                    facts.add("ci-job", f"{path}:{name}", {"system": "GitLab CI", "workflow": job.get("stage").text or "test", "name": name, "does": does(text), "on": [], "needs": job.get("needs").texts()}, path, job.line)
    for path, system in OTHER_CI.items():
        if path in tree.by_name.get(path.rpartition("/")[2], ()):
            facts.add("ci-job", path, {"system": system, "workflow": "", "name": path, "does": does(tree.read(path)), "on": [], "needs": []}, path, 1)
    for path in tree.matching(r"^(?:\.github/dependabot\.ya?ml|renovate\.json5?|\.github/renovate\.json5?|\.renovaterc(?:\.json)?)$", "yml yaml json json5 renovaterc"):
        facts.add("dependency-updates", path, {"by": "Dependabot" if "dependabot" in path else "Renovate"}, path, 1)


# --- people and commands
def owners(tree: Tree, facts: Facts) -> None:
    path = next((name for name in (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS") if name in tree.by_name.get("CODEOWNERS", ())), None)
    for line, text in enumerate(tree.read(path).split("\n") if path else (), 1):
        words = text.partition(" #")[0].split()
        if len(words) > 1 and not words[0].startswith(("#", "[", "^")):
            facts.add("owner", words[0], {"pattern": words[0], "owners": [word for word in words[1:] if "@" in word]}, path, line)


def commands(tree: Tree, facts: Facts, services: list[Service]) -> None:
    """How people start things: names of scripts and targets, never their text."""
    for service in services:
        scripts = table(service.data, "scripts") if service.language == "node" and service.kind != "frontend" else {}
        text = tree.read(service.manifest) if scripts else ""
        manager = manager_of(tree, service)
        for name in scripts:
            if not re.match(r"(?:pre|post)(?=install|pack|publish|prepare|build|test|start)", name):
                command(facts, f"{manager} run {name}", service.folder, service.manifest, line_of(text, rf'"{re.escape(name)}"\s*:', max(text.find('"scripts"'), 0)))
    for path in tree.matching(r"(?:^|/)(?:GNUm|M|m)akefile$|(?:^|/)[Jj]ustfile$"):
        text, just = tree.read(path), path.lower().endswith("justfile")
        for found in re.finditer(r"^([A-Za-z][\w./-]*)(?:\s+[\w=\"' +*]+)?\s*:(?![=:])" if just else r"^([A-Za-z0-9][\w./-]*)(?:[ \t]+[A-Za-z0-9][\w./ -]*)?[ \t]*:(?![=:])", text, re.M):
            command(facts, f"{'just' if just else 'make'} {found[1]}", path.rpartition("/")[0], path, text.count("\n", 0, found.start()) + 1)
    for path in tree.named("Procfile"):
        for found in re.finditer(r"^([\w-]+):\s*\S", text := tree.read(path), re.M):
            command(facts, f"Procfile {found[1]}", path.rpartition("/")[0], path, text.count("\n", 0, found.start()) + 1)


def command(facts: Facts, run: str, folder: str, path: str, line: int) -> None:
    facts.add("command", f"{path}:{run}", {"run": run, "folder": folder.rstrip("/") or "."}, path, line)


def manager_of(tree: Tree, service: Service) -> str:
    given = service.data.get("packageManager")
    if isinstance(given, str) and re.match(r"(?:npm|pnpm|yarn|bun)@", given):
        return given.partition("@")[0]
    locks = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lockb": "bun", "bun.lock": "bun", "package-lock.json": "npm"}
    return next((name for folder in (service.folder, "") for lock, name in locks.items() if folder + lock in tree.by_name.get(lock, ())), "npm")

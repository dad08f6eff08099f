"""What the system is: services, contract, data, migrations, the decision behind it. Each function gives the text of one managed block."""
from __future__ import annotations

import re

from senior_backend.docs.facts import Fact
from senior_backend.docs.render.view import SHOWN, View, at, bounded, code, identifier, label, places, table, text, where

ENTITIES, FIELDS, ROWS = 60, 24, 200
PERSONAL = re.compile(r"(?i)e_?mail|phone|mobile|(?:first|last|full|sur|given|family|user)_?name|^name$|address|street|postal|zip_?code|birth|dob|gender|ssn|social_sec|passport|national_id|tax_id|iban|card_?(?:number|no|holder)|cvv|ip_?addr|latitude|longitude|geo|salary|diagnos|health|password|secret|token")
STORES = re.compile(r"(?i)(?:^|/)(postgres|postgis|timescale|mysql|mariadb|mongo|redis|valkey|memcached|rabbitmq|kafka|redpanda|nats|elasticsearch|opensearch|clickhouse|minio|cassandra|cockroach|dynamodb|neo4j|mssql|localstack|zookeeper|etcd|keydb|pulsar|activemq)")
CATEGORIES = {"database": "database drivers", "orm": "mapping to tables", "migrations": "migration tools", "cache": "caches", "queue": "queues", "jobs": "schedulers", "http-client": "HTTP clients", "external-api": "clients of other systems", "auth": "authentication", "validation": "input validation", "configuration": "configuration",
              "logging": "logging", "telemetry": "telemetry", "rate-limit": "rate limits", "security-headers": "security headers", "cors": "CORS", "uploads": "uploads", "resilience": "retries and shutdown", "api-document": "API documents", "server": "servers"}


# --- BACKEND_DESIGN.md
def services(view: View) -> list[str]:
    frameworks = {fact["service"]: fact for fact in reversed(view.of("framework"))}
    rows = []
    for one in view.of("service"):
        runtimes = [fact for fact in view.of("runtime") if fact["service"] == one["name"]]
        framework = frameworks.get(one["name"])
        rows.append([code(one["name"]), code(one["folder"]), one["kind"], "; ".join(f"{text(fact['name'])} {code(fact['version'])} ({places([fact])})" for fact in runtimes) or text(one["language"]),
                     f"{text(framework['name'])} {code(framework['locked'] or framework['version'] or 'no version')} ({places([framework])})" if framework else "-", places([one])])
    return table("Service | Folder | Kind | Runtime | Framework | Where", rows, "No manifest of a service was found.")


def diagram(view: View) -> list[str]:
    """Clients, services, stores and other systems, as far as files name them."""
    backends = [fact for fact in view.of("service") if fact["kind"] == "backend"]
    lines = ["```mermaid", "flowchart LR"]
    routes = {fact["service"] for fact in view.of("route")}
    lines += ["  clients([\"Clients\"])"] if routes else []
    lines += [f"  s_{identifier(fact['name'])}[\"{label(fact['name'])}\"]" for fact in backends]
    lines += [f"  clients --> s_{identifier(name)}" for name in sorted(routes) if any(fact["name"] == name for fact in backends)]
    stores = sorted({(fact["name"], fact["image"]) for fact in view.of("compose-service") if STORES.search(fact["image"])})
    lines += [f"  d_{identifier(name)}[(\"{label(name)} {label(image)}\")]" for name, image in stores]
    if len(backends) == 1:
        lines += [f"  s_{identifier(backends[0]['name'])} --> d_{identifier(name)}" for name, _ in stores]
    targets = sorted({(fact["service"], fact["target"]) for fact in view.of("outbound") if fact["target"]})[:30]
    lines += [f"  o_{identifier(target)}{{{{\"{label(target)}\"}}}}" for target in sorted({target for _, target in targets})]
    lines += [f"  s_{identifier(service)} --> o_{identifier(target)}" for service, target in targets]
    return [*lines, "```", ""] if backends or stores else ["No service was found to draw.", ""]


def components(view: View) -> list[str]:
    rows = []
    for category, meaning in CATEGORIES.items():
        for fact in view.libraries(category):
            rows.append([meaning, code(fact["name"]), code(fact["locked"] or fact["version"]) if fact["locked"] or fact["version"] else "-", where(fact["used"]) if fact["used"] else f"imported at {where(fact['imported'])}, never named again" if fact["imported"] else "declared, no import found", declared(fact)])
    shown, more = bounded(rows, ROWS)
    return [*table("For | Package | Version | Used at | Declared at", shown, "No package of the known kinds is declared."), *([more, ""] if more else [])]


def declared(fact: Fact) -> str:
    return at(fact.file, fact.line)


def running(view: View) -> list[str]:
    rows = [[code(fact["name"]), code(fact["image"]) if fact["image"] else "built here", ", ".join(map(code, fact["ports"])) or "-", ", ".join(map(code, fact["volumes"])) or "-", f"yes ({code(fact['check'])})" if fact["health"] and fact["check"] else "yes" if fact["health"] else "no", places([fact])]
            for fact in view.of("compose-service")]
    lines = table("Compose service | Image | Ports | Volumes | Health check | Where", rows)
    rows = [[code(fact["image"]), "yes" if fact["pinned"] else "no", code(fact["user"]) if fact["user"] else "root (no USER)" if fact["root"] else "the image's own", f"yes ({code(fact['check'])})" if fact["health"] and fact["check"] else "yes" if fact["health"] else "no", ", ".join(map(code, fact["expose"])) or "-", places([fact])]
            for fact in view.of("dockerfile")]
    lines += table("Base image | Pinned by digest | User | Health check | Ports | Where", rows)
    replicas = {fact["name"]: fact for fact in view.of("workload")}
    rows = [[code(f"{replicas[fact['workload']]['type']} {fact['workload']}") if fact["workload"] in replicas else code(fact["workload"]), str(replicas[fact["workload"]]["replicas"] or "-") if fact["workload"] in replicas else "-", code(fact["image"]),
             "; ".join(f"{kind} {code(fact[kind])}" for kind in ("liveness", "readiness", "startup") if fact[kind]) or "none", ", ".join(f"{name} {code(amount)}" for name, amount in fact["limits"].items()) or "none",
             {True: "yes", False: "no", None: "not stated"}[fact["nonroot"]], places([fact])] for fact in view.of("container")]
    lines += table("Kubernetes | Replicas | Image | Probes | Limits | Non-root | Where", rows)
    rows = [[code(f"{fact['type']} {fact['name']}"), f"{fact['min']} to {fact['max']} replicas of {code(fact['target'])}" if fact["type"] == "HorizontalPodAutoscaler" else code(fact["namespace"]) if fact["namespace"] else "-", places([fact])] for fact in view.of("k8s-object")]
    lines += table("Kubernetes object | About | Where", rows)
    return lines or [view.unknown("design.runtime", "no Dockerfile, compose file or Kubernetes workload was found: where does it run?", "platform"), ""]


def configuration(view: View) -> list[str]:
    rows = [[code(fact["name"]), "yes" if fact["secret"] else "no", where(fact["documented"]) if fact["documented"] else "**undocumented**", f"{places([fact])}" + (f" and {fact['uses'] - 1} more" if fact["uses"] > 1 else "")] for fact in view.of("env")]
    undocumented = [fact for fact in view.of("env") if not fact["documented"]]
    shown, more = bounded(rows, ROWS)
    return [f"{len(rows)} variables are read, {len(undocumented)} of them are in no `.env.example` and no README. Values are never copied here.", "",
            *table("Variable | Name suggests a secret | Documented at | Read at", shown, "No environment variable is read."), *([more, ""] if more else [])]


def delivery(view: View) -> list[str]:
    rows = [[text(fact["system"]), code(fact["workflow"] or fact["name"]), code(fact["name"]), ", ".join(fact["does"]) or "nothing that is recognised", ", ".join(map(code, fact["on"])) or "-", places([fact])] for fact in view.of("ci-job")]
    return table("System | Workflow | Job | Does | Runs on | Where", rows) or [view.unknown("design.delivery", "no CI job was found: how does a change reach production?", "platform"), ""]


def jobs(view: View) -> list[str]:
    rows = [[fact["type"], code(fact["name"]), code(fact["schedule"]) if fact["schedule"] else "-", code(fact["service"]), places([fact])] for fact in view.of("job")]
    return table("Kind | Name | Schedule | Service | Where", rows, "No scheduled job, queue or worker was found.")


def integrations(view: View) -> list[str]:
    rows = [[code(fact["target"]) if fact["target"] else "put together at run time", code(fact["call"]), {"none": "**no timeout**"}.get(fact["timeout"], text(fact["timeout"])), places([fact])] for fact in view.of("outbound")]
    rows += [["through its client library", code(fact["name"]), "not known", where(fact["used"] or fact["imported"]) if fact["used"] or fact["imported"] else places([fact])] for fact in view.libraries("external-api")]
    return table("Target | Call | Timeout | Where", rows, "No call to another system was found.")


# --- api-contract.md
def documents(view: View) -> list[str]:
    rows = [[code(fact.file), text(fact["title"]), code(fact["version"]), code(fact["spec"]), str(fact["operations"]), ", ".join(map(code, fact["security"])) or "none declared"] for fact in view.of("openapi")]
    return table("Document | Title | Version | OpenAPI | Operations | Security schemes", rows) or [view.unknown("api.document", "there is no OpenAPI document: who writes the contract down?", "api", "python scripts/api_scaffolder.py src --generate-spec --output openapi.yaml"), ""]


def routes(view: View) -> list[str]:
    rows = [[fact["method"], code(fact["path"]), code(fact["service"]), ", ".join(map(code, fact["guards"])) or "none found", places([fact])] for fact in sorted(view.of("route"), key=lambda fact: (fact["path"], fact["method"], fact.file))]
    shown, more = bounded(rows, ROWS)
    lines = [f"{len(rows)} routes were read from code. A guard is a middleware, decorator or dependency whose name speaks of who calls; that it works is for a test to show.", "", *table("Method | Path | Service | Guard | Where", shown), *([more, ""] if more else [])]
    return lines if rows else [view.unknown("api.routes", "no route was read from code", "api") + (f" {text('; '.join(view.facts.unread[:3]))}" if not view.facts.routes_read else ""), ""]


def drift(view: View) -> list[str]:
    meaning = {"not-in-document": "served, in no API document", "not-in-code": "in the API document, not found in code"}
    rows = [[meaning.get(fact["what"], text(fact["what"].replace("-", " "))), fact["method"], code(fact["path"]), places([fact])] for fact in view.of("drift")]
    if not view.of("openapi") or not view.of("route"):
        return [*table("What | Method | Path | Where", rows), f"Code and document cannot be compared: there is {'no API document' if not view.of('openapi') else 'no route that was read'}.", ""]
    return table("What | Method | Path | Where", rows, "Code and API document name the same operations.")


def rules(view: View) -> list[str]:
    versions = sorted({found[0] for fact in view.of("route") if (found := re.findall(r"(?:^|/)(v\d+)(?=/|$)", fact["path"]))})
    rows = [["Version in the path", ", ".join(map(code, versions)) if versions else view.unknown("api.versioning", "no route has a version in its path: how does the API change without breaking callers?", "api")]]
    for identity, title, question in (("api.errors", "Error body", "which one shape do all errors have?"), ("api.pagination", "Pagination", "how are lists cut, and is the order stable?"), ("api.idempotency", "Idempotency", "which writes take an idempotency key?"),
                                      ("api.deprecation", "Deprecation", "how long does an old operation live, and who is told?"), ("api.consumers", "Consumers", "who calls this API?")):
        rows.append([title, view.unknown(identity, question, "api")])
    return table("Rule | State", rows)


# --- data-ownership.md
def tables(view: View) -> list[str]:
    rows = []
    for fact in view.of("table"):
        named = [code(column["name"]) for column in fact["columns"] if PERSONAL.search(column["name"])]
        rows.append([code(fact["name"]), str(len(fact["columns"])), view.owner(fact.file) or view.unknown("data.owner", "who owns the tables that CODEOWNERS gives to nobody?", "data", brief=True), ", ".join(named[:SHOWN]) or "-", text(fact["source"]), places([fact])])
    shown, more = bounded(rows, ROWS)
    lines = table("Table | Columns | Owner | Columns whose names suggest personal or secret data | Read from | Where", shown)
    return [*lines, *([more, ""] if more else [])] if rows else [view.unknown("data.tables", "no table was found: where does the data live?", "data"), ""]


def entities(view: View) -> list[str]:
    found = view.of("table")
    if not found:
        return ["No table was found to draw.", ""]
    names = {fact["name"] for fact in found}
    linked = {name for fact in view.of("relation") for name in (fact["from"], fact["to"])}
    drawn = sorted(found, key=lambda fact: (fact["name"] not in linked, fact["name"]))[:ENTITIES]
    chosen = {fact["name"] for fact in drawn}
    lines = ["```mermaid", "erDiagram"]
    for fact in sorted(drawn, key=lambda fact: fact["name"]):
        lines.append(f"  {identifier(fact['name'])} {{")
        for column in fact["columns"][:FIELDS]:
            kind = re.sub(r"[^A-Za-z0-9_\[\]]+", "_", column["type"], flags=re.A).strip("_") or "unknown"
            lines.append("    " + " ".join(filter(None, [kind if kind[0].isalpha() else "t_" + kind, identifier(column["name"]), column["key"]])))
        lines += ["    text more_columns_left_out" if len(fact["columns"]) > FIELDS else "", "  }"]
    for fact in view.of("relation"):
        if {fact["from"], fact["to"]} <= chosen:
            optional = any(column["null"] for one in drawn if one["name"] == fact["from"] for column in one["columns"] if column["name"] in fact["columns"])
            lines.append(f"  {identifier(fact['to'])} {'|o' if optional else '||'}--o{{ {identifier(fact['from'])} : \"{label(', '.join(fact['columns']))}\"")
    left = [f"{len(names) - len(chosen)} further tables are not drawn; they stand in `facts.json`.", ""] if len(names) > len(chosen) else []
    return [*filter(None, lines), "```", "", *left]


def stewardship(view: View) -> list[str]:
    asks = (("data.retention", "Retention", "how long is each kind of data kept, and what deletes it?", "data"), ("data.erasure", "Erasure and export", "how is a person's data found, exported and erased?", "data"),
            ("data.backup", "Backup", "what is backed up, how often, and when was a restore last timed?", "operations"), ("data.access", "Access", "who may read production data, and who sees that they did?", "security"), ("data.classification", "Classification", "which data tier is it: public, internal, pii, phi, pci?", "security"))
    tier = (view.decision.get("inputs") or {}).get("data_sensitivity") or {}
    rows = [[title, f"{code(tier['value'])} ({view.source('decision')})" if identity == "data.classification" and tier.get("value") else view.unknown(identity, question, role)] for identity, title, question, role in asks]
    return table("Rule | State", rows)


# --- migration-plan.md
def state(view: View) -> list[str]:
    rows = [[text(fact["tool"]), code(fact["folder"]), str(fact["count"]), str(fact["irreversible"]), code(fact["latest"]), text(fact["note"]) or "-"] for fact in view.of("migrations")]
    return table("Tool | Folder | Migrations | Without a way back | Latest | Note", rows) or [view.unknown("migration.tool", "no migrations were found: how does the schema change?", "database"), ""]


def hazards(view: View) -> list[str]:
    found = view.of("migration-hazard")
    counts = {kind: sum(fact["hazard"] == kind for fact in found) for kind in sorted({fact["hazard"] for fact in found})}
    rows = [[fact["hazard"], code(fact["object"]), text(fact["message"]), places([fact])] for fact in sorted(found, key=lambda fact: (fact.file, fact.line, fact.id), reverse=True)]
    shown, more = bounded(rows, 60)
    lines = ["Read from the files of migrations, latest first; whether a table is large enough to matter only its database knows.", "", ", ".join(f"{count} {kind}" for kind, count in counts.items()) + ".", ""] if found else []
    return [*lines, *table("Hazard | Object | What happens | Where", shown, "No migration loses data, blocks others or lacks a way back, as far as it was read."), *([more, ""] if more else [])]


def results(view: View) -> list[str]:
    lines: list[str] = []
    for one in view.inputs.get("migration", ()):
        data = one["data"]
        proof = {True: ", proven forward and back", False: ", not proven"}.get(data["verified"], "")
        lines += [f"From {code(one['file'])} ({'dated ' + text(one['date']) if one['date'] else 'the file gives no date'}): {data['mode']} of {code(data['source'])}{proof}.", ""]
        lines += [f"- {text(change)}" for change in data["changes"][:40]] + ([""] if data["changes"] else [])
        lines += table("Hazard | Object | What happens | Evidence", [[text(each["kind"]), code(each["object"]), text(each["message"]), text(each["evidence"])] for each in data["hazards"][:60]])
        lines += table("Finding | Table | What | What to do", [[text(each["severity"]), code(each["table"]), text(each["message"]), text(each["suggestion"])] for each in data["findings"][:60]], "" if data["hazards"] or data["changes"] else "It found nothing.")
    return lines or [view.unknown("migration.analysis", "no result of the migration tool was given", "database", "python scripts/database_migration_tool.py --connection $DATABASE_URL --analyze --json > analysis.json"), ""]


# --- decisions/0001-backend-architecture.md
def record(view: View) -> list[str]:
    if view.decision:
        from senior_backend.decide.documents import adr

        head, _, body = adr(view.decision).removeprefix("---\n").partition("\n---\n")
        return [*(f"- {line}" for line in head.split("\n")), f"- source: {view.source('decision')}", "", *body.removeprefix("\n").split("\n")]
    frameworks = view.of("framework")
    lines = ["- status: proposed", f"- date: {view.unknown('decision.date', 'when was this decided?', 'architecture')}", f"- decision-makers: {view.unknown('decision.makers', 'who decides?', 'architecture')}", "", "# Backend architecture as it is built", "", "## Context and Problem Statement", "",
             "The code shows the architecture below; the reasons for it are in no file that was given.", "", view.unknown("decision.inputs", "traffic, tenancy, data sensitivity, recovery targets and SLO are not stated", "architecture", "python scripts/backend_decision_engine.py --answers answers.json --output json > decision.json"), "", "## Decision Outcome", ""]
    lines += [f"- {text(fact['name'])} {code(fact['locked'] or fact['version']) if fact['locked'] or fact['version'] else ''} for {code(fact['service'])} ({places([fact])})" for fact in frameworks]
    lines += [f"- {CATEGORIES[fact['category']]}: {code(fact['name'])} ({where(fact['used']) if fact['used'] else places([fact])})" for fact in view.libraries("database", "orm", "queue", "cache", used=True)]
    return [*lines, "", "### Consequences", "", view.unknown("decision.consequences", "what became easier, what harder?", "architecture"), "", "### Confirmation", "", view.unknown("decision.confirmation", "which measurement shows that it holds?", "architecture", "python scripts/api_load_tester.py URL --output load.json"), ""]


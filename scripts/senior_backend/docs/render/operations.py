"""How it runs: objectives, capacity, readiness, runbook, post-mortems, and the index of all documents. Each function gives the text of one managed block."""
from __future__ import annotations

import math
from typing import Any, Callable

from senior_backend.decide.arithmetic import CONNECTIONS, RESERVED, UTILISATION
from senior_backend.docs.facts import Fact
from senior_backend.docs.render.view import ROLES, View, bounded, code, places, table, text, where

DECIDE = "python scripts/backend_decision_engine.py --answers answers.json --output json > decision.json"
LOAD = "python scripts/api_load_tester.py URL --rate R --output load.json"
TARGETS = {"p50_ms": "p50 latency", "p95_ms": "p95 latency", "p99_ms": "p99 latency", "uptime": "availability", "rpo_minutes": "RPO", "rto_minutes": "RTO"}
MEASURED = {"p50_ms": "latency_p50", "p95_ms": "latency_p95", "p99_ms": "latency_p99"}
UNITS = {"uptime": "%", "rpo_minutes": "minutes", "rto_minutes": "minutes"}
# tool of migrations -> (apply, take back)
MIGRATE = {"prisma": ("npx prisma migrate deploy", ""), "drizzle": ("npx drizzle-kit migrate", ""), "knex": ("npx knex migrate:latest", "npx knex migrate:rollback"), "typeorm": ("npx typeorm migration:run -d DATASOURCE", "npx typeorm migration:revert -d DATASOURCE"),
           "sequelize": ("npx sequelize-cli db:migrate", "npx sequelize-cli db:migrate:undo"), "node-pg-migrate": ("npx node-pg-migrate up", "npx node-pg-migrate down"), "alembic": ("alembic upgrade head", "alembic downgrade -1"), "django": ("python manage.py migrate", "python manage.py migrate APP NUMBER"),
           "flyway": ("flyway migrate", "flyway undo"), "golang-migrate": ("migrate -path FOLDER -database $DATABASE_URL up", "migrate -path FOLDER -database $DATABASE_URL down 1"), "goose": ("goose -dir FOLDER up", "goose -dir FOLDER down"), "dbmate": ("dbmate up", "dbmate down"),
           "sql-migrate": ("sql-migrate up", "sql-migrate down"), "rails": ("bin/rails db:migrate", "bin/rails db:rollback"), "diesel": ("diesel migration run", "diesel migration revert"),
           "sql": ("python scripts/database_migration_tool.py --connection $DATABASE_URL --migrate FILE", "python scripts/database_migration_tool.py --connection $DATABASE_URL --rollback FILE")}


def figure(value: float) -> str:
    """Six digits at most.

    >>> figure(12.0), figure(0.123456789), figure(1148.5)
    ('12', '0.123457', '1148.5')
    """
    return f"{float(f'{value:.6g}'):g}" if abs(value) < 1e6 else f"{value:,.0f}"


# --- slo.md
def target(view: View, name: str) -> float | None:
    value = ((view.decision.get("targets") or {}).get(name) or {}).get("value")
    return value if isinstance(value, (int, float)) else None


def targets(view: View) -> list[str]:
    rows = []
    for name, title in TARGETS.items():
        value = target(view, name)
        origin = text(view.decision["targets"][name]["source"]) if value is not None else ""
        unknown = "" if value is not None else view.unknown(f"slo.{name}", f"which {title} do users need?", "slo", DECIDE, brief=True)
        measured = "not measured"
        if name in MEASURED and view.runs:
            worst = max(run[MEASURED[name]] for run in view.runs)
            measured = f"{figure(worst)} ms" + (f": {'holds' if worst <= value else '**missed**'}" if value is not None else "")
        elif name == "uptime" and view.runs:
            failed = max(100 * run["failed_requests"] / run["total_requests"] for run in view.runs if run["total_requests"])
            measured = f"{figure(100 - failed)} % of requests in the load test" + (f": {'holds' if failed <= 100 - value else '**missed**'}" if value is not None else "")
        rows.append([title, f"{figure(value)} {UNITS.get(name, 'ms')}" if value is not None else unknown, origin or "-", measured])
    lines = [f"Targets from {view.source('decision')}." if view.decision else "No decision was given: there are no targets.", f"Measured in {view.source('load')}, the worst of its URLs." if view.runs else f"No load test was given: {code(LOAD)}.", ""]
    return [*lines, *table("Objective | Target | Source | Measured", rows)]


def budget(view: View) -> list[str]:
    rows = [[text(row["name"]), code(row["numbers"]), f"{text(row['result'])} {text(row['unit'])}".strip(), text(row["source"])] for row in view.decision.get("arithmetic", ()) if row["name"].startswith(("error budget", "burn rate", "RTO"))]
    owner = ((view.decision.get("inputs") or {}).get("error_budget_owner") or {}).get("value")
    spends = f"Who spends it: {code(owner)} ({view.source('decision')})." if owner else view.unknown("slo.budget-owner", "who decides what the error budget is spent on?", "slo", DECIDE)
    return [*table("Figure | Numbers | Result | Source", rows, "The budget follows from the availability target and its window: it is not known yet."), spends, ""]


def indicators(view: View) -> list[str]:
    used = view.libraries("telemetry", used=True)
    rows = [["Telemetry", ", ".join(f"{code(fact['name'])} ({where(fact['used'])})" for fact in used) or view.unknown("slo.telemetry", "no telemetry library is used in code: where do the indicators come from?", "operations")],
            ["Health endpoints", ", ".join(f"{code(fact['path'])} ({places([fact])})" for fact in view.of("health-endpoint")) or view.unknown("slo.health", "no health endpoint was found", "operations")],
            ["Alerts", ", ".join(f"{code(fact['name'])} ({places([fact])})" for fact in view.of("k8s-object") if fact["type"] == "PrometheusRule") or view.unknown("slo.alerts", "which alert fires when the budget burns, and whom does it wake?", "operations")],
            ["Measured at", view.unknown("slo.point", "where is a request counted: at the load balancer, or in the service?", "operations")]]
    return table("Indicator | State", rows)


# --- capacity.md
def demand(view: View) -> list[str]:
    rows = [[code(f"{run['method']} {run['url']}"), figure(run["requests_per_second"]), figure(run["latency_avg"]), figure(run["latency_p99"]), str(run["concurrency"]), f"{run['failed_requests']:,} of {run['total_requests']:,}"] for run in view.runs]
    qps = answer(view, "qps_p99")
    lines = [f"Expected peak: {figure(qps)} requests per second ({view.source('decision')})." if qps else view.unknown("capacity.peak", "how many requests per second at the peak, a year from now?", "product", DECIDE), ""]
    lines += [f"Measured in {view.source('load')}:", "", *table("Target | Requests/s | Mean ms | p99 ms | Connections | Failed", rows)] if rows else [view.unknown("capacity.measured", "what does one instance carry?", "capacity", LOAD), ""]
    limit = next((one["data"]["rate_limit"] for one in view.inputs.get("load", ()) if isinstance(one["data"].get("rate_limit"), dict)), None)
    if limit:
        lines += [f"Rate limit found by measurement: {text(limit.get('rate_per_s'))} requests/s, burst {text(limit.get('burst'))}." if limit.get("found") else "The load test found no rate limit.", ""]
    return lines


def answer(view: View, name: str) -> float | None:
    value = ((view.decision.get("inputs") or {}).get(name) or {}).get("value")
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def arithmetic(view: View) -> list[str]:
    """Little's law and instances, from the decision and the load test; what lacks a number says so."""
    rows, qps = [], answer(view, "qps_p99")
    for run in view.runs:
        busy = run["requests_per_second"] * run["latency_avg"] / 1000
        rows.append([f"requests in flight, {code(run['url'])}", "L = throughput x mean latency (Little's law)", code(f"{figure(run['requests_per_second'])}/s x {figure(run['latency_avg'])} ms"), f"{figure(busy)} of {run['concurrency']} connections"])
    slowest = min((run["requests_per_second"] for run in view.runs), default=None)
    latency = max((run["latency_avg"] for run in view.runs), default=None)
    wait, what = (latency, "measured mean") if latency is not None else (target(view, "p99_ms"), "p99 target, an upper bound")
    if qps and wait:
        rows.append(["requests in flight at the peak", f"L = peak x latency ({what})", code(f"{figure(qps)}/s x {figure(wait)} ms"), figure(qps * wait / 1000)])
    if qps and slowest:
        need = math.ceil(qps / (UTILISATION * slowest))
        rows.append(["instances at the peak", "peak / (60 % of what one carried), plus one that may fail", code(f"{figure(qps)} / ({UTILISATION:g} x {figure(slowest)}) + 1"), f"{need + 1}"])
    replicas = [fact for fact in view.of("workload") if fact["replicas"]]
    lines = table("Figure | Formula | Numbers | Result", rows)
    if replicas:
        lines += ["Configured: " + ", ".join(f"{code(fact['name'])} {fact['replicas']} replicas ({places([fact])})" for fact in replicas) + ".", ""]
    return lines or [view.unknown("capacity.arithmetic", "needs the peak of a decision and the throughput of a load test", "capacity", f"{DECIDE} and {LOAD}"), ""]


def pools(view: View) -> list[str]:
    found = view.of("pool")
    rows = [[code(fact["service"]), code(fact["setting"]), str(fact["size"]), code(fact["of"]), places([fact])] for fact in found]
    lines = table("Service | Setting | Size | Of | Where", rows)
    server = next((fact for fact in found if fact["setting"] == "max_connections" and fact["of"] == "database server"), None)
    sizes = {fact["setting"]: fact for fact in found if fact["setting"] in ("pool_size", "max_overflow", "max", "connectionLimit", "poolSize", "SetMaxOpenConns", "MaxConns", "MaxOpenConns", "maxconn", "max_size")}
    if not sizes:
        return [*lines, view.unknown("capacity.pool", "no size of a connection pool was found in code: how many connections does one process open?", "capacity"), ""]
    per = sum(fact["size"] for fact in sizes.values())
    scaled = {fact["target"]: fact["max"] for fact in view.of("k8s-object") if fact["type"] == "HorizontalPodAutoscaler" and fact["max"]}
    copies = sum(max(fact["replicas"] or 1, scaled.get(fact["name"], 0)) for fact in view.of("workload") if fact["type"] in ("Deployment", "StatefulSet")) or None
    most = (server["size"] if server else CONNECTIONS) - RESERVED
    limit = f"{most} ({code('max_connections = %d' % server['size'])} at {places([server])}, less {RESERVED} reserved)" if server else f"{most} (PostgreSQL's default of {CONNECTIONS}, less {RESERVED} reserved)"
    if copies is None:
        return [*lines, f"One process opens at most {per} connections ({' + '.join(str(fact['size']) for fact in sizes.values())}). {view.unknown('capacity.processes', 'how many processes run at once?', 'platform')}", f"The database takes {limit}: {most // per if per else 0} processes.", ""]
    fits = "fits" if per * copies <= most else "**does not fit**: fewer or smaller pools, or a pooler before the database"
    return [*lines, f"At most {code(f'{per} x {copies} = {per * copies}')} connections if every replica (the autoscaler's most) opens its whole pool in one process each. The database takes {limit}: {fits}.", ""]


# --- production-readiness.md
Check = tuple[str, str, str, Callable[[View], list[Fact] | None], str]


def all_of(kind: str, holds: Callable[[Fact], Any]) -> Callable[[View], list[Fact] | None]:
    """The facts of a kind when all hold; None when there is none or one does not."""
    def check(view: View) -> list[Fact] | None:
        found = view.of(kind)
        return found if found and all(map(holds, found)) else None
    return check


def some(kind: str, holds: Callable[[Fact], Any] = lambda fact: True) -> Callable[[View], list[Fact] | None]:
    return lambda view: [fact for fact in view.of(kind) if holds(fact)] or None


def used(*categories: str) -> Callable[[View], list[Fact] | None]:
    return lambda view: view.libraries(*categories, used=True) or None


def ci(what: str) -> Callable[[View], list[Fact] | None]:
    return some("ci-job", lambda fact: what in fact["does"])


def never(view: View) -> None:
    return None


def contract_holds(view: View) -> list[Fact] | None:
    return view.of("openapi") if view.of("openapi") and view.of("route") and view.facts.routes_read and not view.of("drift") else None


def reversible(view: View) -> list[Fact] | None:
    found = view.of("migrations")
    return found if found and not any(fact["irreversible"] for fact in found) else None


CHECKS: dict[str, tuple[Check, ...]] = {
    "Health and shutdown": (
        ("ready.health", "A health endpoint is served", "operations", some("health-endpoint"), ""), ("ready.probes", "Every container that serves has liveness and readiness probes", "platform", all_of("container", lambda fact: fact["liveness"] and fact["readiness"]), ""),
        ("ready.shutdown", "SIGTERM is handled", "operations", some("shutdown", lambda fact: fact["signal"] == "SIGTERM"), ""), ("ready.limits", "Every container has a memory limit", "platform", all_of("container", lambda fact: "memory" in fact["limits"]), ""),
        ("ready.replicas", "Every deployment has at least two replicas", "platform", lambda view: [fact for fact in view.of("workload") if fact["type"] == "Deployment"] if (found := [fact for fact in view.of("workload") if fact["type"] == "Deployment"]) and all((fact["replicas"] or 1) > 1 for fact in found) else None, "")),
    "Observability": (("ready.logs", "A logging library is used", "operations", used("logging"), ""), ("ready.telemetry", "Metrics or traces are sent", "operations", used("telemetry"), ""), ("ready.alerts", "Alerts were fired in a test, and reached a person", "operations", never, "")),
    "Resilience": (("ready.timeouts", "Every outgoing call has a timeout", "architecture", all_of("outbound", lambda fact: fact["timeout"] not in ("none", "not known")), ""), ("ready.load", "A load test was run", "capacity", never, LOAD), ("ready.restore", "A restore was timed against the RTO", "operations", never, "")),
    "Security": (
        ("ready.guards", "Every route but health and metrics has a guard", "security", lambda view: [fact for fact in view.of("route") if fact["guards"]] if view.of("route") and view.facts.routes_read and not unguarded(view) else None, ""), ("ready.ratelimit", "Requests are limited", "security", used("rate-limit"), ""),
        ("ready.headers", "Security headers are set", "security", used("security-headers"), ""), ("ready.validation", "Input is validated by a library", "security", used("validation"), ""), ("ready.nonroot", "Images do not run as root", "platform", all_of("dockerfile", lambda fact: not fact["root"]), ""),
        ("ready.scans", "CI scans dependencies or code", "security", ci("scan"), ""), ("ready.secrets", "No secret has a literal default in code", "security", lambda view: [fact for fact in view.of("env") if fact["secret"]] if any(fact["secret"] for fact in view.of("env")) and not view.of("secret-default") else None, ""),
        ("ready.pentest", "The threat model was reviewed by a person", "security", never, "")),
    "Delivery": (
        ("ready.tests", "CI runs tests", "architecture", ci("tests"), ""), ("ready.lint", "CI lints or checks types", "architecture", ci("lint"), ""), ("ready.lock", "Versions are locked", "architecture", some("framework", lambda fact: fact["locked"]), ""), ("ready.updates", "Dependencies are updated by a bot", "architecture", some("dependency-updates"), ""),
        ("ready.owners", "CODEOWNERS names who reviews", "architecture", some("owner"), ""), ("ready.contract", "API document and code name the same operations", "api", contract_holds, ""), ("ready.reversible", "Every migration has a way back", "database", reversible, ""),
        ("ready.env", "Every environment variable is documented", "operations", all_of("env", lambda fact: fact["documented"]), ""), ("ready.rollback", "A rollback was practised", "operations", never, "")),
}


def checklist(view: View) -> list[str]:
    lines = ["A box is ticked only where files of the project prove it.", ""]
    for title, checks in CHECKS.items():
        lines += [f"### {title}", ""]
        for identity, claim, role, check, how in checks:
            found, bad = check(view), against(view, identity)
            if identity == "ready.load" and view.runs:
                lines.append(f"- [x] {claim} ({view.source('load')})")
            elif found and not bad:
                lines.append(f"- [x] {claim} ({places(found, 3)})")
            elif bad:
                lines.append(f"- [ ] {claim}. Not so: {places(bad, 5)}. Who mends it: {view.owner(bad[0].file) or ROLES[role]}.")
            else:
                lines.append(f"- [ ] {view.unknown(identity, f'{claim}: is it so?', role, how)}")
        lines.append("")
    return lines


def unguarded(view: View) -> list[Fact]:
    """Routes without a guard, but for those that tell of health and metrics."""
    health = {(fact["method"], fact["path"]) for fact in view.of("health-endpoint")}
    return [fact for fact in view.of("route") if not fact["guards"] and (fact["method"], fact["path"]) not in health and not fact["path"].rstrip("/").endswith(("/metrics", "/docs", "/openapi.json"))]


def against(view: View, identity: str) -> list[Fact]:
    """What speaks against a claim."""
    return {"ready.probes": [fact for fact in view.of("container") if not (fact["liveness"] and fact["readiness"])], "ready.limits": [fact for fact in view.of("container") if "memory" not in fact["limits"]], "ready.timeouts": [fact for fact in view.of("outbound") if fact["timeout"] in ("none", "not known")],
             "ready.guards": unguarded(view), "ready.nonroot": [fact for fact in view.of("dockerfile") if fact["root"]], "ready.secrets": view.of("secret-default"), "ready.contract": view.of("drift"), "ready.reversible": [fact for fact in view.of("migration-hazard") if fact["hazard"] == "irreversible"],
             "ready.env": [fact for fact in view.of("env") if not fact["documented"]]}.get(identity, [])


# --- runbook.md
def commands(view: View) -> list[str]:
    rows = [[code(fact["run"]), code(fact["folder"]), places([fact])] for fact in view.of("command")]
    for path in dict.fromkeys(fact.file for fact in view.of("compose-service")):
        names = [fact for fact in view.of("compose-service") if fact.file == path]
        rows += [[code(f"docker compose -f {path} up -d"), code("."), places(names[:1])], [code(f"docker compose -f {path} logs -f {names[0]['name']}"), code("."), places(names[:1])]]
    for fact in view.of("workload"):
        if fact["type"] in ("Deployment", "StatefulSet", "DaemonSet"):
            named = f"{fact['type'].lower()}/{fact['name']}" + (f" -n {fact['namespace']}" if fact["namespace"] else "")
            rows += [[code(f"kubectl rollout status {named}"), "-", places([fact])], [code(f"kubectl logs {named} --tail=200"), "-", places([fact])]]
    shown, more = bounded(rows, 120)
    return [*table("Command | Folder | Proven by", shown), *([more, ""] if more else [])] if rows else [view.unknown("runbook.commands", "no script, Makefile, compose file or workload was found: how is it started?", "operations"), ""]


def rollback(view: View) -> list[str]:
    rows = [[f"Take back a release of {code(fact['name'])}", code(f"kubectl rollout undo {fact['type'].lower()}/{fact['name']}" + (f" -n {fact['namespace']}" if fact["namespace"] else "")), places([fact])] for fact in view.of("workload") if fact["type"] in ("Deployment", "StatefulSet", "DaemonSet")]
    for fact in view.of("migrations"):
        apply, back = MIGRATE[fact["tool"]]
        folder = fact["folder"]
        rows.append(["Apply migrations", code(apply.replace("FOLDER", folder)), places([fact])])
        rows.append(["Take back the latest migration", code(back.replace("FOLDER", folder)) if back else f"{text(fact['tool'])} has no way back: write a further migration", places([fact])])
    return table("What | Command | Proven by", rows) or [view.unknown("runbook.rollback", "how is a release taken back?", "operations"), ""]


def symptoms(view: View) -> list[str]:
    rows = [[f"{code(fact['path'])} does not answer", "the service is down or not ready: see its logs, then what it depends on", places([fact])] for fact in view.of("health-endpoint")]
    for fact in view.of("outbound"):
        if fact["timeout"] == "none":
            rows.append([f"{code(fact['target'] or 'another system')} is slow", f"{code(fact['call'])} waits without end: requests pile up behind it", places([fact])])
    rows += [[f"{code(fact['name'])} does not answer", "every request that needs it fails", places([fact])] for fact in view.of("compose-service") if fact["image"]]
    rows += [[f"job {code(fact['name'])} did not run", f"schedule {code(fact['schedule'])}" if fact["schedule"] else "a worker: look at its queue's length", places([fact])] for fact in view.of("job")]
    shown, more = bounded(rows, 60)
    return [*table("Symptom | What it means | Proven by", shown, "Nothing that can fail by itself was found in files."), *([more, ""] if more else [])]


def contacts(view: View) -> list[str]:
    rows = [[code(fact["pattern"]), " ".join(map(code, fact["owners"])) or "nobody", places([fact])] for fact in view.of("owner")]
    lines = table("Files | Owners | Where", rows)
    asks = (("runbook.on-call", "who is on call, and how are they reached?"), ("runbook.escalation", "who is called when on-call cannot mend it?"), ("runbook.dashboards", "where are the dashboards?"))
    return [*lines, *(f"- {view.unknown(identity, question, 'operations')}" for identity, question in asks), ""]


# --- postmortems/TEMPLATE.md
def context(view: View) -> list[str]:
    rows = [["Services", ", ".join(code(fact["name"]) for fact in view.of("service") if fact["kind"] == "backend") or "UNKNOWN"], ["Objectives", ", ".join(f"{TARGETS[name]} {figure(value)} {UNITS.get(name, 'ms')}" for name in TARGETS if (value := target(view, name)) is not None) or "see slo.md"],
            ["Logs", ", ".join(code(fact["name"]) for fact in view.libraries("logging", used=True)) or "see runbook.md"], ["Telemetry", ", ".join(code(fact["name"]) for fact in view.libraries("telemetry", used=True)) or "see runbook.md"]]
    return table("Known | Value", rows)


# --- README.md
def index(view: View, titles: dict[str, str]) -> list[str]:
    rows = []
    for name, title in titles.items():
        open_ = sum(unknown.document == name for unknown in view.unknowns.values())
        answered = sum(document == name for document in view.answered.values())
        rows.append([f"[{text(name)}]({name})", title, str(open_), str(answered)])
    given = [f"{kind}: {view.source(kind)}" for kind in ("decision", "load", "migration") if view.inputs.get(kind)]
    return [f"{len(view.facts)} facts were read from the project, each with file and line; all stand in [facts.json](facts.json).", "Results of other tools: " + ("; ".join(given) if given else "none were given") + ".", "", *table("Document | About | Unknown | Answered by people", rows)]


def unknown(view: View) -> list[str]:
    rows = [[code(one.id), f"[{text(one.document)}]({one.document})", one.question, one.who, code(one.how) if one.how else "-"] for one in sorted(view.unknowns.values(), key=lambda one: (one.document, one.id))]
    return ["Answer a question by a line such as " + code("slo.alerts: the burn alert of the payments board, wakes on-call") + " in its document, outside of the managed blocks; the next run counts it as answered.", "", *table("Question | Document | What | Who answers | How to find out", rows, "Nothing is open.")]


def unread(view: View) -> list[str]:
    shown, more = bounded([f"- {text(one)}" for one in view.facts.unread], 60)
    return [*(shown or ["All files that were looked at were understood."]), *([f"{len(view.facts.unread) - 60} more."] if more else []), ""]

"""The parts of documents that no table of facts gives: pictures, objectives, arithmetic, threats, the index."""
from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from senior_backend.decide.arithmetic import CONNECTIONS, RESERVED, UTILISATION
from senior_backend.docs.view import LINE, View, code, identifier, label, places, table, text

DECIDE = "python scripts/backend_decision_engine.py --answers answers.json --output json > decision.json"
LOAD = "python scripts/api_load_tester.py URL --rate R --output load.json"
# name -> (title, unit, what a load test calls it)
TARGETS = {
    "p50_ms": ("p50 latency", "ms", "latency_p50"),
    "p95_ms": ("p95 latency", "ms", "latency_p95"),
    "p99_ms": ("p99 latency", "ms", "latency_p99"),
    "uptime": ("availability", "%", ""),
    "rpo_minutes": ("RPO", "minutes", ""),
    "rto_minutes": ("RTO", "minutes", ""),
}
# https://owasp.org/API-Security/editions/2023/en/0x11-t10/
OWASP = {
    "API1": "Broken object level authorization", "API2": "Broken authentication", "API3": "Broken object property level authorization",
    "API4": "Unrestricted resource consumption", "API5": "Broken function level authorization", "API6": "Unrestricted access to sensitive business flows",
    "API7": "Server side request forgery", "API8": "Security misconfiguration", "API9": "Improper inventory management", "API10": "Unsafe consumption of APIs"
}
ENTITIES, FIELDS = 60, 24


def mermaid(kind: str, lines: list[str]) -> list[str]:
    return ["```mermaid", kind, *(f"  {line}" for line in dict.fromkeys(lines)), "```", ""]


def picture(view: View) -> list[str]:
    """Clients, services, stores and other systems, as far as files name them."""
    names = [fact["name"] for fact in view.select("service kind=backend")]
    stores = view.select("compose-service store")
    lines = [f's_{identifier(name)}["{label(name)}"]' for name in names]
    lines += [f'clients(["Clients"]) --> s_{identifier(fact["service"])}' for fact in view.select("route") if fact["service"] in names]
    lines += [f'd_{identifier(fact["name"])}[("{label(fact["name"])} {label(fact["image"])}")]' for fact in stores]
    lines += [f"s_{identifier(names[0])} --> d_{identifier(fact['name'])}" for fact in stores if len(names) == 1]
    lines += [
        f's_{identifier(fact["service"])} --> o_{identifier(fact["target"])}{{{{"{label(fact["target"])}"}}}}' for fact in view.select("outbound target")[:40]
    ]
    return mermaid("flowchart LR", lines) if lines else ["No service was found to draw.", ""]


def entities(view: View) -> list[str]:
    found, relations = view.select("table"), view.select("relation")
    linked = {name for fact in relations for name in (fact["from"], fact["to"])}
    drawn = {fact["name"]: fact for fact in sorted(found, key=lambda fact: (fact["name"] not in linked, fact["name"]))[:ENTITIES]}
    lines = []
    for name, fact in sorted(drawn.items()):
        fields = []
        for column in fact["columns"][:FIELDS]:
            kind = re.sub(r"[^A-Za-z0-9_]+", "_", column["type"]).strip("_") or "unknown"
            fields.append("    " + " ".join(filter(None, [kind if kind[0].isalpha() else f"t_{kind}", identifier(column["name"]), column["key"]])))
        lines.append(
            "\n".join([f"{identifier(name)} {{", *dict.fromkeys(fields), *(["    text more_columns_left_out"] if len(fact["columns"]) > FIELDS else []), "  }"])
        )
    for fact in relations:
        if fact["from"] in drawn and fact["to"] in drawn:
            optional = any(column["null"] for column in drawn[fact["from"]]["columns"] if column["name"] in fact["columns"])
            lines.append(f'{identifier(fact["to"])} {"|o" if optional else "||"}--o{{ {identifier(fact["from"])} : "{label(", ".join(fact["columns"]))}"')
    left = [f"{len(found) - len(drawn)} further tables are not drawn; they stand in `facts.json`.", ""] if len(found) > len(drawn) else []
    return [*mermaid("erDiagram", lines), *left] if found else ["No table was found to draw.", ""]


def figure(value: float) -> str:
    """Six digits at most.

    >>> figure(12.0), figure(0.123456789), figure(1148.5)
    ('12', '0.123457', '1148.5')
    """
    return f"{float(f'{value:.6g}'):g}" if abs(value) < 1e6 else f"{value:,.0f}"


def stated(view: View, part: str, name: str) -> Any:
    """A target or an answer of the decision."""
    return ((view.decision.get(part) or {}).get(name) or {}).get("value")


def classification(view: View) -> list[str]:
    tier = stated(view, "inputs", "data_sensitivity")
    return [
        f"- Data tier: {code(tier)} ({view.source('decision')})."
        if tier
        else f"- {view.unknown('data.classification', 'security lead', 'which data tier is it: public, internal, pii, phi, pci?', DECIDE)}"
    ]


def results(view: View) -> list[str]:
    lines: list[str] = []
    for one in view.inputs.get("migration", ()):
        data = one["data"]
        proof = {True: ", proven forward and back", False: ", not proven"}.get(data["verified"], "")
        lines += [
            f"From {code(one['file'])} ({'dated ' + text(one['date']) if one['date'] else 'the file gives no date'}): {data['mode']} of "
            f"{code(data['source'])}{proof}.",
            "",
            *(f"- {text(change)}" for change in data["changes"][:40]),
            "",
        ]
        for heads, key, names in (
            (("Hazard", "Object", "What happens", "Evidence"), "hazards", ("kind", "object", "message", "evidence")),
            (("Finding", "Table", "What", "What to do"), "findings", ("severity", "table", "message", "suggestion")),
        ):
            lines += table(heads, [[text(each[name]) for name in names] for each in data[key]], 60)
        lines += [] if data["hazards"] or data["findings"] or data["changes"] else ["It found nothing.", ""]
    return lines


# --- objectives and capacity
def targets(view: View) -> list[str]:
    rows = []
    for name, (title, unit, measure) in TARGETS.items():
        value, measured = stated(view, "targets", name), "not measured"
        if view.runs and measure:
            worst = max(run[measure] for run in view.runs)
            measured = f"{figure(worst)} ms" + ("" if value is None else ": holds" if worst <= value else ": **missed**")
        elif view.runs and name == "uptime":
            failed = max(100 * run["failed_requests"] / max(run["total_requests"], 1) for run in view.runs)
            measured = f"{figure(100 - failed)} % of requests in the load test" + (
                "" if value is None else ": holds" if failed <= 100 - value else ": **missed**"
            )
        rows.append(
            [
                title,
                view.unknown(f"slo.{name}", "product manager", f"which {title} do users need?", DECIDE, brief=True)
                if value is None
                else f"{figure(value)} {unit}",
                "-" if value is None else text(view.decision["targets"][name]["source"]),
                measured,
            ]
        )
    return [
        f"Targets from {view.source('decision')}." if view.decision else f"No decision was given: {code(DECIDE)}.",
        f"Measured in {view.source('load')}, the worst of its URLs." if view.runs else f"No load test was given: {code(LOAD)}.", "",
        *table(["Objective", "Target", "Source", "Measured"], rows)
    ]


def budget(view: View) -> list[str]:
    rows = [
        [text(row["name"]), code(row["numbers"]), f"{text(row['result'])} {text(row['unit'])}".strip(), text(row["source"])]
        for row in view.decision.get("arithmetic", ())
        if row["name"].startswith(("error budget", "burn rate", "RTO"))
    ]
    owner = stated(view, "inputs", "error_budget_owner")
    spends = (
        f"Who spends it: {code(owner)} ({view.source('decision')})."
        if owner
        else view.unknown("slo.budget-owner", "product manager", "who decides what the error budget is spent on?", DECIDE)
    )
    return [
        *table(["Figure", "Numbers", "Result", "Source"], rows),
        *([] if rows else ["The budget follows from the availability target and its window: it is not known yet.", ""]), spends, ""
    ]


def demand(view: View) -> list[str]:
    qps = stated(view, "inputs", "qps_p99")
    lines = [
        f"Expected peak: {figure(qps)} requests per second ({view.source('decision')})." if qps
        else view.unknown("capacity.peak", "product manager", "how many requests per second at the peak, a year from now?", DECIDE),
        ""
    ]
    rows = [
        [
            code(f"{run['method']} {run['url']}"), figure(run["requests_per_second"]), figure(run["latency_avg"]), figure(run["latency_p99"]),
            str(run["concurrency"]), f"{run['failed_requests']:,} of {run['total_requests']:,}"
        ]
        for run in view.runs
    ]
    lines += (
        [f"Measured in {view.source('load')}:", "", *table(["Target", "Requests/s", "Mean ms", "p99 ms", "Connections", "Failed"], rows)]
        if rows
        else [view.unknown("capacity.measured", "platform team", "what does one instance carry?", LOAD), ""]
    )
    for limit in (one["data"]["rate_limit"] for one in view.inputs.get("load", ()) if isinstance(one["data"].get("rate_limit"), dict)):
        lines += [
            f"Rate limit found by measurement: {text(limit.get('rate_per_s'))} requests/s, burst {text(limit.get('burst'))}."
            if limit.get("found")
            else "The load test found no rate limit.",
            "",
        ]
    return lines


def arithmetic(view: View) -> list[str]:
    """Little's law and instances, from the decision and the load test; what lacks a number says so."""
    qps, rows = stated(view, "inputs", "qps_p99"), []
    for run in view.runs:
        busy = run["requests_per_second"] * run["latency_avg"] / 1000
        rows.append(
            [
                f"requests in flight, {code(run['url'])}", "throughput x mean latency (Little's law)",
                code(f"{figure(run['requests_per_second'])}/s x {figure(run['latency_avg'])} ms"), f"{figure(busy)} of {run['concurrency']} connections"
            ]
        )
    wait, what = (
        (max(run["latency_avg"] for run in view.runs), "measured mean") if view.runs else (stated(view, "targets", "p99_ms"), "p99 target, an upper bound")
    )
    if qps and wait:
        rows.append(["requests in flight at the peak", f"peak x latency ({what})", code(f"{figure(qps)}/s x {figure(wait)} ms"), figure(qps * wait / 1000)])
    slowest = min((run["requests_per_second"] for run in view.runs), default=0)
    if qps and slowest:
        rows.append(
            [
                "instances at the peak" + (", at most: a test at a given rate does not find what one can carry" if any(run.get("model") == "open" for run in view.runs) else ""),
                "peak / (60 % of what one carried), plus one that may fail",
                code(f"{figure(qps)} / ({UTILISATION:g} x {figure(slowest)}) + 1"),
                str(math.ceil(qps / (UTILISATION * slowest)) + 1),
            ]
        )
    replicas = ", ".join(f"{code(fact['name'])} {fact['replicas']} replicas ({places([fact])})" for fact in view.select("workload replicas"))
    return [
        *table(["Figure", "Formula", "Numbers", "Result"], rows),
        *([f"Configured: {replicas}.", ""] if replicas else []),
        *(
            []
            if rows
            else [
                view.unknown("capacity.arithmetic", "platform team", "needs the peak of a decision and the throughput of a load test", f"{DECIDE}; {LOAD}"), ""
            ]
        ),
    ]


def pools(view: View) -> list[str]:
    server = next(iter(view.select("pool setting=max_connections")), None)
    sizes = [fact["size"] for fact in view.select("pool !setting=max_connections")]
    if not sizes:
        return [view.unknown("capacity.pool", "tech lead", "no size of a connection pool was found in code: how many connections does one process open?"), ""]
    scaled = {fact["target"]: fact["max"] for fact in view.select("k8s-object type=HorizontalPodAutoscaler max")}
    copies = sum(max(fact["replicas"] or 1, scaled.get(fact["name"], 0)) for fact in view.select("workload type=Deployment / workload type=StatefulSet"))
    most, per = (server["size"] if server else CONNECTIONS) - RESERVED, sum(sizes)
    limit = f"{most} ({'max_connections at ' + places([server]) if server else 'the default of PostgreSQL'}, less {RESERVED} reserved)"
    if not copies:
        return [
            f"One process opens at most {per} connections ({' + '.join(map(str, sizes))}); the database takes {limit}: {most // per} processes.", "",
            view.unknown("capacity.processes", "platform team", "how many processes run at once?"), ""
        ]
    fits = "it fits" if per * copies <= most else "**it does not fit**: fewer or smaller pools, or a pooler before the database"
    return [
        f"At most {code(f'{per} x {copies} = {per * copies}')} connections if every replica (the autoscaler's most) opens its whole pool in one process; "
        f"the database takes {limit}: {fits}.",
        "",
    ]


# --- threats
@dataclasses.dataclass(frozen=True)
class Threat:
    """letter: of STRIDE; owasp: API1 to API10, or nothing; state: open (facts speak against it, or none for it), covered (facts speak for it), ask (files

    cannot tell).
    """

    boundary: str
    letter: str
    owasp: str
    state: str
    text: str
    proof: str


def threat(view: View, boundary: str, letter: str, owasp: str, good: str, bad: str, against: str, spoken: str = "") -> Threat | None:
    """One threat of a boundary; None when there is nothing to say. against: what to say of facts that speak against it // what to say when there are no facts at all (a question is asked)."""
    proof, broken = view.select(good) if good not in ("", "ask") else [], view.select(bad) if bad else []
    names = ", ".join(code(fact["name"]) for fact in proof[:3] if fact["name"])
    found, _, nothing = against.partition(" // ")
    nothing = nothing or ("" if "{n}" in found else found)
    words = found if broken else spoken if proof else nothing if good not in ("", "ask") else ""
    if not words:
        return None
    state = "ask" if good == "ask" or words == nothing and words.endswith("?") else "covered" if words == spoken else "open"
    words = words.replace("{n}", str(len(broken or proof))).replace("{names}", names)
    if state == "ask":
        words = view.unknown(f"threats.{re.sub(r'[^a-z]+', '-', boundary.lower())}.{owasp.lower() or letter.lower()}", "security lead", words)
    made = Threat(boundary, letter, owasp, state, words, places(broken or proof))
    view.threats.append(made)
    return made


def boundaries(view: View) -> list[str]:
    """A picture of the boundaries that are there, and how many threats stand at each."""
    lines = []
    for boundary in dict.fromkeys(one.boundary for one in view.threats):
        states = [one.state for one in view.threats if one.boundary == boundary]
        begin, end = boundary.split(" > ")
        lines.append(
            f'{identifier(begin)}["{label(begin)}"] -->|"{states.count("open")} open, {states.count("ask")} to ask"| {identifier(end)}["{label(end)}"]'
        )
    return (
        mermaid("flowchart LR", lines)
        if lines
        else [view.unknown("threats.boundaries", "security lead", "no route, call, store or container was found: what crosses a trust boundary?"), ""]
    )


def owasp(view: View) -> list[str]:
    rows = []
    for key, title in OWASP.items():
        states = [one.state for one in view.threats if one.owasp == key]
        counts = [f"{states.count(state)} {word}" for state, word in (("open", "open"), ("ask", "to ask"), ("covered", "covered")) if state in states]
        rows.append([f"{key}:2023", title, ", ".join(counts) or "nothing that files show"])
    return table(["Risk", "Name", "State"], rows)


# --- the record, and the index
def record(view: View) -> list[str]:
    if view.decision:
        from senior_backend.decide.documents import adr

        head, _, body = adr(view.decision).removeprefix("---\n").partition("\n---\n")
        return [*(f"- {line}" for line in head.split("\n")), f"- source: {view.source('decision')}", "", *body.removeprefix("\n").split("\n")]
    built = [
        f"- {text(fact['category'])}: {code(fact['name'])} {code(fact['version']) if fact['version'] else ''} ({places([fact])})"
        for fact in view.select(
            "framework / library used category=database / library used category=orm / library used category=queue / library used category=cache"
        )
    ]
    return [
        "- status: proposed", f"- date: {view.unknown('decision.date', 'tech lead', 'when was this decided?')}",
        f"- decision-makers: {view.unknown('decision.makers', 'tech lead', 'who decides?')}", "", "# Backend architecture as it is built", "",
        "## Context and Problem Statement", "",
        view.unknown("decision.inputs", "tech lead", "traffic, tenancy, data sensitivity, recovery targets and SLO are in no file that was given", DECIDE), "",
        "## Decision Outcome", "", *(built or ["Nothing is proven yet."]), "", "### Consequences", "",
        view.unknown("decision.consequences", "tech lead", "what became easier, what harder?"), "", "### Confirmation", "",
        view.unknown("decision.confirmation", "tech lead", "which measurement shows that it holds?", LOAD), ""
    ]


def index(view: View) -> list[str]:
    open_, answered = [one.document for one in view.unknowns.values()], list(view.answered.values())
    rows = [[f"[{text(name)}]({name})", title, str(open_.count(name)), str(answered.count(name))] for name, title in view.titles.items()]
    given = "; ".join(f"{kind}: {view.source(kind)}" for kind in ("decision", "load", "migration") if view.inputs.get(kind))
    return [
        f"{len(view.facts)} facts were read from the project, each with file and line; all stand in [facts.json](facts.json). Results of other tools: "
        f"{given or 'none were given'}.",
        "",
        *table(["Document", "About", "Unknown", "Answered by people"], rows),
    ]


def unknown(view: View) -> list[str]:
    rows = [
        [code(one.id), f"[{text(one.document)}]({one.document})", one.question, one.who, code(one.how) if one.how else "-"]
        for one in sorted(view.unknowns.values(), key=lambda one: (one.document, one.id))
    ]
    example = "slo.alerts: the burn alert of the payments board, wakes on-call"
    return [
        f"Answer a question by a line such as {code(example)} in its document, outside of the managed blocks; the next run counts it as answered.", "",
        *(table(["Question", "Document", "What", "Who answers", "How to find out"], rows) or ["Nothing is open.", ""])
    ]


def unread(view: View) -> list[str]:
    listed = ["- " + re.sub(r"(?<=:)(\d+)(?=[: ]|$)", rf"{LINE}\1{LINE}", text(one)) for one in view.facts.unread]
    return [*(listed[:60] or ["All files that were looked at were understood."]), *([f"- and {len(listed) - 60} more"] if len(listed) > 60 else []), ""]

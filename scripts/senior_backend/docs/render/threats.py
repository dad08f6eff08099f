"""The threat model: STRIDE for each trust boundary that the facts draw, and what they say to the OWASP API Security Top 10 (2023)."""
from __future__ import annotations

import dataclasses
import re

from senior_backend.docs.facts import Fact
from senior_backend.docs.render.design import PERSONAL, STORES
from senior_backend.docs.render.operations import unguarded
from senior_backend.docs.render.view import View, code, identifier, label, places, table

# https://owasp.org/API-Security/editions/2023/en/0x11-t10/
OWASP = {"API1": "Broken object level authorization", "API2": "Broken authentication", "API3": "Broken object property level authorization", "API4": "Unrestricted resource consumption", "API5": "Broken function level authorization",
         "API6": "Unrestricted access to sensitive business flows", "API7": "Server side request forgery", "API8": "Security misconfiguration", "API9": "Improper inventory management", "API10": "Unsafe consumption of APIs"}
FLOWS = re.compile(r"(?i)checkout|pay(?:ment|out)?s?\b|transfer|refund|sign-?up|register|login|sign-?in|reset|password|invite|coupon|voucher|vote|book(?:ing)?s?\b|order|withdraw|redeem|otp|verify|subscribe")
PRIVILEGED = re.compile(r"(?i)(?:^|/)(?:admin|internal|manage|system|debug|actuator|root|staff|backoffice)(?:/|$)")
ROLE = re.compile(r"(?i)admin|role|permission|scope|staff|superuser|owner|can_?\w|policy|acl|rbac")
OPEN, COVERED, ASK = "open", "covered", "unknown"
STRIDE = {"S": "Spoofing", "T": "Tampering", "R": "Repudiation", "I": "Information disclosure", "D": "Denial of service", "E": "Elevation of privilege"}
# boundary -> (title, from, to)
BOUNDARIES = {"clients": ("Clients to the API", "Clients", "API"), "uploads": ("Uploaded files", "Files of clients", "API"), "others": ("The API to other systems", "API", "Other systems"), "stores": ("The API to its data", "API", "Data stores"),
              "queues": ("Queues and workers", "API", "Queues and workers"), "jobs": ("Scheduled jobs", "Scheduler", "Jobs"), "host": ("Containers to their host", "Containers", "Host and cluster"), "supply": ("Source to production", "Source", "Containers")}


@dataclasses.dataclass(frozen=True)
class Threat:
    """letter: of STRIDE; owasp: API1 to API10, or nothing; state: open (facts speak against it), covered (facts speak for it), unknown (files cannot tell)."""
    boundary: str
    letter: str
    owasp: str
    state: str
    text: str
    proof: str


def model(view: View) -> list[Threat]:
    """All threats, boundary by boundary; only boundaries that are there."""
    return [*clients(view), *uploads(view), *others(view), *stores(view), *background(view), *running(view), *supply(view)]


def judged(boundary: str, letter: str, owasp: str, bad: list[Fact], good: list[Fact], against: str, spoken: str, neither: str) -> Threat:
    """Open when facts speak against it or none for it."""
    if bad:
        return Threat(boundary, letter, owasp, OPEN, against, places(bad))
    return Threat(boundary, letter, owasp, COVERED, spoken, places(good)) if good else Threat(boundary, letter, owasp, OPEN, neither, "-")


def clients(view: View) -> list[Threat]:
    routes = view.of("route")
    if not routes:
        return []
    boundary, found, free = "clients", [], unguarded(view)
    writes = [fact for fact in routes if fact["method"] in ("POST", "PUT", "PATCH", "DELETE")]
    auth, single = view.libraries("auth", used=True), [fact for fact in routes if "{" in fact["path"]]
    found.append(judged(boundary, "S", "API2", free, [fact for fact in routes if fact["guards"]], f"{len(free)} of {len(routes)} routes have no guard that was found{'' if auth else ', and no library for authentication is used'}: which of them are meant to be open?",
                        "every route but health and metrics has a guard", "no guard was found"))
    open_writes = [fact for fact in free if fact in writes]
    if open_writes:
        found.append(Threat(boundary, "T", "API2", OPEN, f"{len(open_writes)} of them change state: a caller that nobody knows may write", places(open_writes)))
    if writes:
        found.append(judged(boundary, "T", "API3", [], view.libraries("validation", used=True), "", f"input is validated with {names(view.libraries('validation', used=True))}; whether each of {len(writes)} writing routes does is for a review", f"no validation library is used, and {len(writes)} routes write: a caller may set fields that are not theirs"))
    found.append(judged(boundary, "R", "", [], view.libraries("logging", used=True), "", f"requests can be logged with {names(view.libraries('logging', used=True))}; that who did what is in the log is for a review", "no logging library is used: nobody can show who did what"))
    if single:
        found.append(Threat(boundary, "I", "API1", ASK, f"{len(single)} routes name one object in their path: is each object looked up together with its owner?", places(single)))
    found.append(judged(boundary, "I", "API8", view.of("cors-open"), view.libraries("security-headers", used=True), "CORS lets every origin in", f"security headers by {names(view.libraries('security-headers', used=True))}", "no library for security headers is used"))
    found.append(judged(boundary, "D", "API4", [], view.libraries("rate-limit", used=True), "", f"requests are limited with {names(view.libraries('rate-limit', used=True))}; which routes, is for a load test with --expect-rate-limit to show", f"no rate limit was found for {len(routes)} routes"))
    privileged = [fact for fact in routes if PRIVILEGED.search(fact["path"]) or fact["method"] == "DELETE"]
    if privileged:
        without = [fact for fact in privileged if not any(ROLE.search(guard) for guard in fact["guards"])]
        found.append(judged(boundary, "E", "API5", without, privileged, f"{len(without)} routes delete or are for administrators and have no guard that names a role or permission", "routes that delete or are for administrators have a guard that names a role or permission", ""))
    flows = [fact for fact in routes if FLOWS.search(fact["path"]) and fact["method"] in ("POST", "PUT", "PATCH", "ANY")]
    if flows:
        found.append(Threat(boundary, "D", "API6", ASK, f"{len(flows)} routes look like business flows that bots abuse: what limits one caller?", places(flows)))
    if drift := view.of("drift"):
        found.append(Threat(boundary, "I", "API9", OPEN, f"code and API document disagree in {len(drift)} places: nobody knows all that is served", places(drift)))
    elif not view.of("openapi"):
        found.append(Threat(boundary, "I", "API9", OPEN, "there is no API document: nobody has a list of what is served", "-"))
    return found


def names(facts: list[Fact]) -> str:
    return ", ".join(code(fact["name"]) for fact in facts[:3])


def uploads(view: View) -> list[Threat]:
    found = view.of("upload")
    return [Threat("uploads", "T", "API8", ASK, "files come in: are type, name and content checked, and are they kept outside of what is served?", places(found)),
            Threat("uploads", "D", "API4", ASK, "files come in: are size and number limited?", places(found))] if found else []


def others(view: View) -> list[Threat]:
    calls = view.of("outbound")
    if not calls:
        return []
    boundary = "others"
    endless, late = [fact for fact in calls if fact["timeout"] == "none"], [fact for fact in calls if not fact["target"] and not fact["call"].endswith((".create", "Client", ".Client", "Session", ".extend"))]
    found = [judged(boundary, "D", "API10", endless, calls, f"{len(endless)} calls have no timeout: a slow answer holds a request for ever", "every outgoing call has a timeout", ""),
             Threat(boundary, "T", "API10", ASK, "are answers of other systems validated like input from clients?", places(calls))]
    if late:
        found.append(Threat(boundary, "S", "API7", ASK, f"{len(late)} calls go to a target that is put together at run time: may a caller choose it?", places(late)))
    return found


def stores(view: View) -> list[Threat]:
    drivers, tables = view.libraries("database", "orm", "cache", used=True), view.of("table")
    running = [fact for fact in view.of("compose-service") if STORES.search(fact["image"])]
    if not drivers and not tables and not running:
        return []
    boundary, found = "stores", []
    secrets = [fact for fact in view.of("env") if fact["secret"]]
    found.append(judged(boundary, "S", "API2", view.of("secret-default"), secrets, "a secret has a literal default in code: whoever forgets to set it runs with a key that everybody can read", f"{len(secrets)} variables whose names suggest secrets come from the environment, none has a literal default", "no variable was found that carries credentials"))
    personal = [fact for fact in tables if any(PERSONAL.search(column["name"]) for column in fact["columns"])]
    if personal:
        found.append(Threat(boundary, "I", "API3", ASK, f"{len(personal)} tables have columns whose names suggest personal or secret data: who may read them, and are they in answers or logs?", places(personal)))
    public = [fact for fact in running if any(not port.startswith(("127.0.0.1:", "localhost:", "[::1]:")) and ":" in port for port in fact["ports"])]
    if public:
        found.append(Threat(boundary, "I", "API8", OPEN, "a store publishes its port on every interface of its host", places(public)))
    losing = [fact for fact in view.of("migration-hazard") if fact["hazard"] == "data-loss"]
    if losing:
        found.append(Threat(boundary, "T", "", ASK, f"{len(losing)} places in migrations lose data: was it kept elsewhere?", places(losing)))
    pools = [fact for fact in view.of("pool") if fact["of"] != "database server"]
    found.append(judged(boundary, "D", "API4", [], pools, "", "the connection pool is bounded", "no size of a connection pool was found in code"))
    return found


def background(view: View) -> list[Threat]:
    found = view.of("job")
    workers = [fact for fact in found if fact["type"] in ("worker", "queue")]
    return ([Threat("queues", "S", "", ASK, "who may put a job into the queue, and is its content validated?", places(workers)), Threat("queues", "D", "API4", ASK, "what happens to a job that fails every time, and how long may the queue grow?", places(workers))] if workers else []) + (
        [Threat("jobs", "R", "", ASK, "who sees that a scheduled job did not run?", places([fact for fact in found if fact["type"] == "cron"]))] if any(fact["type"] == "cron" for fact in found) else [])


def running(view: View) -> list[Threat]:
    images, containers, found, boundary = view.of("dockerfile"), view.of("container"), [], "host"
    if images:
        root = [fact for fact in images if fact["root"] and not (containers and all(one["nonroot"] for one in containers))]
        found.append(judged(boundary, "E", "API8", root, images, f"{len(root)} images run as root", "images do not run as root, or Kubernetes refuses them to", ""))
        loose = [fact for fact in images if not fact["pinned"]]
        found.append(judged(boundary, "T", "API8", loose, images, f"{len(loose)} base images are not pinned by digest: what is built tomorrow may differ", "base images are pinned by digest", ""))
    if containers:
        greedy = [fact for fact in containers if "memory" not in fact["limits"]]
        found.append(judged(boundary, "D", "API4", greedy, containers, f"{len(greedy)} containers have no memory limit: one may take the others' memory", "every container has a memory limit", ""))
    privileged = [fact for fact in (*containers, *view.of("compose-service")) if fact["privileged"]]
    return found + ([Threat(boundary, "E", "API8", OPEN, "a container is privileged: who breaks into it owns the host", places(privileged))] if privileged else [])


def supply(view: View) -> list[Threat]:
    jobs = view.of("ci-job")
    if not jobs:
        return []
    boundary = "supply"
    deploys = [fact for fact in jobs if "deploy" in fact["does"]]
    found = [judged(boundary, "T", "API8", [], [fact for fact in jobs if "scan" in fact["does"]], "", "CI scans dependencies or code", "no CI job scans dependencies or code")]
    if deploys:
        tested = [fact for fact in deploys if "tests" in fact["does"] or any("tests" in other["does"] for other in jobs if other["name"] in fact["needs"] or other["system"] == "GitLab CI" and other["workflow"] != fact["workflow"])]
        found.append(judged(boundary, "T", "API8", [fact for fact in deploys if fact not in tested], tested, "a job deploys and waits for no job that runs tests", "what is deployed has passed the tests", ""))
    return [*found, judged(boundary, "R", "", [], view.of("owner"), "", "CODEOWNERS names who reviews which files", "no CODEOWNERS: nobody is named to review")]


# --- blocks
def boundaries(view: View) -> list[str]:
    """A picture of the boundaries, and how many threats stand at each."""
    threats, order = model(view), {}
    for one in threats:
        order.setdefault(one.boundary, []).append(one)
    if not order:
        return [view.unknown("threats.boundaries", "no route, call, store or container was found: what crosses a trust boundary?", "security"), ""]
    lines = ["```mermaid", "flowchart LR"]
    for key, found in order.items():
        _, begin, end = BOUNDARIES[key]
        counts = f"{sum(one.state == OPEN for one in found)} open, {sum(one.state == ASK for one in found)} to ask"
        lines.append(f"  {identifier(begin)}[\"{label(begin)}\"] -->|\"{counts}\"| {identifier(end)}[\"{label(end)}\"]")
    return [*lines, "```", ""]


def findings(view: View) -> list[str]:
    threats, lines, seen = model(view), list[str](), dict[str, int]()
    for boundary in dict.fromkeys(one.boundary for one in threats):
        rows = []
        for one in (one for one in threats if one.boundary == boundary):
            key = f"threats.{boundary}.{one.owasp.lower() or STRIDE[one.letter].partition(' ')[0].lower()}"
            seen[key] = seen.get(key, 0) + 1
            key += f"-{seen[key]}" if seen[key] > 1 else ""
            rows.append([STRIDE[one.letter], f"{one.owasp}:2023" if one.owasp else "-", {OPEN: "**open**", COVERED: "covered", ASK: "to ask"}[one.state], view.unknown(key, one.text, "security") if one.state == ASK else one.text, one.proof])
        lines += [f"### {BOUNDARIES[boundary][0]}", "", *table("Threat | OWASP API | State | What the project shows | Where", rows)]
    return lines or ["No boundary was found.", ""]


def owasp(view: View) -> list[str]:
    threats, rows = model(view), []
    for key, title in OWASP.items():
        found = [one for one in threats if one.owasp == key]
        counts = [f"{count} {word}" for state, word in ((OPEN, "open"), (ASK, "to ask"), (COVERED, "covered")) if (count := sum(one.state == state for one in found))]
        rows.append([f"{key}:2023", title, ", ".join(counts) or "nothing that files show", ", ".join(dict.fromkeys(BOUNDARIES[one.boundary][0] for one in found)) or "-"])
    return table("Risk | Name | State | Boundaries", rows)

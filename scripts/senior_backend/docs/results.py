"""Results of the other scripts that flow into the documents: a decision, a load test, migrations. Each keeps its file and its date; all stay in facts.json for later runs."""
from __future__ import annotations

import hashlib
import json
import math
import pathlib
import re
from typing import Any

from senior_backend.console import CommandError
from senior_backend.decide import inputs
from senior_backend.docs.facts import host_of, masked

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "assets" / "decide" / "decision.schema.json"
# kind -> (tool, how such a file is made)
KINDS = {
    "decision": ("backend_decision_engine", "--answers answers.json --output json > decision.json"),
    "load": ("api_load_tester", "URL --output load.json"),
    "migration": ("database_migration_tool", "schema.sql --analyze --json > analysis.json"),
}
FIGURES = (
    "requests_per_second", "latency_avg", "latency_p50", "latency_p95", "latency_p99", "total_requests", "failed_requests", "concurrency", "duration_seconds"
)
MODES = {"up_sql": "compare", "dry_run": "dry run", "issues_detail": "analyze", "suggestions_count": "suggest indexes"}
LISTED = 200


def read(kind: str, path: pathlib.Path, target: pathlib.Path) -> dict[str, Any]:
    """{file, date, sha256, data} of one result. CommandError exit 2 when it is none of that kind; the file is told below target, else by its name alone."""
    found, content = inputs.read_object(path, f"the file of --{kind}")
    tool, made = KINDS[kind]
    try:
        if found.get("tool") != tool or found.get("error"):
            raise ValueError(
                f"it is of {json.dumps(found.get('tool'))[:60]}" + (f" and holds the error {found['error']['code']}" if found.get("error") else "")
            )
        data, date = {"decision": decision, "load": load, "migration": migration}[kind](found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CommandError(f"--{kind} {path}: expected a result of {tool}.py: {problem}", f"python scripts/{tool}.py {made}", identifier="INPUT_FILE") from None
    resolved = path.resolve()
    name = resolved.relative_to(target).as_posix() if resolved.is_relative_to(target) else path.name
    return {"file": name, "date": date, "sha256": hashlib.sha256(content.encode()).hexdigest(), "data": masked(data)}


def decision(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for pointer, problem in inputs.violations(found, schema, schema):
        raise ValueError(f"{'.'.join(map(str, pointer)) or 'the whole'}: {problem}")
    if not found["points"]:
        raise ValueError(f"it recommends nothing ({found['outcome']['code']}), and a decision that was refused fills no document")
    return found, found["as_of"]


def load(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    results = [
        {"url": address(one["target_url"]), "method": str(one["method"]), "model": str(one.get("model") or ""), **{name: one[name] for name in FIGURES}}
        for one in found["results"]
        if one["successful_requests"]
    ]
    if not results or not all(type(one[name]) in (int, float) and 0 <= one[name] < math.inf for one in results for name in FIGURES):
        raise ValueError("no URL in it was answered, or a figure is no number")
    return {"results": results, "rate_limit": found.get("rate_limit")}, str((found.get("run") or {}).get("recorded_at") or "")


def address(url: str) -> str:
    """Host and path of a URL, without credentials and query."""
    rest = url.partition("://")[2].partition("?")[0].partition("#")[0]
    return f"{host_of(url)}/{rest.partition('/')[2]}" if host_of(url) else rest


def migration(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    mode = next((mode for key, mode in MODES.items() if key in found), None)
    if mode is None:
        raise ValueError("it is not the JSON of --analyze, --compare, --suggest-indexes or --migrate --dry-run")
    source = str(found.get("file") or found.get("source") or "")

    def rows(listed: Any, names: dict[str, str]) -> list[dict[str, str]]:
        return [{name: str(one.get(key) or "") for name, key in names.items()} for one in (listed if isinstance(listed, list) else ())[:LISTED]]

    findings = rows(found.get("issues_detail"), {name: name for name in ("severity", "table", "message", "suggestion")})
    findings += [{**one, "severity": "suggestion"} for one in rows(found.get("suggestions"), {"table": "table", "message": "reason", "suggestion": "sql"})]
    return {
        "mode": mode,
        "source": source if "://" in source else named[1] if (named := re.search(r"\bdbname=(\S+)", source)) else source.replace("\\", "/").rpartition("/")[2],
        "verified": found.get("verified"), "findings": findings,
        "hazards": rows(found.get("hazards"), {name: name for name in ("kind", "object", "message", "evidence")}),
        "changes": [f"{one['action']} {one['kind']} {one['name']}" for one in found.get("changes", ())[:LISTED]]
    }, ""


def gather(given: dict[str, list[str]], stored: dict[str, list], target: pathlib.Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """kind -> its results: what was given, else what an earlier run kept; and warnings. A kept file below target that has changed is read again."""
    warnings: list[str] = []
    found = {
        kind: [read(kind, pathlib.Path(path), target) for path in paths] or [again(kind, one, target, warnings) for one in stored.get(kind, ())]
        for kind, paths in given.items()
    }
    return {kind: listed for kind, listed in found.items() if listed}, warnings


def again(kind: str, one: dict[str, Any], target: pathlib.Path, warnings: list[str]) -> dict[str, Any]:
    path = target / one["file"]
    try:
        if (
            not path.resolve().is_relative_to(target)
            or not path.is_file()
            or hashlib.sha256(path.read_text(encoding="utf-8-sig").encode()).hexdigest() == one["sha256"]
        ):
            return one
        return read(kind, path, target)
    except (CommandError, OSError, ValueError) as error:
        warnings.append(f"{one['file']} has changed and cannot be read ({getattr(error, 'message', error)}): what it said before is kept")
        return one

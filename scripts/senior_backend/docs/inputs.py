"""Results of the other scripts that flow into the documents: a decision, a load test, migrations. Each keeps its file and its date; all stay in facts.json for later runs."""
from __future__ import annotations

import hashlib
import json
import math
import pathlib
from typing import Any

from senior_backend.console import CommandError
from senior_backend.decide import json_files
from senior_backend.docs.facts import host_of, masked

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "assets" / "decide" / "decision.schema.json"
MAKES = {"decision": "python scripts/backend_decision_engine.py --answers answers.json --output json > decision.json", "load": "python scripts/api_load_tester.py URL --output load.json",
         "migration": "python scripts/database_migration_tool.py schema.sql --analyze --json > analysis.json"}
TOOLS = {"decision": "backend_decision_engine", "load": "api_load_tester", "migration": "database_migration_tool"}
FIGURES = ("requests_per_second", "latency_avg", "latency_p50", "latency_p95", "latency_p99", "total_requests", "failed_requests", "concurrency", "duration_seconds")
LISTED = 200


def read(kind: str, path: pathlib.Path, target: pathlib.Path) -> dict[str, Any]:
    """{file, date, sha256, data} of one result. CommandError exit 2 when it is none of that kind; the file is told below target, else by its name alone."""
    found, text = json_files.read_object(path, f"the file of --{kind}")
    if found.get("tool") != TOOLS[kind] or found.get("error"):
        said = f"it holds the error {found['error'].get('code')}" if isinstance(found.get("error"), dict) else f"its tool is {json.dumps(found.get('tool'))[:60]}"
        raise wrong(kind, path, f"expected a result of {TOOLS[kind]}.py, {said}")
    try:
        data, date = {"decision": decision, "load": load, "migration": migration}[kind](found, path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise wrong(kind, path, f"expected a result of {TOOLS[kind]}.py, something in it is missing or of another kind ({error})") from None
    resolved = path.resolve()
    name = resolved.relative_to(target).as_posix() if resolved.is_relative_to(target) else path.name
    return {"file": name, "date": date, "sha256": hashlib.sha256(text.encode()).hexdigest(), "data": masked(data)}


def wrong(kind: str, path: pathlib.Path, message: str) -> CommandError:
    return CommandError(f"--{kind} {path}: {message}", MAKES[kind], identifier="INPUT_FILE")


def decision(found: dict[str, Any], path: pathlib.Path) -> tuple[dict[str, Any], str]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for pointer, problem in json_files.violations(found, schema, schema):
        raise wrong("decision", path, f"{'.'.join(map(str, pointer)) or 'the whole'}: {problem}")
    if not found["points"]:
        raise wrong("decision", path, f"it recommends nothing ({found['outcome']['code']}): a decision that was refused fills no document")
    return found, found["as_of"]


def load(found: dict[str, Any], path: pathlib.Path) -> tuple[dict[str, Any], str]:
    results = []
    for one in found["results"]:
        figures = {name: one[name] for name in FIGURES}
        if not all(type(value) in (int, float) and 0 <= value < math.inf for value in figures.values()) or not one["successful_requests"]:
            raise wrong("load", path, "a URL in it was never answered, or a figure is no number")
        results.append({"url": address(one["target_url"]), "method": str(one["method"]), "model": str(one.get("model", "")), **figures})
    if not results:
        raise wrong("load", path, "there is no result in it")
    run = found.get("run") or {}
    return {"results": results, "rate_limit": found.get("rate_limit")}, str(run.get("recorded_at") or "")


def address(url: str) -> str:
    """Host and path of a URL, without credentials and query."""
    host = host_of(url)
    return host + "/" + url.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0] if host else url.partition("?")[0]


def migration(found: dict[str, Any], path: pathlib.Path) -> tuple[dict[str, Any], str]:
    mode = "compare" if "up_sql" in found else "dry run" if "dry_run" in found else "analyze" if "issues_detail" in found else "suggest indexes" if "suggestions_count" in found else ""
    if not mode:
        raise wrong("migration", path, "expected the JSON of --analyze, --compare, --suggest-indexes or --migrate --dry-run")
    source = str(found.get("file") or found.get("source") or "")
    hazards = [{"kind": str(one["kind"]), "object": str(one.get("object", "")), "message": str(one["message"]), "evidence": str(one.get("evidence", ""))} for one in found.get("hazards", ())]
    findings = [{"severity": str(one["severity"]), "category": str(one["category"]), "table": str(one.get("table", "")), "message": str(one["message"]), "suggestion": str(one.get("suggestion", ""))} for one in found.get("issues_detail", ())]
    findings += [{"severity": "suggestion", "category": "index", "table": str(one.get("table", "")), "message": str(one.get("reason", "")), "suggestion": str(one.get("sql", ""))} for one in found.get("suggestions") or () if isinstance(one, dict)]
    changes = [f"{one['action']} {one['kind']} {one['name']}" for one in found.get("changes", ())]
    return {"mode": mode, "source": source if "://" in source else source.replace("\\", "/").rpartition("/")[2], "verified": found.get("verified"), "tables": found.get("tables") if isinstance(found.get("tables"), int) else None,
            "hazards": hazards[:LISTED], "findings": findings[:LISTED], "changes": changes[:LISTED], "left_out": sum(max(0, len(one) - LISTED) for one in (hazards, findings, changes))}, ""


def gather(given: dict[str, list[str]], stored: Any, target: pathlib.Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """kind -> its results: what was given, else what an earlier run kept; and warnings. A kept file below target that has changed is read again."""
    warnings: list[str] = []
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in TOOLS:
        kept = [one for one in (stored.get(kind) or () if isinstance(stored, dict) else ()) if isinstance(one, dict) and isinstance(one.get("file"), str) and isinstance(one.get("data"), dict)]
        if given.get(kind):
            found[kind] = [read(kind, pathlib.Path(path), target) for path in given[kind]]
        else:
            found[kind] = [again(kind, one, target, warnings) for one in kept]
    return found, warnings


def again(kind: str, one: dict[str, Any], target: pathlib.Path, warnings: list[str]) -> dict[str, Any]:
    path = target / one["file"]
    try:
        if not path.resolve().is_relative_to(target) or not path.is_file() or hashlib.sha256(path.read_bytes().decode("utf-8-sig").encode()).hexdigest() == one.get("sha256"):
            return one
        return read(kind, path, target)
    except (CommandError, OSError, ValueError) as error:
        warnings.append(f"{one['file']} has changed and cannot be read ({getattr(error, 'message', error)}): what it said before is kept")
        return one

#!/usr/bin/env python3
"""From an OpenAPI document to a running server: scaffolds examples/bookshop.yaml for Express, installs it, starts it, and sends it requests.

Everything happens in a temporary folder. Exit code 0 when every answer is the expected one, 1 when not, 4 when the machine lacks something.
"""
from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from node_server import OLDEST_TO_SERVE, Answer, Server, SetupError, node_version, npm, npm_install

ROOT = pathlib.Path(__file__).resolve().parents[1]
JSON = {"Content-Type": "application/json"}
TOKEN = {"Authorization": "Bearer demo-token"}
ISBN = "9780141439518"


@dataclasses.dataclass(frozen=True)
class Step:
    """A request and the answer that it must get; field: what the error message must point at."""
    title: str
    method: str
    target: str
    status: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: object = None
    code: str | None = None
    field: str | None = None


STEPS = [
    Step("a page of the catalogue", "GET", "/books?genre=fiction,travel&price[min]=500&limit=10", 200),
    Step("the same as a web page, which it is not available as", "GET", "/books", 406, {"Accept": "text/html"}, code="NOT_ACCEPTABLE"),
    Step("a limit that is no number and a sort that does not exist", "GET", "/books?limit=ten&sort=size", 400, code="VALIDATION_ERROR", field="limit"),
    Step("an order", "POST", "/orders", 201, {**JSON, **TOKEN}, {"items": [{"isbn": ISBN, "quantity": 2}], "payment": {"method": "card", "token": "tok_4242424242"}}),
    Step("an order of nothing, paid in shells: this operation declares its own error body", "POST", "/orders", 400, {**JSON, **TOKEN}, {"items": [], "payment": {"method": "shells"}}, field="payment.method"),
    Step("a review without a token", "POST", f"/books/{ISBN}/reviews", 401, JSON, {"rating": 5, "text": "Better with every reading."}, code="UNAUTHORIZED"),
    Step("a review with six stars", "POST", f"/books/{ISBN}/reviews", 400, {**JSON, **TOKEN}, {"rating": 6, "text": "Even better."}, code="VALIDATION_ERROR", field="rating"),
    Step("broken JSON", "POST", f"/books/{ISBN}/reviews", 400, {**JSON, **TOKEN}, b'{"rating": 5,', code="BAD_REQUEST"),
    Step("a form instead of JSON", "POST", f"/books/{ISBN}/reviews", 415, {"Content-Type": "application/x-www-form-urlencoded", **TOKEN}, b"rating=5", code="UNSUPPORTED_MEDIA_TYPE"),
    Step("a method that this path does not have", "DELETE", "/books", 405, code="METHOD_NOT_ALLOWED"),
    Step("a path that is not there", "GET", "/shelves", 404, code="NOT_FOUND"),
]


def main() -> int:
    try:
        with tempfile.TemporaryDirectory(prefix="bookshop-") as folder:
            failed = demonstrate(pathlib.Path(folder))
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    print(f"\n{len(STEPS) - failed} of {len(STEPS)} requests got the expected answer.")
    return 1 if failed else 0


def demonstrate(folder: pathlib.Path) -> int:
    """The number of requests that were not answered as expected."""
    command = [sys.executable, str(ROOT / "scripts" / "api_scaffolder.py"), str(ROOT / "examples" / "bookshop.yaml"), "--output", str(folder / "server"), "--with-app"]
    print("1. Scaffold: api_scaffolder.py examples/bookshop.yaml --output server --with-app\n", flush=True)
    if subprocess.run(command).returncode:
        raise SetupError("the scaffolder failed")
    node = installed_node()
    print("\n2. Install and compile: npm install && npx tsc", flush=True)
    npm_install(folder / "server")
    npm(folder / "server", "exec", "tsc")
    with Server(folder / "server", node, program="dist/server.js") as server:
        print(f"\n3. Start: PORT={server.port} node dist/server.js\n\n4. Ask", flush=True)
        problems = [problem for step in STEPS if (problem := ask(server, step))]
        if problems:
            print(f"\nthe server said:\n{server.output()[-2000:]}")
        return len(problems)


def installed_node() -> pathlib.Path:
    found = shutil.which("node")
    if not found or node_version(found) < OLDEST_TO_SERVE:
        raise SetupError(f"Node.js >= {OLDEST_TO_SERVE[0]} with npm is needed, {'this is ' + '.'.join(map(str, node_version(found))) if found else 'there is none'} (https://nodejs.org)")
    return pathlib.Path(found)


def ask(server: Server, step: Step) -> str:
    """Send one request and show it with its answer; gives what is wrong with it, or ''."""
    body = step.body if step.body is None or isinstance(step.body, bytes) else json.dumps(step.body).encode()
    answer = server.request(step.method, step.target, body, step.headers)
    problem = difference(step, answer)
    print(f"\n   {step.title}\n   > {step.method} {step.target}{f'  {body.decode()}' if body else ''}\n   < {answer.status}  {shown(answer)}" + (f"\n   NOT AS EXPECTED: {problem}" if problem else ""), flush=True)
    return problem


def difference(step: Step, answer: Answer) -> str:
    if answer.status != step.status:
        return f"status {answer.status}, expected {step.status}"
    if step.code and answer.json()["error"]["code"] != step.code:
        return f"error.code {answer.json()['error']['code']}, expected {step.code}"
    if step.field and step.field not in answer.body.decode():
        return f"the answer does not name {step.field}"
    return ""


def shown(answer: Answer, width: int = 300) -> str:
    text = " ".join(answer.body.decode("utf-8", "replace").split())
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= width else f"{text[:width]} ... ({len(text)} characters)"


if __name__ == "__main__":
    sys.exit(main())

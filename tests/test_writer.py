"""Files on disk: people's edits stay, generated ones are written at once or not at all; and which files a server has."""
from __future__ import annotations

import errno
import json
import os
import pathlib
import pytest
import signal
import subprocess
import sys
import textwrap
from hypothesis import HealthCheck, given, settings, strategies as st

from senior_backend.console import CommandError
from senior_backend.scaffold.plan import OwnedBlock, OwnedFile
from senior_backend.scaffold.writing import writer
from senior_backend.scaffold.writing.writer import Writer

MANIFEST = ".senior-backend.json"
ROOT = pathlib.Path(__file__).resolve().parents[1]


def block(name: str) -> OwnedBlock:
    return OwnedBlock(name, {"./types.ts": [f"type {name.title()}Reply"], "./runtime.ts": ["type Handler", "notImplemented"]}, f"export const {name}: Handler = () => notImplemented('{name}');\n")


def handlers(*names: str) -> dict[str, OwnedFile]:
    return {"users.handlers.ts": OwnedFile("// Yours.\n", [block(name) for name in names])}


def content(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_first_run_writes_second_changes_no_byte(tmp_path):
    first = Writer(tmp_path / "a/b").write({"types.ts": "export interface A {}\n"}, handlers("list", "get"))
    assert first.written == ["types.ts", "users.handlers.ts"] and not first.needs_attention
    before = content(tmp_path)
    second = Writer(tmp_path / "a/b").write({"types.ts": "export interface A {}\n"}, handlers("list", "get"))
    assert second.unchanged == ["types.ts", "users.handlers.ts"] and not second.written and content(tmp_path) == before
    assert before["a/b/users.handlers.ts"].decode() == textwrap.dedent("""\
        // Yours.

        import { type Handler, notImplemented } from './runtime.ts';
        import type { GetReply, ListReply } from './types.ts';

        export const list: Handler = () => notImplemented('list');

        export const get: Handler = () => notImplemented('get');
        """)


def test_edited_generated_file_is_kept_and_the_new_text_waits_beside_it(tmp_path):
    Writer(tmp_path).write({"types.ts": "one\n"}, {})
    (tmp_path / "types.ts").write_text("one, mine\n")
    for _ in range(2):
        result = Writer(tmp_path).write({"types.ts": "two\n"}, {})
        assert result.needs_attention and result.conflicts[0]["new"] == "types.ts.new"
        assert (tmp_path / "types.ts").read_text() == "one, mine\n" and (tmp_path / "types.ts.new").read_text() == "two\n"
    (tmp_path / "types.ts.new").write_text("two, and my merge\n")
    again = Writer(tmp_path).write({"types.ts": "three\n"}, {})
    assert (tmp_path / "types.ts.new").read_text() == "two, and my merge\n" and (tmp_path / "types.ts.new.new").read_text() == "three\n" and again.needs_attention
    (tmp_path / "types.ts.new").unlink()
    (tmp_path / "types.ts.new.new").replace(tmp_path / "types.ts")
    assert not Writer(tmp_path).write({"types.ts": "three\n"}, {}).needs_attention, "the new text was accepted"
    (tmp_path / "types.ts").write_text("mine again\n")
    assert not Writer(tmp_path, force=True).write({"types.ts": "four\n"}, {}).needs_attention and (tmp_path / "types.ts").read_text() == "four\n"


def test_a_file_that_was_there_before_is_not_overwritten(tmp_path):
    (tmp_path / "index.ts").write_text("export const mine = 1;\n")
    result = Writer(tmp_path).write({"index.ts": "ours\n"}, {})
    assert (tmp_path / "index.ts").read_text() == "export const mine = 1;\n" and "was there before" in result.conflicts[0]["problem"]


def test_left_over_files_go_only_when_unedited(tmp_path):
    Writer(tmp_path).write({"a.routes.ts": "a\n", "b.routes.ts": "b\n", "index.ts": "i\n"}, {})
    (tmp_path / "b.routes.ts").write_text("b, edited\n")
    result = Writer(tmp_path).write({"index.ts": "i\n"}, {})
    assert result.removed == ["a.routes.ts"] and result.conflicts[0]["file"] == "b.routes.ts"
    assert sorted(content(tmp_path)) == [MANIFEST, "b.routes.ts", "index.ts"]
    kept = Writer(tmp_path).write({"types.ts": "t\n"}, {}, complete=False)
    assert not kept.removed and sorted(content(tmp_path)) == [MANIFEST, "b.routes.ts", "index.ts", "types.ts"]


@pytest.mark.parametrize("ending, appended_ending", [(b"\r\nexport const mine = 1;\r\n", b"\r\n"), (b"// no line end", b"\n"), (b"\r\n// no line end", b"\r\n"), (b"", b"\n"), (b"\xef\xbb\xbf// caf\xc3\xa9\n", b"\n")])
def test_what_a_person_wrote_stays_byte_for_byte(tmp_path, ending, appended_ending):
    file = tmp_path / "users.handlers.ts"
    before = b"export const list = 1;" + ending if ending else b""
    file.write_bytes(before)
    result = Writer(tmp_path).write({}, handlers("list", "get") if before else handlers("get"))
    after = file.read_bytes()
    assert after.startswith(before) and result.appended == {"users.handlers.ts": ["get"]}
    added = after[len(before):]
    assert b"export const get" in added and (added.count(b"\r\n") == added.count(b"\n")) == (appended_ending == b"\r\n")
    assert Writer(tmp_path).write({}, handlers("get")).unchanged == ["users.handlers.ts"]


@pytest.mark.parametrize("text", [
    "export const get: Handler = async () => ({ status: 204 });", "export let get = 1", "export async function get() {}", "export function* get() {}", "export class get {}",
    "export abstract class get {}", "const get = 1;\nexport { get };", "const mine = 1;\nexport { mine as get };", "const mine = 1;\nexport { type A, mine as 'get' }", "export { get } from './impl.ts';",
    "export { a as get } from './impl.ts'", "export * from './other.ts';", "export * from './other.js';", "export * from './other'", "export * as get from './other.ts';",
    "export const { get, list: l } = make();", "export const [other, get] = make();", "export const other = (a, b), get = 2;", "export const other: Map<A, B> = new Map(), get: X = 2;",
    "const re = /[`'\"/]/;\nexport const get = 1;", "if (x) /`/.test(y);\nexport const get = 1;", "const t = `a ${ `${'}'}` } \\` `;\nexport const get = a / 2; // '", "export const enum get { A }",
    "export /* no */ const /* get */ get = 1", "\ufeffexport const get = 1;", "#!/usr/bin/env node\nexport const get = 1;", "declare const a: 1; export declare function get(): void;",
])
def test_exports_are_recognised(tmp_path, text):
    (tmp_path / "other.ts").write_text("export const get = 1;\n")
    (tmp_path / "users.handlers.ts").write_text(text, encoding="utf-8")
    result = Writer(tmp_path).write({}, handlers("get"))
    assert not result.appended and (tmp_path / "users.handlers.ts").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", [
    "// export const get = 1;\n", "/* export const get = 1; */", "const t = `\nexport const get = 1;\n`;\n", "const s = 'export const get = 1';\n", "export type get = string;\n",
    "export const list = { get: 1 };\n", "namespace a { export const get = 1; }\n", "export type { get } from './types.ts';\n", "export { get as list } from './impl.ts';\n", "x.export; const other = 1;\n",
])
def test_what_is_no_export_is_not_taken_for_one(tmp_path, text):
    (tmp_path / "users.handlers.ts").write_text(text)
    assert Writer(tmp_path).write({}, handlers("get")).appended == {"users.handlers.ts": ["get"]}
    assert not Writer(tmp_path).write({}, handlers("get")).appended


def test_a_handler_that_is_not_exported_is_reported_instead_of_declared_twice(tmp_path):
    (tmp_path / "users.handlers.ts").write_text("const get = 1;\n")
    result = Writer(tmp_path).write({}, handlers("get", "list"))
    assert "declares get without exporting it" in result.conflicts[0]["problem"] and result.appended == {"users.handlers.ts": ["list"]}


def test_appended_imports_do_not_repeat_what_is_imported(tmp_path):
    Writer(tmp_path).write({}, handlers("list"))
    Writer(tmp_path).write({}, handlers("list", "get"))
    text = (tmp_path / "users.handlers.ts").read_text()
    assert text.count("notImplemented }") == 1 and text.count("type Handler") == 1 and "import type { GetReply } from './types.ts';\n\nexport const get" in text


@pytest.mark.parametrize("text, problem", [(b"/* never closed", "comment"), (b"const a = `never closed", "template"), (b"export function a() {", "open {"), (b"\xff\xfea\x00", "UTF-16")])
def test_a_file_that_cannot_be_appended_to_stops_the_run_before_anything_is_written(tmp_path, text, problem):
    (tmp_path / "users.handlers.ts").write_bytes(text)
    with pytest.raises(CommandError, match=problem):
        Writer(tmp_path).write({"types.ts": "t\n"}, handlers("get"))
    assert content(tmp_path) == {"users.handlers.ts": text}


def test_handlers_whose_operation_is_gone_are_reported_and_stay(tmp_path):
    Writer(tmp_path).write({}, {**handlers("list", "get"), "pets.handlers.ts": OwnedFile("", [block("pet")])})
    result = Writer(tmp_path).write({}, handlers("list"))
    assert result.removed_handlers == [{"file": "pets.handlers.ts", "handler": "pet"}, {"file": "users.handlers.ts", "handler": "get"}] and not result.needs_attention
    assert "export const get" in (tmp_path / "users.handlers.ts").read_text()
    (tmp_path / "pets.handlers.ts").unlink()
    assert [gone["handler"] for gone in Writer(tmp_path).write({}, handlers("list")).removed_handlers] == ["get"]


def test_check_writes_nothing_and_names_what_differs(tmp_path):
    folder = tmp_path / "out"
    assert [each["problem"] for each in Writer(folder, check=True).write({"types.ts": "t\n"}, handlers("list")).drift] == ["is missing", "is missing"] and not folder.exists()
    Writer(folder).write({"types.ts": "t\n", "old.ts": "o\n"}, handlers("list"))
    assert not Writer(folder, check=True).write({"types.ts": "t\n", "old.ts": "o\n"}, handlers("list")).needs_attention
    before = content(folder)
    drift = Writer(folder, check=True).write({"types.ts": "t2\n"}, handlers("list", "get")).drift
    assert {each["file"]: each["problem"] for each in drift} == {"types.ts": "is out of date", "old.ts": "is no longer generated", "users.handlers.ts": "lacks get"}
    assert content(folder) == before


@pytest.mark.parametrize("damage", [b"<<<<<<< HEAD\n", b"[]", b'{"generated": 1, "owned": {}}', b'{"generated": {"../../x": "y", "/etc/passwd": "z"}, "owned": {"../y": {"digest": "", "names": ["a"]}}}'])
def test_a_damaged_manifest_costs_no_line(tmp_path, damage):
    Writer(tmp_path).write({"types.ts": "a\n"}, {})
    (tmp_path / MANIFEST).write_bytes(damage)
    (tmp_path / "types.ts").write_text("mine\n")
    assert Writer(tmp_path).write({"types.ts": "b\n"}, {}).needs_attention and (tmp_path / "types.ts").read_text() == "mine\n"
    assert "/etc" not in (tmp_path / MANIFEST).read_text()


@pytest.mark.parametrize("name", ["../x.ts", "/x.ts", "a/../../x.ts", "..", "a\\b.ts", "c:x.ts", "nul.ts", "CON", "x\0.ts", "", ".", "a.ts ", "a/b.ts"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(CommandError) as refused:
        Writer(tmp_path / "out").write({name: "x"}, {})
    assert refused.value.identifier == "UNSAFE_FILE_NAME" and not content(tmp_path)


def test_the_output_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    for folder in (tmp_path / "out", tmp_path / "out/deeper"):
        with pytest.raises(CommandError, match="file"):
            Writer(folder).write({"types.ts": "x"}, {})
    assert (tmp_path / "out").read_text() == "mine"


def test_links_and_read_only_files_are_left_alone(tmp_path):
    outside = tmp_path / "outside.ts"
    outside.write_text("a\n")
    folder = tmp_path / "out"
    Writer(folder).write({"types.ts": "a\n", "locked.ts": "a\n"}, {})
    (folder / "types.ts").unlink()
    (folder / "types.ts").symlink_to(outside)
    assert not Writer(folder).write({"types.ts": "a\n", "locked.ts": "a\n"}, {}).needs_attention
    with pytest.raises(CommandError, match="symbolic link"):
        Writer(folder).write({"types.ts": "b\n", "locked.ts": "b\n"}, {})
    (folder / "locked.ts").chmod(0o444)
    with pytest.raises(CommandError, match="read-only"):
        Writer(folder).write({"types.ts": "a\n", "locked.ts": "b\n"}, {})
    assert outside.read_text() == "a\n" and (folder / "locked.ts").read_text() == "a\n"


def failing_after(monkeypatch, name: str, calls: int, error: BaseException):
    """os.NAME does its work a number of times, then raises."""
    real, count = getattr(os, name), iter(range(10_000))

    def maybe(*arguments):
        if next(count) == calls:
            monkeypatch.setattr(os, name, real)
            raise error
        return real(*arguments)
    monkeypatch.setattr(os, name, maybe)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()])
@pytest.mark.parametrize("calls", range(5))
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_on_the_way_puts_everything_back(tmp_path, monkeypatch, step, calls, error):
    Writer(tmp_path).write({"a.ts": "1\n", "b.ts": "1\n", "gone.ts": "1\n"}, handlers("list"))
    before = content(tmp_path)
    failing_after(monkeypatch, step, calls, error)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else CommandError):
        Writer(tmp_path).write({"a.ts": "2\n", "b.ts": "2\n", "new.ts": "2\n"}, handlers("list", "get"))
    assert content(tmp_path) == before
    assert not Writer(tmp_path).write({"a.ts": "2\n", "b.ts": "2\n", "new.ts": "2\n"}, handlers("list", "get")).needs_attention


@pytest.mark.parametrize("calls", range(6))
def test_after_a_kill_in_the_middle_the_next_run_makes_it_whole(tmp_path, calls):
    Writer(tmp_path).write({"a.ts": "1\n", "b.ts": "1\n", "gone.ts": "1\n"}, handlers("list"))
    program = f"""
        import os, pathlib, signal, sys
        sys.path[:0] = [{str(ROOT / 'scripts')!r}, {str(ROOT / 'tests')!r}]
        from test_writer import Writer, handlers
        real, count = os.replace, iter(range(99))
        def replace(*paths):
            if next(count) == {calls}:
                os.kill(os.getpid(), signal.SIGKILL)
            real(*paths)
        os.replace = replace
        Writer(pathlib.Path({str(tmp_path)!r})).write({{"a.ts": "2\\n", "b.ts": "2\\n", "new.ts": "2\\n"}}, handlers("list", "get"))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    result = Writer(tmp_path).write({"a.ts": "3\n", "b.ts": "2\n"}, handlers("list", "get"))
    assert not result.needs_attention
    assert {name: data for name, data in content(tmp_path).items() if name in ("a.ts", "b.ts", "new.ts", "gone.ts")} == {"a.ts": b"3\n", "b.ts": b"2\n"}
    assert (tmp_path / "users.handlers.ts").read_text().count("export const get") == 1 and "pending" not in json.loads((tmp_path / MANIFEST).read_text())


def test_a_file_saved_while_we_write_is_not_overwritten(tmp_path, monkeypatch):
    Writer(tmp_path).write({"a.ts": "1\n"}, handlers("list"))
    real = writer.stage

    def stage(path, change):
        (tmp_path / "users.handlers.ts").write_text("// saved by an editor meanwhile\n")
        return real(path, change)
    monkeypatch.setattr(writer, "stage", stage)
    with pytest.raises(CommandError, match="changed by another program"):
        Writer(tmp_path).write({"a.ts": "2\n"}, handlers("list", "get"))
    assert (tmp_path / "users.handlers.ts").read_text() == "// saved by an editor meanwhile\n" and (tmp_path / "a.ts").read_text() == "1\n"


FILES = ["types.ts", "a.routes.ts", "b.routes.ts", "types.ts.new", "users.handlers.ts", "own.ts"]
STEPS = st.one_of(
    st.tuples(st.just("generate"), st.sets(st.sampled_from(FILES[:3])), st.integers(0, 3), st.sets(st.sampled_from("pqrs"))),
    st.tuples(st.just("types only"), st.integers(0, 3)),
    st.tuples(st.just("edit"), st.sampled_from(FILES), st.integers(0, 9)),
    st.tuples(st.just("crlf"), st.sampled_from(FILES)),
    st.tuples(st.just("forget"), st.just(MANIFEST)),
)


@given(st.lists(STEPS, max_size=14))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_interleaving_loses_a_hand_written_line(tmp_path_factory, steps):
    folder, mine = tmp_path_factory.mktemp("law"), []
    for number, (kind, *detail) in enumerate(steps):
        if kind == "generate":
            names, version, exports = detail
            Writer(folder).write({name: f"generated {version}\n" for name in names}, handlers(*sorted(exports)) if exports else {})
        elif kind == "types only":
            Writer(folder).write({"types.ts": f"generated {detail[0]}\n"}, {}, complete=False)
        elif kind == "edit" and (folder / detail[0]).exists() or kind == "edit" and detail[0] == "own.ts":
            mine.append((detail[0], f"// mine {number}".encode()))
            with (folder / detail[0]).open("ab") as file:
                file.write(mine[-1][1] + b"\n")
        elif kind == "crlf" and (folder / detail[0]).exists():
            (folder / detail[0]).write_bytes((folder / detail[0]).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        elif kind == "forget":
            (folder / MANIFEST).unlink(missing_ok=True)
        lost = [(name, line) for name, line in mine if line not in (folder / name).read_bytes().splitlines()]
        assert not lost


TEXT = {"type": "string"}
BODIES = {
    "Plain": {"type": "object", "required": ["message", "code"], "properties": {"message": TEXT, "code": {"type": "integer"}, "hint": TEXT}},
    "Nested": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["type", "message", "status"], "properties": {
        "type": {"type": "string", "enum": ["invalid", "other"]}, "message": TEXT, "status": TEXT, "request_id": TEXT, "at": {"type": "string", "format": "date-time"}}}}},
    "Fields": {"allOf": [{"$ref": "#/components/schemas/Plain"}, {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": {
        "type": "object", "required": ["field", "reason"], "properties": {"field": TEXT, "reason": TEXT}}}}}]},
    "Texts": {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": TEXT}}},
    "Short": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string", "maxLength": 5}}},
    "Either": {"oneOf": [{"type": "object", "required": ["detail"], "properties": {"detail": TEXT}}, {"type": "array", "items": TEXT}]},
}
FILLED = {
    "asPlain: ErrorShape<Plain> = ({ status, message }) => ({ message, code: status });",
    "asNested: ErrorShape<Nested> = ({ status, message, requestId }) => ({ error: { type: 'invalid', message, status: String(status), request_id: requestId } });",
    "  errors: details.map((problem) => ({ field: problem.field, reason: problem.message })),",
    "asTexts: ErrorShape<Texts> = ({ details }) => ({ errors: details.map((problem) => `${problem.field}: ${problem.message}`) });",
    "asShort: ErrorShape<Short> = () => ({ message: 'text' });",
    "asEither: ErrorShape<Either> = ({ message }) => ({ detail: message });",
    "asFail4XX: ErrorShape<string> = ({ message }) => message;",
    "asFailDefaultBody: ErrorShape<FailDefaultBody> = ({ message }) => ({ reason: message });",
}


def answer(schema: dict | None, media: str = "application/json") -> dict:
    return {"description": "no", "content": {media: {"schema": schema} if schema else {}}}


def document() -> dict:
    replies = {"200": answer(TEXT), **{str(400 + number): answer({"$ref": f"#/components/schemas/{name}"}) for number, name in enumerate(BODIES)},
               "4XX": answer(TEXT, "text/plain"), "default": answer({"type": "object", "required": ["reason"], "properties": {"reason": TEXT}})}
    fail = {"operationId": "fail", "tags": ["a"], "responses": replies, "security": [{"token": ["read", "it's"], "odd-name": []}, {}]}
    again = {"operationId": "again", "tags": ["b"], "responses": {"200": {"description": "ok"}, "409": answer({"$ref": "#/components/schemas/Plain"})}}
    schemes = {"token": {"type": "oauth2", "flows": {}}, "odd-name": {"type": "apiKey", "in": "header", "name": "X-Key"}, "unused": {"type": "http", "scheme": "basic"},
               "digest": {"type": "http", "scheme": "digest"}, "tls": {"type": "mutualTLS"}}
    other = {"operationId": "other", "tags": ["b"], "responses": {"204": {"description": "ok"}}, "security": [{"digest": []}, {"tls": []}]}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/fail": {"get": fail, "post": other}, "/again/{x}": {"get": again, "parameters": [
        {"name": "x", "in": "path", "required": True, "schema": TEXT}]}}, "components": {"schemas": BODIES, "securitySchemes": schemes}}


@pytest.fixture
def made(scaffold):
    result, folder = scaffold(document())
    assert result.code == 0, result.err
    return folder


def test_error_bodies_are_filled_by_the_names_of_their_fields(made):
    lines = [line.removeprefix("export const ") for line in (made / "errors.handlers.ts").read_text(encoding="utf-8").splitlines()]
    assert FILLED - set(lines) == set()


def test_tables_name_the_shapes_and_requirements(made):
    table = (made / "a.routes.ts").read_text(encoding="utf-8")
    assert "security: [{ token: ['read', 'it\\'s'], 'odd-name': [] }, {}]," in table
    assert "route<FailRequest, FailReply, Principal | undefined>({" in table
    assert "400: errors.asPlain, 401: errors.asNested, 402: errors.asFields" in table.replace("\n      ", " ").replace(",\n", ", ")


def test_hooks_exist_for_the_schemes_in_use_and_refuse(made):
    hooks = (made / "security.handlers.ts").read_text(encoding="utf-8")
    assert "export const token: BearerHook<{ subject: string }> = () => undefined;" in hooks
    assert [f"const {name}:" in hooks for name in ("oddName", "digest", "tls", "unused")] == [True, True, True, False]
    schemes = (made / "security.ts").read_text(encoding="utf-8")
    assert "'odd-name': apiKey('header', 'X-Key', hooks.oddName)," in schemes and "digest: authorizationScheme('digest', hooks.digest)," in schemes


@pytest.mark.parametrize("framework, compiler, flags", [("express", "5.9", ["--with-app"]), ("fastify", "7", ["--errors", "problem"]), ("koa", "7", ["--with-app", "--errors", "problem"])])
def test_the_compilers_take_all_files(scaffold, compile_ts, framework, compiler, flags):
    _, folder = scaffold(document(), "--framework", framework, *flags)
    assert compile_ts(folder, compiler) == []


def test_the_package_says_what_it_needs(scaffold):
    _, folder = scaffold({**document(), "info": {"title": "Pets & Co. (Ü)", "version": "2.0.1"}}, "--with-app", "--framework", "koa")
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert (package["name"], package["version"], package["type"]) == ("pets-co-u", "2.0.1", "module")
    assert sorted(package["dependencies"]) == ["@koa/router", "koa", "zod"]

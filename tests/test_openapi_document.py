"""Files of documents: encodings, YAML by the core rules, limits, and the lines of pointers."""
import json
import os
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senior_backend.console import CommandError, ExitCode
from senior_backend.openapi import document as documents
from senior_backend.openapi.document import load
from senior_backend.json_text import json_lines
from senior_backend.openapi.places import DocumentReport


def loaded(tmp_path, text, name="api.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, name)


def refusal(tmp_path, text, name="api.yaml") -> str:
    with pytest.raises(CommandError) as caught:
        loaded(tmp_path, text, name)
    assert caught.value.code == ExitCode.UNUSABLE
    return caught.value.message


SCALARS = {
    "on": "on", "no": "no", "yes": "yes", "Off": "Off", "2024-01-31": "2024-01-31", "12:30:45": "12:30:45", "1_000": "1_000", "012": 12, "0o17": 15, "0x1F": 31, "-0": 0, "+7": 7,
    "1.": 1.0, ".5": 0.5, "1e3": 1000.0, "-1.5E-2": -0.015, "1.2.3": "1.2.3", "-": "-", "true": True, "False": False, "NULL": None, "~": None, "": None, "'~'": "~", '"12"': "12",
    "!!str 12": "12", "!!int '3'": 3, "!!float 3": 3.0, "!!bool true": True, "tRue": "tRue", "0b11": "0b11", "=": "=",
}


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_follow_the_core_rules_of_yaml_12(tmp_path, text):
    value = loaded(tmp_path, f"a: {text}\n").root["a"] if text != "-" else loaded(tmp_path, "a: '-'\n").root["a"]
    assert value == SCALARS[text] and type(value) is type(SCALARS[text])


VALUES = st.recursive(st.none() | st.booleans() | st.integers(-10**12, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12).filter(lambda t: t.isprintable()),
                      lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(string.printable[:90], max_size=8), inner, max_size=4), max_leaves=25)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(string.ascii_letters + "~/ %{}", min_size=1, max_size=8), VALUES, max_size=5), st.sampled_from([None, 2]))
def test_json_read_as_yaml_is_the_same_and_its_lines_are_those_of_a_naive_reading(tmp_path_factory, value, indent):
    from senior_backend.openapi.yaml12 import parse_yaml
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert parse_yaml(text)[0] == value
    spots = {tuple(tokens): line for tokens, line in naive_lines(value, indent)}
    assert json_lines(text, list(spots)) == spots


def naive_lines(value, indent, tokens=(), line=1):
    """Lines of json.dumps(value, indent=2): an entry per line; all on the first line when there is no indent."""
    yield tokens, line
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in entries:
        line += 1 if indent else 0
        yield from naive_lines(inner, indent, (*tokens, key), line)
        line += json.dumps(inner, indent=indent).count("\n")


def test_aliases_share_and_merge_keys_fill_in(tmp_path):
    root = loaded(tmp_path, "base: &b {type: object, title: B}\none: *b\ntwo:\n  <<: *b\n  title: T\nmany:\n  <<: [*b, {title: X, more: 1}]\n'quoted': {'<<': 1}\n").root
    assert root["one"] is root["base"]
    assert root["two"] == {"title": "T", "type": "object"}
    assert root["many"] == {"type": "object", "title": "B", "more": 1}
    assert root["quoted"] == {"<<": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-32"])
@pytest.mark.parametrize("text", ['{"title": "caf\u00e9 \U0001f600"}', "title: caf\u00e9 \U0001f600\n"])
def test_encodings_are_recognised(tmp_path, encoding, text):
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding.endswith("bom") else text.encode(encoding)
    assert loaded(tmp_path, data).root == {"title": "caf\u00e9 \U0001f600"}


def test_the_pure_parser_reads_the_same(tmp_path, monkeypatch):
    import yaml
    text = "a: &x [1, {b: on}]\nc: *x\nd: |\n  text\n"
    fast = loaded(tmp_path, text)
    monkeypatch.delattr(yaml, "CLoader")
    slow = loaded(tmp_path, text)
    assert slow.root == fast.root and list(slow.marks.values()) == list(fast.marks.values())


REFUSED = {
    "NaN in JSON": ('{"a":\n NaN}', "NaN"), "infinite JSON": ('{"a": 1e999}', "too large"), "half a surrogate pair in JSON": ('{\n"a": "\\ud800"}', "2: half of a surrogate"), "nul": ("a: 1\nb: \0", "2: the file holds a NUL"),
    "binary": (b"\x89PNG\r\n\x1a\n", "not UTF-8"), "latin-1": (b"a: 1\nb: caf\xe9", "2: the file is not UTF-8"), "empty": (" \n", "empty"), "comments only": ("# nothing\n", "no YAML document"),
    "truncated JSON": ('{"a": {\n"b": [1,', "2: not JSON"), "truncated YAML": ("a: {b: [1,\n", "not YAML"), "two documents": ("a: 1\n---\nb: 2\n", "2: the file holds more than one"),
    "tag": ("a: 1\nb: !!python/name:os.system x\n", "2: the tag"), "unknown tag": ("a: !Ref x\n", "the tag '!Ref'"), "mapping as key": ("? [a]\n: 1\n", "key must be text"),
    "alias of itself": ("a: &a [*a]\n", "within its own anchor"), "unknown alias": ("a: 1\nb: *c\n", "2: the alias '*c'"), "digits": ("a: " + "9" * 5000, "too many digits"), "tab": ("a:\n\t- b\n", "2: not YAML"),
    "deep JSON": ("[" * 5000 + "]" * 5000, "levels deep"), "deep YAML": ("a: " + "{a: " * 5000, "levels deep"), "unended": ("[" * 4_000_000, "more than"), "yaml nan": ("a: .nan\n", "no number of JSON"),
    "bomb": ("\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40))]), "aliases repeat more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_document_is_refused_with_its_line(tmp_path, name):
    text, expected = REFUSED[name]
    message = refusal(tmp_path, text, "api.json" if "JSON" in name else "api.yaml")
    assert message.startswith("api.") and expected in message and ":" in message


def test_files_that_are_none_are_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name, expected in (("pipe.yaml", "not a regular file"), ("folder.yaml", "a folder"), ("none.yaml", "no file none.yaml")):
        with pytest.raises(CommandError, match=expected):
            load(tmp_path / name, name)
    monkeypatch.setattr(documents, "FILE_LIMIT", 10)
    assert "the limit is" in refusal(tmp_path, "a: 1234567890\n")


YAML = """\
openapi: 3.1.0
paths:
  /users:
    # a comment
    get:
      "tags": [users, {a: 1}]
      parameters:
        - name: id
          in: query
        - {name: page, in: query}
      description: |
        get: this is text
        description: so is this
      'x-last': 1
"""
LINES = {"#": 1, "#/openapi": 1, "#/paths": 2, "#/paths/~1users": 3, "#/paths/~1users/get": 5, "#/paths/~1users/get/tags": 6, "#/paths/~1users/get/tags/1": 6, "#/paths/~1users/get/parameters": 7,
         "#/paths/~1users/get/parameters/0": 8, "#/paths/~1users/get/parameters/0/in": 9, "#/paths/~1users/get/parameters/1": 10, "#/paths/~1users/get/parameters/1/in": 10,
         "#/paths/~1users/get/description": 11, "#/paths/~1users/get/x-last": 14}


def test_places_in_yaml_and_json(tmp_path):
    report = DocumentReport()
    report.documents.append(loaded(tmp_path, YAML))
    root = report.documents[0].root
    for pointer in LINES:
        *above, last = [None, *(token.replace("~1", "/") for token in pointer.split("/")[1:])]
        node = root
        for token in above[1:] if last is not None else ():
            node = node[int(token) if isinstance(node, list) else token]
        report.warn(pointer, node, None if last is None else int(last) if isinstance(node, list) else last)
    places = report.located(report.warnings)
    assert {place.message: (place.pointer, place.line) for place in places} == {pointer: (pointer, line) for pointer, line in LINES.items()}
    written = json.dumps(root, indent=2)
    report = DocumentReport()
    report.documents.append(loaded(tmp_path, written, "api.json"))
    root = report.documents[0].root
    report.warn("name", root["paths"]["/users"]["get"]["parameters"][1], "name")
    [place] = report.located(report.warnings)
    assert written.split("\n")[place.line - 1].strip() == '"name": "page",' and str(place) == f"api.json:{place.line}: name (#/paths/~1users/get/parameters/1/name)"


def test_a_key_given_twice_is_kept_with_its_mapping(tmp_path):
    for name, text in (("a.yaml", "a:\n  b: 1\n  b: 2\n"), ("a.json", '{"a": {"b": 1, "b": 2}}')):
        document = loaded(tmp_path, text, name)
        [(mapping, key)] = document.duplicates
        assert mapping is document.root["a"] and key == "b"

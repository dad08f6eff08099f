"""What documents name and mean: names of types and files that never clash, example values that satisfy their schemas, patterns judged against a real engine."""
from __future__ import annotations

import json
import random
import re
import subprocess
import time
import types

import pytest
from hypothesis import given, settings, strategies as st

from senior_backend.openapi.model import Api, Operation, Report, SecurityScheme
from senior_backend.scaffold.typescript import RESERVED, Names
from senior_backend.scaffold.values.examples import Examples, Unsatisfiable
from senior_backend.scaffold.values.patterns import check_pattern
from senior_backend.scaffold.values.regex.syntax import NotARegex, parse
from senior_backend.scaffold.values.satisfaction import same
from senior_backend.scaffold.plan import View

# names

PET = {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}, "secret": {"type": "string", "writeOnly": True}}}


def operation(method: str = "get", path: str = "/", operation_id: str | None = None, tag: str = "default") -> Operation:
    return Operation(method, path, operation_id, tag, "", "", False, [], None, [], [], False, {})


def api(schemas=(), operations=(), tags=(), schemes=()) -> Api:
    table = schemas if isinstance(schemas, dict) else {key: {"type": "string"} for key in schemas}
    return Api("", "", "", "3.1.0", list(operations), table, {key: SecurityScheme(key, "http", "", "", "bearer", "", {}) for key in schemes}, {tag: "" for tag in tags}, [], Report())


@pytest.mark.parametrize("key, name", [
    ("Pet", "Pet"), ("simple-user", "SimpleUser"), ("io.k8s.api.v1.Pod", "IoK8sApiV1Pod"), ("Foo[Bar]", "FooBar"), ("snake_case", "SnakeCase"), ("2fa", "Model2fa"),
    ("Error", "ErrorModel"), ("Date", "DateModel"), ("Uint8Array", "Uint8ArrayModel"), ("Größe", "Größe"), ("ユーザー", "ユーザー"), ("***", "Model"), ("class", "Class"), ("__proto__", "Proto"),
])
def test_schema_names_are_pascal_case_and_clear_of_globals(key, name):
    assert Names(api([key])).schema(key) == name


def test_a_name_that_needs_no_change_is_kept_wherever_it_stands():
    op, names = operation(operation_id="getUser"), Names(api(["foo", "Foo", "FOO", "f-oo", "PetSchema", "Pet"]))
    assert [names.schema(key) for key in ("foo", "Foo", "FOO", "f-oo", "PetSchema", "Pet")] == ["Foo2", "Foo", "FOO", "FOo", "PetSchema", "Pet2"]
    assert Names(api(["GetUserQuery"], [op])).operation_type(op) == "GetUserOperation"
    variants = Names(api({"Pet": PET, "PetRequest": {"type": "string"}}))
    assert len({variants.schema("Pet"), variants.schema("Pet", View.REQUEST), variants.schema("Pet", View.RESPONSE), variants.schema("PetRequest")}) == 4


@pytest.mark.parametrize("method, path, operation_id, name", [
    ("get", "/users/{id}", None, "getUsersById"), ("get", "/", None, "getRoot"), ("post", "/a-b/{c_d}/e", None, "postABByCDE"), ("get", "/x", "repos/list-for-org", "reposListForOrg"),
    ("get", "/x", "GetUser", "getUser"), ("get", "/x", "HTTPStatus", "httpStatus"), ("get", "/x", "delete", "deleteOperation"), ("get", "/x", "class", "classOperation"),
    ("get", "/x", "constructor", "constructor"), ("get", "/x", "***", "getX"), ("get", "/x", "2fa", "operation2fa"),
])
def test_operation_names(method, path, operation_id, name):
    op = operation(method, path, operation_id)
    assert Names(api(operations=[op])).operation(op) == name


def test_tags_become_file_names_that_stay_in_the_folder():
    tags = ["../../x", "*/", "con", "index", "types", " ", "User Accounts", "user-accounts", "security", "errors", "日本", "a" * 300]
    names = Names(api(tags=tags))
    files = [names.tag(tag).file for tag in tags]
    assert files[:1] + files[2:10] == ["x", "con-tag", "index", "types", files[5], "user-accounts", "user-accounts-2", "security-tag", "errors-tag"]
    assert all(re.fullmatch(r"[a-z0-9-]{1,80}", file) for file in files)
    assert len({file.casefold() for file in files}) == len(tags)


TEXTS = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(["Pet", "pet", "PetSchema", "Error", "GetUserRequest", "getUser", "delete", "", "__proto__", "𝔘ser", "ﬁ"])), unique=True, max_size=12)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_all_names_are_identifiers_and_differ(keys, operation_ids, tags):
    def make() -> tuple[list[str], list[str], list[str]]:
        operations = [operation(path=f"/{place}", operation_id=text or None) for place, text in enumerate(operation_ids)]
        names = Names(api(keys, operations, tags, keys))
        types = [name + ending for key in keys for name in [names.schema(key)] for ending in ("", "Schema")]
        types += [names.operation_type(op) + part + ending for op in operations for part in ("Request", "Reply", "Path", "Query", "Headers", "Cookies") for ending in ("", "Schema")]
        values = [names.operation(op) for op in operations]
        files = [names.tag(tag).file for tag in names.tags]
        assert all(name.isidentifier() for name in [*types, *values, *(names.tag(tag).variable for tag in names.tags), *(names.scheme(key) for key in keys)])
        assert not RESERVED.intersection(values)
        return types, values, files
    made = make()
    assert all(len(set(group)) == len(group) for group in made)
    assert make() == made


# examples

SCALARS = st.one_of(
    st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, st.integers(0, 30), st.integers(0, 9)),
    st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "uri", "byte", "hostname"]).map(lambda name: {"type": "string", "format": name}),
    st.sampled_from(["^[a-z]{3}-[0-9]+$", "^(?=.*[A-Z])(?=.*\\d).{8,}$", "x+y", "^[^a]$", "^(red|green)$", "\\bfoo\\b"]).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.builds(lambda low, more, step: {"type": "integer", "minimum": low, "maximum": low + more + step, "multipleOf": step}, st.integers(-50, 50), st.integers(0, 9), st.integers(1, 9)),
    st.builds(lambda low, more: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + more}, st.integers(-9, 9), st.floats(0.01, 5)),
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)), min_size=1, max_size=4).map(lambda values: {"enum": values}),
    st.sampled_from([{"type": "boolean"}, {"type": ["integer", "null"]}, {}, True]),
)


def containers(inner):
    members = st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    objects = st.builds(lambda members, needed, more: {"type": "object", "properties": members, "required": sorted(set(needed) & members.keys()), "additionalProperties": more},
                        members, st.sets(st.sampled_from("abcd")), st.sampled_from([True, False]))
    arrays = st.builds(lambda item, low, more: {"type": "array", "items": item, "minItems": low, "maxItems": low + more}, inner, st.integers(0, 3), st.integers(0, 2))
    return st.one_of(objects, arrays, st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts}), members.map(lambda members: {"allOf": [{"properties": members}, {"type": "object"}]}))


def examples(schemas: dict | None = None) -> Examples:
    return Examples(types.SimpleNamespace(schemas=schemas or {}))


@settings(max_examples=300, deadline=None)
@given(st.recursive(SCALARS, containers, max_leaves=8))
def test_examples_satisfy_their_schema(schema):
    made = examples()
    value = made.of(schema, "response")
    assert made.satisfies(value, schema, "response")
    assert same(value, examples().of(json.loads(json.dumps(schema)), "response"))


@pytest.mark.parametrize("schema, value", [
    ({"type": "string", "examples": ["Ada"]}, "Ada"),
    ({"type": "string", "examples": [7], "default": "x"}, "x"),
    ({"type": "string", "examples": ["not a date"], "format": "date"}, "2026-01-31"),
    ({"const": {"a": 1}}, {"a": 1}),
    ({"type": ["string", "null"], "enum": [None, "b"]}, None),
    ({"type": "string", "pattern": "^[A-Z]{2}$"}, "AB"),
    ({"type": "object", "properties": {"a": {"type": "string"}}, "examples": [{"a": "x", "b": 1}]}, {"a": "text"}),
    ({"type": "object", "required": ["tag"], "properties": {}}, {"tag": "text"}),
    ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 3}, [1, 2, 3]),
    ({"type": "number", "multipleOf": 0.1, "minimum": 0.25}, 0.3),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 0.5),
    ({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}, {"key1": 1, "key2": 1}),
    ({"type": "integer", "not": {"const": 1}}, 2),
])
def test_what_is_chosen(schema, value):
    made = examples()
    chosen = made.of(schema, "response")
    assert made.satisfies(chosen, schema, "response")
    if schema.get("oneOf") is None:
        assert same(chosen, value)


def test_recursion_ends_where_it_may():
    tree = {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "Tree"}}, "parent": {"$ref": "Tree"}}}
    chain = {"type": "object", "required": ["next"], "properties": {"next": {"anyOf": [{"$ref": "Chain"}, {"type": "null"}]}}}
    endless = {"type": "object", "required": ["self"], "properties": {"self": {"$ref": "Endless"}}}
    made = examples({"Tree": tree, "Chain": chain, "Endless": endless, "Loop": {"$ref": "Loop"}})
    assert made.of({"$ref": "Tree"}, "response") == {"value": 1, "children": []}
    assert made.of({"$ref": "Chain"}, "response") == {"next": None}
    for key in ("Endless", "Loop"):
        with pytest.raises(Unsatisfiable):
            made.of({"$ref": key}, "response")


def test_discriminators_name_their_branch():
    schemas = {"Cat": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}}, "Dog": {"type": "object", "required": ["bark"], "properties": {"bark": {"type": "string"}}}}
    union = {"oneOf": [{"$ref": "Cat"}, {"$ref": "Dog"}], "discriminator": {"propertyName": "kind", "mapping": {"cat": "Cat", "dog": "Dog"}}}
    assert examples(schemas).of(union, "response") == {"kind": "cat", "lives": 1}
    assert not examples(schemas).satisfies({"kind": "cow", "lives": 1}, union, "response")
    views = {"type": "object", "required": ["id", "word"], "properties": {"id": {"type": "integer", "readOnly": True}, "word": {"type": "string", "writeOnly": True}}}
    assert (examples().of(views, "request"), examples().of(views, "response")) == ({"word": "text"}, {"id": 1})


@pytest.mark.parametrize("schema", [False, {"type": "string", "pattern": "$a"}, {"allOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "integer", "minimum": 2, "maximum": 1},
                                    {"type": "array", "minItems": 10 ** 9}, {"type": "string", "minLength": 10 ** 9}])
def test_what_cannot_be_found_is_said(schema):
    with pytest.raises(Unsatisfiable):
        examples().of(schema, "response")


# patterns

PIECES = r"""a b - _ ^ $ . * + ? { } {2} {2,} {2,3} {3,2} ( ) (?: (?= (?! (?<= (?<! (?<n> (?<m> [ ] [^ | \ / \d \W \b \B \k<n> \k \1 \2 \0 \c \cA \x4 \x41 \u \u0041 \u{41}
\u{110000} \ud83d\ude00 \ud83d \p{L} \P{Lu} \p{Script=Greek} \p{sc=Grek} \p{Greek} \p{gc=Lu} \p{Alpha} \p \pL \- \_ \/ \é é 😀 && [:alpha:] 0 12 , : = < > ! # \A \Z \h \8 ++ *?""".split() + [" ", "\n", "\u2028", "\ud83d"]
SHAPES = ("{}", "({})", "(?:{})+", "^{}$", "[{}]", "(?=({}))*", "(?<n>{}){{1,2}}", "(a){}", "{}|b")
JUDGE = """
const ok = (pattern, flags) => { try { new RegExp(pattern, flags); return true; } catch { return false; } };
const literal = (text) => { try { return (0, eval)(text) instanceof RegExp; } catch { return false; } };
const answer = JSON.parse(require('fs').readFileSync(0, 'utf8')).map(([source, written]) => [ok(source, 'u'), written === null || literal(written)]);
console.log(JSON.stringify(answer));
"""


def made_up(count: int) -> list[str]:
    chance = random.Random(7)
    return [chance.choice(SHAPES).format("".join(chance.choices(PIECES, k=chance.randint(0, 5)))) for _ in range(count)]


def strict(source: str) -> bool:
    try:
        return parse(source).strict
    except NotARegex:
        return False


def test_the_verdict_is_that_of_a_javascript_engine(node):
    sources = made_up(4000)
    task = json.dumps([[source, check_pattern(source).expression] for source in sources])
    answers = json.loads(subprocess.run([str(node), "-e", JUDGE], input=task, capture_output=True, text=True, check=True).stdout)
    wrong = [source for source, (valid, _) in zip(sources, answers) if strict(source) != valid]
    assert wrong == []
    assert [source for source, (_, literal) in zip(sources, answers) if not literal] == []
    assert 500 < sum(valid for valid, _ in answers) < 3500


@pytest.mark.parametrize("source, expression", [
    (r"^[\w\-\.]+\@x\_y$", r"/^[\w\-\.]+@x_y$/u"),
    ("^a/b$", r"/^a\/b$/u"),
    ("", "/(?:)/u"),
    ("}{]", r"/\}\{\]/u"),
    ("\n\u2028*/", r"/\n\u2028*\//u"),
    ("\ud83d", r"/\u{d83d}/u"),
    (r"\Aabc\Z", "/^abc$/u"),
    (r"(?P<year>[0-9]{4})\k<year>", r"/(?<year>[0-9]{4})\k<year>/u"),
    ("^(?i)yes$", "/^yes$/iu"),
    (r"[\w-.]", r"/[\w\-.]/u"),
    ("/v1/a", r"/\/v1\/a/u"),
])
def test_what_is_not_strict_is_put_in_other_words(source, expression):
    assert check_pattern(source).expression == expression


@pytest.mark.parametrize("source", ["a++", "(?>a)", "(?R)", r"\Ka", r"\R", "a(?i)b", "(", "[", "a{2,1}", r"\1", r"\k<x>", "*", "[z-a]", r"\p{Nonsense}", r"\p{Han}", "(?=a)*", "(?<a>x)|(?<a>y)", "[[:alpha:]]", r"^\d{10, 15}$", "/^a$/", r"^\m$", "[a-z&&[^b]]", "(" * 300 + ")" * 300, "\\"])
def test_what_cannot_be_said_is_explained(source):
    pattern = check_pattern(source)
    assert pattern.expression is None and pattern.problem and pattern.danger == ""


@pytest.mark.parametrize("source", [
    "(a+)+$", "(a|a)*$", r"^(\w+\s?)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a*)*b", "^(a?a?)*$", "(.*a){20}$", "([a-z]{1,10})*$", r"^(\d{4}|\d{8})*$", "(?=(a+)+$)b", "(a+){1,50}$",
])
def test_exponential(source):
    assert check_pattern(source).danger == "exponential"


@pytest.mark.parametrize("source", [r"\d+\d+$", ".*.*=", r"^\s*,?\s*$", "^(.+)-(.+)-(.+)$"])
def test_polynomial(source):
    assert check_pattern(source).danger == "polynomial"


@pytest.mark.parametrize("source", [
    "^[a-z0-9]+(-[a-z0-9]+)*$", r"^[^\s@]+@[^\s@]+\.[^\s@]+$", "^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", "(a+)+", r"^\S(.*\S)?$", "[a-z]+$",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?$", r"^(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{8,}$",
    "^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$", r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?$", r'^"(?:[^"\\]|\\.)*"$', "^" + "a?" * 200,
])
def test_harmless(source):
    assert check_pattern(source).danger == ""


def test_large_patterns_are_judged_in_time():
    sources = ["^(" + "|".join(f"{first}{second}x*" for first in "abcdefghij" for second in "klmnopqrst") + ")*$", "(" * 90 + "a+" + ")+" * 90 + "$", "a" * 100_000 + "[b-c]+"]
    start = time.process_time()
    assert check_pattern(sources[1]).danger == "exponential"
    assert all(check_pattern(source).expression for source in sources)
    assert time.process_time() - start < 2

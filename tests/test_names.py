"""Names of types, operations and tags: identifiers that never clash, whatever a document calls them."""
from __future__ import annotations

import re

import pytest
from hypothesis import given, settings, strategies as st

from senior_backend.openapi.model import Api, Operation, Report, SecurityScheme
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.typescript import RESERVED
from senior_backend.scaffold.views import View

PET = {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}, "secret": {"type": "string", "writeOnly": True}}}


def operation(method: str = "get", path: str = "/", operation_id: str | None = None, tag: str = "default") -> Operation:
    return Operation(method, path, operation_id, tag, "", "", False, [], None, [], [], {})


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

"""Texts from parse trees, in the forms that the server itself gives: types as format_type, definitions as pg_get_constraintdef and its kin."""
from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator

from senior_backend import dependencies
from senior_backend.postgres.quote import qualified

NAME_BYTES = 63
ALIASES = {"int2": "smallint", "int4": "integer", "int8": "bigint", "bool": "boolean", "float4": "real", "float8": "double precision", "varchar": "character varying", "bpchar": "character",
           "varbit": "bit varying", "timestamp": "timestamp{} without time zone", "timestamptz": "timestamp{} with time zone", "time": "time{} without time zone", "timetz": "time{} with time zone",
           "int": "integer", "char": '"char"'}
BUILT_IN = frozenset("""text uuid json jsonb jsonpath date bytea inet cidr macaddr macaddr8 money name oid point line lseg box path polygon circle tsvector tsquery xml numeric bit interval record void
trigger event_trigger anyelement anyarray anynonarray anyenum anyrange anymultirange anycompatible anycompatiblearray anycompatiblenonarray anycompatiblerange "any" cstring internal refcursor regclass
regproc regprocedure regoper regoperator regtype regrole regnamespace regconfig regdictionary regcollation pg_lsn pg_snapshot txid_snapshot xid xid8 cid tid int4range int8range numrange tsrange
tstzrange daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange fdw_handler index_am_handler table_am_handler language_handler""".split())
SERIALS = {"smallserial": "smallint", "serial2": "smallint", "serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint"}
INTERVALS = ((4, "year"), (2, "month"), (8, "day"), (1024, "hour"), (2048, "minute"), (4096, "second"))
WHOLE_INTERVAL = 0x7FFF


def strings(nodes: Iterable[Any]) -> list[str]:
    return [node.string.sval for node in nodes]


def statement(**fields: Any) -> str:
    """A statement's tree as SQL: statement(index_stmt=tree)."""
    postgast = dependencies.require("postgast")
    tree = postgast.ParseResult()
    tree.stmts.add().stmt.CopyFrom(postgast.pg_query_pb2.Node(**fields))
    return postgast.deparse(tree)


def expression(node: Any) -> str:
    pb = dependencies.require("postgast").pg_query_pb2
    return statement(select_stmt=pb.SelectStmt(target_list=[pb.Node(res_target=pb.ResTarget(val=node))])).removeprefix("SELECT ")


def type_text(node: Any, schema_of: Callable[[str], str]) -> str:
    """A type's name as format_type gives it with an empty search_path. schema_of: where an unqualified name of no built-in type is."""
    parts = strings(node.names)
    if node.pct_type:
        return qualified(*parts) + "%TYPE"
    built_in = parts[0] == "pg_catalog" or len(parts) == 1 and (parts[0] in ALIASES or parts[0] in BUILT_IN)
    numbers = [one.a_const.ival.ival for one in node.typmods]
    suffix = "[]" if node.array_bounds else ""
    if not built_in:
        said = f"({','.join(map(str, numbers))})" if numbers else ""
        return qualified(*(parts if len(parts) > 1 else (schema_of(parts[0]), *parts))) + said + suffix
    return built_in_text(parts[-1], numbers) + suffix


def built_in_text(name: str, numbers: list[int]) -> str:
    text = ALIASES.get(name, name)
    if name == "interval" and numbers:
        fields = [word for bit, word in INTERVALS if numbers[0] & bit] if numbers[0] != WHOLE_INTERVAL else []
        return " ".join(["interval", *([" to ".join(dict.fromkeys((fields[0], fields[-1])))] if fields else [])]) + (f"({numbers[1]})" if len(numbers) > 1 else "")
    if name == "bpchar" and not numbers:
        return "bpchar"
    if name == "numeric" and len(numbers) == 1:
        numbers = [numbers[0], 0]
    said = f"({','.join(map(str, numbers))})" if numbers else ""
    return text.format(said) if "{}" in text else text + said


def object_name(first: str, second: str, label: str, taken: Callable[[str], bool]) -> str:
    """The name that the server chooses: first_second_label, shortened to 63 bytes, with a number when it is taken."""
    for number in range(1000):
        ending = f"_{label}{number or ''}"
        one, two = first, second
        while len("_".join(filter(None, (one, two))).encode()) > NAME_BYTES - len(ending.encode()):
            one, two = (one[:-1], two) if len(one.encode()) > len(two.encode()) else (one, two[:-1])
        name = "_".join(filter(None, (one, two))) + ending
        if not taken(name):
            return name
    raise AssertionError(f"no free name for {first}")


def columns_in(node: Any) -> Iterator[Any]:
    """All column references below a node."""
    for field, value in node.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if hasattr(value, "add") else (value,):
                if one.DESCRIPTOR.name == "ColumnRef":
                    yield one
                else:
                    yield from columns_in(one)


def rename_column(node: Any, old: str, new: str) -> None:
    """In keys, index columns and expressions alike."""
    for reference in columns_in(node):
        if reference.fields and reference.fields[-1].string.sval == old:
            reference.fields[-1].string.sval = new
    for field in ("keys", "fk_attrs"):
        for key in getattr(node, field, ()):
            if key.string.sval == old:
                key.string.sval = new
    for field in ("index_params", "index_including_params"):
        for one in getattr(node, field, ()):
            if one.index_elem.name == old:
                one.index_elem.name = new

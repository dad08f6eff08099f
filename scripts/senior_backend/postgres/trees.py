"""Parse trees of SQL, as PostgreSQL's own parser gives them: what is in them, and the way back to SQL."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Iterator

from senior_backend import dependencies

if TYPE_CHECKING:
    from google.protobuf.message import Message


def postgast() -> Any:
    return dependencies.require("postgast")


def parse(text: str) -> list[Message]:
    """The statements of a text; postgast().PgQueryError says where it is no SQL."""
    return [unwrapped(one.stmt) for one in postgast().parse(text).stmts]


def unwrapped(node: Message) -> Any:
    which = node.WhichOneof("node") if "node" in node.DESCRIPTOR.oneofs_by_name else None
    return getattr(node, which) if which else node


def kind_of(node: Message) -> str:
    """SelectStmt, ColumnRef, ..."""
    return type(node).__name__


def nodes(tree: Message, *kinds: str) -> Iterator[Any]:
    """Everything of these kinds in a tree (of all without any), the outer before the inner."""
    return (node for _, node in postgast().walk(tree) if not kinds or type(node).__name__ in kinds)


def symbol(node: Message, field: str) -> str:
    """The name of an enumeration's value: OBJECT_TABLE, AT_DropColumn."""
    return node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(node, field)].name


def words(parts: Iterable[Message]) -> tuple[str, ...]:
    """The parts of a name that the parser gives as a list of strings."""
    return tuple(unwrapped(one).sval for one in parts)


def relation_name(relation: Any) -> tuple[str, ...]:
    return tuple(part for part in (relation.schemaname, relation.relname) if part)


def option(options: Iterable[Message], name: str) -> str:
    """The value of one of a statement's options as text: names joined by dots; "true" for one that is only named, "" for one that is not there."""
    for one in map(unwrapped, options):
        if one.defname == name:
            value = unwrapped(one.arg)
            parts = words(value.names) if kind_of(value) == "TypeName" else [part.sval for part in nodes(value, "String")]
            return ".".join(parts) or str(next((getattr(value, field) for field in ("boolval", "ival", "fval") if getattr(value, field, None)), "true")).lower()
    return ""


def statement(**fields: Any) -> str:
    """A statement's tree as SQL: statement(index_stmt=tree)."""
    tree = postgast().ParseResult()
    tree.stmts.add().stmt.CopyFrom(postgast().pg_query_pb2.Node(**fields))
    return postgast().deparse(tree)


def expression(node: Any) -> str:
    pb = postgast().pg_query_pb2
    return statement(select_stmt=pb.SelectStmt(target_list=[pb.Node(res_target=pb.ResTarget(val=node))])).removeprefix("SELECT ")

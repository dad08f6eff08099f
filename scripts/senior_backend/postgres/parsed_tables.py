"""Tables while a script is read by parser alone, and the facts that they come to."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterator

from senior_backend import dependencies
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import qualified
from senior_backend.postgres.parsed_text import object_name, rename_column, statement, strings

Name = tuple[str, str]
LETTERS = {"CONSTR_PRIMARY": "p", "CONSTR_UNIQUE": "u", "CONSTR_FOREIGN": "f", "CONSTR_CHECK": "c", "CONSTR_EXCLUSION": "x"}


@dataclasses.dataclass
class Column:
    """attributes: as queries/columns.sql gives them. types: user-defined types that it needs."""
    attributes: dict[str, Any]
    default: str | None = None
    uses: tuple[Id, ...] = ()


@dataclasses.dataclass
class Constraint:
    """kind: a letter of pg_constraint.contype; node: its parse tree; reference: the table that a foreign key points to; of: the parent's, for one of a partition."""
    kind: str
    node: Any
    columns: list[str]
    reference: Table | None = None
    of: Id | None = None


@dataclasses.dataclass
class Index:
    node: Any
    columns: list[str]
    of: Id | None = None


@dataclasses.dataclass
class Table:
    """name: schema and table. parents: what it inherits from; bound: its part of the one parent of a partition."""
    name: Name
    attributes: dict[str, Any]
    columns: dict[str, Column] = dataclasses.field(default_factory=dict)
    constraints: dict[str, Constraint] = dataclasses.field(default_factory=dict)
    indexes: dict[str, Index] = dataclasses.field(default_factory=dict)
    parents: list[Table] = dataclasses.field(default_factory=list)
    bound: str | None = None

    @property
    def id(self) -> Id:
        return Id("table", self.name)

    def part(self, kind: str, name: str) -> Id:
        return Id(kind, (*self.name, name))

    def unused(self, columns: list[str], label: str, taken: Callable[[Name], bool]) -> str:
        """A name for a constraint or index of these columns."""
        return object_name(self.name[1], "_".join(columns), label, lambda name: name in self.constraints or name in self.indexes or taken((self.name[0], name)))

    def rename_column(self, old: str, new: str) -> None:
        self.columns = {new if name == old else name: column for name, column in self.columns.items()}
        for part in (*self.constraints.values(), *self.indexes.values()):
            rename_column(part.node, old, new)
            part.columns = [new if name == old else name for name in part.columns]

    def drop_column(self, name: str) -> None:
        self.columns.pop(name, None)
        for parts in (self.constraints, self.indexes):
            for key in [key for key, part in parts.items() if name in part.columns]:
                del parts[key]

    def facts(self) -> Iterator[Fact]:
        yield Fact(self.id, self.attributes)
        for place, (name, column) in enumerate(self.columns.items(), 1):
            identity = self.part("column", name)
            yield Fact(identity, column.attributes, self.id, column.uses, place)
            if column.default is not None:
                yield Fact(self.part("default", name), {"expression": column.default}, identity, column.uses)
        for name, constraint in self.constraints.items():
            yield from self.constraint_facts(name, constraint)
        for name, index in self.indexes.items():
            yield from self.index_facts(name, index)
        for place, parent in enumerate(self.parents, 1):
            if self.bound is None:
                yield Fact(Id("inheritance", (*self.name, *parent.name)), {"position": place}, self.id, (parent.id,))
            else:
                yield Fact(Id("partition", self.name), {"of": list(parent.name), "bound": self.bound}, self.id, (parent.id,))

    def constraint_facts(self, name: str, constraint: Constraint) -> Iterator[Fact]:
        attributes: dict[str, Any] = {"type": constraint.kind, "definition": self.definition(constraint)}
        depends = [self.part("column", column) for column in constraint.columns]
        if constraint.kind in "pu":
            attributes["columns"] = constraint.columns
        if constraint.reference:
            attributes["references"] = list(constraint.reference.name)
            depends += [constraint.reference.id, *(constraint.reference.part("constraint", key) for key, one in constraint.reference.constraints.items() if one.kind in "pu")]
        identity = self.part("constraint", name)
        yield Fact(identity, attributes, self.id, tuple(depends))
        if constraint.of:
            yield Fact(Id("index_partition", (self.name[0], name)), {"of": [constraint.of.name[0], constraint.of.name[-1]]}, identity, (constraint.of,))

    def definition(self, constraint: Constraint) -> str:
        """As pg_get_constraintdef gives it, but for the form of expressions."""
        pb = dependencies.require("postgast").pg_query_pb2
        node = pb.Constraint()
        node.CopyFrom(constraint.node)
        node.conname = ""
        if constraint.reference:
            node.pktable.schemaname, node.pktable.relname = constraint.reference.name
            if not node.pk_attrs:
                keys = next((one.columns for one in constraint.reference.constraints.values() if one.kind == "p"), [])
                node.pk_attrs.extend(pb.Node(string=pb.String(sval=key)) for key in keys)
        command = pb.AlterTableCmd(subtype="AT_AddConstraint", behavior="DROP_RESTRICT", **{"def": pb.Node(constraint=node)})
        relation = pb.RangeVar(relname="t", inh=True, relpersistence="p")
        text = statement(alter_table_stmt=pb.AlterTableStmt(relation=relation, objtype="OBJECT_TABLE", cmds=[pb.Node(alter_table_cmd=command)]))
        if constraint.reference:
            text = text.replace(f"{qualified(*constraint.reference.name)} (", f"{qualified(*constraint.reference.name)}(")
        return text.removeprefix("ALTER TABLE t ADD ").replace(")DEFERRABLE", ") DEFERRABLE")

    def index_facts(self, name: str, index: Index) -> Iterator[Fact]:
        identity = Id("index", (self.name[0], name))
        yield Fact(identity, index_attributes(index.node, self.name, name), self.id, tuple(self.part("column", column) for column in index.columns))
        if index.of:
            yield Fact(Id("index_partition", identity.name), {"of": [index.of.name[0], index.of.name[-1]]}, identity, (index.of,))

    def adopt(self, child: Table, taken: Callable[[Name], bool]) -> None:
        """Give a partition the keys and indexes that it lacks, as the server does."""
        for name, constraint in self.constraints.items():
            same = next((one for one in child.constraints.values() if one.kind == constraint.kind and one.columns == constraint.columns), None)
            if constraint.kind in "pux" and same is None:
                label = {"p": "pkey", "u": "key", "x": "excl"}[constraint.kind]
                same = child.constraints[child.unused([] if constraint.kind == "p" else constraint.columns, label, taken)] = dataclasses.replace(constraint)
            if constraint.kind in "pux":
                same.of = self.part("constraint", name)
            for column in constraint.columns if constraint.kind == "p" else ():
                child.columns[column].attributes["not_null"] = True
        for name, index in self.indexes.items():
            same = next((one for one in child.indexes.values() if one.columns == index.columns and one.node.unique == index.node.unique and one.of in (None, Id("index", (self.name[0], name)))), None)
            if same is None:
                same = child.indexes[child.unused(index_columns(index.node), "idx", taken)] = dataclasses.replace(index)
            same.of = Id("index", (self.name[0], name))


def index_attributes(tree: Any, table: Name, name: str) -> dict[str, Any]:
    """As queries/indexes.sql gives them."""
    node = type(tree)()
    node.CopyFrom(tree)
    node.idxname, node.concurrent, node.if_not_exists = name, False, False
    node.relation.schemaname, node.relation.relname = table
    return {"definition": statement(index_stmt=node), "table": table[1], **({"unique": True} if node.unique else {})}


def index_columns(node: Any) -> list[str]:
    """What the server makes an index's name of: columns, or the functions of expressions."""
    names: list[str] = []
    for one in (*node.index_params, *node.index_including_params):
        call = one.index_elem.expr.func_call
        names.append(one.index_elem.name or (strings(call.funcname)[-1] if one.index_elem.expr.WhichOneof("node") == "func_call" else "expr"))
    return names

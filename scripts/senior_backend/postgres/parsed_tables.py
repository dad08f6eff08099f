"""Tables while a script is read by parser alone, the facts that they come to, and texts in the forms that the server itself gives."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterable, Iterator

from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import qualified
from senior_backend.postgres.trees import nodes, postgast, statement, unwrapped, words

Name = tuple[str, str]
Taken = Callable[[Name], bool]
NAME_BYTES, MOST_NUMBERS, WHOLE_INTERVAL = 63, 1000, 0x7FFF
LETTERS = {"CONSTR_PRIMARY": "p", "CONSTR_UNIQUE": "u", "CONSTR_FOREIGN": "f", "CONSTR_CHECK": "c", "CONSTR_EXCLUSION": "x"}
LABELS = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl", "i": "idx"}
ALIASES = {"int2": "smallint", "int4": "integer", "int8": "bigint", "bool": "boolean", "float4": "real", "float8": "double precision", "varchar": "character varying", "bpchar": "character",
           "varbit": "bit varying", "timestamp": "timestamp{} without time zone", "timestamptz": "timestamp{} with time zone", "time": "time{} without time zone", "timetz": "time{} with time zone",
           "int": "integer", "char": '"char"'}
SERIALS = {"smallserial": "smallint", "serial2": "smallint", "serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint"}
INTERVALS = ((4, "year"), (2, "month"), (8, "day"), (1024, "hour"), (2048, "minute"), (4096, "second"))


@dataclasses.dataclass
class Column:
    """attributes: as queries/tables.sql gives them. uses: types and sequences of the script that it needs."""
    attributes: dict[str, Any]
    default: str | None = None
    uses: tuple[Id, ...] = ()


@dataclasses.dataclass
class Key:
    """A constraint or an index. kind: a letter of pg_constraint.contype, i for an index; node: its parse tree; reference: the table that a foreign key points to;
    of: what it is a part of, for that of a partition."""
    kind: str
    node: Any
    columns: list[str]
    reference: Table | None = None
    of: Id | None = None

    def named_after(self) -> list[str]:
        """The columns in the name that the server chooses."""
        if self.kind == "i":
            return index_columns(self.node)
        return [] if self.kind == "p" or self.kind == "c" and len(self.columns) != 1 else self.columns


@dataclasses.dataclass
class Table:
    """name: schema and table. keys: by "constraint" or "index" and their names; parents: what it inherits from; bound: its part of the one parent of a partition."""
    name: Name
    attributes: dict[str, Any]
    columns: dict[str, Column] = dataclasses.field(default_factory=dict)
    keys: dict[tuple[str, str], Key] = dataclasses.field(default_factory=dict)
    parents: list[Table] = dataclasses.field(default_factory=list)
    bound: str | None = None

    @property
    def id(self) -> Id:
        return Id("table", self.name)

    def part(self, kind: str, name: str) -> Id:
        return Id(kind, (self.name[0], name) if kind == "index" else (*self.name, name))

    def unused(self, columns: list[str], label: str, taken: Taken) -> str:
        """A name for a key or sequence of these columns."""
        own = {name for _, name in self.keys}
        return object_name(self.name[1], "_".join(columns), label, lambda name: name in own or taken((self.name[0], name)))

    def add(self, key: Key, taken: Taken, name: str = "") -> Key:
        name = name or self.unused(key.named_after(), LABELS[key.kind], taken)
        self.keys["index" if key.kind == "i" else "constraint", name] = key
        for column in key.columns if key.kind == "p" else ():
            self.columns[column].attributes["not_null"] = True
        return key

    def rename_column(self, old: str, new: str) -> None:
        self.columns = {new if name == old else name: column for name, column in self.columns.items()}
        for key in self.keys.values():
            rename_column(key.node, old, new)
            key.columns = [new if name == old else name for name in key.columns]

    def rename_key(self, old: tuple[str, str], new: str) -> None:
        self.keys = {(kind, new) if (kind, name) == old else (kind, name): key for (kind, name), key in self.keys.items()}

    def drop_column(self, name: str) -> None:
        self.columns.pop(name, None)
        self.keys = {key: one for key, one in self.keys.items() if name not in one.columns}

    def adopt(self, child: Table, taken: Taken) -> None:
        """Give a partition the keys and indexes that it lacks, as the server does."""
        for name, key in self.keys.items():
            if key.kind in "puxi":
                mine = self.part(*name)
                alike = (one for one in child.keys.values() if one.kind == key.kind and one.columns == key.columns)
                same = next((one for one in alike if key.kind != "i" or one.node.unique == key.node.unique and one.of in (None, mine)), None)
                same = same or child.add(dataclasses.replace(key), taken)
                same.of = mine

    def facts(self) -> Iterator[Fact]:
        yield Fact(self.id, self.attributes)
        for place, (name, column) in enumerate(self.columns.items(), 1):
            identity = self.part("column", name)
            yield Fact(identity, column.attributes, self.id, column.uses, place)
            if column.default is not None:
                yield Fact(self.part("default", name), {"expression": column.default}, identity, column.uses)
        for (kind, name), key in self.keys.items():
            identity = self.part(kind, name)
            yield self.constraint(identity, key) if kind == "constraint" else Fact(identity, index_attributes(key.node, self.name, name), self.id, tuple(self.needed(key)))
            if key.of:
                yield Fact(Id("index_partition", (self.name[0], name)), {"of": [key.of.name[0], key.of.name[-1]]}, identity, (key.of,))
        for place, parent in enumerate(self.parents, 1):
            if self.bound is None:
                yield Fact(Id("inheritance", (*self.name, *parent.name)), {"position": place}, self.id, (parent.id,))
            else:
                yield Fact(Id("partition", self.name), {"of": list(parent.name), "bound": self.bound}, self.id, (parent.id,))

    def needed(self, key: Key) -> list[Id]:
        return [self.part("column", column) for column in key.columns]

    def constraint(self, identity: Id, key: Key) -> Fact:
        attributes: dict[str, Any] = {"type": key.kind, "definition": definition(key)}
        depends = self.needed(key)
        if key.kind in "pu":
            attributes["columns"] = key.columns
        if key.reference:
            attributes["references"] = list(key.reference.name)
            depends += [key.reference.id, *(key.reference.part(*name) for name, one in key.reference.keys.items() if one.kind in "pu")]
        return Fact(identity, attributes, self.id, tuple(depends))


def definition(key: Key) -> str:
    """As pg_get_constraintdef gives it, but for the form of expressions."""
    pb = postgast().pg_query_pb2
    node = pb.Constraint()
    node.CopyFrom(key.node)
    node.conname, target = "", ""
    if key.reference:
        node.pktable.schemaname, node.pktable.relname = key.reference.name
        target = qualified(*key.reference.name)
        primary = next((one.columns for one in key.reference.keys.values() if one.kind == "p"), [])
        node.pk_attrs.extend(pb.Node(string=pb.String(sval=column)) for column in (primary if not node.pk_attrs else ()))
    command = pb.AlterTableCmd(subtype="AT_AddConstraint", behavior="DROP_RESTRICT", **{"def": pb.Node(constraint=node)})
    relation = pb.RangeVar(relname="t", inh=True, relpersistence="p")
    text = statement(alter_table_stmt=pb.AlterTableStmt(relation=relation, objtype="OBJECT_TABLE", cmds=[pb.Node(alter_table_cmd=command)]))
    return text.removeprefix("ALTER TABLE t ADD ").replace(f"REFERENCES {target} (", f"REFERENCES {target}(").replace(")DEFERRABLE", ") DEFERRABLE")


def index_attributes(tree: Any, table: Name, name: str) -> dict[str, Any]:
    """As queries/tables.sql gives them."""
    node = type(tree)()
    node.CopyFrom(tree)
    node.idxname, node.concurrent, node.if_not_exists = name, False, False
    node.relation.schemaname, node.relation.relname = table
    return {"definition": statement(index_stmt=node), "table": table[1], **({"unique": True} if node.unique else {})}


def index_columns(node: Any) -> list[str]:
    """What the server makes an index's name of: columns, or the functions of expressions."""
    found = []
    for one in map(unwrapped, (*node.index_params, *node.index_including_params)):
        called = unwrapped(one.expr)
        found.append(one.name or (words(called.funcname)[-1] if hasattr(called, "funcname") else "expr"))
    return found


def referenced(node: Any) -> Iterable[str]:
    """The columns that are named below a node."""
    return (one.fields[-1].string.sval for one in nodes(node, "ColumnRef"))


def rename_column(node: Any, old: str, new: str) -> None:
    """In keys, index columns and expressions alike."""
    names = [one.fields[-1].string for one in nodes(node, "ColumnRef")] + [one.string for field in ("keys", "fk_attrs") for one in getattr(node, field, ())]
    for name in names:
        if name.sval == old:
            name.sval = new
    for one in (one.index_elem for field in ("index_params", "index_including_params") for one in getattr(node, field, ())):
        if one.name == old:
            one.name = new


def type_text(node: Any, schema_of: Callable[[str], str | None]) -> str:
    """A type's name as format_type gives it with an empty search_path. schema_of: where a type of the script is; None for the name of any other, which stays as it is."""
    parts = words(node.names)
    if node.pct_type:
        return qualified(*parts) + "%TYPE"
    numbers = [one.a_const.ival.ival for one in node.typmods]
    schema = schema_of(parts[0]) if len(parts) == 1 else parts[0] if parts[0] != "pg_catalog" else None
    array = "[]" if node.array_bounds else ""
    return (f"{qualified(schema, parts[-1])}{modifier(numbers)}" if schema else built_in_text(parts[-1], numbers)) + array


def modifier(numbers: list[int]) -> str:
    return f"({','.join(map(str, numbers))})" if numbers else ""


def built_in_text(name: str, numbers: list[int]) -> str:
    text = ALIASES.get(name, name)
    if name == "interval" and numbers:
        fields = [word for bit, word in INTERVALS if numbers[0] & bit] if numbers[0] != WHOLE_INTERVAL else []
        return " ".join(["interval", *([" to ".join(dict.fromkeys((fields[0], fields[-1])))] if fields else [])]) + modifier(numbers[1:])
    if name == "bpchar" and not numbers:
        return "bpchar"
    if name == "numeric" and len(numbers) == 1:
        numbers = [numbers[0], 0]
    return text.format(modifier(numbers)) if "{}" in text else text + modifier(numbers)


def object_name(first: str, second: str, label: str, taken: Callable[[str], bool]) -> str:
    """The name that the server chooses: first_second_label, shortened to 63 bytes, with a number when it is taken."""
    for number in range(MOST_NUMBERS):
        ending = f"_{label}{number or ''}"
        one, two = first, second
        while len("_".join(filter(None, (one, two))).encode()) > NAME_BYTES - len(ending.encode()):
            one, two = (one[:-1], two) if len(one.encode()) > len(two.encode()) else (one, two[:-1])
        name = "_".join(filter(None, (one, two))) + ending
        if not taken(name):
            return name
    raise AssertionError(f"no free name for {first}")

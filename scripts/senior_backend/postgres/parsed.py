"""SQL files read by parser alone, where there is no server: a catalogue that is good for analysis, for advice, and for a difference that says it is not proven.

Tables with all they hold, sequences, types, views, functions, triggers and comments become facts in the form that live.py gives them, but for the spelling of
expressions. Every other statement is a fact of kind "unparsed" with its text: equal in two files that say the same, and a reason to refuse where they differ.
"""
from __future__ import annotations

import copy
from typing import Any, Callable, Iterable

from senior_backend import dependencies
from senior_backend.console import CommandError
from senior_backend.postgres import treatment
from senior_backend.postgres.cluster import LOADER
from senior_backend.postgres.parsed_changes import TYPES, Changes
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.parsed_tables import LETTERS, Column, Constraint, Index, Name, Table, index_attributes, index_columns
from senior_backend.postgres.parsed_text import SERIALS, columns_in, expression, object_name, statement, strings, type_text
from senior_backend.postgres.quote import literal, qualified
from senior_backend.postgres.sql_files import Script, Statement
from senior_backend.postgres.treatment import enum, option

SILENT = ("variable_set_stmt", "transaction_stmt", "select_stmt", "do_stmt", "create_role_stmt", "variable_show_stmt", "constraints_set_stmt", "lock_stmt", *treatment.LEFT_OUT)
LIKE = {"defaults": 8, "checks": 4, "generated": 16, "identity": 32, "indexes": 64}
LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def read(script: Script) -> Catalogue:
    """The catalogue of a script, exact=False. CommandError exit 2 with file:line for what is no SQL or contradicts itself."""
    reader = Reader(script)
    for one in script.statements:
        reader.take(one)
    return reader.catalogue()


class Reader(Changes):
    """What the statements so far have made."""

    def __init__(self, script: Script):
        self.script, self.postgast = script, dependencies.require("postgast")
        self.tables: dict[Name, Table] = {}
        self.facts: dict[Id, Fact] = {}
        self.stated: set[str] = set()
        self.path, self.asked = ["public"], set[Name]()
        self.add(Id("schema", ("public",)), {})

    def catalogue(self) -> Catalogue:
        facts = {fact.id: fact for table in self.tables.values() for fact in table.facts()}
        return Catalogue(self.script.source, exact=False, facts={**self.facts, **facts}, stated=frozenset(self.stated), role=LOADER)

    def take(self, one: Statement) -> None:
        self.statement = one
        try:
            parsed = self.postgast.parse(one.text).stmts
        except self.postgast.PgQueryError as error:
            line = one.line + one.text.encode()[:max(error.cursorpos - 1, 0)].count(b"\n")
            raise CommandError(f"{one.file}:{line}: {error.message}", "correct the statement (it was read by PostgreSQL 18's parser)", identifier="SQL_ERROR") from None
        for raw in parsed:
            kind = raw.stmt.WhichOneof("node")
            node = getattr(raw.stmt, kind)
            self.stated |= treatment.spoken_of(kind, node) if kind in treatment.NAMES_ROLES else set()
            handle: Callable[[Any], Any] | None = getattr(self, kind, None)
            if handle is not None:
                handle(node)
            elif kind not in SILENT:
                self.unparsed(kind, node)

    def unparsed(self, kind: str, node: Any) -> None:
        text = statement(**{kind: node})
        self.facts.setdefault(identity := Id("unparsed", (text,)), Fact(identity, {"statement": text}))

    def add(self, identity: Id, attributes: dict[str, Any], parent: Id | None = None, depends: Iterable[Id] = (), order: int = 0, replace: bool = True) -> None:
        if not replace and identity in self.facts:
            raise self.error(f"{identity} already exists")
        self.facts[identity] = Fact(identity, attributes, parent, tuple(depends), order)

    def error(self, message: str) -> CommandError:
        return CommandError(f"{self.statement.place}: {message}", "correct the file; a server would refuse it too", identifier="SQL_ERROR")

    # --- names
    def name(self, parts: list[str]) -> Name:
        return (parts[-2], parts[-1]) if len(parts) > 1 else (self.path[0], parts[0])

    def found(self, parts: list[str], kinds: tuple[str, ...] = ("view", "materialized_view", "sequence", "foreign_table")) -> Name:
        """The schema of an unqualified name is the first of the path that has such a thing."""
        names = [self.name(parts)] if len(parts) > 1 else [(schema, parts[0]) for schema in self.path]
        return next((name for name in names if name in self.tables or any(Id(kind, name) in self.facts for kind in kinds)), names[0])

    def relation(self, node: Any) -> Name:
        return self.found([*filter(None, (node.schemaname,)), node.relname])

    def table(self, node: Any) -> Table:
        table = self.tables.get(self.relation(node))
        if table is None:
            raise self.error(f'relation "{".".join(self.relation(node))}" does not exist')
        return table

    def taken(self, name: Name) -> bool:
        """Whether a relation has this name. Who asks will use it, so that all tables are looked through only for names that come up twice."""
        if name in self.tables or any(Id(kind, name) in self.facts for kind in ("view", "materialized_view", "sequence", "index")):
            return True
        if name not in self.asked:
            self.asked.add(name)
            return False
        tables = [table for table in self.tables.values() if table.name[0] == name[0]]
        return any(name[1] in table.indexes or name[1] in table.constraints and table.constraints[name[1]].kind in "pux" for table in tables)

    def type(self, node: Any) -> tuple[str, tuple[Id, ...]]:
        """A type's text, and the types of the script that it is made of."""
        parts = strings(node.names)
        known = [Id(kind, self.found(parts, TYPES)) for kind in TYPES]
        return type_text(node, lambda name: self.found([name], TYPES)[0]), tuple(one for one in known if one in self.facts)

    # --- settings, schemas, extensions
    def variable_set_stmt(self, node: Any) -> None:
        if node.name == "search_path":
            self.path = [name for one in node.args if (name := one.a_const.sval.sval) and name not in ("$user", "pg_catalog")] or ["public"]

    def create_schema_stmt(self, node: Any) -> None:
        name = node.schemaname or node.authrole.rolename
        self.add(Id("schema", (name,)), {"owner": node.authrole.rolename or LOADER} if name != "public" else {})
        before, self.path = self.path, [name]
        for element in node.schema_elts:
            kind = element.WhichOneof("node")
            getattr(self, kind, lambda node, kind=kind: self.unparsed(kind, node))(getattr(element, kind))
        self.path = before

    def create_extension_stmt(self, node: Any) -> None:
        self.add(Id("extension", (node.extname,)), {"schema": option(node.options, "schema") or self.path[0]})

    # --- types
    def create_enum_stmt(self, node: Any) -> None:
        self.add(Id("enum", self.name(strings(node.type_name))), {"owner": LOADER, "labels": strings(node.vals)}, replace=False)

    def alter_enum_stmt(self, node: Any) -> None:
        fact = self.facts.get(Id("enum", self.found(strings(node.type_name), TYPES)))
        if fact is None:
            raise self.error(f'type "{".".join(strings(node.type_name))}" does not exist')
        labels = [node.new_val if label == node.old_val else label for label in fact.attributes["labels"]]
        if not node.old_val and node.new_val not in labels:
            labels.insert(labels.index(node.new_val_neighbor) + node.new_val_is_after if node.new_val_neighbor in labels else len(labels), node.new_val)
        self.add(fact.id, {**fact.attributes, "labels": labels})

    def create_domain_stmt(self, node: Any) -> None:
        identity = Id("domain", self.name(strings(node.domainname)))
        text, uses = self.type(node.type_name)
        attributes = {"owner": LOADER, "type": text, "not_null": False}
        for one in (item.constraint for item in node.constraints):
            kind = enum(one, "contype")
            if kind == "CONSTR_NOTNULL":
                attributes["not_null"] = True
            elif kind == "CONSTR_DEFAULT":
                attributes["default"] = expression(one.raw_expr)
            elif kind == "CONSTR_CHECK":
                name = one.conname or object_name(identity.name[1], "", "check", lambda name: Id("domain_constraint", (*identity.name, name)) in self.facts)
                self.add(Id("domain_constraint", (*identity.name, name)), {"definition": f"CHECK ({expression(one.raw_expr)})"}, identity)
        self.add(identity, attributes, None, uses, replace=False)

    def composite_type_stmt(self, node: Any) -> None:
        identity = Id("composite_type", self.name([*filter(None, (node.typevar.schemaname,)), node.typevar.relname]))
        self.add(identity, {"owner": LOADER, "order": [one.column_def.colname for one in node.coldeflist]}, replace=False)
        for place, one in enumerate((item.column_def for item in node.coldeflist), 1):
            text, uses = self.type(one.type_name)
            self.add(Id("attribute", (*identity.name, one.colname)), {"type": text}, identity, uses, place)

    # --- tables
    def create_stmt(self, node: Any) -> None:
        name = self.name([*filter(None, (node.relation.schemaname,)), node.relation.relname])
        if self.taken(name):
            if node.if_not_exists:
                return
            raise self.error(f'relation "{name[1]}" already exists')
        if node.relation.relpersistence == "t":
            return
        table = self.tables[name] = Table(name, {"owner": LOADER, **({"persistence": "u"} if node.relation.relpersistence == "u" else {})})
        if node.HasField("partspec"):
            table.attributes["partitioned"] = statement(create_stmt=self.bare(partspec=node.partspec)).partition(" PARTITION BY ")[2]
            keys = [one.partition_elem.name for one in node.partspec.part_params if one.partition_elem.name]
        if node.options:
            table.attributes["options"] = sorted(f"{one.def_elem.defname}={option([one], one.def_elem.defname)}" for one in node.options)
        for parent in node.inh_relations:
            self.inherit(table, self.table(parent.range_var))
        if node.HasField("partbound"):
            table.bound = self.bound(node.partbound)
        for kind, take in (("column_def", self.column), ("table_like_clause", self.like), ("constraint", self.constraint)):
            for element in node.table_elts:
                if element.HasField(kind):
                    take(table, getattr(element, kind))
        if node.HasField("partspec"):
            table.attributes["key_types"] = {key: table.columns[key].attributes["type"] for key in keys if key in table.columns}
        if table.bound is not None:
            table.parents[0].adopt(table, self.taken)

    def bare(self, **fields: Any) -> Any:
        pb = self.postgast.pg_query_pb2
        return pb.CreateStmt(relation=pb.RangeVar(relname="t", inh=True, relpersistence="p"), oncommit="ONCOMMIT_NOOP", **fields)

    def bound(self, node: Any) -> str:
        pb = self.postgast.pg_query_pb2
        parent = pb.Node(range_var=pb.RangeVar(relname="p", inh=True, relpersistence="p"))
        return statement(create_stmt=self.bare(inh_relations=[parent], partbound=node)).partition(" PARTITION OF p ")[2]

    def inherit(self, table: Table, parent: Table) -> None:
        table.parents.append(parent)
        for name, column in parent.columns.items():
            if name not in table.columns:
                table.columns[name] = copy.deepcopy(column)
                if "partitioned" in parent.attributes:
                    table.columns[name].attributes.pop("identity", None)
                else:
                    table.columns[name].attributes["inherited"] = True
                    table.attributes["inherited"] = sorted({*table.attributes.get("inherited", ()), name})

    def like(self, table: Table, node: Any) -> None:
        source, chosen = self.table(node.relation), {part for part, bit in LIKE.items() if node.options & bit}
        for name, column in source.columns.items():
            left_out = {key for part, keys in (("identity", ("identity",)), ("generated", ("generated", "expression"))) if part not in chosen for key in keys}
            attributes = {key: value for key, value in column.attributes.items() if key not in left_out}
            table.columns[name] = Column(attributes, column.default if "defaults" in chosen else None, column.uses)
        for name, constraint in source.constraints.items():
            if "checks" in chosen and constraint.kind == "c":
                table.constraints[name] = copy.deepcopy(constraint)
            elif "indexes" in chosen and constraint.kind in "pux":
                label = {"p": "pkey", "u": "key", "x": "excl"}[constraint.kind]
                table.constraints[table.unused([] if constraint.kind == "p" else constraint.columns, label, self.taken)] = copy.deepcopy(constraint)
        for index in source.indexes.values() if "indexes" in chosen else ():
            table.indexes[table.unused(index_columns(index.node), "idx", self.taken)] = copy.deepcopy(index)

    def column(self, table: Table, node: Any) -> None:
        if node.colname in table.columns and not table.parents:
            raise self.error(f'column "{node.colname}" specified more than once')
        serial = SERIALS.get(strings(node.type_name.names)[-1]) if len(node.type_name.names) == 1 else None
        if node.HasField("type_name"):
            text, uses = (serial, ()) if serial else self.type(node.type_name)
            table.columns[node.colname] = Column({"type": text}, uses=uses)
        column = table.columns[node.colname]
        if node.HasField("coll_clause"):
            column.attributes["collation"] = qualified(*(one for one in strings(node.coll_clause.collname) if one != "pg_catalog"))
        if serial:
            self.serial(table, node.colname, column, serial)
        before = None
        for one in (item.constraint for item in node.constraints):
            kind = enum(one, "contype")
            if kind.startswith("CONSTR_ATTR_"):
                self.timing(before, kind)
            else:
                before = self.column_constraint(table, node.colname, column, kind, one)

    def serial(self, table: Table, name: str, column: Column, text: str) -> None:
        sequence = (table.name[0], table.unused([name], "seq", self.taken))
        column.attributes["not_null"], column.default = True, f"nextval({literal(qualified(*sequence))}::regclass)"
        column.uses = (Id("sequence", sequence),)
        self.add(Id("sequence", sequence), {"owner": LOADER, "type": text, **sequence_options([], text)})
        self.add(Id("sequence_owner", sequence), {"column": [*table.name, name]}, Id("sequence", sequence), [table.part("column", name)])

    def column_constraint(self, table: Table, name: str, column: Column, kind: str, node: Any) -> Constraint | None:
        if kind in ("CONSTR_NOTNULL", "CONSTR_NULL"):
            column.attributes |= {"not_null": True} if kind == "CONSTR_NOTNULL" else {}
        elif kind == "CONSTR_DEFAULT":
            column.default = None if node.raw_expr.a_const.isnull else expression(node.raw_expr)
        elif kind == "CONSTR_GENERATED":
            column.attributes |= {"generated": node.generated_kind or "s", "expression": expression(node.raw_expr)}
        elif kind == "CONSTR_IDENTITY":
            self.identity(table, name, column, node)
        elif kind in LETTERS:
            keys = node.fk_attrs if kind == "CONSTR_FOREIGN" else node.keys
            if kind != "CONSTR_CHECK" and kind != "CONSTR_EXCLUSION":
                keys.add().string.sval = name
            return self.constraint(table, node)
        return None

    def identity(self, table: Table, name: str, column: Column, node: Any) -> None:
        sequence = [table.name[0], table.unused([name], "seq", self.taken)]
        options = sequence_options(node.options, column.attributes["type"])
        column.attributes |= {"not_null": True, "identity": {"always": node.generated_when == "a", "sequence": sequence, "persistence": table.attributes.get("persistence", "p"), **options}}

    def timing(self, constraint: Constraint | None, kind: str) -> None:
        if constraint is not None:
            constraint.node.deferrable |= kind in ("CONSTR_ATTR_DEFERRABLE", "CONSTR_ATTR_DEFERRED")
            constraint.node.initdeferred |= kind == "CONSTR_ATTR_DEFERRED"

    def constraint(self, table: Table, node: Any) -> Constraint | None:
        kind = LETTERS.get(enum(node, "contype"))
        if kind is None:
            for key in strings(node.keys):          # NOT NULL as a constraint of the table
                table.columns[key].attributes["not_null"] = True
            return None
        columns, name = self.constraint_columns(table, node, kind), node.conname
        if node.indexname:
            index = table.indexes.pop(node.indexname)
            columns, name, node.indexname = index.columns, name or node.indexname, ""
            for column in columns:
                node.keys.add().string.sval = column
        for column in columns:
            if column not in table.columns:
                raise self.error(f'column "{column}" named in a constraint of {".".join(table.name)} does not exist')
        label = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl"}[kind]
        named_after = [] if kind == "p" or kind == "c" and len(columns) != 1 else columns
        name = name or table.unused(named_after, label, self.taken)
        self.asked.add((table.name[0], name))
        if name in table.constraints:
            raise self.error(f'constraint "{name}" for relation "{table.name[1]}" already exists')
        if kind == "p":
            for column in columns:
                table.columns[column].attributes["not_null"] = True
        made = table.constraints[name] = Constraint(kind, node, columns, self.table(node.pktable) if kind == "f" else None)
        return made

    def constraint_columns(self, table: Table, node: Any, kind: str) -> list[str]:
        if kind == "f":
            return strings(node.fk_attrs)
        if kind == "c":
            return list(dict.fromkeys(name for one in columns_in(node) if (name := one.fields[-1].string.sval) in table.columns))
        return strings(node.keys) or [item.list.items[0].index_elem.name for item in node.exclusions if item.list.items[0].index_elem.name]

    def index_stmt(self, node: Any) -> None:
        name = self.relation(node.relation)
        if name not in self.tables:
            self.view_index(name, node)
            return
        table = self.tables[name]
        key = node.idxname or table.unused(index_columns(node), "idx", self.taken)
        if node.if_not_exists and (key in table.indexes or self.taken((name[0], key))):
            return
        if node.idxname and self.taken((name[0], key)):
            raise self.error(f'relation "{key}" already exists')
        plain = [one.index_elem.name for one in node.index_params]
        columns = list(dict.fromkeys([*filter(None, plain), *(one.fields[-1].string.sval for one in columns_in(node))]))
        for column in plain:
            if column and column not in table.columns:
                raise self.error(f'column "{column}" does not exist')
        table.indexes[key] = Index(node, [column for column in columns if column in table.columns])
        for child in self.children(table) if node.relation.inh else ():
            table.adopt(child, self.taken)

    def view_index(self, name: Name, node: Any) -> None:
        key = node.idxname or object_name(name[1], "_".join(index_columns(node)), "idx", lambda key: self.taken((name[0], key)))
        self.add(Id("index", (name[0], key)), index_attributes(node, name, key), Id("materialized_view", name))

    def children(self, table: Table) -> list[Table]:
        return [one for one in self.tables.values() if one.bound is not None and table in one.parents]

    # --- sequences, views, functions and what hangs on tables
    def create_seq_stmt(self, node: Any) -> None:
        identity = Id("sequence", self.name([*filter(None, (node.sequence.schemaname,)), node.sequence.relname]))
        if identity in self.facts and node.if_not_exists:
            return
        text = next((self.type(one.def_elem.arg.type_name)[0] for one in node.options if one.def_elem.defname == "as"), "bigint")
        self.add(identity, {"owner": LOADER, "type": text, **sequence_options(node.options, text)}, replace=False)
        self.own_sequence(identity, node.options)

    def alter_seq_stmt(self, node: Any) -> None:
        identity = Id("sequence", self.relation(node.sequence))
        if identity in self.facts:
            self.own_sequence(identity, node.options)
            if any(one.def_elem.defname not in ("owned_by", "restart") for one in node.options):
                attributes = self.facts[identity].attributes
                self.add(identity, {**attributes, **sequence_options(node.options, attributes["type"], attributes)})

    def own_sequence(self, identity: Id, options: Any) -> None:
        parts = next((strings(one.def_elem.arg.list.items) for one in options if one.def_elem.defname == "owned_by"), [])
        if len(parts) > 1:
            column = (*self.found(parts[:-1]), parts[-1])
            self.add(Id("sequence_owner", identity.name), {"column": list(column)}, identity, [Id("column", column)])

    def view_stmt(self, node: Any) -> None:
        self.query("view", node.view, node.query, {"columns": strings(node.aliases)} if node.aliases else {}, node.replace)

    def create_table_as_stmt(self, node: Any) -> None:
        if enum(node, "objtype") == "OBJECT_MATVIEW":
            self.query("materialized_view", node.into.rel, node.query, {"populated": not node.into.skip_data}, node.if_not_exists)
        else:
            self.unparsed("create_table_as_stmt", node)

    def query(self, kind: str, relation: Any, query: Any, more: dict[str, Any], replace: bool) -> None:
        name = self.name([*filter(None, (relation.schemaname,)), relation.relname])
        if self.taken(name) and not replace:
            raise self.error(f'relation "{name[1]}" already exists')
        uses = [one for one in tables_in(query) for one in [Id("table", self.relation(one))] if one.name in self.tables]
        inner = query.WhichOneof("node")
        self.add(Id(kind, name), {"owner": LOADER, "definition": statement(**{inner: getattr(query, inner)}), **more}, None, dict.fromkeys(uses))

    def create_function_stmt(self, node: Any) -> None:
        parameters = [one.function_parameter for one in node.parameters]
        inputs = [self.type(one.arg_type)[0] for one in parameters if enum(one, "mode") not in ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE")]
        name = self.name(strings(node.funcname))
        del node.funcname[:]
        for part in name:
            node.funcname.add().string.sval = part
        node.replace = True
        result = self.type(node.return_type)[0] if node.HasField("return_type") else ""
        self.add(Id("procedure" if node.is_procedure else "function", (*name, ", ".join(inputs))), {"owner": LOADER, "definition": statement(create_function_stmt=node), "result": result})

    def create_trig_stmt(self, node: Any) -> None:
        name = self.relation(node.relation)
        node.relation.schemaname, node.relation.relname, trigger, node.replace = *name, node.trigname, False
        self.add(Id("trigger", (*name, trigger)), {"definition": statement(create_trig_stmt=node), "enabled": "O", "constraint": node.isconstraint}, self.host(name))

    def host(self, name: Name) -> Id:
        return next((Id(kind, name) for kind in ("view", "materialized_view", "foreign_table") if Id(kind, name) in self.facts), Id("table", name))


def sequence_options(options: Any, text: str, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """As pg_sequence has them, of a sequence whose type is text; before: those that it has."""
    given = {one.def_elem.defname: number(one.def_elem.arg) for one in options if one.def_elem.HasField("arg")}
    rising, most = given.get("increment", (before or {}).get("increment", 1)) > 0, LIMITS.get(text, LIMITS["bigint"])
    found = {"increment": 1, "minimum": 1 if rising else -most - 1, "maximum": most if rising else -1, "cache": 1, "cycle": False}
    found |= {key: before[key] for key in found if before}
    found |= {key: given[word] for key, word in zip(found, ("increment", "minvalue", "maxvalue", "cache", "cycle")) if word in given}
    return {"start": given.get("start", before["start"] if before else found["minimum" if rising else "maximum"]), **found}


def number(node: Any) -> Any:
    """The value of a sequence's option."""
    kind = node.WhichOneof("node")
    return node.boolean.boolval if kind == "boolean" else int(node.float.fval) if kind == "float" else node.integer.ival


def tables_in(node: Any) -> Iterable[Any]:
    """All relations that a query names."""
    for field, value in node.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if hasattr(value, "add") else (value,):
                if one.DESCRIPTOR.name == "RangeVar":
                    yield one
                else:
                    yield from tables_in(one)

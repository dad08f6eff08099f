"""SQL files read by parser alone, where there is no server: a catalogue that is good for analysis, for advice, and for a difference that says it is not proven.

Tables with all they hold, sequences, types, views, functions, triggers and comments become facts in the form that live.py gives them, but for the spelling of
expressions. Every other statement is a fact of kind "unparsed" with its text: equal in two files that say the same, and a reason to refuse where they differ.
"""
from __future__ import annotations

import copy
from typing import Any, Iterable

from senior_backend.console import CommandError
from senior_backend.postgres import treatment
from senior_backend.postgres.cluster import LOADER
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.parsed_changes import TYPES, Changes
from senior_backend.postgres.parsed_tables import LETTERS, SERIALS, Column, Key, Name, Table, index_attributes, index_columns, object_name, referenced, type_text
from senior_backend.postgres.quote import literal, qualified
from senior_backend.postgres.sql_files import Script, Statement
from senior_backend.postgres.trees import expression, kind_of, nodes, option, postgast, relation_name, statement, symbol, unwrapped, words

SILENT = {"VariableSetStmt", "TransactionStmt", "SelectStmt", "DoStmt", "CreateRoleStmt", "VariableShowStmt", "ConstraintsSetStmt", "LockStmt", *treatment.LEFT_OUT}
LIKE = {"defaults": 8, "checks": 4, "generated": 16, "identity": 32, "indexes": 64}
LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
RELATIONS = ("view", "materialized_view", "sequence", "foreign_table")


def read(script: Script) -> Catalogue:
    """The catalogue of a script, exact=False. CommandError exit 2 with file:line for what is no SQL or contradicts itself."""
    reader = Reader(script)
    for one in script.statements:
        reader.take(one)
    return reader.catalogue()


class Reader(Changes):
    """What the statements so far have made. A method has the name of the statement that it takes."""

    def __init__(self, script: Script):
        self.script, self.pb = script, postgast().pg_query_pb2
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
            parsed = postgast().parse(one.text).stmts
        except postgast().PgQueryError as error:
            line = one.line + one.text.encode()[:max(error.cursorpos - 1, 0)].count(b"\n")
            raise CommandError(f"{one.file}:{line}: {error.message}", "correct the statement (it was read by PostgreSQL 18's parser)", identifier="SQL_ERROR") from None
        for raw in parsed:
            node = unwrapped(raw.stmt)
            if kind_of(node) in treatment.NAMES_ROLES:
                self.stated |= treatment.spoken_of(node)
            self.obey(raw.stmt.WhichOneof("node"), node)

    def obey(self, kind: str, node: Any) -> None:
        if hasattr(self, kind):
            getattr(self, kind)(node)
        elif kind_of(node) not in SILENT:
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
    def name(self, parts: Iterable[str]) -> Name:
        """The name of something new."""
        *schema, name = parts
        return (schema[-1] if schema else self.path[0], name)

    def new(self, relation: Any) -> Name:
        return self.name(relation_name(relation))

    def found(self, parts: Iterable[str], kinds: tuple[str, ...] = RELATIONS) -> Name:
        """The schema of an unqualified name is the first of the path that has such a thing."""
        *schema, name = parts
        names = [(schema[-1], name)] if schema else [(one, name) for one in self.path]
        return next((one for one in names if one in self.tables or any(Id(kind, one) in self.facts for kind in kinds)), names[0])

    def relation(self, node: Any) -> Name:
        return self.found(relation_name(node)) if node.relname else ("", "")

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
        return any(key[1] == name[1] and one.kind in "puxi" for table in self.tables.values() if table.name[0] == name[0] for key, one in table.keys.items())

    def type(self, node: Any) -> tuple[str, tuple[Id, ...]]:
        """A type's text, and the types of the script that it is made of."""
        name = self.found(words(node.names), (*TYPES, *RELATIONS))
        known = tuple(one for kind in (*TYPES, *RELATIONS) if (one := Id(kind, name)) in self.facts)
        return type_text(node, lambda _: name[0] if known or name in self.tables else None), tuple(one for one in known if one.kind in TYPES)

    # --- settings, schemas, extensions
    def variable_set_stmt(self, node: Any) -> None:
        if node.name == "search_path":
            self.path = [name for one in node.args if (name := one.a_const.sval.sval) and name not in ("$user", "pg_catalog")] or ["public"]

    def create_schema_stmt(self, node: Any) -> None:
        name = node.schemaname or node.authrole.rolename
        self.add(Id("schema", (name,)), {"owner": node.authrole.rolename or LOADER} if name != "public" else {})
        before, self.path = self.path, [name]
        for element in node.schema_elts:
            self.obey(element.WhichOneof("node"), unwrapped(element))
        self.path = before

    def create_extension_stmt(self, node: Any) -> None:
        self.add(Id("extension", (node.extname,)), {"schema": option(node.options, "schema") or self.path[0]})

    # --- types
    def create_enum_stmt(self, node: Any) -> None:
        self.add(Id("enum", self.name(words(node.type_name))), {"owner": LOADER, "labels": list(words(node.vals))}, replace=False)

    def alter_enum_stmt(self, node: Any) -> None:
        fact = self.facts.get(Id("enum", self.found(words(node.type_name), TYPES)))
        if fact is None:
            raise self.error(f'type "{".".join(words(node.type_name))}" does not exist')
        labels = [node.new_val if label == node.old_val else label for label in fact.attributes["labels"]]
        if not node.old_val and node.new_val not in labels:
            labels.insert(labels.index(node.new_val_neighbor) + node.new_val_is_after if node.new_val_neighbor in labels else len(labels), node.new_val)
        self.add(fact.id, {**fact.attributes, "labels": labels})

    def create_domain_stmt(self, node: Any) -> None:
        identity = Id("domain", self.name(words(node.domainname)))
        text, uses = self.type(node.type_name)
        attributes = {"owner": LOADER, "type": text, "not_null": False}
        for one in map(unwrapped, node.constraints):
            kind = symbol(one, "contype")
            if kind == "CONSTR_NOTNULL":
                attributes["not_null"] = True
            elif kind == "CONSTR_DEFAULT":
                attributes["default"] = expression(one.raw_expr)
            elif kind == "CONSTR_CHECK":
                name = one.conname or object_name(identity.name[1], "", "check", lambda name: Id("domain_constraint", (*identity.name, name)) in self.facts)
                self.add(Id("domain_constraint", (*identity.name, name)), {"definition": f"CHECK ({expression(one.raw_expr)})"}, identity)
        self.add(identity, attributes, None, uses, replace=False)

    def composite_type_stmt(self, node: Any) -> None:
        identity, attributes = Id("composite_type", self.new(node.typevar)), list(map(unwrapped, node.coldeflist))
        self.add(identity, {"owner": LOADER, "order": [one.colname for one in attributes]}, replace=False)
        for place, one in enumerate(attributes, 1):
            text, uses = self.type(one.type_name)
            self.add(Id("attribute", (*identity.name, one.colname)), {"type": text}, identity, uses, place)

    # --- tables
    def create_stmt(self, node: Any) -> None:
        name = self.new(node.relation)
        if self.taken(name):
            if node.if_not_exists:
                return
            raise self.error(f'relation "{name[1]}" already exists')
        if node.relation.relpersistence == "t":
            return
        table = self.tables[name] = Table(name, {"owner": LOADER, **({"persistence": "u"} if node.relation.relpersistence == "u" else {})})
        if node.options:
            table.attributes["options"] = sorted(f"{one.defname}={option([one], one.defname)}" for one in map(unwrapped, node.options))
        for parent in map(unwrapped, node.inh_relations):
            self.inherit(table, self.table(parent))
        if node.HasField("partbound"):
            table.bound = self.bound(node.partbound)
        elements = list(map(unwrapped, node.table_elts))
        for kind, take in (("ColumnDef", self.column), ("TableLikeClause", self.like), ("Constraint", self.constraint)):
            for element in elements:
                if kind_of(element) == kind:
                    take(table, element)
        if node.HasField("partspec"):
            table.attributes["partitioned"] = statement(create_stmt=self.bare(partspec=node.partspec)).partition(" PARTITION BY ")[2]
            keys = [one.name for one in map(unwrapped, node.partspec.part_params)]
            table.attributes["key_types"] = {key: table.columns[key].attributes["type"] for key in keys if key in table.columns}
        if table.bound is not None:
            table.parents[0].adopt(table, self.taken)

    def bare(self, **fields: Any) -> Any:
        return self.pb.CreateStmt(relation=self.pb.RangeVar(relname="t", inh=True, relpersistence="p"), oncommit="ONCOMMIT_NOOP", **fields)

    def bound(self, node: Any) -> str:
        parent = self.pb.Node(range_var=self.pb.RangeVar(relname="p", inh=True, relpersistence="p"))
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
        left_out = {key for part, keys in (("identity", ("identity",)), ("generated", ("generated", "expression"))) if part not in chosen for key in keys}
        for name, column in source.columns.items():
            attributes = {key: value for key, value in column.attributes.items() if key not in left_out}
            table.columns[name] = Column(attributes, column.default if "defaults" in chosen else None, column.uses)
        for (_, name), key in source.keys.items():
            if key.kind in "puxi" and "indexes" in chosen or key.kind == "c" and "checks" in chosen:
                table.add(copy.deepcopy(key), self.taken, name if key.kind == "c" else "")

    def column(self, table: Table, node: Any) -> None:
        if node.colname in table.columns and not table.parents:
            raise self.error(f'column "{node.colname}" specified more than once')
        serial = SERIALS.get(words(node.type_name.names)[-1]) if len(node.type_name.names) == 1 else None
        if node.HasField("type_name"):
            text, uses = (serial, ()) if serial else self.type(node.type_name)
            table.columns[node.colname] = Column({"type": text}, uses=uses)
        column = table.columns[node.colname]
        if node.HasField("coll_clause"):
            column.attributes["collation"] = qualified(*(one for one in words(node.coll_clause.collname) if one != "pg_catalog"))
        if serial:
            self.serial(table, node.colname, column, serial)
        before = None
        for one in map(unwrapped, node.constraints):
            kind = symbol(one, "contype")
            if not kind.startswith("CONSTR_ATTR_"):
                before = self.column_constraint(table, node.colname, column, kind, one)
            elif before is not None:
                before.node.deferrable |= kind in ("CONSTR_ATTR_DEFERRABLE", "CONSTR_ATTR_DEFERRED")
                before.node.initdeferred |= kind == "CONSTR_ATTR_DEFERRED"

    def serial(self, table: Table, name: str, column: Column, text: str) -> None:
        sequence = Id("sequence", (table.name[0], table.unused([name], "seq", self.taken)))
        column.attributes["not_null"], column.default, column.uses = True, f"nextval({literal(qualified(*sequence.name))}::regclass)", (sequence,)
        self.add(sequence, {"owner": LOADER, "type": text, **sequence_options([], text)})
        self.add(Id("sequence_owner", sequence.name), {"column": [*table.name, name]}, sequence, [table.part("column", name)])

    def column_constraint(self, table: Table, name: str, column: Column, kind: str, node: Any) -> Key | None:
        if kind == "CONSTR_NOTNULL":
            column.attributes["not_null"] = True
        elif kind == "CONSTR_DEFAULT":
            column.default = None if node.raw_expr.a_const.isnull else expression(node.raw_expr)
        elif kind == "CONSTR_GENERATED":
            column.attributes |= {"generated": node.generated_kind or "s", "expression": expression(node.raw_expr)}
        elif kind == "CONSTR_IDENTITY":
            self.identity(table, name, column, node)
        elif kind in LETTERS:
            if kind not in ("CONSTR_CHECK", "CONSTR_EXCLUSION"):
                (node.fk_attrs if kind == "CONSTR_FOREIGN" else node.keys).add().string.sval = name
            return self.constraint(table, node)
        return None

    def identity(self, table: Table, name: str, column: Column, node: Any) -> None:
        sequence = [table.name[0], table.unused([name], "seq", self.taken)]
        options = sequence_options(node.options, column.attributes["type"])
        column.attributes |= {"not_null": True, "identity": {"always": node.generated_when == "a", "sequence": sequence, "persistence": table.attributes.get("persistence", "p"), **options}}

    def constraint(self, table: Table, node: Any) -> Key | None:
        kind = LETTERS.get(symbol(node, "contype"))
        if kind is None:
            for key in words(node.keys):          # NOT NULL as a constraint of the table
                table.columns[key].attributes["not_null"] = True
            return None
        if node.indexname:
            index = table.keys.pop(("index", node.indexname))
            node.conname, node.indexname = node.conname or node.indexname, ""
            for column in index.columns:
                node.keys.add().string.sval = column
        columns = self.constraint_columns(table, node, kind)
        for column in columns:
            if column not in table.columns:
                raise self.error(f'column "{column}" named in a constraint of {".".join(table.name)} does not exist')
        if ("constraint", node.conname) in table.keys:
            raise self.error(f'constraint "{node.conname}" for relation "{table.name[1]}" already exists')
        self.asked.add((table.name[0], node.conname))
        return table.add(Key(kind, node, columns, self.table(node.pktable) if kind == "f" else None), self.taken, node.conname)

    def constraint_columns(self, table: Table, node: Any, kind: str) -> list[str]:
        if kind == "c":
            return list(dict.fromkeys(name for name in referenced(node) if name in table.columns))
        excluded = (item.list.items[0].index_elem.name for item in node.exclusions)
        return list(words(node.fk_attrs if kind == "f" else node.keys)) or [name for name in excluded if name]

    def index_stmt(self, node: Any) -> None:
        name = self.relation(node.relation)
        if name not in self.tables:
            self.view_index(name, node)
            return
        table = self.tables[name]
        if node.idxname and (("index", node.idxname) in table.keys or self.taken((name[0], node.idxname))):
            if node.if_not_exists:
                return
            raise self.error(f'relation "{node.idxname}" already exists')
        plain = [one.name for one in map(unwrapped, node.index_params) if one.name]
        for column in plain:
            if column not in table.columns:
                raise self.error(f'column "{column}" does not exist')
        table.add(Key("i", node, [column for column in dict.fromkeys([*plain, *referenced(node)]) if column in table.columns]), self.taken, node.idxname)
        for child in self.children(table) if node.relation.inh else ():
            table.adopt(child, self.taken)

    def view_index(self, name: Name, node: Any) -> None:
        key = node.idxname or object_name(name[1], "_".join(index_columns(node)), "idx", lambda key: self.taken((name[0], key)))
        self.add(Id("index", (name[0], key)), index_attributes(node, name, key), Id("materialized_view", name))

    def children(self, table: Table) -> list[Table]:
        return [one for one in self.tables.values() if one.bound is not None and table in one.parents]

    # --- sequences, views, functions and triggers
    def create_seq_stmt(self, node: Any) -> None:
        identity = Id("sequence", self.new(node.sequence))
        if identity in self.facts and node.if_not_exists:
            return
        text = next((self.type(one.arg.type_name)[0] for one in map(unwrapped, node.options) if one.defname == "as"), "bigint")
        self.add(identity, {"owner": LOADER, "type": text, **sequence_options(node.options, text)}, replace=False)
        self.own_sequence(identity, node.options)

    def alter_seq_stmt(self, node: Any) -> None:
        identity = Id("sequence", self.relation(node.sequence))
        if identity in self.facts:
            self.own_sequence(identity, node.options)
            if any(one.defname not in ("owned_by", "restart") for one in map(unwrapped, node.options)):
                attributes = self.facts[identity].attributes
                self.add(identity, {**attributes, **sequence_options(node.options, attributes["type"], attributes)})

    def own_sequence(self, identity: Id, options: Any) -> None:
        parts = next((words(one.arg.list.items) for one in map(unwrapped, options) if one.defname == "owned_by"), ())
        if len(parts) > 1:
            column = (*self.found(parts[:-1]), parts[-1])
            self.add(Id("sequence_owner", identity.name), {"column": list(column)}, identity, [Id("column", column)])

    def view_stmt(self, node: Any) -> None:
        self.query("view", node.view, node.query, {"columns": list(words(node.aliases))} if node.aliases else {}, node.replace)

    def create_table_as_stmt(self, node: Any) -> None:
        if symbol(node, "objtype") == "OBJECT_MATVIEW":
            self.query("materialized_view", node.into.rel, node.query, {"populated": not node.into.skip_data}, node.if_not_exists)
        else:
            self.unparsed("create_table_as_stmt", node)

    def query(self, kind: str, relation: Any, query: Any, more: dict[str, Any], replace: bool) -> None:
        name = self.new(relation)
        if self.taken(name) and not replace:
            raise self.error(f'relation "{name[1]}" already exists')
        uses = dict.fromkeys(Id("table", used) for one in nodes(query, "RangeVar") if (used := self.relation(one)) in self.tables)
        self.add(Id(kind, name), {"owner": LOADER, "definition": statement(**{query.WhichOneof("node"): unwrapped(query)}), **more}, None, uses)

    def create_function_stmt(self, node: Any) -> None:
        inputs = [self.type(one.arg_type)[0] for one in map(unwrapped, node.parameters) if symbol(one, "mode") not in ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE")]
        name = self.name(words(node.funcname))
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
    given = {one.defname: number(unwrapped(one.arg)) for one in map(unwrapped, options) if one.HasField("arg")}
    rising, most = given.get("increment", (before or {}).get("increment", 1)) > 0, LIMITS.get(text, LIMITS["bigint"])
    found = {"increment": 1, "minimum": 1 if rising else -most - 1, "maximum": most if rising else -1, "cache": 1, "cycle": False}
    found |= {key: before[key] for key in found if before}
    found |= {key: given[word] for key, word in zip(found, ("increment", "minvalue", "maxvalue", "cache", "cycle")) if word in given}
    return {"start": given.get("start", before["start"] if before else found["minimum" if rising else "maximum"]), **found}


def number(value: Any) -> Any:
    """The value of a sequence's option; None for what is none."""
    kind = kind_of(value)
    return value.boolval if kind == "Boolean" else int(value.fval) if kind == "Float" else value.ival if kind == "Integer" else None

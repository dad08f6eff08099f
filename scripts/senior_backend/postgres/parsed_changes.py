"""What ALTER, DROP, RENAME and COMMENT do to things that a script made before, while it is read by parser alone."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.parsed_tables import Column, Index, Name, Table
from senior_backend.postgres.parsed_text import expression, strings
from senior_backend.postgres.treatment import enum

TYPES = ("enum", "domain", "composite_type", "range_type", "base_type")
OBJECTS = {
    "OBJECT_TABLE": ("table",), "OBJECT_FOREIGN_TABLE": ("foreign_table",), "OBJECT_VIEW": ("view",), "OBJECT_MATVIEW": ("materialized_view",), "OBJECT_SEQUENCE": ("sequence",), "OBJECT_INDEX": ("index",),
    "OBJECT_TYPE": TYPES, "OBJECT_DOMAIN": ("domain",), "OBJECT_SCHEMA": ("schema",), "OBJECT_EXTENSION": ("extension",), "OBJECT_TRIGGER": ("trigger",),
    "OBJECT_FUNCTION": ("function",), "OBJECT_PROCEDURE": ("procedure",), "OBJECT_ROUTINE": ("function", "procedure"), "OBJECT_COLUMN": ("column",), "OBJECT_TABCONSTRAINT": ("constraint",),
}
STORAGE = {"plain": "p", "external": "e", "extended": "x", "main": "m"}
ACTIONS = {"AT_SetNotNull": ("not_null", True), "AT_DropNotNull": ("not_null", None), "AT_DropIdentity": ("identity", None), "AT_DropExpression": ("generated", None)}
TABLE_ACTIONS = {"AT_EnableRowSecurity": ("row_security", True), "AT_DisableRowSecurity": ("row_security", None), "AT_ForceRowSecurity": ("force_row_security", True),
                 "AT_NoForceRowSecurity": ("force_row_security", None), "AT_SetLogged": ("persistence", None), "AT_SetUnLogged": ("persistence", "u")}


class Changes:
    """The half of parsed.Reader that changes; the other half, which makes, has all names that are not defined here."""
    tables: dict[Name, Table]
    facts: dict[Id, Fact]

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def comment_stmt(self, node: Any) -> None:
        target = self.target(enum(node, "objtype"), node.object)
        if target is None:
            self.unparsed("comment_stmt", node)
        elif node.comment:
            self.add(Id("comment", (target.kind, *target.name)), {"text": node.comment}, target)
        else:
            self.facts.pop(Id("comment", (target.kind, *target.name)), None)

    def target(self, kind: str, node: Any) -> Id | None:
        """The thing that COMMENT, DROP or OWNER TO speaks of; None when no fact stands for it."""
        parts = strings(node.list.items) or strings(node.type_name.names) or list(filter(None, [node.string.sval]))
        kinds = OBJECTS.get(kind, ())
        if kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
            called = node.object_with_args
            arguments = ", ".join(self.type(one.type_name)[0] for one in called.objargs)
            name = (*self.name(strings(called.objname)), arguments)
            alike = [one for one in self.facts if one.kind in kinds and one.name[:2] == name[:2] and (called.args_unspecified or one.name == name)]
            return alike[0] if alike else None
        if kind in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER"):
            return Id(kinds[0], (*self.found(parts[:-1]), parts[-1]))
        name = tuple(parts) if kind in ("OBJECT_SCHEMA", "OBJECT_EXTENSION") else self.found(parts, kinds) if parts else ()
        known = [Id(one, name) for one in kinds]
        return next((one for one in known if one in self.facts or one.kind in ("table", "index")), None)

    def drop_stmt(self, node: Any) -> None:
        kind = enum(node, "remove_type")
        for one in node.objects:
            target = self.target(kind, one)
            if target is None:
                if not node.missing_ok:
                    self.unparsed("drop_stmt", node)
            elif target.kind == "table":
                self.drop_table(target.name)
            elif target.kind == "index":
                for table in self.tables.values():
                    if table.name[0] == target.name[0]:
                        table.indexes.pop(target.name[1], None)
            else:
                self.drop_facts({target})
            if target and target.kind == "schema":
                for name in [name for name in self.tables if name[0] == target.name[0]]:
                    self.drop_table(name)
                self.drop_facts({one for one in self.facts if one.kind not in ("comment", "unparsed", "schema", "extension") and one.name[0] == target.name[0]})

    def drop_table(self, name: Name) -> None:
        gone = self.tables.pop(name, None)
        for table in self.tables.values() if gone else ():
            table.constraints = {key: one for key, one in table.constraints.items() if one.reference is not gone}
        owned = {Id("sequence", fact.id.name) for fact in self.facts.values() if fact.id.kind == "sequence_owner" and tuple(fact.attributes["column"][:2]) == name}
        self.drop_facts({Id("table", name), *owned})
        for child in [table.name for table in self.tables.values() if gone and table.bound is not None and gone in table.parents]:
            self.drop_table(child)

    def drop_facts(self, gone: set[Id]) -> None:
        """These, their parts, and what is said about them."""
        while True:
            more = {fact.id for fact in self.facts.values() if fact.parent in gone or fact.parent and fact.parent.kind in ("column", "constraint") and Id("table", fact.parent.name[:2]) in gone} - gone
            if not more:
                break
            gone |= more
        self.facts = {identity: fact for identity, fact in self.facts.items() if identity not in gone}

    def alter_owner_stmt(self, node: Any) -> None:
        self.give(self.target(enum(node, "object_type"), node.object), node.newowner.rolename)

    def give(self, target: Id | None, owner: str) -> None:
        fact = self.facts.get(target) if target else None
        if target and target.name in self.tables:
            self.tables[target.name].attributes["owner"] = owner
        elif fact:
            fact.attributes["owner"] = owner

    def rename_stmt(self, node: Any) -> None:
        kind, table = enum(node, "rename_type"), self.tables.get(self.relation(node.relation))
        if kind == "OBJECT_TABLE" and table:
            del self.tables[table.name]
            self.move(table.name, (table.name[0], node.newname))
            table.name = (table.name[0], node.newname)
            self.tables[table.name] = table
        elif kind == "OBJECT_COLUMN" and table:
            table.rename_column(node.subname, node.newname)
            self.move((*table.name, node.subname), (*table.name, node.newname))
        elif kind == "OBJECT_TABCONSTRAINT" and table and node.subname in table.constraints:
            table.constraints = {node.newname if name == node.subname else name: one for name, one in table.constraints.items()}
        elif kind == "OBJECT_INDEX":
            for one in self.tables.values():
                one.indexes = {node.newname if name == node.relation.relname else name: index for name, index in one.indexes.items()}
                one.constraints = {node.newname if name == node.relation.relname and part.kind in "pux" else name: part for name, part in one.constraints.items()}
        else:
            self.unparsed("rename_stmt", node)

    def move(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Rename what hangs on a table or column by its name."""
        def moved(identity: Id) -> Id:
            start = 1 if identity.kind == "comment" else 0
            return Id(identity.kind, identity.name[:start] + new + identity.name[start + len(old):]) if identity.name[start:start + len(old)] == old else identity

        for fact in list(self.facts.values()):
            if fact.id.kind in ("comment", "trigger"):
                del self.facts[fact.id]
                self.add(moved(fact.id), fact.attributes, moved(fact.parent) if fact.parent else None, fact.depends, fact.order)
            elif fact.id.kind == "sequence_owner" and tuple(fact.attributes["column"][:len(old)]) == old:
                fact.attributes["column"][:len(old)] = new

    def alter_table_stmt(self, node: Any) -> None:
        name = self.relation(node.relation)
        if name in self.tables:
            for command in (one.alter_table_cmd for one in node.cmds):
                if not self.alter(self.tables[name], enum(command, "subtype"), command):
                    self.unparsed("alter_table_stmt", node)
        elif enum(node, "objtype") == "OBJECT_INDEX" and enum(node.cmds[0].alter_table_cmd, "subtype") == "AT_AttachPartition":
            self.attach_index(name, self.relation(getattr(node.cmds[0].alter_table_cmd, "def").partition_cmd.name))
        elif all(enum(one.alter_table_cmd, "subtype") == "AT_ChangeOwner" for one in node.cmds):
            self.give(self.host(name) if self.host(name) in self.facts else Id("sequence", name), node.cmds[0].alter_table_cmd.newowner.rolename)
        elif not node.missing_ok:
            self.unparsed("alter_table_stmt", node)

    def attach_index(self, parent: Name, child: Name) -> None:
        parts = {(table.name[0], key): (table, one) for table in self.tables.values() for key, one in (*table.indexes.items(), *table.constraints.items())}
        if parent in parts and child in parts:
            table, one = parts[parent]
            parts[child][1].of = Id("index", parent) if isinstance(one, Index) else table.part("constraint", parent[1])

    def alter(self, table: Table, action: str, command: Any) -> bool:
        """One action of ALTER TABLE; False when it is none that is followed here."""
        change, column = getattr(command, "def"), table.columns.get(command.name)
        if action == "AT_AddColumn":
            if not (command.missing_ok and change.column_def.colname in table.columns):
                self.column(table, change.column_def)
        elif action == "AT_AddConstraint":
            self.constraint(table, change.constraint)
            for child in self.children(table):
                table.adopt(child, self.taken)
        elif action == "AT_DropColumn":
            table.drop_column(command.name)
            self.drop_facts({table.part("column", command.name)})
        elif action == "AT_DropConstraint":
            table.constraints.pop(command.name, None)
            self.drop_facts({table.part("constraint", command.name)})
        elif action == "AT_ValidateConstraint" and command.name in table.constraints:
            table.constraints[command.name].node.skip_validation = False
        elif action in TABLE_ACTIONS:
            put(table.attributes, *TABLE_ACTIONS[action])
        elif action == "AT_ReplicaIdentity" and change.replica_identity_stmt.identity_type != "i":
            put(table.attributes, "replica_identity", {"f": "full", "n": "nothing"}.get(change.replica_identity_stmt.identity_type))
        elif action == "AT_ChangeOwner":
            table.attributes["owner"] = command.newowner.rolename
        elif action in ("AT_AttachPartition", "AT_DetachPartition"):
            child = self.table(change.partition_cmd.name)
            child.parents, child.bound = ([table], self.bound(change.partition_cmd.bound)) if action == "AT_AttachPartition" else ([], None)
            if child.parents:
                table.adopt(child, self.taken)
        elif action in ("AT_AddInherit", "AT_DropInherit"):
            parent = self.table(change.range_var)
            table.parents = [*(one for one in table.parents if one is not parent), *([parent] if action == "AT_AddInherit" else [])]
        elif column is not None:
            return self.alter_column(table, column, action, command, change)
        else:
            return False
        return True

    def alter_column(self, table: Table, column: Column, action: str, command: Any, change: Any) -> bool:
        if action in ACTIONS:
            put(column.attributes, *ACTIONS[action])
        elif action == "AT_ColumnDefault":
            column.default = expression(change) if command.HasField("def") else None
        elif action == "AT_AlterColumnType":
            column.attributes["type"], column.uses = self.type(change.column_def.type_name)
        elif action == "AT_AddIdentity":
            self.identity(table, command.name, column, change.constraint)
        elif action == "AT_SetStatistics":
            put(column.attributes, "statistics", change.integer.ival if change.integer.ival >= 0 else None)
        elif action == "AT_SetStorage":
            put(column.attributes, "storage", STORAGE.get(change.string.sval.lower()))
        elif action == "AT_SetCompression":
            put(column.attributes, "compression", {"pglz": "p", "lz4": "l"}.get(change.string.sval.lower()))
        else:
            return False
        return True


def put(attributes: dict[str, Any], key: str, value: Any) -> None:
    attributes.pop(key, None) if value is None else attributes.update({key: value})

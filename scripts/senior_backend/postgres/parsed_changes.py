"""What ALTER, DROP, RENAME and COMMENT do to things that a script made before, while it is read by parser alone."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.parsed_tables import Column, Name, Table
from senior_backend.postgres.trees import expression, nodes, symbol, unwrapped, words

TYPES = ("enum", "domain", "composite_type", "range_type", "base_type")
OBJECTS = {
    "OBJECT_MATVIEW": ("materialized_view",), "OBJECT_TYPE": TYPES, "OBJECT_ROUTINE": ("function", "procedure"), "OBJECT_TABCONSTRAINT": ("constraint",),
    **{f"OBJECT_{kind.upper()}": (kind,) for kind in ("table", "foreign_table", "view", "sequence", "index", "domain", "schema", "extension", "trigger", "function", "procedure", "column")},
}
STORAGE = {"plain": "p", "external": "e", "extended": "x", "main": "m"}
# actions of ALTER TABLE that set one attribute of a column or the table
OF_COLUMN = {"AT_SetNotNull": ("not_null", True), "AT_DropNotNull": ("not_null", None), "AT_DropIdentity": ("identity", None), "AT_DropExpression": ("generated", None)}
OF_TABLE = {"AT_EnableRowSecurity": ("row_security", True), "AT_DisableRowSecurity": ("row_security", None), "AT_ForceRowSecurity": ("force_row_security", True),
            "AT_NoForceRowSecurity": ("force_row_security", None), "AT_SetLogged": ("persistence", None), "AT_SetUnLogged": ("persistence", "u")}


class Changes:
    """The half of parsed.Reader that changes; the other half, which makes, has all names that are not defined here."""
    tables: dict[Name, Table]
    facts: dict[Id, Fact]

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def comment_stmt(self, node: Any) -> None:
        target = self.target(symbol(node, "objtype"), node.object)
        if target is None:
            self.unparsed("comment_stmt", node)
        elif node.comment:
            self.add(Id("comment", (target.kind, *target.name)), {"text": node.comment}, target)
        else:
            self.facts.pop(Id("comment", (target.kind, *target.name)), None)

    def target(self, kind: str, node: Any) -> Id | None:
        """The thing that COMMENT, DROP or OWNER TO speaks of; None when no fact stands for it."""
        parts, kinds = [part.sval for part in nodes(node, "String")], OBJECTS.get(kind, ())
        if "function" in kinds or "procedure" in kinds:
            called = node.object_with_args
            name = (*self.name(words(called.objname)), ", ".join(self.type(unwrapped(one))[0] for one in called.objargs))
            return next((one for one in self.facts if one.kind in kinds and one.name[:2] == name[:2] and (called.args_unspecified or one.name == name)), None)
        if kind in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER"):
            return Id(kinds[0], (*self.found(parts[:-1]), parts[-1]))
        name = tuple(parts) if kind in ("OBJECT_SCHEMA", "OBJECT_EXTENSION") else self.found(parts, kinds) if kinds else ()
        return next((one for one in (Id(one, name) for one in kinds) if one in self.facts or one.kind in ("table", "index")), None)

    def drop_stmt(self, node: Any) -> None:
        for one in node.objects:
            target = self.target(symbol(node, "remove_type"), one)
            if target is None:
                if not node.missing_ok:
                    self.unparsed("drop_stmt", node)
            elif target.kind == "table":
                self.drop_table(target.name)
            elif target.kind == "index":
                for table in (table for table in self.tables.values() if table.name[0] == target.name[0]):
                    table.keys.pop(("index", target.name[1]), None)
            else:
                self.drop_facts({target})
            if target and target.kind == "schema":
                for name in [name for name in self.tables if name[0] == target.name[0]]:
                    self.drop_table(name)
                self.drop_facts({one for one in self.facts if one.kind not in ("comment", "unparsed", "schema", "extension") and one.name[0] == target.name[0]})

    def drop_table(self, name: Name) -> None:
        gone = self.tables.pop(name, None)
        if gone:
            for table in list(self.tables.values()):
                table.keys = {key: one for key, one in table.keys.items() if one.reference is not gone}
                if table.bound is not None and gone in table.parents:
                    self.drop_table(table.name)
        owned = {Id("sequence", fact.id.name) for fact in self.facts.values() if fact.id.kind == "sequence_owner" and tuple(fact.attributes["column"][:2]) == name}
        self.drop_facts({Id("table", name), *owned})

    def drop_facts(self, gone: set[Id]) -> None:
        """These, their parts, and what is said about them."""
        while True:
            more = {fact.id for fact in self.facts.values() if fact.parent in gone or fact.parent and fact.parent.kind in ("column", "constraint") and Id("table", fact.parent.name[:2]) in gone} - gone
            if not more:
                break
            gone |= more
        self.facts = {identity: fact for identity, fact in self.facts.items() if identity not in gone}

    def alter_owner_stmt(self, node: Any) -> None:
        self.give(self.target(symbol(node, "object_type"), node.object), node.newowner.rolename)

    def give(self, target: Id | None, owner: str) -> None:
        fact = self.tables.get(target.name) or self.facts.get(target) if target else None
        if fact:
            fact.attributes["owner"] = owner

    def rename_stmt(self, node: Any) -> None:
        kind, table = symbol(node, "rename_type"), self.tables.get(self.relation(node.relation))
        if kind == "OBJECT_TABLE" and table:
            del self.tables[table.name]
            self.move(table.name, (table.name[0], node.newname))
            table.name = (table.name[0], node.newname)
            self.tables[table.name] = table
        elif kind == "OBJECT_COLUMN" and table:
            table.rename_column(node.subname, node.newname)
            self.move((*table.name, node.subname), (*table.name, node.newname))
        elif kind == "OBJECT_TABCONSTRAINT" and table and ("constraint", node.subname) in table.keys:
            table.rename_key(("constraint", node.subname), node.newname)
        elif kind == "OBJECT_INDEX":
            old = node.relation.relname
            for one in self.tables.values():
                for key in [key for key in one.keys if key[1] == old and one.keys[key].kind in "puxi"]:
                    one.rename_key(key, node.newname)
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
        name, commands = self.relation(node.relation), [(symbol(one, "subtype"), one) for one in map(unwrapped, node.cmds)]
        if name in self.tables:
            for action, command in commands:
                if not self.alter(self.tables[name], action, command):
                    self.unparsed("alter_table_stmt", node)
        elif symbol(node, "objtype") == "OBJECT_INDEX" and commands[0][0] == "AT_AttachPartition":
            self.attach_index(name, self.relation(next(nodes(node, "PartitionCmd")).name))
        elif all(action == "AT_ChangeOwner" for action, _ in commands):
            self.give(self.host(name) if self.host(name) in self.facts else Id("sequence", name), commands[0][1].newowner.rolename)
        elif not node.missing_ok:
            self.unparsed("alter_table_stmt", node)

    def attach_index(self, parent: Name, child: Name) -> None:
        parts = {(table.name[0], key[1]): (one, table.part(*key)) for table in self.tables.values() for key, one in table.keys.items() if one.kind in "puxi"}
        if parent in parts and child in parts:
            parts[child][0].of = parts[parent][1]

    def alter(self, table: Table, action: str, command: Any) -> bool:
        """One action of ALTER TABLE; False when it is none that is followed here."""
        change, column = unwrapped(getattr(command, "def")), table.columns.get(command.name)
        if action == "AT_AddColumn":
            if not (command.missing_ok and change.colname in table.columns):
                self.column(table, change)
        elif action == "AT_AddConstraint":
            self.constraint(table, change)
            for child in self.children(table):
                table.adopt(child, self.taken)
        elif action == "AT_DropColumn":
            table.drop_column(command.name)
            self.drop_facts({table.part("column", command.name)})
        elif action == "AT_DropConstraint":
            table.keys.pop(("constraint", command.name), None)
            self.drop_facts({table.part("constraint", command.name)})
        elif action == "AT_ValidateConstraint" and ("constraint", command.name) in table.keys:
            table.keys["constraint", command.name].node.skip_validation = False
        elif action in OF_TABLE:
            put(table.attributes, *OF_TABLE[action])
        elif action == "AT_ReplicaIdentity" and change.identity_type != "i":
            put(table.attributes, "replica_identity", {"f": "full", "n": "nothing"}.get(change.identity_type))
        elif action == "AT_ChangeOwner":
            table.attributes["owner"] = command.newowner.rolename
        elif action in ("AT_AttachPartition", "AT_DetachPartition"):
            child = self.table(change.name)
            child.parents, child.bound = ([table], self.bound(change.bound)) if action == "AT_AttachPartition" else ([], None)
            if child.parents:
                table.adopt(child, self.taken)
        elif action in ("AT_AddInherit", "AT_DropInherit"):
            parent = self.table(change)
            table.parents = [*(one for one in table.parents if one is not parent), *([parent] if action == "AT_AddInherit" else [])]
        else:
            return column is not None and self.alter_column(table, column, action, command, change)
        return True

    def alter_column(self, table: Table, column: Column, action: str, command: Any, change: Any) -> bool:
        if action in OF_COLUMN:
            put(column.attributes, *OF_COLUMN[action])
        elif action == "AT_ColumnDefault":
            column.default = expression(getattr(command, "def")) if command.HasField("def") else None
        elif action == "AT_AlterColumnType":
            column.attributes["type"], column.uses = self.type(change.type_name)
        elif action == "AT_AddIdentity":
            self.identity(table, command.name, column, change)
        elif action == "AT_SetStatistics":
            put(column.attributes, "statistics", change.ival if change.ival >= 0 else None)
        elif action == "AT_SetStorage":
            put(column.attributes, "storage", STORAGE.get(change.sval.lower()))
        elif action == "AT_SetCompression":
            put(column.attributes, "compression", {"pglz": "p", "lz4": "l"}.get(change.sval.lower()))
        else:
            return False
        return True


def put(attributes: dict[str, Any], key: str, value: Any) -> None:
    attributes.pop(key, None) if value is None else attributes.update({key: value})

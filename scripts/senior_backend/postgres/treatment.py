"""What is done with each statement of a file before it may run on a scratch server.

A file is not trusted. On our own server statements run as a role that is no superuser (cluster.LOADER); those of ELEVATED need a superuser, and are given one for their
own duration since none of them can execute code that the file brings along. What reaches beyond the database is left out or refused.
"""
from __future__ import annotations

import dataclasses
from typing import Any, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError
from senior_backend.postgres import quote
from senior_backend.postgres.cluster import LOADER
from senior_backend.postgres.sql_files import Statement

LEFT_OUT = {
    **dict.fromkeys(("createdb_stmt", "alter_database_stmt", "alter_database_set_stmt", "alter_database_refresh_coll_stmt", "dropdb_stmt"), "databases are not part of a schema"),
    **dict.fromkeys(("create_table_space_stmt", "alter_table_space_options_stmt", "drop_table_space_stmt"), "tablespaces are not part of a schema"),
    **dict.fromkeys(("alter_role_stmt", "alter_role_set_stmt", "drop_role_stmt", "grant_role_stmt", "drop_owned_stmt", "reassign_owned_stmt"), "of roles only the names count"),
    **dict.fromkeys(("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "truncate_stmt"), "rows are not part of a schema"),
    **dict.fromkeys(("vacuum_stmt", "check_point_stmt", "reindex_stmt", "discard_stmt", "explain_stmt", "notify_stmt", "listen_stmt", "unlisten_stmt"), "it changes no schema"),
}
REFUSED = {"alter_system_stmt": "ALTER SYSTEM changes the server's configuration", "load_stmt": "LOAD runs a library of the server's machine",
           "import_foreign_schema_stmt": "IMPORT FOREIGN SCHEMA connects to another server"}
# parameters of the session that are ours, or that older servers do not know
OWN_SETTINGS = frozenset("""statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout client_encoding client_min_messages check_function_bodies
default_tablespace session_replication_role""".split())
ELEVATED = frozenset("""create_extension_stmt alter_extension_stmt alter_extension_contents_stmt create_cast_stmt create_op_class_stmt create_op_family_stmt alter_op_family_stmt create_plang_stmt
create_am_stmt create_transform_stmt create_publication_stmt alter_publication_stmt create_subscription_stmt alter_subscription_stmt create_fdw_stmt alter_fdw_stmt""".split())
ELEVATED_DEFINITIONS = ("OBJECT_TYPE", "OBJECT_TSPARSER", "OBJECT_TSTEMPLATE")
ELEVATED_COMMENTS = ("OBJECT_EXTENSION", "OBJECT_LANGUAGE", "OBJECT_ACCESS_METHOD", "OBJECT_TSPARSER", "OBJECT_TSTEMPLATE", "OBJECT_ROLE", "OBJECT_CAST", "OBJECT_SUBSCRIPTION")
CODE_FREE_CHANGES = frozenset(("AT_ChangeOwner", "AT_EnableTrigAll", "AT_DisableTrigAll"))
ALONE = ("do_stmt", "call_stmt", "alter_enum_stmt", "execute_stmt")
NAMES_ROLES = frozenset("""alter_owner_stmt grant_stmt alter_default_privileges_stmt create_policy_stmt alter_policy_stmt create_schema_stmt alter_table_stmt create_user_mapping_stmt
alter_user_mapping_stmt drop_user_mapping_stmt""".split())


@dataclasses.dataclass(slots=True)
class Task:
    """A statement that is to run. sql: what is sent; elevated: as superuser on our own server; last: after all others; alone: not in one transaction with others.

    library: what to look at before it may be elevated, ("internal", source) or ("validator", name).
    """
    statement: Statement
    sql: str
    elevated: bool = False
    last: bool = False
    alone: bool = False
    library: tuple[str, str] | None = None


@dataclasses.dataclass(slots=True)
class Treated:
    """A whole script, looked through. created: roles that it makes; named: roles that it names; stated: "owner", "grant" where it speaks of them."""
    tasks: list[Task] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    created: set[str] = dataclasses.field(default_factory=set)
    named: set[str] = dataclasses.field(default_factory=set)
    stated: set[str] = dataclasses.field(default_factory=set)


def treat(statements: list[Statement]) -> Treated:
    """Look through all statements; CommandError exit 2 for one that must not run."""
    postgast = dependencies.require("postgast")
    treated = Treated()
    for statement in statements:
        try:
            parsed = postgast.parse(statement.text).stmts
        except postgast.PgQueryError:           # the server's word counts: it may be older or newer than the parser
            parsed = ()
        if len(parsed) == 1:
            one(treated, statement, parsed[0].stmt.WhichOneof("node"), parsed[0].stmt)
        else:
            treated.tasks.append(Task(statement, statement.text))
    treated.tasks.sort(key=lambda task: task.last)
    return treated


def one(treated: Treated, statement: Statement, kind: str, tree: Any) -> None:
    node = getattr(tree, kind)
    reason = REFUSED.get(kind) or refusal(kind, node)
    if reason:
        raise CommandError(f"{statement.place}: not run: {reason}", "remove the statement from the file: it is not part of a schema", identifier="STATEMENT_REFUSED")
    if kind in NAMES_ROLES:
        treated.named |= set(roles(node))
        treated.stated |= spoken_of(kind, node)
    if kind == "create_role_stmt":
        treated.created.add(node.role)
    elif kind in LEFT_OUT:
        treated.notes.append(f"{statement.place}: left out, {LEFT_OUT[kind]}")
    elif kind == "create_foreign_table_stmt" and option(node.options, "filename"):
        treated.tasks += file_table(statement, tree, node)
    elif not (kind == "variable_set_stmt" and node.name in OWN_SETTINGS or kind == "copy_stmt"):
        treated.tasks.append(task(statement, kind, node))


def refusal(kind: str, node: Any) -> str:
    if kind == "copy_stmt" and (node.is_program or node.filename):
        return f"COPY {'runs a program' if node.is_program else 'reads or writes a file'} of the server's machine"
    if kind == "create_subscription_stmt" and option(node.options, "connect") not in ("false", "off", "0"):
        return "CREATE SUBSCRIPTION connects to another server unless it says WITH (connect = false)"
    if kind == "alter_subscription_stmt" and enum(node, "kind") in ("ALTER_SUBSCRIPTION_REFRESH_PUBLICATION", "ALTER_SUBSCRIPTION_ENABLED"):
        return "this ALTER SUBSCRIPTION connects to another server"
    if kind == "create_function_stmt" and option(node.options, "language").lower() == "c":
        return "a function in C runs a library of the server's machine; install it there as an extension"
    return ""


def task(statement: Statement, kind: str, node: Any) -> Task:
    found = Task(statement, statement.text, elevated=kind in ELEVATED, alone=kind in ALONE or bool(getattr(node, "concurrent", False)))
    if kind == "create_schema_stmt" and node.schemaname == "public" and not node.schema_elts:            # every new database has it
        found.sql = "CREATE SCHEMA IF NOT EXISTS public" + (f" AUTHORIZATION {quote.ident(node.authrole.rolename)}" if node.authrole.rolename else "")
    elif kind == "variable_set_stmt" and node.name == "session_authorization":           # the same rights and owner, without being a superuser
        role = node.args[0].a_const.sval.sval if node.args else ""
        found.sql = f"SET ROLE {quote.ident(role)}" if role else "RESET ROLE"
    elif kind == "create_function_stmt":
        function(found, node)
    elif kind == "create_fdw_stmt":
        found.library = ("validator", option(node.func_options, "validator"))
    elif kind == "define_stmt":
        found.elevated = enum(node, "kind") in ELEVATED_DEFINITIONS or enum(node, "kind") == "OBJECT_AGGREGATE" and option(node.definition, "stype") == "internal"
    elif kind == "alter_table_stmt":
        kinds = {enum(command.alter_table_cmd, "subtype") for command in node.cmds}
        owners = {command.alter_table_cmd.newowner.rolename for command in node.cmds}
        found.elevated = kinds <= CODE_FREE_CHANGES and owners != {LOADER}
        found.alone |= any(command.alter_table_cmd.__getattribute__("def").partition_cmd.concurrent for command in node.cmds)
    elif kind == "alter_owner_stmt":
        found.elevated = node.newowner.rolename != LOADER
        found.last = enum(node, "object_type") == "OBJECT_EVENT_TRIGGER"
    elif kind == "alter_function_stmt":
        found.elevated = any(one.def_elem.defname in ("leakproof", "support") for one in node.actions)
    elif kind == "grant_stmt":
        found.elevated = any("pg_catalog" in str(one) for one in node.objects)
    elif kind in ("comment_stmt", "drop_stmt"):
        target = enum(node, "objtype" if kind == "comment_stmt" else "remove_type")
        found.elevated = found.last = target == "OBJECT_EVENT_TRIGGER"
        found.elevated |= kind == "comment_stmt" and target in ELEVATED_COMMENTS
    elif kind in ("create_event_trig_stmt", "alter_event_trig_stmt"):           # fired by what follows, they would run with its rights
        found.elevated = found.last = True
    return found


def file_table(statement: Statement, tree: Any, node: Any) -> list[Task]:
    """A table over a file of the server's machine (file_fdw) needs a superuser; while code of the script can still run, it reads nothing."""
    postgast = dependencies.require("postgast")
    relation = node.base_stmt.relation
    value = next(one.def_elem.arg.string for one in node.options if one.def_elem.defname == "filename")
    name = quote.qualified(*filter(None, (relation.schemaname, relation.relname)))
    after = f"ALTER FOREIGN TABLE {name} OPTIONS (SET filename {quote.literal(value.sval)})"
    value.sval = "/dev/null"
    elevated = not option(node.options, "program")
    return [Task(statement, postgast.deparse(postgast.parse("SELECT 1").__class__(stmts=[{"stmt": tree}])), elevated=elevated), Task(statement, after, elevated=elevated, last=True)]


def function(found: Task, node: Any) -> None:
    """Leakproof functions and those that name a function of the server need a superuser; defaults of parameters could run code, so that they rule it out."""
    plain = not any(parameter.function_parameter.HasField("defexpr") for parameter in node.parameters)
    if option(node.options, "language").lower() == "internal":
        found.library = ("internal", option(node.options, "as"))
        found.elevated = plain
    elif any(one.def_elem.defname in ("leakproof", "support") for one in node.options):
        found.elevated = plain


def spoken_of(kind: str, node: Any) -> set[str]:
    if kind in ("grant_stmt", "alter_default_privileges_stmt"):
        return {"grant"}
    owner = kind == "alter_owner_stmt" or kind == "create_schema_stmt" and node.authrole.rolename or kind == "alter_table_stmt" and "AT_ChangeOwner" in {
        enum(command.alter_table_cmd, "subtype") for command in node.cmds}
    return {"owner"} if owner else set()


def option(options: Any, name: str) -> str:
    """The value of one of a statement's options as text: names joined by dots; "true" for one that is only named, "" for one that is not there."""
    for one in options:
        if one.def_elem.defname == name:
            texts = [text.string.sval for text in strings(one.def_elem.arg)]
            return ".".join(texts) or str(one.def_elem.arg.boolean.boolval or one.def_elem.arg.integer.ival or "true").lower()
    return ""


def strings(node: Any) -> Iterator[Any]:
    """The string nodes below a value: a string, a list, or a type's name."""
    kind = node.WhichOneof("node") if hasattr(node, "WhichOneof") else None
    if kind == "string":
        yield node
    elif kind in ("list", "type_name"):
        for part in getattr(node, kind).items if kind == "list" else node.type_name.names:
            yield from strings(part)


def roles(node: Any) -> Iterator[str]:
    """The names of roles anywhere in a statement."""
    for field, value in node.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if hasattr(value, "add") else (value,):
                if one.DESCRIPTOR.name == "RoleSpec":
                    if one.rolename:
                        yield one.rolename
                else:
                    yield from roles(one)


def enum(node: Any, field: str) -> str:
    """The name of an enumerated value."""
    return node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(node, field)].name

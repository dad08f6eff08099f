"""What is done with each statement of a file before it may run on a scratch server.

A file is not trusted. On our own server statements run as a role that is no superuser (cluster.LOADER); those of ELEVATED need a superuser, and are given one for their
own duration since none of them can execute code that the file brings along. What reaches beyond the database is left out or refused.
"""
from __future__ import annotations

import dataclasses
from typing import Any

from senior_backend.console import CommandError
from senior_backend.postgres import quote
from senior_backend.postgres.cluster import LOADER
from senior_backend.postgres.sql_files import Statement
from senior_backend.postgres.trees import kind_of, nodes, option, parse, postgast, relation_name, symbol, unwrapped
from senior_backend.postgres.trees import statement as tree_text

LEFT_OUT = {
    **dict.fromkeys(("CreatedbStmt", "AlterDatabaseStmt", "AlterDatabaseSetStmt", "AlterDatabaseRefreshCollStmt", "DropdbStmt"), "databases are not part of a schema"),
    **dict.fromkeys(("CreateTableSpaceStmt", "AlterTableSpaceOptionsStmt", "DropTableSpaceStmt"), "tablespaces are not part of a schema"),
    **dict.fromkeys(("AlterRoleStmt", "AlterRoleSetStmt", "DropRoleStmt", "GrantRoleStmt", "DropOwnedStmt", "ReassignOwnedStmt"), "of roles only the names count"),
    **dict.fromkeys(("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TruncateStmt"), "rows are not part of a schema"),
    **dict.fromkeys(("VacuumStmt", "CheckPointStmt", "ReindexStmt", "DiscardStmt", "ExplainStmt", "NotifyStmt", "ListenStmt", "UnlistenStmt"), "it changes no schema"),
}
REFUSED = {"AlterSystemStmt": "ALTER SYSTEM changes the server's configuration", "LoadStmt": "LOAD runs a library of the server's machine",
           "ImportForeignSchemaStmt": "IMPORT FOREIGN SCHEMA connects to another server"}
# parameters of the session that are ours, or that older servers do not know
OWN_SETTINGS = frozenset("""statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout client_encoding client_min_messages check_function_bodies
default_tablespace session_replication_role""".split())
ELEVATED = frozenset("""CreateExtensionStmt AlterExtensionStmt AlterExtensionContentsStmt CreateCastStmt CreateOpClassStmt CreateOpFamilyStmt AlterOpFamilyStmt CreatePLangStmt
CreateAmStmt CreateTransformStmt CreatePublicationStmt AlterPublicationStmt CreateSubscriptionStmt AlterSubscriptionStmt CreateFdwStmt AlterFdwStmt""".split())
ELEVATED_DEFINITIONS = ("OBJECT_TYPE", "OBJECT_TSPARSER", "OBJECT_TSTEMPLATE")
ELEVATED_COMMENTS = ("OBJECT_EXTENSION", "OBJECT_LANGUAGE", "OBJECT_ACCESS_METHOD", "OBJECT_TSPARSER", "OBJECT_TSTEMPLATE", "OBJECT_ROLE", "OBJECT_CAST", "OBJECT_SUBSCRIPTION")
CODE_FREE_CHANGES = frozenset(("AT_ChangeOwner", "AT_EnableTrigAll", "AT_DisableTrigAll"))
ALONE = ("DoStmt", "CallStmt", "AlterEnumStmt", "ExecuteStmt")
NAMES_ROLES = frozenset("""AlterOwnerStmt GrantStmt AlterDefaultPrivilegesStmt CreatePolicyStmt AlterPolicyStmt CreateSchemaStmt AlterTableStmt CreateUserMappingStmt
AlterUserMappingStmt DropUserMappingStmt""".split())


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
    treated = Treated()
    for statement in statements:
        try:
            parsed = parse(statement.text)
        except postgast().PgQueryError:           # the server's word counts: it may be older or newer than the parser
            parsed = []
        if len(parsed) == 1:
            one(treated, statement, parsed[0])
        else:
            treated.tasks.append(Task(statement, statement.text))
    treated.tasks.sort(key=lambda task: task.last)
    return treated


def one(treated: Treated, statement: Statement, node: Any) -> None:
    kind = kind_of(node)
    reason = REFUSED.get(kind) or refusal(kind, node)
    if reason:
        raise CommandError(f"{statement.place}: not run: {reason}", "remove the statement from the file: it is not part of a schema", identifier="STATEMENT_REFUSED")
    if kind in NAMES_ROLES:
        treated.named |= {role.rolename for role in nodes(node, "RoleSpec") if role.rolename}
        treated.stated |= spoken_of(node)
    if kind == "CreateRoleStmt":
        treated.created.add(node.role)
    elif kind in LEFT_OUT:
        treated.notes.append(f"{statement.place}: left out, {LEFT_OUT[kind]}")
    elif kind == "CreateForeignTableStmt" and option(node.options, "filename"):
        treated.tasks += file_table(statement, node)
    elif not (kind == "VariableSetStmt" and node.name in OWN_SETTINGS or kind == "CopyStmt"):
        treated.tasks.append(task(statement, kind, node))


def refusal(kind: str, node: Any) -> str:
    if kind == "CopyStmt" and (node.is_program or node.filename):
        return f"COPY {'runs a program' if node.is_program else 'reads or writes a file'} of the server's machine"
    if kind == "CreateSubscriptionStmt" and option(node.options, "connect") not in ("false", "off", "0"):
        return "CREATE SUBSCRIPTION connects to another server unless it says WITH (connect = false)"
    if kind == "AlterSubscriptionStmt" and symbol(node, "kind") in ("ALTER_SUBSCRIPTION_REFRESH_PUBLICATION", "ALTER_SUBSCRIPTION_ENABLED"):
        return "this ALTER SUBSCRIPTION connects to another server"
    if kind == "CreateFunctionStmt" and option(node.options, "language").lower() == "c":
        return "a function in C runs a library of the server's machine; install it there as an extension"
    return ""


def task(statement: Statement, kind: str, node: Any) -> Task:
    found = Task(statement, statement.text, elevated=kind in ELEVATED, alone=kind in ALONE or bool(getattr(node, "concurrent", False)))
    if kind == "CreateSchemaStmt" and node.schemaname == "public" and not node.schema_elts:            # every new database has it
        found.sql = "CREATE SCHEMA IF NOT EXISTS public" + (f" AUTHORIZATION {quote.ident(node.authrole.rolename)}" if node.authrole.rolename else "")
    elif kind == "VariableSetStmt" and node.name == "session_authorization":           # the same rights and owner, without being a superuser
        role = node.args[0].a_const.sval.sval if node.args else ""
        found.sql = f"SET ROLE {quote.ident(role)}" if role else "RESET ROLE"
    elif kind == "CreateFunctionStmt":
        function(found, node)
    elif kind == "CreateFdwStmt":
        found.library = ("validator", option(node.func_options, "validator"))
    elif kind == "DefineStmt":
        found.elevated = symbol(node, "kind") in ELEVATED_DEFINITIONS or symbol(node, "kind") == "OBJECT_AGGREGATE" and option(node.definition, "stype") == "internal"
    elif kind == "AlterTableStmt":
        found.elevated = actions(node) <= CODE_FREE_CHANGES and {command.newowner.rolename for command in map(unwrapped, node.cmds)} != {LOADER}
        found.alone |= any(command.concurrent for command in nodes(node, "PartitionCmd"))
    elif kind == "AlterOwnerStmt":
        found.elevated = node.newowner.rolename != LOADER
        found.last = symbol(node, "object_type") == "OBJECT_EVENT_TRIGGER"
    elif kind == "AlterFunctionStmt":
        found.elevated = any(one.defname in ("leakproof", "support") for one in map(unwrapped, node.actions))
    elif kind == "GrantStmt":
        found.elevated = any("pg_catalog" in str(one) for one in node.objects)
    elif kind in ("CommentStmt", "DropStmt"):
        target = symbol(node, "objtype" if kind == "CommentStmt" else "remove_type")
        found.elevated = found.last = target == "OBJECT_EVENT_TRIGGER"
        found.elevated |= kind == "CommentStmt" and target in ELEVATED_COMMENTS
    elif kind in ("CreateEventTrigStmt", "AlterEventTrigStmt"):           # fired by what follows, they would run with its rights
        found.elevated = found.last = True
    return found


def file_table(statement: Statement, node: Any) -> list[Task]:
    """A table over a file of the server's machine (file_fdw) needs a superuser; while code of the script can still run, it reads nothing."""
    value = next(one.arg for one in map(unwrapped, node.options) if one.defname == "filename").string
    name = quote.qualified(*relation_name(node.base_stmt.relation))
    after = f"ALTER FOREIGN TABLE {name} OPTIONS (SET filename {quote.literal(value.sval)})"
    value.sval, elevated = "/dev/null", not option(node.options, "program")
    return [Task(statement, tree_text(create_foreign_table_stmt=node), elevated=elevated), Task(statement, after, elevated=elevated, last=True)]


def function(found: Task, node: Any) -> None:
    """Leakproof functions and those that name a function of the server need a superuser; defaults of parameters could run code, so that they rule it out."""
    plain = not any(parameter.HasField("defexpr") for parameter in map(unwrapped, node.parameters))
    if option(node.options, "language").lower() == "internal":
        found.library = ("internal", option(node.options, "as"))
        found.elevated = plain
    elif any(one.defname in ("leakproof", "support") for one in map(unwrapped, node.options)):
        found.elevated = plain


def spoken_of(node: Any) -> set[str]:
    """What of its kind a statement speaks of: "owner", "grant"."""
    kind = kind_of(node)
    if kind in ("GrantStmt", "AlterDefaultPrivilegesStmt"):
        return {"grant"}
    owner = kind == "AlterOwnerStmt" or kind == "CreateSchemaStmt" and node.authrole.rolename or kind == "AlterTableStmt" and "AT_ChangeOwner" in actions(node)
    return {"owner"} if owner else set()


def actions(node: Any) -> set[str]:
    return {symbol(command, "subtype") for command in map(unwrapped, node.cmds)}

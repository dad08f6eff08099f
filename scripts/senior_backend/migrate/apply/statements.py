"""What one statement of a migration is: can it run in a transaction, does it open or end one, what data does it destroy, may it run at all."""
from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import quote, sql_files
from senior_backend.postgres.trees import kind_of, nodes, parse, postgast, relation_name, symbol, unwrapped, words

if TYPE_CHECKING:
    from google.protobuf.message import Message

OPENING, CLOSING, ENDING_BADLY = {"BEGIN", "START"}, {"COMMIT", "ROLLBACK"}, {"PREPARE", "COMMIT_PREPARED", "ROLLBACK_PREPARED"}
SESSION_COMMANDS = {"VariableSetStmt", "LoadStmt"}
RUNS_QUERIES = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CreateTableAsStmt", "ExplainStmt", "CopyStmt"}
OPAQUE = {"DoStmt", "CallStmt", "ExecuteStmt"}
WHOLE_SERVER = {"CreatedbStmt": "CREATE DATABASE", "DropdbStmt": "DROP DATABASE", "CreateTableSpaceStmt": "CREATE TABLESPACE", "DropTableSpaceStmt": "DROP TABLESPACE", "AlterSystemStmt": "ALTER SYSTEM"}
DESTRUCTIVE_TEXT = re.compile(r"\b(drop\s+(table|column|schema|owned)|truncate|delete\s+from)\b", re.I)


@dataclasses.dataclass(frozen=True)
class Loss:
    """Data that is gone after a statement. kind: what is addressed ("table", "column", "rows", "schema", ...); name: its parts as written, without a column.

    becomes: for the values of a column their new type; by: "assignment", "cast" (USING, which cuts where an assignment fails) or "constant".
    """
    kind: str
    name: tuple[str, ...]
    column: str = ""
    becomes: str = ""
    by: str = "assignment"

    def __str__(self) -> str:
        target = quote.qualified(*self.name, *([self.column] if self.column else []))
        return f"{self.kind} of {target}" if self.kind in ("rows", "values") else f"{self.kind} {target}"


@dataclasses.dataclass(frozen=True, eq=False)
class Statement(sql_files.Statement):
    """One statement of a migration, as written. number: from 1, transaction commands not counted (theirs is 0); rows: what follows COPY ... FROM stdin;
    marked: the data-loss hazards that this tool wrote above it, in words."""
    number: int = 0
    node: Message | None = None
    rows: bytes = b""
    marked: str = ""

    @property
    def kind(self) -> str:
        return kind_of(self.node)

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode() + self.rows).hexdigest()

    @property
    def control(self) -> str:
        """BEGIN, COMMIT, SAVEPOINT, ... for what steers transactions, else nothing."""
        return symbol(self.node, "kind").removeprefix("TRANS_STMT_") if self.kind == "TransactionStmt" else ""

    @property
    def headline(self) -> str:
        """The statement on one line, shortened, without the values in it."""
        text = " ".join(self.text.split())
        if self.kind in {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"}:
            text = re.sub(r"'(?:[^']|'')*'", "'...'", text)
        return text if len(text) <= 120 else text[:117] + "..."

    @functools.cached_property
    def inner(self) -> tuple[Message, ...]:
        """Every statement that runs when this one does: itself, those in WITH clauses, and the fixed ones of a DO block."""
        nodes = [self.node]
        for query in queries(self.body):
            try:
                nodes += parse(query)
            except postgast().PgQueryError:         # an expression, or text that is put together at run time
                continue
        within = [node for outer in nodes if kind_of(outer) in RUNS_QUERIES for node in walked(outer) if kind_of(node) in RUNS_QUERIES - {"SelectStmt"}]
        return tuple(nodes + [node for node in within if not any(node is outer for outer in nodes)])

    @functools.cached_property
    def actions(self) -> list[Command]:
        """Of an ALTER TABLE; none for other statements."""
        return commands(self.node) if self.kind == "AlterTableStmt" else []

    @property
    def transactional(self) -> bool:
        """Whether Postgres lets it run in a transaction block, as far as its text tells."""
        node, kind = self.node, self.kind
        if kind in ("IndexStmt", "DropStmt"):
            return not node.concurrent
        if kind == "ReindexStmt":
            return symbol(node, "kind").endswith(("INDEX", "TABLE")) and not concurrently(node)
        if kind == "VacuumStmt":
            return not node.is_vacuumcmd
        if kind == "ClusterStmt":
            return node.HasField("relation")
        if any(command.action == "DetachPartition" and command.definition.concurrent for command in self.actions):
            return False
        if kind in ("CreateSubscriptionStmt", "DropSubscriptionStmt"):
            return any(one.defname in ("create_slot", "connect") and "false" in str(one.arg) for one in options(node))
        return not [*found(self.body, "PLpgSQL_stmt_commit"), *found(self.body, "PLpgSQL_stmt_rollback")]

    @functools.cached_property
    def body(self) -> Any:
        """The parsed body of a DO block; None for other statements, other languages, and what does not parse (the server will say so)."""
        if self.kind != "DoStmt" or any(unwrapped(one.arg).sval != "plpgsql" for one in map(unwrapped, self.node.args) if one.defname == "language"):
            return None
        try:
            return postgast().parse_plpgsql(self.text)
        except postgast().PgQueryError:
            return None

    @property
    def sets_session(self) -> bool:
        """Leaves a setting behind that later statements may need, and nothing else."""
        if self.kind == "SelectStmt":
            calls = [function_name(node) for node in nodes(self.node, "FuncCall")]
            return calls == ["set_config"] and not self.node.from_clause
        return self.kind in SESSION_COMMANDS and not getattr(self.node, "is_local", False)

    @property
    def wants_transaction(self) -> bool:
        """Means nothing outside a transaction, or makes something that only this session sees."""
        node = self.node
        if self.kind == "VariableSetStmt":
            return node.is_local
        if self.kind == "CreateStmt":
            return node.relation.relpersistence == "t"
        if self.kind == "CreateTableAsStmt":
            return node.into.rel.relpersistence == "t"
        return self.kind in ("LockStmt", "DeclareCursorStmt") or self.control in ("SAVEPOINT", "RELEASE", "ROLLBACK_TO")

    @property
    def opaque(self) -> bool:
        """Runs code whose effects its text does not show."""
        return self.kind in OPAQUE or self.kind == "SelectStmt" and any(nodes(self.node, "FuncCall"))

    @functools.cached_property
    def losses(self) -> tuple[Loss, ...]:
        """What data it destroys, whether the target holds any or not."""
        losses = [loss for node in self.inner for loss in losses_of(node)]
        for query in (query for dynamic in found(self.body, "PLpgSQL_stmt_dynexecute") for query in queries(dynamic)):
            hidden = DESTRUCTIVE_TEXT.search(query)
            if hidden and not losses:
                losses.append(Loss("whatever EXECUTE makes of", (hidden[0].lower(),)))
        return tuple(dict.fromkeys(losses))


def walked(node: Message) -> Iterator[Message]:
    """Everything in a statement that runs with it; nothing of what EXPLAIN only plans."""
    if kind_of(node) == "ExplainStmt" and not any(one.defname == "analyze" for one in options(node)):
        return iter(())
    return nodes(node)


def function_name(node: Message) -> str:
    return words(node.funcname)[-1]


def options(node: Message) -> Iterator[Message]:
    return (unwrapped(one) for one in getattr(node, "params" if kind_of(node) == "ReindexStmt" else "options"))


def concurrently(node: Message) -> bool:
    return any(one.defname == "concurrently" for one in options(node))


@dataclasses.dataclass(frozen=True)
class Command:
    """One action of an ALTER TABLE: action is the parser's name without AT_ (AddColumn, AlterColumnType, ...)."""
    action: str
    name: str
    definition: Message


def commands(node: Message) -> list[Command]:
    return [Command(symbol(one, "subtype").removeprefix("AT_"), one.name, unwrapped(getattr(one, "def"))) for one in map(unwrapped, node.cmds)]


def found(tree: Any, name: str) -> Iterator[Any]:
    """The nodes of one kind in a parsed PL/pgSQL block."""
    if isinstance(tree, dict):
        if name in tree:
            yield tree[name]
        tree = list(tree.values())
    if isinstance(tree, list):
        for one in tree:
            yield from found(one, name)


def queries(tree: Any) -> Iterator[str]:
    """The SQL in a parsed PL/pgSQL block; for EXECUTE 'constant' the constant."""
    if isinstance(tree, dict):
        if isinstance(tree.get("query"), str):
            constant = re.fullmatch(r"\s*'((?:[^']|'')*)'\s*", tree["query"])
            yield constant[1].replace("''", "'") if constant else tree["query"]
        tree = list(tree.values())
    if isinstance(tree, list):
        for one in tree:
            yield from queries(one)


def losses_of(node: Message) -> Iterator[Loss]:
    kind = kind_of(node)
    if kind == "DropStmt":
        yield from dropped(node)
    elif kind == "AlterTableStmt":
        part = "attribute" if symbol(node, "objtype") == "OBJECT_TYPE" else "column"
        yield from (Loss(part, relation_name(node.relation), command.name) for command in commands(node) if command.action == "DropColumn")
        yield from (retyped(relation_name(node.relation), command) for command in commands(node) if command.action == "AlterColumnType" and part == "column")
    elif kind == "TruncateStmt":
        yield from (Loss("rows", relation_name(unwrapped(one))) for one in node.relations)
    elif kind == "DeleteStmt" or kind == "MergeStmt" and any(symbol(unwrapped(one), "command_type") == "CMD_DELETE" for one in node.merge_when_clauses):
        yield Loss("rows", relation_name(node.relation))
    elif kind == "DropOwnedStmt":
        yield from (Loss("everything owned by", (unwrapped(one).rolename,)) for one in node.roles)


def retyped(table: tuple[str, ...], command: Command) -> Loss:
    """The values that a new type may cut; whether it does is for the old type to say."""
    kind, expression = command.definition.type_name, unwrapped(command.definition.raw_default)
    modifiers = ",".join(str(unwrapped(one).ival.ival) for one in kind.typmods if kind_of(unwrapped(one)) == "A_Const")
    by = "assignment" if not command.definition.HasField("raw_default") else "cast" if any(nodes(expression, "ColumnRef")) else "constant"
    return Loss("values", table, command.name, quote.qualified(*words(kind.names)) + "[]" * len(kind.array_bounds) + (f"({modifiers})" if modifiers else ""), by)


def dropped(node: Message) -> Iterator[Loss]:
    """Tables always; schemas, types and extensions only with CASCADE, since without it nothing may depend on them."""
    target, cascades = symbol(node, "remove_type").removeprefix("OBJECT_").lower(), symbol(node, "behavior") == "DROP_CASCADE"
    if target == "table" or cascades and target in ("schema", "type", "domain", "extension"):
        for one in node.objects:
            item = unwrapped(one)
            yield Loss(target, words(item.items) if hasattr(item, "items") else words(item.names) if hasattr(item, "names") else (item.sval,))


def refuse(statement: Statement) -> None:
    """CommandError for what a migration must not do at all."""
    if statement.kind in WHOLE_SERVER:
        raise refused(statement, f"{WHOLE_SERVER[statement.kind]} changes the whole server, not this database", "run it by hand, with psql")
    if statement.control in ENDING_BADLY or statement.control and statement.node.chain:
        raise refused(statement, "prepared and chained transactions cannot be recorded with their history", "use BEGIN and COMMIT")
    if statement.kind == "DiscardStmt" and symbol(statement.node, "target") == "DISCARD_ALL":
        raise refused(statement, "DISCARD ALL gives up the lock that keeps two migrations from running at once", "use RESET ALL")
    for node in statement.inner:
        if kind_of(node) == "CopyStmt" and node.is_program:
            raise refused(statement, "COPY ... PROGRAM runs a program on the server", "load the data outside the migration")
        if "advisory_unlock" in " ".join(function_name(call) for call in nodes(node, "FuncCall")):
            raise refused(statement, "advisory locks of the session belong to the tool that runs the migration", "use pg_advisory_xact_lock")


def refused(statement: Statement, message: str, hint: str) -> CommandError:
    return CommandError(f"{statement.place}: {message}: {statement.headline}", hint, ExitCode.REFUSED, "STATEMENT_REFUSED")

"""What a measured statement means for a live database: findings with their severity, evidence and the safe form."""
from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any, Callable, Iterator

from senior_backend import dependencies
from senior_backend.migrate.apply import losses
from senior_backend.migrate.apply.script import Migration
from senior_backend.migrate.apply.statements import OPAQUE, Command, Statement, concurrently
from senior_backend.migrate.evidence import Size, size
from senior_backend.postgres import quote
from senior_backend.postgres.trees import kind_of, relation_name, symbol, unwrapped, words

if TYPE_CHECKING:
    import psycopg

MODES = ("AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
BLOCKS = {"ShareLock": "writes", "ShareRowExclusiveLock": "writes", "ExclusiveLock": "writes", "AccessExclusiveLock": "reads and writes"}
SOME_ROWS = 10_000
DATA_DEPENDENT = {"P0001", "P0002", "P0003", "P0004", "02000", "23503"}          # raised by code that misses rows, foreign keys to rows
NEW_COLUMN = "add a new column of the new type, copy the values in batches, switch over, and drop the old column in a later migration"
FILL_LATER = "add the column without it, set the default in a second statement, and fill old rows in batches"
QUIET = "there is no form that does not block: run it in a maintenance window"
NOT_VALID = "add it NOT VALID, and VALIDATE CONSTRAINT in a transaction of its own: that blocks neither reads nor writes"
SAFE = {
    "AlterColumnType": NEW_COLUMN, "AddColumn": FILL_LATER, "SetLogged": QUIET, "SetUnLogged": QUIET, "SetTableSpace": QUIET, "SetAccessMethod": QUIET,
    "SetNotNull": "ADD CONSTRAINT ... CHECK (column IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT in a transaction of its own; then SET NOT NULL needs no scan; drop the constraint",
    "ValidateConstraint": "run VALIDATE CONSTRAINT in a transaction of its own, where no lock is held",
    "AttachPartition": "first add to the partition a CHECK constraint that implies its bounds (NOT VALID, then VALIDATE); with a default partition, one there that excludes them",
    "CONSTR_CHECK": NOT_VALID, "CONSTR_FOREIGN": NOT_VALID, "CONSTR_NOTNULL": NOT_VALID, "CONSTR_EXCLUSION": "an exclusion constraint has no form that does not block: " + QUIET.partition(": ")[2],
    "CONSTR_UNIQUE": "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX", "CONSTR_PRIMARY": "CREATE UNIQUE INDEX CONCURRENTLY on columns that are NOT NULL, then ADD PRIMARY KEY USING INDEX",
    "IndexStmt": "CREATE INDEX CONCURRENTLY, outside a transaction", "ReindexStmt": "REINDEX (CONCURRENTLY), outside a transaction", "DropStmt": "DROP INDEX CONCURRENTLY, outside a transaction",
    "DetachPartition": "DETACH PARTITION ... CONCURRENTLY, outside a transaction", "LockStmt": "leave it out: statements take the locks that they need",
    "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it", "ClusterStmt": "pg_repack or pg_squeeze reorder a table online",
    "VacuumStmt": "plain VACUUM reuses the space; pg_repack gives it back online", "AlterDomainStmt": NOT_VALID,
    "": "run it in a transaction of its own, before or after the one that holds the lock",
}
RENAMED = {"TABLE", "COLUMN", "VIEW", "MATVIEW", "FOREIGN_TABLE", "SCHEMA", "ATTRIBUTE", "FUNCTION", "PROCEDURE", "ROUTINE", "TYPE"}


def strongest(modes: Any) -> str:
    return max(modes, key=MODES.index)


def mode_words(mode: str) -> str:
    """ACCESS EXCLUSIVE for AccessExclusiveLock."""
    return "".join(f" {one}" if one.isupper() else one for one in mode.removesuffix("Lock")).strip().upper()


@dataclasses.dataclass
class Observed:
    """A statement as it ran. locks: those it took, by relation that was there before the migration; held: the strongest lock per relation that earlier statements of its
    transaction took, and which statement; rewrites, scans, built (tables that got an index): such relations; lost: data that its text
    does not speak of, in words. seconds None: it was not run. error: SQLSTATE and words."""
    statement: Statement
    seconds: float | None = None
    locks: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    held: dict[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    rewrites: list[str] = dataclasses.field(default_factory=list)
    scans: list[str] = dataclasses.field(default_factory=list)
    built: list[str] = dataclasses.field(default_factory=list)
    lost: tuple[str, ...] = ()
    notices: tuple[tuple[str, str, str], ...] = ()
    error: tuple[str, str] | None = None
    where: str = "scratch"

    @property
    def needs_data(self) -> bool:
        """It failed because the scratch copy has no rows."""
        return self.error is not None and self.where == "scratch" and self.error[0] in DATA_DEPENDENT

    def as_json(self) -> dict[str, Any]:
        locks = [{"relation": name, "mode": mode_words(strongest(modes)), "blocks": BLOCKS.get(strongest(modes))} for name, modes in self.locks.items()]
        return {"number": self.statement.number, "line": self.statement.line, "sql": self.statement.text[:2000], "seconds": None if self.seconds is None else round(self.seconds, 4), "locks": locks,
                "rewrites": self.rewrites, "scans": self.scans, "transactional": self.statement.transactional, "ran_on": None if self.seconds is None else self.where,
                "error": self.error and {"sqlstate": self.error[0], "message": self.error[1]}}


@dataclasses.dataclass
class Finding:
    """hazard: its kind (see steps.HAZARDS), or nothing. evidence: usually the size of the table, of a hazard. kind: of several findings of one kind about a statement and a table only the
    first is told; usually its category."""
    severity: str
    category: str
    table: str
    message: str
    suggestion: str
    hazard: str = ""
    evidence: str = ""
    kind: str = ""
    statement: Statement | None = None

    def as_json(self) -> dict[str, Any]:
        return {"severity": self.severity, "category": self.category, "table": self.table, "message": self.message, "suggestion": self.suggestion, "statement": self.statement.number,
                "line": self.statement.line, "evidence": self.evidence}

    def as_hazard(self) -> dict[str, Any]:
        return {"kind": self.hazard, "statement": self.statement.headline, "object": self.table, "evidence": self.evidence, "message": self.message, "severity": self.severity, "place": self.statement.place}


class Facts:
    """What the rules may ask of the live database. labels: schema, name and kind (pg_class.relkind) of the relations there before the migration, by the name that people read."""

    def __init__(self, target: psycopg.Connection, migration: Migration, labels: dict[str, tuple[str, str, str]]):
        self.target, self.migration, self.labels = target, migration, labels
        self.nullable: set[tuple[str, str]] = set()        # columns that this file adds to existing tables, empty

    @functools.cache
    def size(self, label: str) -> Size:
        if label not in self.labels:
            return Size(0, 0)
        return size(self.target, self.labels[label][:2])

    def label(self, node: Any) -> str:
        """The existing relation that a RangeVar means; empty for what the migration itself has made."""
        schema, name = node.schemaname, node.relname
        return next((label for label, (its_schema, its_name, _) in self.labels.items() if its_name == name and schema in ("", its_schema)), "")

    def actions(self, statement: Statement) -> Iterator[tuple[str, Command]]:
        """What an ALTER TABLE does to an existing table."""
        table = self.label(statement.node.relation) if statement.actions else ""
        return ((table, command) for command in statement.actions if table)

    @functools.cache
    def filled(self, label: str) -> bool:
        """Whether an existing table has rows now."""
        psycopg = dependencies.require("psycopg")
        try:
            return self.target.execute(f"select exists (select from {quote.qualified(*self.labels[label][:2])})").fetchone()[0]
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable):
            return self.size(label).rows > 0

    def severity(self, *labels: str) -> str:
        return "error" if any(self.size(one).big for one in labels) else "warning"


def findings(observed: list[Observed], facts: Facts, done: int) -> list[Finding]:
    """All findings in the order of the file; one of each kind per statement and table."""
    kept: dict[tuple, Finding] = {}

    def tell(finding: Finding, statement: Statement) -> None:
        finding.statement = statement
        finding.evidence = finding.evidence or (facts.size(finding.table).words if finding.hazard else "")
        kept.setdefault((statement, finding.kind or finding.category, finding.table), finding)

    for issue in facts.migration.issues:
        tell(Finding("error" if issue.message.startswith("BEGIN without") else "warning", "transaction", "", issue.message, "correct the transaction commands"), issue.statement)
    losing = losses.losses(facts.target, facts.migration, done)
    for one in observed:
        for loss in losing:
            if loss["number"] == one.statement.number:
                tell(Finding("error", "data-loss", loss["object"], loss["message"], "keep the data until nothing needs it; --allow-hazards data-loss lets it run", "data-loss", loss["evidence"]),
                     one.statement)
        for rule in RULES:
            for finding in rule(one, facts):
                tell(finding, one.statement)
    return sorted(kept.values(), key=lambda one: one.statement.line)


def failed(one: Observed, facts: Facts) -> Iterator[Finding]:
    if one.needs_data:
        yield Finding("info", "fails", "", f"fails without data, on the empty scratch copy: {one.error[1]}", "try it with --dry-run=live")
    elif one.error:
        yield Finding("error", "fails", "", f"fails: {one.error[1]}", "correct the statement: nothing after it was tried")
    for severity, code, message in one.notices:
        if severity == "WARNING" or code == "42622":
            yield Finding("warning", "server-warning", "", message, "give names of at most 63 bytes" if code == "42622" else "")


def works_under_lock(one: Observed, facts: Facts) -> Iterator[Finding]:
    """Rewrites, index builds and scans of tables that were there before, while a lock keeps others out."""
    locks = dict(one.held)
    for name, modes in one.locks.items():
        locks[name] = max(locks.get(name, (MODES[0], 0)), (strongest(modes), 0), key=lambda lock: MODES.index(lock[0]))
    locked = {name: mode for name, (mode, _) in locks.items() if blocks(name, mode, facts)}
    category, safe = cause(one.statement)
    for verb, tables in (("rewrites", one.rewrites), ("builds an index on", one.built), ("reads all of", one.scans)) if one.statement.kind != "TruncateStmt" else ():
        for table in tables:
            if not locked or verb == "reads all of" and harmless_scan(one, table, locked, facts):
                continue
            worst = table if table in locked else max(locked, key=lambda name: MODES.index(locked[name]))
            mode, since = locks[worst]
            taken = f" (since statement {since})" if since else ""
            evidence = facts.size(table).words
            yield Finding(facts.severity(table), "rewrite" if verb == "rewrites" else category, worst, f"{verb} {table} ({evidence}) while {mode_words(mode)} on {worst}{taken} blocks {BLOCKS[mode]}",
                          SAFE[""] if since else safe, "rewrite" if verb == "rewrites" else "blocks-reads" if mode == MODES[-1] else "blocks-writes", evidence, "work")


def blocks(name: str, mode: str, facts: Facts) -> bool:
    """Nobody writes to a materialized view but those who refresh it."""
    return mode in BLOCKS and (mode == MODES[-1] or facts.labels.get(name, ("", "", ""))[2] != "m")


def harmless_scan(one: Observed, table: str, locked: dict[str, str], facts: Facts) -> bool:
    """A scan that nobody will notice: of a small other table, of one that must be empty, or to find that a column which this file has just added is empty."""
    measured = facts.size(table)
    if table not in locked and measured.rows < SOME_ROWS and not measured.big:
        return True
    actions = one.statement.actions
    if actions and all(command.action == "AddColumn" and required_column(command) for command in actions):
        return True
    return bool(actions) and all(command.action == "ValidateConstraint" for command in actions) and not measured.big and validates_empty(one, facts)


def validates_empty(one: Observed, facts: Facts) -> bool:
    """The constraint's columns were all added in this file and never filled."""
    name, table = one.statement.actions[0].name, facts.label(one.statement.node.relation)
    columns = next((words(command.definition.fk_attrs) for command in constraints_added(facts, table, one.statement.number) if command.definition.conname == name), ())
    return bool(columns) and all((table, column) in facts.nullable for column in columns)


def constraints_added(facts: Facts, table: str, before: float = math.inf) -> Iterator[Command]:
    """By this file to an existing table, in statements ahead of one."""
    earlier = (each for one in facts.migration.statements if one.number < before for each in facts.actions(one))
    return (command for name, command in earlier if name == table and command.action == "AddConstraint")


def cause(statement: Statement) -> tuple[str, str]:
    """What in a statement does the work, and its safe form."""
    for command in statement.actions:
        key = symbol(command.definition, "contype") if command.action == "AddConstraint" else command.action
        if key in SAFE:
            return key.removeprefix("CONSTR_").lower(), SAFE[key]
    return statement.kind.removesuffix("Stmt").lower(), SAFE.get(statement.kind, SAFE[""])


def tracked(one: Observed, facts: Facts) -> Iterator[Finding]:
    """Columns that this file adds to filled tables: required ones fail at once, empty ones when they are to be filled."""
    if one.statement.kind == "UpdateStmt" or one.statement.kind in OPAQUE:
        facts.nullable.clear()
    for table, command in facts.actions(one.statement):
        name = command.definition.colname if command.action == "AddColumn" else ""
        if name and required_column(command):
            yield from refused_by_data(facts, table, f"column {name} may not be null and has no default, but the table has rows",
                                       "add it with a constant default, or nullable: fill it, then make it NOT NULL")
        elif name and not fills(command):
            facts.nullable.add((table, name))
        column = required(command, table, facts)
        if (table, column) in facts.nullable:
            yield from refused_by_data(facts, table, f"column {column}, which this file adds, is null in every row", "fill it before, in batches and in a transaction of its own")


def fills(command: Command) -> bool:
    """Whether an ADD COLUMN gives old rows a value."""
    kinds = {symbol(unwrapped(each), "contype") for each in command.definition.constraints}
    return words(command.definition.type_name.names)[-1].endswith("serial") or bool(kinds & {"CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"})


def required_column(command: Command) -> bool:
    """An ADD COLUMN that no table with rows can take."""
    return not fills(command) and any(symbol(unwrapped(each), "contype") in ("CONSTR_NOTNULL", "CONSTR_PRIMARY") for each in command.definition.constraints)


def required(command: Command, table: str, facts: Facts) -> str:
    """The column that must not be null from here on; empty for other actions."""
    if command.action == "SetNotNull":
        return command.name
    if command.action == "ValidateConstraint":
        return next((not_null_check(each) for each in constraints_added(facts, table) if each.definition.conname == command.name), "")
    return not_null_check(command) if command.action == "AddConstraint" and not command.definition.skip_validation else ""


def not_null_check(command: Command) -> str:
    """c of CHECK (c IS NOT NULL)."""
    test = unwrapped(command.definition.raw_expr)
    if kind_of(test) == "NullTest" and symbol(test, "nulltesttype") == "IS_NOT_NULL" and kind_of(unwrapped(test.arg)) == "ColumnRef":
        return words(unwrapped(test.arg).fields)[-1]
    return ""


def refused_by_data(facts: Facts, table: str, message: str, suggestion: str) -> Iterator[Finding]:
    if facts.filled(table):
        yield Finding("error", "fails-on-data", table, message, suggestion, "fails-on-data")


def breaks_callers(one: Observed, facts: Facts) -> Iterator[Finding]:
    """What running code relies on: names that change, columns that may be null from now on."""
    node, kind = one.statement.node, one.statement.kind
    gone = "the old name of this {} is gone at once: code that runs meanwhile fails"
    if kind in ("RenameStmt", "AlterObjectSchemaStmt"):
        what = symbol(node, "rename_type" if kind == "RenameStmt" else "object_type").removeprefix("OBJECT_")
        table = facts.label(node.relation)
        if what in RENAMED and (table or not node.relation.relname):
            yield Finding("warning", "renaming", table, gone.format(what.lower().replace("_", " ")),
                          "keep both names for a while: add the new one, move the code over, then drop the old one (a view can stand in)")
    if kind == "AlterEnumStmt" and node.old_val:
        yield Finding("warning", "renaming", "", gone.format("enum value"), "add the new value, move the rows over")
    for table, command in facts.actions(one.statement):
        if command.action == "DropNotNull":
            yield Finding("warning", "nullable", table, f"column {command.name} may be null from now on: readers must expect that first", "change the readers before")


def questionable_types(one: Observed, facts: Facts) -> Iterator[Finding]:
    node, kind = one.statement.node, one.statement.kind
    columns = [unwrapped(each) for each in node.table_elts] if kind == "CreateStmt" else [each.definition for each in one.statement.actions if each.action == "AddColumn"]
    for column in columns:
        if kind_of(column) == "ColumnDef" and words(column.type_name.names)[-1:] == ("json",):
            yield Finding("warning", "json", relation_name(node.relation)[-1], f"column {column.colname} is json: it has no equality, so DISTINCT, GROUP BY and UNION over it fail", "use jsonb")
    if kind == "CreateEnumStmt":
        yield Finding("warning", "enum", "", "values of an enum can be added and renamed, but not removed or reordered without rewriting every table that uses it",
                      "a table of values with a foreign key, or text with a CHECK, when values will come and go")


def queues(one: Observed, facts: Facts) -> Iterator[Finding]:
    """Short work under a lock that waits for all and that all wait for, where another form does without."""
    statement, node = one.statement, one.statement.node
    index = statement.kind == "DropStmt" and symbol(node, "remove_type") == "OBJECT_INDEX" and not node.concurrent
    detached = any(each.action == "DetachPartition" and not each.definition.concurrent for each in statement.actions)
    for table, modes in one.locks.items() if index or detached or statement.kind == "LockStmt" else ():
        if (mode := strongest(modes)) in BLOCKS and (mode == MODES[-1] or not index):
            yield Finding("warning", "drop-index" if index else "lock", table, f"waits for {mode_words(mode)} on {table}, and meanwhile everybody waits behind it",
                          SAFE["DetachPartition" if detached else statement.kind], "blocks-reads")


def blocks_without_transaction(one: Observed, facts: Facts) -> Iterator[Finding]:
    """VACUUM FULL, CLUSTER, REINDEX of a schema."""
    statement = one.statement
    if statement.transactional or statement.kind in ("IndexStmt", "DropStmt", "AlterTableStmt") or statement.kind == "ReindexStmt" and concurrently(statement.node):
        return
    for table, modes in one.locks.items():
        mode = strongest(modes)
        if mode in BLOCKS:
            yield Finding(facts.severity(table), "rewrite", table, f"works on all of {table} ({facts.size(table).words}) while {mode_words(mode)} blocks {BLOCKS[mode]}", cause(statement)[1],
                          "blocks-reads", kind="work")


def touches_all_rows(one: Observed, facts: Facts) -> Iterator[Finding]:
    for node in one.statement.inner:
        table = facts.label(node.relation) if kind_of(node) == "UpdateStmt" and not node.HasField("where_clause") else ""
        if table and facts.size(table).rows >= SOME_ROWS:
            yield Finding("warning", "backfill", table, f"updates every row of {table} ({facts.size(table).words}) at once: locks them all until it is done, and doubles the table",
                          "update in batches of some thousand rows, each in a transaction of its own", "blocks-writes")


def mixes(one: Observed, facts: Facts) -> Iterator[Finding]:
    """A plain file with a statement that cannot be in a transaction beside others that leave open whether they are in one."""
    if one.statement.transactional or facts.migration.format != "plain":
        return
    loose = (each for group in facts.migration.groups if not group.begin for each in group.counted)
    if any(each.transactional and each.kind not in ("SelectStmt", "VariableSetStmt", "VariableShowStmt") for each in loose):
        yield Finding("warning", "mixed-transaction", "", "cannot run in a transaction, so that runners which make one of the file fail here, and others leave half of it",
                      "put it into a file of its own, or the other statements between BEGIN and COMMIT")


def hidden_losses(one: Observed, facts: Facts) -> Iterator[Finding]:
    return (Finding("error", "data-loss", "", text, "say what is dropped in a statement of its own", "data-loss", "measured") for text in one.lost)


RULES: tuple[Callable[[Observed, Facts], Iterator[Finding]], ...] = (
    failed, hidden_losses, works_under_lock, tracked, breaks_callers, questionable_types, queues, blocks_without_transaction, touches_all_rows, mixes,
)

"""What the kinds that belong to tables share: ALTER TABLE, evidence, and the locks that need a word."""
from __future__ import annotations

from senior_backend.migrate.steps import Context, Hazard, Step
from senior_backend.postgres.model import Id
from senior_backend.postgres.quote import ident, literal, qualified


def table_of(identity: Id) -> Id:
    """The table of a column, default or constraint."""
    return Id("table", identity.name[:2])


def has_children(table: Id, context: Context) -> bool:
    """Whether other tables take its columns over: then ALTER TABLE means ONLY this one, since each child is a fact of its own."""
    return any(one.kind in ("partition", "inheritance") for side in (context.old, context.new) if table in side for one in side.dependants(table) if one.name[:2] != table.name)


def alter_table(identity: Id, rest: str, hazards: tuple[Hazard, ...] = (), only: bool = False) -> Step:
    return Step(f"ALTER TABLE {'ONLY ' if only else ''}{qualified(*identity.name[:2])} {rest}", hazards=hazards)


def count_rows(table: Id, condition: str = "") -> str:
    return f"SELECT count(*) FROM {qualified(*table.name[:2])}" + (f" WHERE {condition}" if condition else "")


def estimated_rows(table: Id) -> str:
    """Rows as the planner last knew them, since counting a big table takes as long as reading it."""
    return f"SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = {literal(qualified(*table.name[:2]))}::regclass"


def blocks(kind: str, table: Id, why: str) -> tuple[Hazard, ...]:
    """A lock on a table that is there already, for as long as its rows take. kind: blocks-reads or blocks-writes."""
    name = ".".join(table.name[:2])
    what = "reads and writes" if kind == "blocks-reads" else "writes"
    return (Hazard(kind, Id("table", table.name[:2]), f"{why} while {name} is locked against {what}", estimated_rows(table), "rows (estimated)"),)


def rewrites(table: Id, why: str) -> tuple[Hazard, ...]:
    hazard = Hazard("rewrite", Id("table", table.name[:2]), f"{why}: every row of {'.'.join(table.name[:2])} is written anew", estimated_rows(table), "rows (estimated)")
    return (hazard, *blocks("blocks-reads", table, "all rows are written"))


def fails(identity: Id, message: str, probe: str = "", unit: str = "") -> tuple[Hazard, ...]:
    return (Hazard("fails-on-data", identity, message, probe, unit),)


def column_of(identity: Id) -> str:
    return ident(identity.name[2])


def changed_options(old: list[str], new: list[str]) -> list[str]:
    """RESET and SET that make one list of name=value the other, in its order.

    >>> changed_options(["fillfactor=70"], ["fillfactor=70", "parallel_workers=2"])
    ['SET (parallel_workers=2)']
    """
    kept = [one for one in old if one in new]
    if kept != new[:len(kept)]:
        kept = []
    names = {one.split("=")[0] for one in new[len(kept):]}
    gone = [name for one in old if one not in kept and (name := one.split("=")[0]) not in (names if kept or not set(old) & set(new) else ())]
    return ([f"RESET ({', '.join(gone)})"] if gone else []) + ([f"SET ({', '.join(new[len(kept):])})"] if new[len(kept):] else [])


def changed_foreign_options(old: list[str], new: list[str]) -> str:
    """OPTIONS (...) that makes one list of name=value of a foreign table's column the other.

    >>> changed_foreign_options([], ["column_name=x"]), changed_foreign_options(["a=1", "b=2"], ["b=3"])
    (" OPTIONS (column_name 'x')", " OPTIONS (DROP a, SET b '3')")
    """
    had, has = (dict(one.split("=", 1) for one in options) for options in (old, new))
    changes = [f"DROP {ident(name)}" for name in had if name not in has]
    changes += [f"{('SET ' if name in had else 'ADD ') if old else ''}{ident(name)} {literal(value)}" for name, value in has.items() if had.get(name) != value]
    return f" OPTIONS ({', '.join(changes)})" if changes else ""

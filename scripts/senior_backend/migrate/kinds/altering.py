"""What the kinds share: the pattern that most of them follow, ALTER TABLE, options, and hazards with their evidence."""
from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified, target

# an attribute before and after (None: usual) and whose it is -> what ALTER says; None: the thing must be made anew
Change = Callable[[Any, Any, Fact], str | list[str] | None]


def said(old: Mapping[str, Any], new: Mapping[str, Any], changes: Mapping[str, Change], fact: Fact) -> list[str] | None:
    """What ALTER says of these attributes where they differ; None where it cannot."""
    texts: list[str] = []
    for key, change in changes.items():
        if old.get(key) != new.get(key):
            text = change(old.get(key), new.get(key), fact)
            if text is None:
                return None
            texts += [text] if isinstance(text, str) else text
    return texts


def altering(changes: Mapping[str, Change]) -> Callable[[Fact, Fact, Context], Alteration | None]:
    """How a thing is changed of which no other attribute can change."""
    def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
        old, new = before.attributes, after.attributes
        texts = said(old, new, changes, after) if all(old.get(key) == new.get(key) for key in (old.keys() | new.keys()) - changes.keys()) else None
        return None if texts is None else Alteration(tuple(altered(after, texts)))

    return alter


def simple(definition: Callable[[Fact, Context], str], changes: Mapping[str, Change] = {}, later: Mapping[str, Any] = {}, parts: tuple[str, ...] = ()) -> Kind:
    """A kind made by CREATE <definition>, removed by DROP <name>, changed by ALTER <name> <what changes say>. later: attributes that only ALTER can set, and what they are before."""
    def create(fact: Fact, context: Context) -> list[Step]:
        return [Step(f"CREATE {definition(fact, context)}"), *altered(fact, said(later, fact.attributes, {key: changes[key] for key in later}, fact) or ())]

    return Kind(create, drop, altering(changes), parts)


def altered(fact: Fact, texts: Sequence[str]) -> list[Step]:
    return [Step(f"ALTER {target(fact.id)} {text}") for text in texts]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {target(fact.id)}")]


def set_again(steps: Callable[[Fact, Context], list[Step]], drop: Callable[[Fact, Context], list[Step]], **more: Any) -> Kind:
    """A kind that is changed as it is made."""
    return Kind(steps, drop, lambda before, after, context: Alteration(tuple(steps(after, context))), **more)


def table_of(identity: Id) -> Id:
    """The table of a column, default or constraint."""
    return Id("table", identity.name[:2])


def column_of(identity: Id) -> str:
    return ident(identity.name[2])


def alter_column(fact: Fact, rest: str, hazards: tuple[Hazard, ...] = (), only: bool = False) -> Step:
    return alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} {rest}", hazards, only)


def type_called(kind: str, text: str, catalogue: Catalogue) -> Fact | None:
    """The type of this kind that a column's type is written as."""
    return next((fact for fact in catalogue.of_kind(kind) if qualified(*fact.id.name) == text), None)


def has_children(table: Id, context: Context) -> bool:
    """Whether other tables take its columns over: then ALTER TABLE means ONLY this one, since each child is a fact of its own."""
    return any(one.kind in ("partition", "inheritance") for side in (context.old, context.new) if table in side for one in side.dependants(table) if one.name[:2] != table.name)


def alter_table(identity: Id, rest: str, hazards: tuple[Hazard, ...] = (), only: bool = False) -> Step:
    return Step(f"ALTER TABLE {'ONLY ' if only else ''}{qualified(*identity.name[:2])} {rest}", hazards=hazards)


def count_rows(table: Id, condition: str = "") -> str:
    return f"SELECT count(*) FROM {qualified(*table.name[:2])}" + (f" WHERE {condition}" if condition else "")


def estimated(kind: str, table: Id, message: str) -> Hazard:
    """A hazard of a table, with its rows as the planner last knew them, since counting a big table takes as long as reading it."""
    probe = f"SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = {literal(qualified(*table.name[:2]))}::regclass"
    return Hazard(kind, Id("table", table.name[:2]), message, probe, "rows (estimated)")


def blocks(kind: str, table: Id, why: str) -> tuple[Hazard, ...]:
    """A lock on a table that is there already, for as long as its rows take. kind: blocks-reads or blocks-writes."""
    return (estimated(kind, table, f"{why} while {'.'.join(table.name[:2])} is locked against {'reads and writes' if kind == 'blocks-reads' else 'writes'}"),)


def rewrites(table: Id, why: str) -> tuple[Hazard, ...]:
    return (estimated("rewrite", table, f"{why}: every row of {'.'.join(table.name[:2])} is written anew"), *blocks("blocks-reads", table, "all rows are written"))


def fails(identity: Id, message: str, probe: str = "", unit: str = "") -> tuple[Hazard, ...]:
    return (Hazard("fails-on-data", identity, message, probe, unit),)


def lost_values(column: Id) -> Hazard:
    return Hazard("data-loss", column, f"the values of {'.'.join(column.name)} are lost", f"SELECT count({column_of(column)}) FROM {qualified(*column.name[:2])}", "non-null values")


def words(pairs: Mapping[str, Any]) -> str:
    """NAME = value, ... of those that have a value; the values are SQL.

    >>> words({"start": "f", "finalfunc_extra": True, "end": None})
    'START = f, FINALFUNC_EXTRA = true'
    """
    return ", ".join(f"{name.upper()} = {str(value).lower() if isinstance(value, bool) else value}" for name, value in pairs.items() if value is not None)


def changed_options(old: list[str] | None, new: list[str] | None, _: Any = None) -> list[str]:
    """RESET and SET that make one list of name=value the other, in its order.

    >>> changed_options(["fillfactor=70"], ["fillfactor=70", "parallel_workers=2"])
    ['SET (parallel_workers=2)']
    """
    old, new = old or [], new or []
    kept = [one for one in old if one in new]
    if kept != new[:len(kept)]:
        kept = []
    names = {one.split("=")[0] for one in new[len(kept):]}
    gone = [name for one in old if one not in kept and (name := one.split("=")[0]) not in (names if kept or not set(old) & set(new) else ())]
    return ([f"RESET ({', '.join(gone)})"] if gone else []) + ([f"SET ({', '.join(new[len(kept):])})"] if new[len(kept):] else [])


def foreign_options(old: dict[str, Any] | None, new: dict[str, Any] | None, fact: Fact, adding: str = "ADD ") -> str:
    """OPTIONS (...) that makes the options of something foreign the other. adding: "" where it is made."""
    old, new = old or {}, new or {}
    changes = [f"DROP {ident(name)}" for name in old if name not in new]
    changes += [f"{'SET ' if name in old else adding}{ident(name)} {written(value, fact.id, name)}" for name, value in new.items() if old.get(name) != value]
    return f"OPTIONS ({', '.join(changes)})" if changes else ""


def written(value: Any, identity: Id, option: str) -> str:
    """An option's value as a constant; refused for a secret, of which only the hash is known."""
    if isinstance(value, dict):
        raise CommandError(f"the {option} of {identity} is a secret, which no migration file may hold: this change cannot be written",
                           f"make {target(identity)} the same on both sides by hand, then compare again", ExitCode.REFUSED, "SECRET_OPTION")
    return literal(value)


# settings of a column of a table or materialized view
STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
COMPRESSION = {"p": "pglz", "l": "lz4"}


def column_settings(had: Mapping[str, Any], has: Mapping[str, Any], fact: Fact) -> list[str]:
    """What ALTER COLUMN says of storage, compression, statistics and options. usual_storage: what the type asks for, where another storage was set."""
    changes: dict[str, Change] = {
        "storage": lambda old, new, _: f"SET STORAGE {STORAGE[new or had.get('usual_storage', 'x')]}",
        "compression": lambda old, new, _: f"SET COMPRESSION {COMPRESSION[new] if new else 'default'}",
        "statistics": lambda old, new, _: f"SET STATISTICS {-1 if new is None else new}", "options": changed_options}
    return said(had, has, changes, fact) or []

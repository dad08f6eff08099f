"""Owners and privileges: what GRANT, REVOKE and ALTER ... OWNER TO make of one list of privileges the other.

A list holds entries (grantor, grantee, privilege, with grant option); "" stands for the owner, "public" for everybody. A thing without a grant
fact has the privileges that its kind has by itself. The privileges of something new start from the default privileges in force for who makes it.
"""
from __future__ import annotations

import dataclasses
from typing import Callable, Iterable, NamedTuple

from senior_backend.migrate.naming import called, role, target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified

MAINTAIN = 170000           # the version that brought this privilege
DATABASE_OWNER = 150000     # the version that made pg_database_owner the owner of public
TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


class Holder(NamedTuple):
    """A kind that privileges can be given on. word: after ON; letter: of its default privileges; public: what everybody has by itself."""
    word: str
    privileges: tuple[str, ...]
    letter: str = ""
    public: tuple[str, ...] = ()


ROUTINE = Holder("FUNCTION", ("EXECUTE",), "f", ("EXECUTE",))
RELATION = Holder("TABLE", TABLES, "r")
TYPE = Holder("TYPE", ("USAGE",), "T", ("USAGE",))
HOLDERS = {
    **dict.fromkeys(("table", "foreign_table", "view", "materialized_view"), RELATION), **dict.fromkeys(("enum", "domain", "composite_type", "range_type", "base_type", "type"), TYPE),
    "column": Holder("TABLE", ("SELECT", "INSERT", "UPDATE", "REFERENCES")), "sequence": Holder("SEQUENCE", ("SELECT", "USAGE", "UPDATE"), "S"),
    "function": ROUTINE, "aggregate": ROUTINE, "procedure": ROUTINE._replace(word="PROCEDURE"), "schema": Holder("SCHEMA", ("USAGE", "CREATE"), "n"),
    "language": Holder("LANGUAGE", ("USAGE",), public=("USAGE",)), "fdw": Holder("FOREIGN DATA WRAPPER", ("USAGE",)), "server": Holder("FOREIGN SERVER", ("USAGE",)),
}
DEFAULTS = {"r": ("TABLES", RELATION), "S": ("SEQUENCES", HOLDERS["sequence"]), "f": ("FUNCTIONS", ROUTINE), "T": ("TYPES", TYPE), "n": ("SCHEMAS", HOLDERS["schema"]),
            "L": ("LARGE OBJECTS", Holder("LARGE OBJECT", ("SELECT", "UPDATE")))}


class Entry(NamedTuple):
    grantor: str
    grantee: str
    privilege: str
    grantable: bool


Entries = frozenset[Entry]


def privileges_of(holder: Holder, catalogue: Catalogue) -> tuple[str, ...]:
    return holder.privileges + (("MAINTAIN",) if holder is RELATION and catalogue.server_version >= MAINTAIN else ())


def usual(kind: str, catalogue: Catalogue) -> Entries:
    """What a thing of this kind has that nobody has granted or revoked anything on."""
    return frozenset() if kind == "column" else base(HOLDERS[kind], catalogue)


def base(holder: Holder, catalogue: Catalogue) -> Entries:
    return frozenset([Entry("", "", one, False) for one in privileges_of(holder, catalogue)] + [Entry("", "public", one, False) for one in holder.public])


def entries_of(fact: Fact, name: str = "entries") -> Entries:
    return frozenset(Entry(*one) for one in fact.attributes[name])


def held(catalogue: Catalogue, thing: Id, other: Catalogue) -> Entries:
    """The privileges on a thing; other: the catalogue that may know what an extension's or the system's own thing has from the start."""
    identity = Id("grant", (thing.kind, *thing.name))
    fact = catalogue.get(identity)
    if fact:
        return entries_of(fact)
    fact = other.get(identity)
    return entries_of(fact, "base") if fact and "base" in fact.attributes else usual(thing.kind, catalogue)


def granted_at_birth(thing: Id, context: Context) -> Entries:
    """The privileges of a new thing. New default privileges come last in a plan and removed ones go first: those that both sides have are in force."""
    holder, start = HOLDERS[thing.kind], usual(thing.kind, context.old)
    if not holder.letter:
        return start
    schema = thing.name[0] if thing.kind != "schema" else ""
    facts = [context.old[one] for one in (Id("default_privilege", (context.old.role, place, holder.letter)) for place in dict.fromkeys(("", schema))) if one in context.old and one in context.new]
    everywhere = next((entries_of(fact) for fact in facts if not fact.id.name[1]), start)
    return merged(everywhere | frozenset(one for fact in facts if fact.id.name[1] for one in entries_of(fact)))


def merged(entries: Iterable[Entry]) -> Entries:
    """One entry for what several give, with the grant option if one of them gives it."""
    options: dict[tuple[str, str, str], bool] = {}
    for grantor, grantee, privilege, grantable in entries:
        options[grantor, grantee, privilege] = options.get((grantor, grantee, privilege), False) or grantable
    return frozenset(Entry(*key, grantable and key[1] != "") for key, grantable in options.items())


def handed_over(entries: Entries, owner: str) -> Entries:
    """What ALTER ... OWNER TO makes of a list: what the new owner had or gave becomes the owner's."""
    own = lambda name: "" if name == owner else name
    return merged(Entry(own(one.grantor), own(one.grantee), one.privilege, one.grantable) for one in entries)


def owner_of(thing: Id, catalogue: Catalogue) -> str:
    """The owner as statements take it; who loads a file is whoever runs the statements."""
    holder = Id("table", thing.name[:2]) if thing.kind == "column" else thing
    fact = catalogue.get(holder) or catalogue.get(holder._replace(kind="foreign_table")) or catalogue.get(holder._replace(kind="view")) or catalogue.get(holder._replace(kind="materialized_view"))
    name = fact.attributes.get("owner") if fact else None
    if name and not (name == catalogue.role and catalogue.stated is not None):
        return role(name)
    return "pg_database_owner" if thing == Id("schema", ("public",)) and catalogue.server_version >= DATABASE_OWNER else "CURRENT_USER"


def changes(thing: Id, before: Entries, after: Entries, context: Context) -> list[Step]:
    """Revokes, the last links of a chain of grants first, then grants, the first links first."""
    removed = {one for one in before - after if one._replace(grantable=True) not in after}
    options = {one for one in removed if one._replace(grantable=False) in after}
    added = {one for one in after - before if one._replace(grantable=True) not in before}
    depth = depths(before | after)
    steps = []
    for grantor in sorted({one.grantor for one in removed}, key=lambda name: (-depth.get(name, 0), name)):
        steps += as_grantor(grantor, thing, context, revokes(thing, removed - options, grantor, context, "") + revokes(thing, options, grantor, context, "GRANT OPTION FOR "))
    for grantor in sorted({one.grantor for one in added}, key=lambda name: (depth.get(name, 0), name)):
        steps += as_grantor(grantor, thing, context, grants(thing, added, grantor, context))
    return steps


def depths(entries: Iterable[Entry]) -> dict[str, int]:
    """How many grants lie between the owner and each grantor."""
    found, waiting = {"": 0}, [""]
    entries = list(entries)
    for name in waiting:
        for one in entries:
            if one.grantor == name and one.grantable and one.grantee not in found:
                found[one.grantee] = found[name] + 1
                waiting.append(one.grantee)
    return found


def as_grantor(grantor: str, thing: Id, context: Context, steps: list[Step]) -> list[Step]:
    """What somebody else than the owner grants is granted in their name."""
    return [Step(f"SET ROLE {ident(grantor)}"), *steps, Step("RESET ROLE")] if grantor and steps else steps


def grouped(entries: Iterable[Entry], grantor: str) -> dict[tuple[str, bool], set[str]]:
    found: dict[tuple[str, bool], set[str]] = {}
    for one in sorted(entries):
        if one.grantor == grantor:
            found.setdefault((one.grantee, one.grantable), set()).add(one.privilege)
    return found


def revokes(thing: Id, entries: Iterable[Entry], grantor: str, context: Context, option: str) -> list[Step]:
    return [Step(f"REVOKE {option}{listed(thing, privileges, context)} FROM {grantee_name(thing, grantee, context)}")
            for (grantee, _), privileges in grouped((one._replace(grantable=False) for one in entries), grantor).items()]


def grants(thing: Id, entries: Iterable[Entry], grantor: str, context: Context) -> list[Step]:
    return [Step(f"GRANT {listed(thing, privileges, context)} TO {grantee_name(thing, grantee, context)}{' WITH GRANT OPTION' if grantable else ''}")
            for (grantee, grantable), privileges in grouped(entries, grantor).items()]


def listed(thing: Id, privileges: set[str], context: Context) -> str:
    holder = HOLDERS[thing.kind]
    column = f" ({ident(thing.name[2])})" if thing.kind == "column" else ""
    every = privileges_of(holder, context.new)
    words = "ALL" if privileges == set(every) and len(every) > 1 and not column else ", ".join(one + column for one in every if one in privileges)
    return f"{words} ON {holder.word} {privileged(thing)}"


def privileged(thing: Id) -> str:
    """A thing's name after ON and its word."""
    if thing.kind == "column":
        return qualified(*thing.name[:2])
    if thing.kind == "aggregate":
        direct, _, ordered = thing.name[2].partition(" ORDER BY ") if " ORDER BY " in thing.name[2] else ("", "", thing.name[2])
        return f"{qualified(*thing.name[:2])}({', '.join(part for part in (direct if direct != ordered else '', ordered) if part)})"
    return called(thing)


def grantee_name(thing: Id, grantee: str, context: Context) -> str:
    return role(grantee) if grantee else owner_of(thing, context.new)


def thing_of(fact: Fact) -> Id:
    return Id(fact.id.name[0], fact.id.name[1:])


def change(fact: Fact, context: Context) -> list[Step]:
    """From what the old side grants on a thing to what the new side does. What is new, or changes its owner, gets its privileges with that."""
    thing = thing_of(fact)
    own = context.old.get(thing), context.new.get(thing)
    if thing in context.fresh and thing.kind != "column" or owner_changes(*own):
        return []
    before = frozenset() if thing in context.fresh else held(context.old, thing, context.new)
    after = held(context.new, thing, context.old)
    return changes(thing, before, after, context) + (columns_again(thing, before - after, context) if HOLDERS[thing.kind] is RELATION else [])


def columns_again(table: Id, removed: Entries, context: Context) -> list[Step]:
    """A REVOKE on a table takes the same privilege on its columns away too."""
    steps = []
    for fact in context.new.of_kind("grant"):
        column = thing_of(fact)
        if column.kind == "column" and column.name[:2] == table.name and column not in context.fresh and fact.id in context.old:
            lost = {one for one in entries_of(fact) & entries_of(context.old[fact.id]) if any(one[:3] == gone[:3] for gone in removed)}
            steps += [step for grantor in sorted({one.grantor for one in lost}) for step in as_grantor(grantor, column, context, grants(column, lost, grantor, context))]
    return steps


def owner_changes(before: Fact | None, after: Fact | None) -> bool:
    return before is not None and after is not None and before.attributes.get("owner") != after.attributes.get("owner")


def owned(kind: Kind) -> Kind:
    """The kind with owner and privileges of its objects; it never sees the owner."""
    def create(fact: Fact, context: Context) -> list[Step]:
        return [*kind.create(without_owner(fact), context), *given(fact, context)]

    def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
        if not owner_changes(before, after):
            return kind.alter(before, after, context)
        old, new = without_owner(before), without_owner(after)
        rest = Alteration(()) if old.same(new) else kind.alter(old, new, context)
        return rest and Alteration((*rest.steps, *handed(before, after, context)), rest.rebuild)

    return dataclasses.replace(kind, create=create, alter=alter)


def without_owner(fact: Fact) -> Fact:
    return Fact(fact.id, {name: value for name, value in fact.attributes.items() if name != "owner"}, fact.parent, fact.depends, fact.order)


def given(fact: Fact, context: Context) -> list[Step]:
    """What makes a new thing its owner's, with the privileges it shall have."""
    owner = fact.attributes.get("owner")
    away = owner and owner != context.old.role
    steps = [Step(f"ALTER {target(fact.id)} OWNER TO {role(owner)}")] if away else []
    if fact.id.kind not in HOLDERS or fact.id not in context.old and not context.new.states("grant"):
        return steps
    before = granted_at_birth(fact.id, context)
    return steps + changes(fact.id, handed_over(before, owner) if away else before, held(context.new, fact.id, context.old), context)


def handed(before: Fact, after: Fact, context: Context) -> list[Step]:
    """The change of an owner, and of the privileges with it."""
    thing, owner = after.id, owner_of(after.id, context.new)
    steps = [] if follows_table(before, after, context) else [Step(f"ALTER {target(thing)} OWNER TO {owner}")]
    if thing.kind not in HOLDERS:
        return steps
    had = handed_over(held(context.old, thing, context.new), after.attributes.get("owner") or context.old.role)
    has = held(context.new, thing, context.old)
    return steps + changes(thing, had, has, context) + (columns_again(thing, had - has, context) if HOLDERS[thing.kind] is RELATION else [])


def follows_table(before: Fact, after: Fact, context: Context) -> bool:
    """A sequence that belongs to a column has the owner of the table, and changes with it."""
    link = context.old.get(Id("sequence_owner", before.id.name)) if before.id.kind == "sequence" else None
    table = Id("table", tuple(link.attributes["column"][:2])) if link else None
    return table is not None and owner_changes(context.old.get(table), context.new.get(table))


def change_default(fact: Fact, context: Context) -> list[Step]:
    """From the old default privileges to the new ones; those of a schema come on top of those for everywhere."""
    maker, schema, letter = fact.id.name
    words, holder = DEFAULTS[letter]
    start = frozenset() if schema else base(holder, context.old)
    before, after = (entries_of(side[fact.id]) if fact.id in side else start for side in (context.old, context.new))
    head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role(maker)}" + (f" IN SCHEMA {ident(schema)}" if schema else "")
    every = privileges_of(holder, context.new)
    steps = []
    for (grantee, grantable), privileges in grouped(before - after, "").items():
        kept = {one for one in privileges if any(has[:3] == ("", grantee, one) for has in after)}
        if privileges - kept:
            steps.append(f"{head} REVOKE {words_of(privileges - kept, every)} ON {words} FROM {role(grantee or maker)}")
        if kept and grantable:
            steps.append(f"{head} REVOKE GRANT OPTION FOR {words_of(kept, every)} ON {words} FROM {role(grantee or maker)}")
    for (grantee, grantable), privileges in grouped((one for one in after - before if one._replace(grantable=True) not in before), "").items():
        steps.append(f"{head} GRANT {words_of(privileges, every)} ON {words} TO {role(grantee or maker)}{' WITH GRANT OPTION' if grantable else ''}")
    return [Step(sql) for sql in steps]


def words_of(privileges: set[str], every: tuple[str, ...]) -> str:
    return "ALL" if privileges == set(every) and len(every) > 1 else ", ".join(one for one in every if one in privileges)


def kind_of(steps: Callable[[Fact, Context], list[Step]]) -> Kind:
    return Kind(steps, steps, lambda before, after, context: Alteration(tuple(steps(after, context))))


GRANT = kind_of(change)
DEFAULT_PRIVILEGE = kind_of(change_default)

"""Owners and privileges, comments and labels (queries/security.sql): what GRANT, REVOKE and ALTER ... OWNER TO make of one list of privileges the other.

A list holds entries (grantor, grantee, privilege, with grant option); "" stands for the owner, "public" for everybody. A grant fact holds the entries
of one grantee, and is there where they are not what its kind of thing has by itself. The privileges of something new start from the default
privileges in force for who makes it.
"""
from __future__ import annotations

import dataclasses
from typing import Iterable, Iterator, NamedTuple

from senior_backend.migrate.kinds.altering import set_again
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import called, ident, literal, qualified, role, target

MAINTAIN = 170000           # the version that brought this privilege
DATABASE_OWNER = 150000     # the version that made pg_database_owner the owner of public
RELATIONS = ("table", "foreign_table", "view", "materialized_view")


class Holder(NamedTuple):
    """A kind that privileges can be given on. word: after ON; letter: of its default privileges; public: what everybody has by itself."""
    word: str
    privileges: tuple[str, ...]
    letter: str = ""
    public: tuple[str, ...] = ()


ROUTINE = Holder("FUNCTION", ("EXECUTE",), "f", ("EXECUTE",))
RELATION = Holder("TABLE", ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"), "r")
TYPE = Holder("TYPE", ("USAGE",), "T", ("USAGE",))
HOLDERS = {
    **dict.fromkeys(RELATIONS, RELATION), **dict.fromkeys(("enum", "domain", "composite_type", "range_type", "base_type", "type"), TYPE),
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


def usual(holder: Holder, catalogue: Catalogue) -> Entries:
    """What a thing has that nobody has granted or revoked anything on; a column has nothing."""
    if holder is HOLDERS["column"]:
        return frozenset()
    return frozenset([Entry("", "", one, False) for one in privileges_of(holder, catalogue)] + [Entry("", "public", one, False) for one in holder.public])


def entries_of(fact: Fact, name: str = "entries") -> Entries:
    return frozenset(Entry(*one) for one in fact.attributes[name])


def replaced(entries: Entries, facts: Iterable[Fact], name: str = "entries") -> Entries:
    """The list with what these facts say of their grantees."""
    facts = list(facts)
    grantees = {fact.id.name[-1] for fact in facts}
    return frozenset(one for one in entries if one.grantee not in grantees).union(*(entries_of(fact, name) for fact in facts))


def thing_of(fact: Fact) -> Id:
    return Id(fact.id.name[0], fact.id.name[1:-1])


def grants_on(thing: Id, catalogue: Catalogue) -> list[Fact]:
    return catalogue.grants.get(("grant", thing.kind, *thing.name), [])


def held(thing: Id, catalogue: Catalogue, other: Catalogue) -> Entries:
    """The privileges on a thing; other: the catalogue that may know what an extension's or the system's own thing has from the start."""
    facts = grants_on(thing, catalogue)
    known = [fact for fact in (*grants_on(thing, other), *facts) if "base" in fact.attributes]
    return replaced(replaced(usual(HOLDERS[thing.kind], catalogue), known, "base"), facts)


def granted_at_birth(thing: Id, context: Context) -> Entries:
    """The privileges of a new thing. New default privileges come last in a plan and removed ones go first: those that both sides have are in force."""
    holder = HOLDERS[thing.kind]
    schemas = [""] if thing.kind == "schema" else ["", thing.name[0]]
    keys = (("default_privilege", context.old.role, schema, holder.letter) for schema in schemas)
    everywhere, *here = ([fact for fact in context.old.grants.get(key, []) if fact.id in context.new] for key in keys)
    return merged(replaced(usual(holder, context.old), everywhere).union(*(entries_of(fact) for facts in here for fact in facts)))


def merged(entries: Iterable[Entry]) -> Entries:
    """One entry for what several give, with the grant option if one of them gives it; the owner needs none."""
    options: dict[tuple[str, str, str], bool] = {}
    for grantor, grantee, privilege, grantable in entries:
        options[grantor, grantee, privilege] = options.get((grantor, grantee, privilege), False) or grantable
    return frozenset(Entry(*key, grantable and key[1] != "") for key, grantable in options.items())


def handed_over(entries: Entries, owner: str) -> Entries:
    """What ALTER ... OWNER TO makes of a list: what the new owner had or gave becomes the owner's."""
    return merged(Entry("" if one.grantor == owner else one.grantor, "" if one.grantee == owner else one.grantee, one.privilege, one.grantable) for one in entries)


def holders(thing: Id) -> list[Id]:
    """What may be the relation of a column; the thing itself otherwise."""
    return [Id(kind, thing.name[:2]) for kind in RELATIONS] if thing.kind == "column" else [thing]


def owner_of(thing: Id, catalogue: Catalogue) -> str:
    """The owner as statements take it; who loads a file is whoever runs the statements."""
    name = next((catalogue[one].attributes.get("owner") for one in holders(thing) if one in catalogue), None)
    if name and not (name == catalogue.role and catalogue.stated is not None):
        return role(name)
    return "pg_database_owner" if thing == Id("schema", ("public",)) and catalogue.server_version >= DATABASE_OWNER else "CURRENT_USER"


def changes(thing: Id, before: Entries, after: Entries, context: Context) -> list[Step]:
    """Revokes, the last links of a chain of grants first, then grants, the first links first and in the order of the new list."""
    lost = {one for one in before - after if one._replace(grantable=True) not in after}
    options = {one for one in lost if one._replace(grantable=False) in after}
    gained = {one for one in after - before if one._replace(grantable=True) not in before}
    depth, places = depths(before | after), {fact.id.name[-1]: fact.order for fact in grants_on(thing, context.new)}
    steps = []
    for grantor in sorted({one.grantor for one in lost}, key=lambda name: (-depth.get(name, 0), name)):
        steps += as_grantor(grantor, spoken("REVOKE", thing, lost - options, grantor, context) + spoken("REVOKE GRANT OPTION FOR", thing, options, grantor, context))
    for grantor in sorted({one.grantor for one in gained}, key=lambda name: (depth.get(name, 0), name)):
        steps += as_grantor(grantor, spoken("GRANT", thing, gained, grantor, context, places))
    return steps


def depths(entries: Iterable[Entry]) -> dict[str, int]:
    """How many grants lie between the owner and each grantor."""
    found, waiting, entries = {"": 0}, [""], list(entries)
    for name in waiting:
        for one in entries:
            if one.grantor == name and one.grantable and one.grantee not in found:
                found[one.grantee] = found[name] + 1
                waiting.append(one.grantee)
    return found


def as_grantor(grantor: str, steps: list[Step]) -> list[Step]:
    """What somebody else than the owner grants is granted in their name."""
    return [Step(f"SET ROLE {ident(grantor)}"), *steps, Step("RESET ROLE")] if grantor and steps else steps


def spoken(verb: str, thing: Id, entries: Iterable[Entry], grantor: str, context: Context, places: dict[str, int] = {}) -> list[Step]:
    """One statement for each grantee, and for what comes with the grant option; places: of grantees among each other."""
    found: dict[tuple[str, bool], set[str]] = {}
    for one in sorted(entries):
        if one.grantor == grantor:
            found.setdefault((one.grantee, one.grantable and verb == "GRANT"), set()).add(one.privilege)
    groups = sorted(found.items(), key=lambda group: (places.get(group[0][0], 0), group[0]))
    return [Step(f"{verb} {on_thing(thing, privileges, context)} {'TO' if verb == 'GRANT' else 'FROM'} {role(grantee) if grantee else owner_of(thing, context.new)}"
                 f"{' WITH GRANT OPTION' if grantable else ''}") for (grantee, grantable), privileges in groups]


def on_thing(thing: Id, privileges: set[str], context: Context) -> str:
    holder = HOLDERS[thing.kind]
    every = privileges_of(holder, context.new)
    column = f" ({ident(thing.name[2])})" if thing.kind == "column" else ""
    words = ", ".join(one + column for one in every if one in privileges) if column else words_of(privileges, every)
    return f"{words} ON {holder.word} {privileged(thing)}"


def words_of(privileges: set[str], every: tuple[str, ...]) -> str:
    return "ALL" if privileges == set(every) and len(every) > 1 else ", ".join(one for one in every if one in privileges)


def privileged(thing: Id) -> str:
    """A thing's name after ON and its word; an aggregate's arguments without ORDER BY."""
    if thing.kind == "column":
        return qualified(*thing.name[:2])
    if thing.kind == "aggregate":
        direct, _, ordered = thing.name[2].rpartition("ORDER BY ")
        return f"{qualified(*thing.name[:2])}({', '.join(dict.fromkeys(part for part in (direct.strip(), ordered) if part))})"
    return called(thing)


def change(fact: Fact, context: Context) -> list[Step]:
    """From what the old side grants on a thing to what the new side does, all at once with the first of the grantees.

    What is new, or changes its owner, gets its privileges with that.
    """
    thing = thing_of(fact)
    fresh = any(one in context.fresh for one in (thing, *holders(thing), *([fact.parent] if fact.parent and fact.parent.kind == "column" else [])))
    if fresh and thing.kind != "column" or owner_changes(context.old.get(thing), context.new.get(thing)):
        return []
    sides = [{one.id: one for one in grants_on(thing, side)} for side in (context.old, context.new)]
    concerned = (one for one in sides[0].keys() | sides[1].keys() if one in context.fresh or not (one in sides[0] and one in sides[1] and sides[0][one].same(sides[1][one])))
    if fact.id != min(concerned):
        return []
    before = frozenset() if fresh else held(thing, context.old, context.new)
    after = held(thing, context.new, context.old)
    return changes(thing, before, after, context) + columns_again(thing, before - after, context)


def columns_again(table: Id, lost: Entries, context: Context) -> list[Step]:
    """A REVOKE on a table takes the same privilege on its columns away too."""
    steps = []
    if lost and HOLDERS[table.kind] is RELATION:
        for fact in (fact for key, facts in context.new.grants.items() if key[1:4] == ("column", *table.name) for fact in facts):
            column = thing_of(fact)
            if column not in context.fresh and fact.id in context.old:
                taken = {one for one in entries_of(fact) & entries_of(context.old[fact.id]) if any(one[:3] == gone[:3] for gone in lost)}
                steps += [step for grantor in sorted({one.grantor for one in taken}) for step in as_grantor(grantor, spoken("GRANT", column, taken, grantor, context))]
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
    return Fact(fact.id, {name: value for name, value in fact.attributes.items() if name != "owner"}, fact.parent, fact.depends, fact.order) if "owner" in fact.attributes else fact


def given(fact: Fact, context: Context) -> list[Step]:
    """What makes a new thing its owner's, with the privileges it shall have."""
    if fact.id.kind == "extension":         # CREATE EXTENSION comments on it, unless it has nothing to say
        return [] if Id("comment", ("extension", *fact.id.name)) in context.new else [Step(f"COMMENT ON {target(fact.id)} IS NULL")]
    owner = fact.attributes.get("owner") or next((context.new[one].attributes.get("owner") for one in holders(fact.id) if one in context.new), None)
    away = owner is not None and owner != context.old.role
    steps = [Step(f"ALTER {target(fact.id)} OWNER TO {role(owner)}")] if away and "owner" in fact.attributes else []
    for thing in born(fact, context):
        if fact.id in context.old or context.new.states("grant"):
            before = granted_at_birth(thing, context)
            steps += changes(thing, handed_over(before, owner) if away else before, held(thing, context.new, context.old), context)
    return steps


def born(fact: Fact, context: Context) -> Iterator[Id]:
    """What a CREATE statement makes that has privileges: the thing itself, and the sequences of its columns."""
    if fact.id.kind in HOLDERS and fact.id.kind != "column":
        yield fact.id
    if "identity" in fact.attributes:
        yield Id("sequence", tuple(fact.attributes["identity"]["sequence"]))
    for part in context.folded.get(fact.id, ()):
        yield from born(part, context)


def handed(before: Fact, after: Fact, context: Context) -> list[Step]:
    """The change of an owner, and of the privileges with it."""
    thing, owner = after.id, after.attributes.get("owner") or context.old.role
    steps = [] if follows_table(before, context) else [Step(f"ALTER {target(thing)} OWNER TO {owner_of(thing, context.new)}")]
    if thing.kind not in HOLDERS:
        return steps
    had, has = handed_over(held(thing, context.old, context.new), owner), held(thing, context.new, context.old)
    return steps + changes(thing, had, has, context) + columns_again(thing, had - has, context)


def follows_table(sequence: Fact, context: Context) -> bool:
    """A sequence that belongs to a column has the owner of the table, and changes with it."""
    link = context.old.get(Id("sequence_owner", sequence.id.name)) if sequence.id.kind == "sequence" else None
    table = Id("table", tuple(link.attributes["column"][:2])) if link else None
    return table is not None and owner_changes(context.old.get(table), context.new.get(table))


def change_default(fact: Fact, context: Context) -> list[Step]:
    """From the old default privileges of one grantee to the new ones; those of a schema come on top of those for everywhere."""
    maker, schema, letter, grantee = fact.id.name
    words, holder = DEFAULTS[letter]
    start = frozenset(one for one in usual(holder, context.old) if one.grantee == grantee and not schema)
    before, after = (entries_of(side[fact.id]) if fact.id in side else start for side in (context.old, context.new))
    head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role(maker)}" + (f" IN SCHEMA {ident(schema)}" if schema else "")
    kept = {one.privilege for one in after}
    lost = {one.privilege for one in before} - kept
    options = {one.privilege for one in before if one.grantable and one._replace(grantable=False) in after}
    gained = {option: {one.privilege for one in after - before if one.grantable is option and one._replace(grantable=True) not in before} for option in (False, True)}
    said = [("REVOKE", lost, "FROM", ""), ("REVOKE GRANT OPTION FOR", options, "FROM", ""), ("GRANT", gained[False], "TO", ""), ("GRANT", gained[True], "TO", " WITH GRANT OPTION")]
    every = privileges_of(holder, context.new)
    return [Step(f"{head} {verb} {words_of(privileges, every)} ON {words} {to} {role(grantee or maker)}{option}") for verb, privileges, to, option in said if privileges]


def remark(statement: str, text: str) -> Kind:
    """A comment or label: statement, with the thing's name and perhaps the provider's, and the attribute that holds the text."""
    def step(fact: Fact, value: str) -> Step:
        kind, *name = fact.id.name
        provider = ident(name.pop()) if fact.id.kind == "security_label" else ""
        return Step(f"{statement.format(provider=provider)} ON {target(Id(kind, tuple(name)))} IS {value}")

    return set_again(lambda fact, context: [step(fact, literal(fact.attributes[text]))], lambda fact, context: [step(fact, "NULL")])


KINDS = {"grant": set_again(change, change), "default_privilege": set_again(change_default, change_default), "comment": remark("COMMENT", "text"),
         "security_label": remark("SECURITY LABEL FOR {provider}", "label")}

"""Renames: which ones a comparison may be looking at, and what follows when a person has confirmed one.

A schema does not say that a thing was renamed, and a wrong guess loses data: so candidates are only shown. A confirmed rename is done to a copy of the
source on the scratch server; what the server makes of it (views, defaults, indexes) is the schema that the rest of the migration starts from.
"""
from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from typing import Iterator, Sequence

from senior_backend.console import CommandError
from senior_backend.migrate import diff
from senior_backend.migrate.steps import Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified, unquoted, word

PART = r'(?:"(?:[^"]|"")+"|[^".=]+)'
RENAME = re.compile(rf"({PART}(?:\.{PART})*)=({PART}(?:\.{PART})*)\Z")
TABLE_KINDS = ("table", "foreign_table", "view", "materialized_view")
RENAMABLE = (*TABLE_KINDS, "column", "constraint", "index", "sequence", "enum", "domain", "composite_type", "range_type")
FOLLOWERS = ("sequence", "constraint", "index")         # hold no values of their own name: equal ones are renamed without asking
LIKELY = 0.5


@dataclasses.dataclass(frozen=True)
class Rename:
    old: Id
    new: Id

    def step(self, back: bool = False) -> Step:
        """The statement; back: that of the rollback. Parts are renamed after their table and get their old names before it, so that it has its new name both times."""
        kind, (before, after) = self.old.kind, (self.new.name, self.old.name) if back else (self.old.name, self.new.name)
        if kind in ("column", "constraint"):
            return Step(f"ALTER TABLE {qualified(*self.new.name[:2])} RENAME {kind.upper()} {ident(before[2])} TO {ident(after[2])}")
        return Step(f"ALTER {word(kind)} {qualified(*before)} RENAME TO {ident(after[-1])}")


def confirmed(asked: Sequence[str], old: Catalogue, new: Catalogue) -> list[Rename]:
    """What --rename says, tables before their parts; CommandError exit 2 where a side has no such thing."""
    found = [resolved(text, old, new) for text in asked]
    return sorted(found, key=lambda rename: RENAMABLE.index(rename.old.kind))


def resolved(text: str, old: Catalogue, new: Catalogue) -> Rename:
    sides = RENAME.match(text)
    if not sides:
        raise wrong(text, "expected OLD=NEW", "--rename users.name=users.full_name, or --rename users=members")
    gone, come = (list(matching(tuple(unquoted(part.strip()) for part in re.findall(PART, side)), here, there)) for side, here, there in ((sides[1], old, new), (sides[2], new, old)))
    pairs = [Rename(one, other) for one in gone for other in come if one.kind == other.kind]
    if len(pairs) != 1:
        where = f"{sides[1]} is not in the source alone" if not gone else f"{sides[2]} is not in the target alone" if not come else "they are of different kinds" if not pairs else "several things fit"
        raise wrong(text, where, "name a thing that only the source has, and one that only the target has, with their schema where it is not public")
    if pairs[0].old.name[0] != pairs[0].new.name[0]:
        raise wrong(text, "the schemas differ", "a rename stays within a schema; ALTER TABLE ... SET SCHEMA moves a table by hand")
    return pairs[0]


def wrong(text: str, reason: str, hint: str) -> CommandError:
    return CommandError(f"--rename {text}: {reason}", hint, identifier="RENAME")


def matching(name: tuple[str, ...], here: Catalogue, there: Catalogue) -> Iterator[Id]:
    """What only one side has by this name, with or without its schema."""
    names = (name, ("public", *name))
    return (fact.id for fact in here.of_kind(*RENAMABLE) if fact.id.name in names and fact.id not in there)


def following(old: Catalogue, new: Catalogue) -> list[Rename]:
    """Sequences, constraints and indexes that differ in nothing but their name, and hang on the same thing on both sides."""
    difference = diff.compare(old, new)
    found, taken = [], set()
    for gone in (fact for fact in difference.removed if fact.id.kind in FOLLOWERS):
        for come in difference.added:
            if come.id.kind == gone.id.kind and come.id not in taken and come.id.name[0] == gone.id.name[0] and hanger(gone, old) == hanger(come, new) and nameless(gone) == nameless(come):
                found.append(Rename(gone.id, come.id))
                taken.add(come.id)
                break
    return found


def nameless(fact: Fact) -> str:
    """The attributes without the thing's own name, which definitions repeat."""
    return json.dumps(fact.attributes, sort_keys=True).replace(json.dumps(ident(fact.id.name[-1]))[1:-1], "")


def hanger(fact: Fact, catalogue: Catalogue) -> object:
    """What a thing belongs to: its parent; for a sequence who owns it."""
    if fact.id.kind != "sequence":
        return fact.parent
    owner = catalogue.get(Id("sequence_owner", fact.id.name))
    return owner and owner.attributes


def candidates(difference: diff.Difference, old: Catalogue, new: Catalogue) -> list[dict]:
    """Pairs of a removed and an added table, or column of one table, that may be one thing with two names; the likeliest first."""
    pairs = [(likeness(gone, come, old, new), gone, come) for gone in difference.removed for come in difference.added if comparable(gone, come)]
    found, taken = [], set()
    for score, gone, come in sorted(pairs, key=lambda pair: (-pair[0], pair[1].id, pair[2].id)):
        if score >= LIKELY and not {gone.id, come.id} & taken:
            taken |= {gone.id, come.id}
            sides = [".".join(map(ident, fact.id.name[fact.id.name[0] == "public":])) for fact in (gone, come)]
            found.append({"kind": gone.id.kind, "from": sides[0], "to": sides[1], "score": round(score, 2), "flag": f"--rename {'='.join(sides)}"})
    return found


def comparable(gone: Fact, come: Fact) -> bool:
    if gone.id.kind != come.id.kind or gone.id.kind not in (*TABLE_KINDS[:2], "column"):
        return False
    return gone.id.name[:2] == come.id.name[:2] if gone.id.kind == "column" else gone.id.name[0] == come.id.name[0]


def likeness(gone: Fact, come: Fact, old: Catalogue, new: Catalogue) -> float:
    """0 to 1. Columns: of one type, with like names and attributes. Tables: by the columns that they have in common, those of one type counting half."""
    import difflib

    names = difflib.SequenceMatcher(None, gone.id.name[-1], come.id.name[-1]).ratio()
    if gone.id.kind == "column":
        if gone.attributes.get("type") != come.attributes.get("type"):
            return 0.0
        return 0.5 + 0.3 * names + 0.2 * (gone.attributes == come.attributes)
    sides = [{part.id.name[2]: part.attributes.get("type") for part in catalogue.parts(fact.id, "column")} for fact, catalogue in ((gone, old), (come, new))]
    same = {name for name, type_ in sides[0].items() if sides[1].get(name) == type_}
    rest = [Counter(type_ for name, type_ in side.items() if name not in same) for side in sides]
    share = (len(same) + 0.5 * (rest[0] & rest[1]).total()) / max(1, *map(len, sides))
    return 0.8 * share + 0.2 * names


def original(identity: Id, renames: Sequence[Rename]) -> Id:
    """What a thing was called before the renames; parts follow their table."""
    for rename in reversed(renames):
        if identity == rename.new:
            identity = rename.old
        elif rename.old.kind in TABLE_KINDS and identity.name[:2] == rename.new.name and len(identity.name) > 2:
            identity = Id(identity.kind, (*rename.old.name, *identity.name[2:]))
    return identity


def original_sql(sql: str, renames: Sequence[Rename]) -> str:
    """A question about a renamed table (schema.table, as quoted names), put to the table under its old name."""
    for rename in reversed(renames):
        if rename.old.kind in TABLE_KINDS:
            sql = sql.replace(qualified(*rename.new.name), qualified(*rename.old.name))
    return sql

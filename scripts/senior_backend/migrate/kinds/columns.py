"""Columns and their defaults."""
from __future__ import annotations

from typing import Any

from senior_backend.migrate.kinds import column_types, identity, sequences
from senior_backend.migrate.kinds.altering import alter_table, blocks, changed_foreign_options, changed_options, column_of, count_rows, fails, has_children, rewrites, table_of
from senior_backend.migrate.kinds.inheriting import from_parents, links_to, stays_linked
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified

VOLATILE = ("nextval(", "random(", "gen_random_uuid(", "uuid_generate", "clock_timestamp(", "timeofday(")


def definition(fact: Fact, context: Context) -> str:
    """The column as CREATE TABLE and ADD COLUMN take it."""
    attributes, written = fact.attributes, {part.id.kind: part for part in context.folded.get(fact.id, ())}
    if "sequence" in written:
        return f"{column_of(fact.id)} {sequences.SERIALS[attributes['type']]}"
    text = f"{column_of(fact.id)} {attributes['type']}{changed_foreign_options([], attributes.get('fdw_options', []))}"
    if "collation" in attributes:
        text += f" COLLATE {attributes['collation']}"
    if "default" in written:
        text += f" DEFAULT {written['default'].attributes['expression']}"
    if "generated" in attributes:
        expression = attributes["expression"]
        text += f" GENERATED ALWAYS AS {expression if expression.startswith('(') else f'({expression})'} {'STORED' if attributes['generated'] == 's' else 'VIRTUAL'}"
    if "identity" in attributes:
        text += f" {identity.clause(fact)}"
    return text + not_null(fact, context)


def in_primary_key(fact: Fact, context: Context) -> bool:
    """Whether the primary key that is written along says not null."""
    keys = (one for one in context.folded.get(table_of(fact.id), ()) if one.id.kind == "constraint" and one.attributes["type"] == "p")
    return any(fact.id.name[2] in key.attributes["columns"] for key in keys)


def not_null(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    if not attributes.get("not_null") or attributes.get("not_null_not_valid") or "not_null_name" not in attributes and in_primary_key(fact, context):
        return ""
    name = f" CONSTRAINT {ident(attributes['not_null_name'])}" if "not_null_name" in attributes else ""
    return f"{name} NOT NULL" + (" NO INHERIT" if attributes.get("not_null_no_inherit") else "")


def create(fact: Fact, context: Context) -> list[Step]:
    if attribute_of(fact, context.new) in context.fresh:
        return settings({}, fact, context)
    inherited = from_parents(fact, context.new, context)
    if any(one.id in context.fresh for one in inherited):
        return differences(inherited[0], fact, context)
    hazards: tuple[Hazard, ...] = ()
    text = definition(fact, context)
    live = table_of(fact.id) not in context.fresh
    if live and ("identity" in fact.attributes or fact.attributes.get("generated") == "s" or any(word in text for word in VOLATILE) or " serial" in text or "bigserial" in text):
        hazards += rewrites(table_of(fact.id), f"{'.'.join(fact.id.name)} gets a value of its own in each row")
    elif live and text.endswith("NOT NULL") and " DEFAULT " not in text and fact.attributes.get("generated") != "v":
        hazards += fails(fact.id, f"fails unless {'.'.join(fact.id.name[:2])} is empty: the new column has no default and may not be null", count_rows(table_of(fact.id)), "rows")
    return [alter_table(fact.id, f"ADD COLUMN {text}", hazards), *settings({}, fact, context)]


def attribute_of(fact: Fact, catalogue: Catalogue) -> Id | None:
    """What gives a column of a typed table its being: changed there, it changes here."""
    typed = catalogue[table_of(fact.id)].attributes.get("of") if table_of(fact.id) in catalogue else None
    return next((Id("attribute", (*one.id.name, fact.id.name[2])) for one in catalogue.of_kind("composite_type") if qualified(*one.id.name) == typed), None) if typed else None


def drop(fact: Fact, context: Context) -> list[Step]:
    if attribute_of(fact, context.old) in context.gone:
        return []
    inherited = from_parents(fact, context.old, context)
    if any(one.id in context.gone for one in inherited):
        return []
    probe = f"SELECT count({column_of(fact.id)}) FROM {qualified(*fact.id.name[:2])}"
    lost = Hazard("data-loss", fact.id, f"the values of {'.'.join(fact.id.name)} are lost", probe, "non-null values")
    heirs = [Id("column", (*link.id.name[:2], fact.id.name[2])) for link in links_to(table_of(fact.id), context.old) if stays_linked(link, context)]
    kept = any(one in context.new for one in heirs)         # an heir that keeps the column as its own
    hazards = () if "generated" in fact.attributes else (lost,)
    return [alter_table(fact.id, f"DROP COLUMN {column_of(fact.id)}", hazards, only=kept),
            *(alter_table(one, f"DROP COLUMN {column_of(one)}") for one in heirs if kept and one in context.old and one not in context.new)]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if regenerated(old, new, context.old.server_version) is None:
        return None
    inherited = from_parents(after, context.new, context)
    reached = any((parent := context.old.get(one.id)) and parent.attributes["type"] != one.attributes["type"] for one in inherited)
    retyped = (old["type"], old.get("collation")) != (new["type"], new.get("collation"))
    steps = [column_types.change_type(before, after, context)] if retyped and not reached and not attribute_of(after, context.new) else []
    steps += regenerated(old, new, context.old.server_version, after) or []
    if old.get("identity") and not new.get("identity"):
        steps = identity.change(before, after) + steps
    steps += change_not_null(before, after, inherited, context)
    if new.get("identity"):
        steps += identity.change(before, after)
    steps += settings(old, after, context)
    return Alteration(tuple(steps), lambda dependant: retyped and column_types.needs_rebuild(dependant, old["type"], new["type"]))


def regenerated(old: dict[str, Any], new: dict[str, Any], version: int, fact: Fact | None = None) -> list[Step] | None:
    """Statements that change how a column is generated; None when it must be made anew."""
    if (old.get("generated"), old.get("expression")) == (new.get("generated"), new.get("expression")):
        return []
    if old.get("generated") == "s" and "generated" not in new:
        return [alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} DROP EXPRESSION")] if fact else []
    if version < 170000 or old.get("generated") != new.get("generated"):
        return None
    said = f"SET EXPRESSION AS ({new['expression']})"
    return [alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} {said}", rewrites(table_of(fact.id), "the expression changes"))] if fact else []


def change_not_null(before: Fact, after: Fact, inherited: list[Fact], context: Context) -> list[Step]:
    old, new = before.attributes, after.attributes
    keys = ("not_null", "not_null_name", "not_null_no_inherit", "not_null_not_valid")
    if all(old.get(key) == new.get(key) for key in keys):
        return []
    if any((parent := context.old.get(one.id)) and parent.attributes.get("not_null") != one.attributes.get("not_null") == new.get("not_null") for one in inherited):
        return []
    column, table, name = column_of(after.id), table_of(after.id), ".".join(after.id.name)
    if not new.get("not_null"):
        return [alter_table(after.id, f"ALTER COLUMN {column} DROP NOT NULL")]
    if old.get("not_null"):
        return renamed_not_null(before, after)
    failing = fails(after.id, f"fails where {name} is null", count_rows(table, f"{column} IS NULL"), "rows with null")
    if not context.live(table):
        return [alter_table(after.id, f"ALTER COLUMN {column} SET NOT NULL", (*failing, *blocks("blocks-reads", table, "all rows are read")))]
    check = ident(f"{after.id.name[2]}_is_not_null"[:63])
    return [alter_table(after.id, f"ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"), alter_table(after.id, f"VALIDATE CONSTRAINT {check}", failing),
            alter_table(after.id, f"ALTER COLUMN {column} SET NOT NULL"), alter_table(after.id, f"DROP CONSTRAINT {check}")]


def renamed_not_null(before: Fact, after: Fact) -> list[Step]:
    """PostgreSQL 18: not null has a name and can be left unchecked."""
    schema, table, column = after.id.name
    usual = f"{table}_{column}_not_null"[:63]
    had, has = (fact.attributes.get("not_null_name", usual) for fact in (before, after))
    steps = [alter_table(after.id, f"RENAME CONSTRAINT {ident(had)} TO {ident(has)}")] if had != has else []
    if before.attributes.get("not_null_not_valid") and not after.attributes.get("not_null_not_valid"):
        steps.append(alter_table(after.id, f"VALIDATE CONSTRAINT {ident(has)}"))
    if before.attributes.get("not_null_no_inherit") != after.attributes.get("not_null_no_inherit"):
        steps.append(alter_table(after.id, f"ALTER CONSTRAINT {ident(has)} {'NO INHERIT' if after.attributes.get('not_null_no_inherit') else 'INHERIT'}"))
    return steps


def settings(old: dict[str, Any], fact: Fact, context: Context) -> list[Step]:
    """What is said about a column besides what it holds: storage, compression, statistics, options."""
    new, column = fact.attributes, column_of(fact.id)
    said = []
    if old.get("storage") != new.get("storage"):
        said.append(f"SET STORAGE {new.get('storage', 'DEFAULT' if context.old.server_version >= 160000 else usual_storage(new['type']))}")
    if old.get("compression") != new.get("compression"):
        said.append(f"SET COMPRESSION {new.get('compression', 'default')}")
    if old.get("statistics") != new.get("statistics"):
        said.append(f"SET STATISTICS {new.get('statistics', -1)}")
    said += changed_options(old.get("options", []), new.get("options", []))
    if old and old.get("fdw_options") != new.get("fdw_options"):
        said.append(changed_foreign_options(old.get("fdw_options", []), new.get("fdw_options", [])).strip())
    only = bool(said) and has_children(table_of(fact.id), context)
    return [alter_table(fact.id, f"ALTER COLUMN {column} {text}", only=only) for text in said]


def usual_storage(kind: str) -> str:
    """The storage a type asks for, where SET STORAGE DEFAULT is not known yet (before PostgreSQL 16)."""
    name = column_types.base(kind)
    if name in ("numeric", "cidr", "inet"):
        return "MAIN"
    return "PLAIN" if name in column_types.NUMBERS or name in ("boolean", "uuid", "oid", "date", "interval", "money") or name.startswith("time") else "EXTENDED"


def differences(parent: Fact, fact: Fact, context: Context) -> list[Step]:
    """What a column that came from a parent has otherwise."""
    theirs = parent.attributes
    steps = settings(theirs, fact, context)
    if fact.attributes.get("not_null") and not theirs.get("not_null"):
        steps.append(alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} SET NOT NULL"))
    mine, given = default_of(fact, context), default_of(parent, context)
    if mine != given:
        steps.append(alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} " + (f"SET DEFAULT {mine}" if mine else "DROP DEFAULT")))
    return steps


def default_of(column: Fact, context: Context) -> str | None:
    parts = context.new.parts(column.id, "default")
    return parts[0].attributes["expression"] if parts else None


def set_default(fact: Fact, context: Context) -> list[Step]:
    return [alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} SET DEFAULT {fact.attributes['expression']}", only=has_children(table_of(fact.id), context))]


def drop_default(fact: Fact, context: Context) -> list[Step]:
    return [alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} DROP DEFAULT", only=has_children(table_of(fact.id), context))]


KIND = Kind(create, drop, alter, ("default", "sequence", "sequence_owner"))
DEFAULT = Kind(set_default, drop_default, lambda before, after, context: Alteration(tuple(set_default(after, context))))

"""Enums, domains and their checks, composite types and their attributes, range types, base types."""
from __future__ import annotations

from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.kinds.simple import by_name, options, simple
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, listed, literal, qualified


def enum(fact: Fact, context: Context) -> str:
    return f"TYPE {by_name(fact.id)} AS ENUM ({', '.join(map(literal, fact.attributes['labels']))})"


def change_enum(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    """New values at their places; a value that goes or moves needs a new type."""
    old, new = before["labels"], after["labels"]
    if [label for label in new if label in old] != old:
        return None
    places = zip([None, *new], new)
    return [f"ADD VALUE {literal(label)}" + place(label, previous, new, old) for previous, label in places if label not in old]


def place(label: str, previous: str | None, new: list[str], old: list[str]) -> str:
    following = [one for one in new[new.index(label):] if one in old]
    if not following:
        return ""
    return f" BEFORE {literal(following[0])}" if previous is None else f" AFTER {literal(previous)}"


def alter_enum(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """A value is known only after the transaction that adds it."""
    found = ENUM_BASE.alter(before, after, context)
    return found and Alteration(tuple(Step(step.sql, commit_after=" ADD VALUE " in step.sql) for step in found.steps))


def collated(attributes: dict[str, Any]) -> str:
    return f" COLLATE {attributes['collation']}" if "collation" in attributes else ""


def domain(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    text = f"DOMAIN {by_name(fact.id)} AS {attributes['type']}{collated(attributes)}"
    text += f" DEFAULT {attributes['default']}" if "default" in attributes else ""
    text += " NOT NULL" if attributes["not_null"] else ""
    return text + "".join(f"\n  {constraint(part)}" for part in context.folded.get(fact.id, ()))


def constraint(fact: Fact) -> str:
    return f"CONSTRAINT {ident(fact.id.name[2])} {fact.attributes['definition']}"


def change_domain(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    if before["type"] != after["type"] or before.get("collation") != after.get("collation"):
        return None
    changes = []
    if before.get("default") != after.get("default"):
        changes.append(f"SET DEFAULT {after['default']}" if "default" in after else "DROP DEFAULT")
    if before["not_null"] != after["not_null"]:
        changes.append("SET NOT NULL" if after["not_null"] else "DROP NOT NULL")
    return changes


def alter_domain(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if after.attributes["not_null"] and not before.attributes["not_null"] and wrapped(after.id, context.old):
        return None
    found = DOMAIN_BASE.alter(before, after, context)
    return found and Alteration(tuple(
        Step(step.sql, hazards=scanned(after.id, f"fails where a column of {'.'.join(after.id.name)} holds null")) if step.sql.endswith("SET NOT NULL") else step for step in found.steps))


def scanned(identity: Id, message: str) -> tuple[Hazard, ...]:
    return (Hazard("fails-on-data", identity, message),)


def of_domain(fact: Fact, rest: str, hazards: tuple[Hazard, ...] = ()) -> Step:
    return Step(f"ALTER DOMAIN {qualified(*fact.id.name[:2])} {rest}", hazards=hazards)


def validate_constraint(fact: Fact) -> Step:
    return of_domain(fact, f"VALIDATE CONSTRAINT {ident(fact.id.name[2])}", scanned(fact.id, f"fails where a value does not satisfy {fact.id.name[2]}"))


def create_constraint(fact: Fact, context: Context) -> list[Step]:
    """Added unchecked and then validated: adding alone would hold every table of the domain against writes while they are read."""
    definition = fact.attributes["definition"]
    if definition.endswith(" NOT VALID") or not context.live(fact.parent):
        hazards = () if definition.endswith(" NOT VALID") else scanned(fact.id, f"fails where a value does not satisfy {fact.id.name[2]}")
        return [of_domain(fact, f"ADD {constraint(fact)}", hazards)]
    return [of_domain(fact, f"ADD {constraint(fact)} NOT VALID"), validate_constraint(fact)]


def alter_constraint(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """Validated in place; everything else is dropped and added."""
    return Alteration((validate_constraint(after),)) if before.attributes["definition"] == after.attributes["definition"] + " NOT VALID" else None


def composite(fact: Fact, context: Context) -> str:
    return f"TYPE {by_name(fact.id)} AS ({', '.join(map(attribute, context.folded.get(fact.id, ())))})"


def attribute(fact: Fact) -> str:
    return f"{ident(fact.id.name[2])} {fact.attributes['type']}{collated(fact.attributes)}"


def change_composite(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    """Attributes are facts of their own; new ones can only come last, and another order needs a new type."""
    kept = [name for name in before["order"] if name in after["order"]]
    return [] if after["order"][:len(kept)] == kept else None


def of_composite(fact: Fact, rest: str, hazards: tuple[Hazard, ...] = ()) -> Step:
    return Step(f"ALTER TYPE {qualified(*fact.id.name[:2])} {rest}", hazards=hazards)


def drop_attribute(fact: Fact, context: Context) -> list[Step]:
    lost = Hazard("data-loss", fact.id, f"what columns of type {'.'.join(fact.id.name[:2])} hold in {fact.id.name[2]} is lost")
    return [of_composite(fact, f"DROP ATTRIBUTE {ident(fact.id.name[2])} CASCADE", (lost,) if stored(fact.parent, context.old) else ())]


def alter_attribute(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if stored(after.parent, context.old):
        return None
    step = of_composite(after, f"ALTER ATTRIBUTE {ident(after.id.name[2])} TYPE {after.attributes['type']}{collated(after.attributes)} CASCADE")
    return Alteration((step,), lambda dependant: dependant.id.kind not in ("comment", "grant", "security_label"))


def stored(identity: Id | None, catalogue: Catalogue) -> bool:
    """Whether a column holds values of the type, also inside of other types."""
    users = catalogue.dependants(identity) if identity else ()
    hosts = (catalogue[user].parent if user.kind == "attribute" else user for user in users)
    return any(user.kind == "column" for user in users) or any(stored(host, catalogue) for host in hosts if host != identity and host.kind in ("domain", "composite_type", "range_type"))


def wrapped(identity: Id, catalogue: Catalogue) -> bool:
    """Whether columns hold values of a domain inside of arrays, composite types or ranges: Postgres does not look for them there and refuses to check them."""
    users = [catalogue[user] for user in catalogue.dependants(identity)] if identity in catalogue else []
    return any(user.id.kind == "column" and user.attributes["type"] != by_name(identity) or user.id.kind == "attribute" and stored(user.parent, catalogue)
               or user.id.kind == "range_type" and stored(user.id, catalogue) or user.id.kind == "domain" and wrapped(user.id, catalogue) for user in users)


def out_of_reach(check: Fact, catalogue: Catalogue) -> bool:
    """Whether a domain must be made anew to get a check."""
    return bool(check.parent) and not check.attributes["definition"].endswith(" NOT VALID") and wrapped(check.parent, catalogue)


def range_type(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    said = {"SUBTYPE": attributes["subtype"], "SUBTYPE_OPCLASS": attributes.get("opclass"), "COLLATION": attributes.get("collation"), "CANONICAL": attributes.get("canonical"),
            "SUBTYPE_DIFF": attributes.get("subtype_diff"), "MULTIRANGE_TYPE_NAME": qualified(fact.id.name[0], attributes["multirange"]) if "multirange" in attributes else None}
    return f"TYPE {by_name(fact.id)} AS RANGE ({options(said)})"


def base_type(fact: Fact, context: Context) -> str:
    if not fact.attributes.get("shell"):
        raise CommandError(f"cannot write the base type {'.'.join(fact.id.name)}: its input and output functions are compiled code", "create the type by hand, then compare again",
                           ExitCode.REFUSED, "UNHANDLED_KIND")
    return f"TYPE {by_name(fact.id)}"


ENUM_BASE = simple("TYPE", enum, change_enum)
DOMAIN_BASE = simple("DOMAIN", domain, change_domain)

ENUM = Kind(ENUM_BASE.create, ENUM_BASE.drop, alter_enum)
DOMAIN = Kind(DOMAIN_BASE.create, DOMAIN_BASE.drop, alter_domain, ("domain_constraint",))
DOMAIN_CONSTRAINT = Kind(create_constraint, lambda fact, context: [of_domain(fact, f"DROP CONSTRAINT {ident(fact.id.name[2])}")], alter_constraint,
                         folds=lambda fact: not fact.attributes["definition"].endswith(" NOT VALID"))
COMPOSITE_TYPE = simple("TYPE", composite, change_composite, parts=("attribute",))
ATTRIBUTE = Kind(lambda fact, context: [of_composite(fact, f"ADD ATTRIBUTE {attribute(fact)} CASCADE")], drop_attribute, alter_attribute)
RANGE_TYPE = simple("TYPE", range_type)
BASE_TYPE = simple("TYPE", base_type)

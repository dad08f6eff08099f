"""Types, casts, operators, aggregates, collations, conversions and text search (queries/types.sql)."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.kinds.altering import Change, altering, drop, fails, simple, words
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified, target

CONTEXTS = {"e": "", "a": " AS ASSIGNMENT", "i": " AS IMPLICIT"}
# name = 'value' as pg_ts_dict.dictinitoption writes it
OPTION = re.compile(r"""("(?:[^"]|"")+"|\w+) = (E?'(?:[^'\\]|''|\\.)*'|[^',]+)""")


# --- enums
def new_labels(old: list[str], new: list[str], fact: Fact) -> list[str] | None:
    """New values at their places; a value that goes or moves needs a new type."""
    if [label for label in new if label in old] != old:
        return None
    return [f"ADD VALUE {literal(label)}" + place(label, previous, new, old) for previous, label in zip([None, *new], new) if label not in old]


def place(label: str, previous: str | None, new: list[str], old: list[str]) -> str:
    following = [one for one in new[new.index(label):] if one in old]
    if not following:
        return ""
    return f" BEFORE {literal(following[0])}" if previous is None else f" AFTER {literal(previous)}"


def alter_enum(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """A value is known only after the transaction that adds it."""
    made = altering({"labels": new_labels})(before, after, context)
    return made and Alteration(tuple(Step(step.sql, commit_after=True) for step in made.steps))


# --- domains and composite types, with their parts
def collated(attributes: dict[str, Any]) -> str:
    return f" COLLATE {attributes['collation']}" if "collation" in attributes else ""


def domain(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    text = f"{target(fact.id)} AS {attributes['type']}{collated(attributes)}"
    text += f" DEFAULT {attributes['default']}" if "default" in attributes else ""
    text += " NOT NULL" if attributes["not_null"] else ""
    return text + "".join(f"\n  {constraint(part)}" for part in context.folded.get(fact.id, ()))


DOMAIN: dict[str, Change] = {"default": lambda old, new, fact: f"SET DEFAULT {new}" if new else "DROP DEFAULT", "not_null": lambda old, new, fact: f"{'SET' if new else 'DROP'} NOT NULL"}


def alter_domain(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if after.attributes["not_null"] and not before.attributes["not_null"] and wrapped(after.id, context.old):
        return None
    made, hazards = altering(DOMAIN)(before, after, context), fails(after.id, f"fails where a column of {'.'.join(after.id.name)} holds null")
    return made and Alteration(tuple(Step(step.sql, hazards=hazards if step.sql.endswith("SET NOT NULL") else ()) for step in made.steps))


def constraint(fact: Fact) -> str:
    return f"CONSTRAINT {ident(fact.id.name[2])} {fact.attributes['definition']}"


def alter_host(fact: Fact, rest: str, hazards: tuple[Hazard, ...] = ()) -> Step:
    """Of a domain's check, or a composite type's attribute."""
    return Step(f"ALTER {target(fact.parent)} {rest}", hazards=hazards)


def unsatisfied(fact: Fact) -> tuple[Hazard, ...]:
    return fails(fact.id, f"fails where a value does not satisfy {fact.id.name[2]}")


def validated(fact: Fact) -> Step:
    return alter_host(fact, f"VALIDATE CONSTRAINT {ident(fact.id.name[2])}", unsatisfied(fact))


def create_check(fact: Fact, context: Context) -> list[Step]:
    """Added unchecked and then validated: adding alone would hold every table of the domain against writes while they are read."""
    if folds(fact) and context.live(fact.parent):
        return [alter_host(fact, f"ADD {constraint(fact)} NOT VALID"), validated(fact)]
    return [alter_host(fact, f"ADD {constraint(fact)}", unsatisfied(fact) if folds(fact) else ())]


def folds(fact: Fact) -> bool:
    return not fact.attributes["definition"].endswith(" NOT VALID")


def alter_check(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """Validated in place; everything else is dropped and added."""
    return Alteration((validated(after),)) if before.attributes["definition"] == after.attributes["definition"] + " NOT VALID" else None


def out_of_reach(check: Fact, catalogue: Catalogue) -> bool:
    """Whether a domain must be made anew to get a check."""
    return bool(check.parent) and folds(check) and wrapped(check.parent, catalogue)


def attribute(fact: Fact) -> str:
    return f"{ident(fact.id.name[2])} {fact.attributes['type']}{collated(fact.attributes)}"


def reordered(old: list[str], new: list[str], fact: Fact) -> list[str] | None:
    """Attributes are facts of their own; new ones can only come last, and another order needs a new type."""
    kept = [name for name in old if name in new]
    return [] if new[:len(kept)] == kept else None


def drop_attribute(fact: Fact, context: Context) -> list[Step]:
    lost = Hazard("data-loss", fact.id, f"what columns of type {'.'.join(fact.id.name[:2])} hold in {fact.id.name[2]} is lost")
    return [alter_host(fact, f"DROP ATTRIBUTE {ident(fact.id.name[2])} CASCADE", (lost,) if stored(fact.parent, context.old) else ())]


def alter_attribute(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if stored(after.parent, context.old):
        return None
    step = alter_host(after, f"ALTER ATTRIBUTE {ident(after.id.name[2])} TYPE {after.attributes['type']}{collated(after.attributes)} CASCADE")
    return Alteration((step,), lambda dependant: dependant.id.kind not in ("comment", "grant", "security_label"))


def stored(identity: Id | None, catalogue: Catalogue) -> bool:
    """Whether a column holds values of the type, also inside of other types."""
    users = catalogue.dependants(identity) if identity else ()
    hosts = (catalogue[user].parent if user.kind == "attribute" else user for user in users)
    return any(user.kind == "column" for user in users) or any(stored(host, catalogue) for host in hosts if host != identity and host.kind in ("domain", "composite_type", "range_type"))


def wrapped(identity: Id, catalogue: Catalogue) -> bool:
    """Whether columns hold values of a domain inside of arrays, composite types or ranges: Postgres does not look for them there and refuses to check them."""
    users = [catalogue[user] for user in catalogue.dependants(identity)] if identity in catalogue else []
    return any(user.id.kind == "column" and user.attributes["type"] != qualified(*identity.name) or user.id.kind == "attribute" and stored(user.parent, catalogue)
               or user.id.kind == "range_type" and stored(user.id, catalogue) or user.id.kind == "domain" and wrapped(user.id, catalogue) for user in users)


# --- ranges, base types, casts, conversions
def range_type(fact: Fact, context: Context) -> str:
    said = dict(fact.attributes)
    if multirange := said.pop("multirange", None):
        said["multirange_type_name"] = qualified(fact.id.name[0], multirange)
    return f"{target(fact.id)} AS RANGE ({words(said)})"


def base_type(fact: Fact, context: Context) -> str:
    if not fact.attributes.get("shell"):
        raise CommandError(f"cannot write the base type {'.'.join(fact.id.name)}: its input and output functions are compiled code", "create the type by hand, then compare again",
                           ExitCode.REFUSED, "UNHANDLED_KIND")
    return target(fact.id)


def cast(fact: Fact, context: Context) -> str:
    how = {"f": f"WITH FUNCTION {fact.attributes.get('function')}", "i": "WITH INOUT", "b": "WITHOUT FUNCTION"}[fact.attributes["method"]]
    return f"{target(fact.id)} {how}{CONTEXTS[fact.attributes['context']]}"


def conversion(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    return f"{'DEFAULT ' if attributes['default'] else ''}{target(fact.id)} FOR {literal(attributes['from'])} TO {literal(attributes['to'])} FROM {attributes['function']}"


# --- operators, aggregates
def operator(fact: Fact, context: Context) -> str:
    schema, sign, left, right = fact.id.name
    return f"OPERATOR {ident(schema)}.{sign} ({words({**fact.attributes, 'leftarg': None if left == 'NONE' else left, 'rightarg': None if right == 'NONE' else right})})"


def member(entry: list[Any], loose: bool) -> str:
    """An operator or support function of a class or (loose) a family; entry: as queries/types.sql writes it."""
    kind, number, left, right, what, *sort = entry
    types = f" ({left}, {right})" if kind == "function" and loose or kind == "function" and left != right else ""
    return f"{kind.upper()} {number}{types} {what}" + (f" FOR ORDER BY {sort[0]}" if sort and sort[0] else "")


def other_members(old: list[Any], new: list[Any], fact: Fact) -> list[str]:
    gone = [f"{kind.upper()} {number} ({left}, {right})" for kind, number, left, right, *_ in (entry for entry in old if entry not in new)]
    come = [member(entry, True) for entry in new if entry not in old]
    return ([f"DROP {', '.join(gone)}"] if gone else []) + ([f"ADD {', '.join(come)}"] if come else [])


def operator_class(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    entries = [member(entry, False) for entry in attributes["members"]] + ([f"STORAGE {attributes['storage']}"] if "storage" in attributes else [])
    head = f"OPERATOR CLASS {qualified(*fact.id.name[:2])} {'DEFAULT ' if attributes['default'] else ''}FOR TYPE {attributes['type']} USING {ident(fact.id.name[2])} FAMILY {attributes['family']} AS"
    return head + "\n  " + ",\n  ".join(entries or [f"STORAGE {attributes['type']}"])


def aggregate(fact: Fact, context: Context) -> str:
    options = {name: value for name, value in fact.attributes.items() if name not in ("arguments", "result")}
    return f"AGGREGATE {qualified(*fact.id.name[:2])}({fact.attributes['arguments'] or '*'}) (\n  {words(options)}\n)"


def alter_aggregate(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """CREATE OR REPLACE keeps grants, comments and what uses the aggregate, as long as it is called alike."""
    if any(before.attributes.get(key) != after.attributes.get(key) for key in ("hypothetical", "arguments", "result")):
        return None
    return Alteration((Step(f"CREATE OR REPLACE {aggregate(after, context)}"),))


# --- text search
def made_of_words(fact: Fact, context: Context) -> str:
    return f"{target(fact.id)} ({words(fact.attributes)})"


def dictionary(fact: Fact, context: Context) -> str:
    given = fact.attributes.get("options")
    return f"{target(fact.id)} (TEMPLATE = {fact.attributes['template']}{', ' + given if given else ''})"


def dictionary_options(old: str | None, new: str | None, fact: Fact) -> str:
    """New values, and the names alone of the options that go."""
    had, has = (dict(OPTION.findall(text or "")) for text in (old, new))
    return f"({', '.join([name for name in had if name not in has] + [f'{name} = {value}' for name, value in has.items() if had.get(name) != value])})"


def mappings(old: dict[str, list[str]], new: dict[str, list[str]], fact: Fact) -> list[str]:
    gone = [f"DROP MAPPING FOR {ident(token)}" for token in sorted(old) if token not in new]
    return gone + [f"{'ALTER' if token in old else 'ADD'} MAPPING FOR {ident(token)} WITH {', '.join(new[token])}" for token in sorted(new) if old.get(token) != new[token]]


KINDS = {
    "collation": simple(made_of_words),
    "conversion": simple(conversion),
    "base_type": simple(base_type),
    "enum": Kind(simple(lambda fact, context: f"{target(fact.id)} AS ENUM ({', '.join(map(literal, fact.attributes['labels']))})").create, drop, alter_enum),
    "domain": Kind(simple(domain).create, drop, alter_domain, ("domain_constraint",)),
    "domain_constraint": Kind(create_check, lambda fact, context: [alter_host(fact, f"DROP CONSTRAINT {ident(fact.id.name[2])}")], alter_check, folds=folds),
    "composite_type": simple(lambda fact, context: f"{target(fact.id)} AS ({', '.join(map(attribute, context.folded.get(fact.id, ())))})", {"order": reordered}, parts=("attribute",)),
    "attribute": Kind(lambda fact, context: [alter_host(fact, f"ADD ATTRIBUTE {attribute(fact)} CASCADE")], drop_attribute, alter_attribute),
    "range_type": simple(range_type),
    "operator": simple(operator, {key: lambda old, new, fact, key=key: f"SET ({key.upper()} = {new or 'NONE'})" for key in ("restrict", "join")}),
    "operator_family": simple(lambda fact, context: target(fact.id), {"members": other_members}, {"members": []}),
    "operator_class": simple(operator_class),
    "cast": simple(cast),
    "aggregate": Kind(simple(aggregate).create, drop, alter_aggregate),
    **dict.fromkeys(("ts_parser", "ts_template"), simple(made_of_words)),
    "ts_dictionary": simple(dictionary, {"options": dictionary_options}),
    "ts_config": simple(lambda fact, context: f"{target(fact.id)} (PARSER = {fact.attributes['parser']})", {"mappings": mappings}, {"mappings": {}}),
}

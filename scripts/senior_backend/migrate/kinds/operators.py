"""Operators, operator families and classes, aggregates."""
from __future__ import annotations

from typing import Any

from senior_backend.migrate.kinds.simple import by_name, options, simple, using_method
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified

MODIFY = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
PARALLEL = {"s": "SAFE", "r": "RESTRICTED"}
# attributes of an aggregate -> how their values are written
AGGREGATE_OPTIONS = {
    "sfunc": str, "stype": str, "sspace": str, "finalfunc": str, "finalfunc_extra": None, "finalfunc_modify": MODIFY.get, "combinefunc": str, "serialfunc": str, "deserialfunc": str,
    "initcond": literal, "msfunc": str, "minvfunc": str, "mstype": str, "msspace": str, "mfinalfunc": str, "mfinalfunc_extra": None, "mfinalfunc_modify": MODIFY.get, "minitcond": literal,
    "sortop": str, "parallel": PARALLEL.get}


def operator_sign(identity: Id) -> str:
    """An operator's name is made of signs: never quoted."""
    return f"{ident(identity.name[0])}.{identity.name[1]}"


def operator_name(identity: Id) -> str:
    return f"{operator_sign(identity)} ({identity.name[2]}, {identity.name[3]})"


def operator(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    left, right = (None if name == "NONE" else name for name in fact.id.name[2:])
    known = {"FUNCTION": attributes["function"], "LEFTARG": left, "RIGHTARG": right, "COMMUTATOR": attributes.get("commutator"), "NEGATOR": attributes.get("negator"),
             "RESTRICT": attributes.get("restrict"), "JOIN": attributes.get("join")}
    return f"OPERATOR {operator_sign(fact.id)} ({options(known)}{''.join(f', {flag.upper()}' for flag in ('hashes', 'merges') if attributes.get(flag))})"


def change_operator(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    if set(changed) - {"restrict", "join"}:
        return None
    return [f"SET ({', '.join(f'{key.upper()} = ' + after.get(key, 'NONE') for key in sorted(changed, reverse=True))})"]


def member(entry: list[Any], loose: bool) -> str:
    """An operator or support function of a class or (loose) a family; entry: as queries/operators.sql writes it."""
    kind, number, left, right, what, *sort = entry
    types = f" ({left}, {right})" if kind == "function" and loose or kind == "function" and left != right else ""
    return f"{kind.upper()} {number}{types} {what}" + (f" FOR ORDER BY {sort[0]}" if sort and sort[0] else "")


def change_family(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    gone = [f"{kind.upper()} {number} ({left}, {right})" for kind, number, left, right, *_ in (entry for entry in before["members"] if entry not in after["members"])]
    come = [member(entry, True) for entry in after["members"] if entry not in before["members"]]
    return ([f"DROP {', '.join(gone)}"] if gone else []) + ([f"ADD {', '.join(come)}"] if come else [])


def create_family(fact: Fact, context: Context) -> list[Step]:
    changes = change_family({"members": []}, fact.attributes)
    return FAMILY_BASE.create(fact, context) + [Step(f"ALTER OPERATOR FAMILY {using_method(fact.id)} {text}") for text in changes]


def operator_class(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    default = "DEFAULT " if attributes["default"] else ""
    entries = [member(entry, False) for entry in attributes["members"]] + ([f"STORAGE {attributes['storage']}"] if "storage" in attributes else [])
    head = f"OPERATOR CLASS {qualified(*fact.id.name[:2])} {default}FOR TYPE {attributes['type']} USING {ident(fact.id.name[2])} FAMILY {attributes['family']} AS"
    return head + "\n  " + ",\n  ".join(entries or [f"STORAGE {attributes['type']}"])


def aggregate_name(identity: Id) -> str:
    return f"{qualified(*identity.name[:2])}({identity.name[2] or '*'})"


def aggregate(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    words = [name.upper() + (f" = {write(attributes[name])}" if write else "") for name, write in AGGREGATE_OPTIONS.items() if name in attributes]
    hypothetical = ", HYPOTHETICAL" if attributes["kind"] == "h" else ""
    return f"AGGREGATE {qualified(*fact.id.name[:2])}({attributes['arguments'] or '*'}) (\n  " + ",\n  ".join(words) + hypothetical + "\n)"


def alter_aggregate(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """CREATE OR REPLACE keeps grants, comments and what uses the aggregate, as long as it is called alike."""
    owner_only = AGGREGATE_BASE.alter(before, after, context)
    if owner_only or any(before.attributes[key] != after.attributes[key] for key in ("kind", "arguments", "result")):
        return owner_only
    given = [Step(f"ALTER AGGREGATE {aggregate_name(after.id)} OWNER TO {ident(after.attributes['owner'])}")] if before.attributes.get("owner") != after.attributes.get("owner") else []
    return Alteration((Step(f"CREATE OR REPLACE {aggregate(after, context)}"), *given))


AGGREGATE_BASE = simple("AGGREGATE", aggregate, named=aggregate_name)
FAMILY_BASE = simple("OPERATOR FAMILY", lambda fact, context: f"OPERATOR FAMILY {using_method(fact.id)}", change_family, using_method)

OPERATOR = simple("OPERATOR", operator, change_operator, operator_name)
FAMILY = Kind(create_family, FAMILY_BASE.drop, FAMILY_BASE.alter)
CLASS = simple("OPERATOR CLASS", operator_class, named=using_method)
AGGREGATE = Kind(AGGREGATE_BASE.create, AGGREGATE_BASE.drop, alter_aggregate)

"""What a thing is called in statements: COMMENT ON, ALTER ... OWNER TO, SECURITY LABEL ON, GRANT ... ON."""
from __future__ import annotations

from senior_backend.postgres.model import Id
from senior_backend.postgres.quote import ident, qualified

# where the word is not the kind's own name in capitals
WORDS = {"enum": "TYPE", "composite_type": "TYPE", "range_type": "TYPE", "base_type": "TYPE", "attribute": "COLUMN", "domain_constraint": "CONSTRAINT",
         "fdw": "FOREIGN DATA WRAPPER", "ts_config": "TEXT SEARCH CONFIGURATION", "ts_dictionary": "TEXT SEARCH DICTIONARY", "ts_parser": "TEXT SEARCH PARSER", "ts_template": "TEXT SEARCH TEMPLATE"}
ON_TABLE = frozenset(("constraint", "trigger", "rule", "policy"))


def word(kind: str) -> str:
    return WORDS.get(kind) or kind.replace("_", " ").upper()


def target(identity: Id) -> str:
    """Word and name.

    >>> target(Id("function", ("public", "f", "integer, text"))), target(Id("constraint", ("s", "Orders", "pk")))
    ('FUNCTION public.f(integer, text)', 'CONSTRAINT pk ON s."Orders"')
    >>> target(Id("operator", ("s", "+", "NONE", "integer"))), target(Id("aggregate", ("s", "n", "")))
    ('OPERATOR s.+ (NONE, integer)', 'AGGREGATE s.n(*)')
    """
    return f"{word(identity.kind)} {called(identity)}"


def called(identity: Id) -> str:
    """The name alone, as it stands after the word."""
    kind, name = identity
    if kind in ("function", "procedure", "aggregate"):
        return f"{qualified(*name[:2])}({name[2] or ('*' if kind == 'aggregate' else '')})"
    if kind in ON_TABLE:
        return f"{ident(name[2])} ON {qualified(*name[:2])}"
    if kind == "domain_constraint":
        return f"{ident(name[2])} ON DOMAIN {qualified(*name[:2])}"
    if kind == "operator":
        return f"{ident(name[0])}.{name[1]} ({name[2]}, {name[3]})"
    if kind in ("operator_class", "operator_family"):
        return f"{qualified(*name[:2])} USING {ident(name[2])}"
    if kind == "cast":
        return f"({name[0]} AS {name[1]})"
    if kind == "transform":
        return f"FOR {name[0]} LANGUAGE {ident(name[1])}"
    if kind == "user_mapping":
        return f"FOR {role(name[1])} SERVER {ident(name[0])}"
    return qualified(*name)


def role(name: str) -> str:
    """A role as statements take it; the name public (which no role can have) means everybody."""
    return "PUBLIC" if name == "public" else ident(name)

"""PostgreSQL's types: what a value is in JSON, and which codec of assets/scaffold/values.ts carries it there and back without loss."""
from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
import re
import unicodedata
from typing import Any

from senior_backend.migrate.analyze.schema import unquoted
from senior_backend.postgres.model import Catalogue, Id
from senior_backend.tables.checks import narrowed

Schema = dict[str, Any]
NO_NUL = r"^[^\u0000]*$"                # the one character that PostgreSQL's text cannot hold
NOT_FINITE = ["NaN", "Infinity", "-Infinity"]
CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
MONTH_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
DAY = rf"(\d{{4}}-{MONTH_DAY}|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
BEYOND = rf"^-?infinity$|^(-00[0-4][0-6]\d\d|\+(0[1-9]|1\d|2[0-8])\d{{4}})-{MONTH_DAY}"          # years that RFC 3339 cannot write, as ECMAScript writes them
AMOUNT = r"-?\d{1,9}"
INTERVAL = rf"^P(?=[-\dT])({AMOUNT}Y)?({AMOUNT}M)?({AMOUNT}D)?(T(?=[-\d])({AMOUNT}H)?({AMOUNT}M)?({AMOUNT}(\.\d{{1,6}})?S)?)?$"
INFINITE_INTERVALS = 170000
PARTS = re.compile(r"(?P<base>[^(\[]+)(?:\((?P<modifier>[^)]*)\))?(?P<rest>[^\[]*)(?P<dimensions>(?:\[\])*)\Z")
QUALIFIED = re.compile(r'("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^".(\[]+)(?:\([^)]*\))?((?:\[\])*)\Z')
INT32, INT16, FLOAT4 = 2**31, 2**15, 3.4028235e38
RANGES = {"int4range": "integer", "int8range": "bigint", "numrange": "numeric", "tsrange": "timestamp without time zone", "tstzrange": "timestamp with time zone", "daterange": "date"}
BOUNDS = {"type": "string", "enum": ["[)", "[]", "(]", "()", "empty"], "description": "Which ends belong to the range."}
SHARED: dict[str, Schema] = {
    "Timestamp": {"description": "An instant. Years before 0 and after 9999 have a sign and six digits; infinity is later than all.", "type": "string",
                  "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "pattern": BEYOND + rf"T{CLOCK}Z$"}]},
    "LocalTimestamp": {"description": "A date and a time of day that say nothing of a time zone.", "type": "string", "pattern": rf"^{DAY}T{CLOCK}$|{BEYOND}T{CLOCK}$"},
    "Day": {"description": "A day. Years before 0 and after 9999 have a sign and six digits; infinity is later than all.", "type": "string",
             "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "pattern": BEYOND + "$"}]},
    "LocalTime": {"description": "A time of day.", "type": "string", "pattern": rf"^({CLOCK}|24:00:00)$"},
    "OffsetTime": {"description": "A time of day with its distance from UTC.", "type": "string", "pattern": rf"^({CLOCK}|24:00:00)(Z|[+-](0\d|1[0-5]):[0-5]\d)$"},
    "Duration": {"description": "A duration of ISO 8601, each part with a sign of its own: P1Y-2M3DT4H5M6.5S.", "type": "string", "pattern": INTERVAL},
    "Float": {"description": "A number of binary floating point.", "anyOf": [{"type": "number"}, {"type": "string", "enum": NOT_FINITE}]},
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One type. schema: of a value that is not null; codec: an expression of values.ts; group: "number", "time", "boolean", "text", "enum", "code" (a scalar with a spelling
    of its own), or "" for what is no scalar: nothing to filter, sort or address by; literal: equal only when it is the same text; ordered: every PostgreSQL can sort it."""
    schema: Schema
    codec: str
    group: str = "text"
    literal: bool = True
    ordered: bool = True
    never_null: bool = False           # a domain says so
    defaulted: bool = False

    @property
    def is_whole(self) -> bool:
        return self.schema.get("type") == "integer" or self.schema.get("format") == "int64"


def text(limit: int | None = None, codec: str = "text", group: str = "text", literal: bool = True) -> Kind:
    return Kind({"type": "string", "pattern": NO_NUL, **({"maxLength": limit} if limit else {})}, codec, group, literal)


def whole(limit: int, **more: Any) -> Kind:
    return Kind({"type": "integer", "minimum": -limit, "maximum": limit - 1, **more}, "integer", "number")


def shared(name: str, codec: str, group: str = "time") -> Kind:
    return Kind({"$ref": f"#/components/schemas/{name}"}, codec, group)


PLAIN = {
    "smallint": whole(INT16), "integer": whole(INT32, format="int32"), "oid": Kind({"type": "integer", "minimum": 0, "maximum": 2**32 - 1}, "integer", "number"),
    "real": Kind({"anyOf": [{"type": "number", "minimum": -FLOAT4, "maximum": FLOAT4}, {"type": "string", "enum": NOT_FINITE}]}, "real", "number"), "double precision": shared("Float", "float", "number"),
    "money": Kind({"type": "string", "pattern": r"^-?\d{1,16}(\.\d{1,2})?$"}, "money", "number"), "boolean": Kind({"type": "boolean"}, "boolean", "boolean"),
    "text": text(), "bpchar": text(codec="padded"), "name": text(63), '"char"': Kind({"type": "string", "pattern": r"^([\u0001-\u007f]?|\\[0-3][0-7]{2})$"}, "text"), "uuid": Kind({"type": "string", "format": "uuid"}, "text", "code"),
    "timestamp with time zone": shared("Timestamp", "timestamptz"), "timestamp without time zone": shared("LocalTimestamp", "timestamp"), "date": shared("Day", "date"),
    "time without time zone": shared("LocalTime", "time"), "time with time zone": shared("OffsetTime", "timetz"), "interval": shared("Duration", "interval"),
    "json": Kind({"description": "Any JSON."}, "json", "", ordered=False), "jsonb": Kind({"description": "Any JSON."}, "json", ""),
    "bytea": Kind({"type": "string", "contentEncoding": "base64", "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"}, "bytea", "code"),
    **{name: text(group="code") for name in ("inet", "cidr", "macaddr", "macaddr8", "pg_lsn", "tsvector", "tsquery")},
}

OF_EXTENSIONS = {"citext": text(literal=False), "hstore": Kind({"type": "object", "additionalProperties": {"type": ["string", "null"], "pattern": NO_NUL}}, "hstore", "", ordered=False)}


class Kinds:
    """The types of one catalogue. exact: bigint and numeric as text, else as numbers. components: the schemas that the document needs besides those of tables."""

    def __init__(self, catalogue: Catalogue, exact: bool, taken: set[str]):
        self.catalogue, self.exact, self.taken = catalogue, exact, taken
        self.components: dict[str, Schema] = {}
        self.named: dict[Id, Kind] = {}
        self.multiranges = {(fact.id.name[0], fact.attributes.get("multirange")): fact.id for fact in catalogue.of_kind("range_type")}

    def of(self, name: str) -> Kind:
        """The kind of a type as format_type spells it with an empty search_path."""
        if own := QUALIFIED.match(name):
            parts, dimensions = (unquoted(own[1]), unquoted(own[2])), own[3]
            kind = self.own(parts) or OF_EXTENSIONS.get(parts[1]) or opaque(name.removesuffix("[]"))
        else:
            found = PARTS.match(name)
            if not found:
                return opaque(name)
            kind, dimensions = self.built_in(found["base"].strip() + found["rest"], found["modifier"] or ""), found["dimensions"]
        return array(kind, "box" if name.startswith("box[") else "") if dimensions else self.needed(kind)

    def needed(self, kind: Kind) -> Kind:
        name = kind.schema.get("$ref", "").rpartition("/")[2]
        if name in SHARED:
            self.components.setdefault(name, copy.deepcopy(SHARED[name]))
            if name == "Duration" and self.catalogue.server_version >= INFINITE_INTERVALS:
                self.components[name]["pattern"] = INTERVAL + "|^-?infinity$"
        return dataclasses.replace(kind, schema=copy.deepcopy(kind.schema))

    def built_in(self, base: str, modifier: str) -> Kind:
        numbers = [int(one) for one in re.findall(r"-?\d+", modifier)]
        if base in ("character varying", "character"):
            return text(numbers[0] if numbers else None, "padded" if base == "character" else "text")
        if base in ("bit", "bit varying"):
            most = numbers[0] if numbers else ""
            return Kind({"type": "string", "pattern": f"^[01]{{{most}}}$" if base == "bit" else f"^[01]{{0,{most}}}$"}, "text", "code")
        if base == "bigint":
            return Kind({"type": "string", "format": "int64", "pattern": r"^-?\d{1,19}$"}, "text", "number") if self.exact \
                else Kind({"type": "integer", "minimum": 1 - 2**53, "maximum": 2**53 - 1}, "safeInteger", "number")
        if base == "numeric":
            return self.numeric(*numbers)
        if base.startswith("interval"):
            base = "interval"
        if bound := RANGES.get(base.replace("multirange", "range")):
            return self.range(self.of(bound), "multirange" in base)
        return PLAIN.get(base) or opaque(base)

    def numeric(self, precision: int | None = None, scale: int = 0) -> Kind:
        digits = (precision or 0) - max(scale, 0)
        bounded = precision is not None and 0 <= scale <= precision
        if not self.exact:
            limit = 10.0 ** digits - 10.0 ** -scale
            limits = {"minimum": -limit, "maximum": limit} if bounded else {}
            return Kind({"anyOf": [{"type": "number", **limits}, {"type": "string", "enum": NOT_FINITE}]}, "float", "number")
        before = rf"\d{{1,{digits}}}" if digits else "0"
        after = rf"(\.\d{{1,{scale}}})?" if scale else ""
        pattern = rf"^-?{before}{after}$|^NaN$" if bounded else r"^-?\d+(\.\d+)?$|^NaN$|^-?Infinity$"
        return Kind({"type": "string", "format": "decimal", "pattern": pattern}, "text", "number")

    # --- types that somebody defined
    def own(self, name: tuple[str, str]) -> Kind | None:
        for kind, make in (("enum", self.enum), ("domain", self.domain), ("composite_type", self.composite), ("range_type", self.own_range)):
            if (identity := Id(kind, name)) in self.catalogue:
                if identity not in self.named:
                    self.named[identity] = make(identity)
                return self.named[identity]
        if name in self.multiranges:
            return self.own_range(self.multiranges[name], True)
        return None

    def component(self, identity: Id, schema: Schema) -> Schema:
        """The schema as a component of the type's own name, and the reference to it."""
        if comment := self.catalogue.get(Id("comment", (identity.kind, *identity.name))):
            schema = {"description": comment.attributes["text"], **schema}
        key = component_key(identity.name, self.taken)
        self.components[key] = schema
        return {"$ref": f"#/components/schemas/{key}"}

    def enum(self, identity: Id) -> Kind:
        labels = self.catalogue[identity].attributes["labels"]
        return Kind(self.component(identity, {"type": "string", "enum": labels}), "text", "enum") if labels else Kind({"type": "string"}, "text", "enum")

    def domain(self, identity: Id) -> Kind:
        attributes = self.catalogue[identity].attributes
        base = self.of(attributes["type"])
        schema = self.resolved(base.schema)
        for check in self.catalogue.parts(identity, "domain_constraint"):
            for _, limits in narrowed(check.attributes["definition"], {"value": base}):
                schema = limited(schema, limits)
        return dataclasses.replace(base, schema=self.component(identity, schema), never_null=bool(attributes.get("not_null")) or base.never_null,
                                   defaulted="default" in attributes or base.defaulted)

    def resolved(self, schema: Schema) -> Schema:
        """A schema that may be narrowed: what a lone reference points to."""
        key = schema["$ref"].rpartition("/")[2] if set(schema) == {"$ref"} else ""
        return copy.deepcopy(self.components[key]) if key else copy.deepcopy(schema)

    def composite(self, identity: Id) -> Kind:
        self.named[identity] = opaque(".".join(identity.name))          # what a type that holds itself sees
        members = {one.id.name[2]: self.of(one.attributes["type"]) for one in self.catalogue.parts(identity, "attribute")}
        schema = {"type": "object", "properties": {name: nullable(kind.schema) for name, kind in members.items()}, "required": list(members), "additionalProperties": False}
        codecs = ", ".join(f"[{quoted(name)}, {kind.codec}]" for name, kind in members.items())
        return Kind(self.component(identity, schema), f"composite([{codecs}])", "", ordered=False)

    def own_range(self, identity: Id, multi: bool = False) -> Kind:
        return self.range(self.of(self.catalogue[identity].attributes["subtype"]), multi)

    def range(self, bound: Kind, multi: bool) -> Kind:
        end = nullable(bound.schema)
        schema = {"type": "object", "properties": {"lower": end, "upper": end, "bounds": BOUNDS}, "required": ["lower", "upper", "bounds"], "additionalProperties": False}
        return Kind({"type": "array", "items": schema}, f"multirange({bound.codec})", "") if multi else Kind(schema, f"range({bound.codec})", "")


def opaque(name: str) -> Kind:
    """A type that only PostgreSQL understands: its own text."""
    return Kind({"type": "string", "pattern": NO_NUL, "description": f"As PostgreSQL writes a {name}."}, "text", "code", ordered=False)


def array(kind: Kind, of: str = "") -> Kind:
    """of: "box", whose arrays alone have another delimiter."""
    return Kind({"type": "array", "items": nullable(kind.schema)}, f"array({kind.codec}{', ' + quoted(';') if of == 'box' else ''})", "", ordered=kind.ordered)


def nullable(schema: Schema) -> Schema:
    """The schema, and null."""
    if not schema.get("type") and "anyOf" not in schema and "$ref" not in schema:
        return schema
    if "anyOf" in schema and "type" not in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "$ref" in schema or "anyOf" in schema or not isinstance(schema["type"], str):
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"], **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}


def limited(schema: Schema, limits: Schema) -> Schema:
    """The schema with limits that a CHECK sets; the tighter of two counts."""
    if schema.get("type") == "integer":
        limits = {keyword.replace("exclusiveM", "m"): math.floor(value) + 1 if keyword == "exclusiveMinimum" else math.ceil(value) - 1 if keyword == "exclusiveMaximum" else value
                  for keyword, value in limits.items()}
    if "anyOf" in schema and "type" not in schema:
        return {**schema, "anyOf": [limited(one, limits) if one.get("type") in ("number", "integer") else one for one in schema["anyOf"]]}
    if schema.get("type") == "string" and "pattern" in schema and "minimum" in {keyword.replace("exclusiveM", "m") for keyword in limits}:
        least = limits.get("minimum", limits.get("exclusiveMinimum"))          # numbers as text: only the sign can be told
        return {**schema, "pattern": schema["pattern"].replace("-?", "")} if least >= 0 else schema
    for keyword, value in limits.items():
        if schema.get("type") == "string" and keyword.lower().endswith("imum"):
            continue
        if keyword in ("minimum", "exclusiveMinimum", "minLength", "minItems"):
            value = max(value, schema.get(keyword, value))
        elif keyword in ("maximum", "exclusiveMaximum", "maxLength", "maxItems"):
            value = min(value, schema.get(keyword, value))
        elif keyword == "enum" and "enum" in schema:
            value = [one for one in value if one in schema["enum"]]
        elif keyword == "pattern" and schema.get("pattern", NO_NUL) != NO_NUL:
            schema, keyword, value = dict(schema), "allOf", [*schema.get("allOf", []), {"pattern": value}]
        schema = {**schema, keyword: value}
    return schema


def quoted(name: str) -> str:
    from senior_backend.scaffold.typescript import string
    return string(name)


def component_key(name: tuple[str, ...], taken: set[str]) -> str:
    """A name for a component: of ASCII, never taken twice, whatever else there is; ("public", "order items") is OrderItems.

    >>> component_key(("public", "film_actor"), set()), component_key(("public", "film_actor"), {"filmactor"})
    ('FilmActor', 'FilmActor2')
    """
    plain = unicodedata.normalize("NFKD", name[-1]).encode("ascii", "ignore").decode()
    wish = "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", plain))
    wish = wish if wish[:1].isalpha() else f"T{wish or hashlib.sha256(name[-1].encode()).hexdigest()[:8]}"
    key, number = wish, 1
    while key.lower() in taken:
        number += 1
        key = f"{wish}{number}"
    taken.add(key.lower())
    return key

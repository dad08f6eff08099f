"""PostgreSQL's types: what a value is in JSON, and which codec of assets/scaffold/values.ts carries it there and back without loss."""
from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import unicodedata
from typing import Any

from senior_backend.postgres.model import Catalogue, Id
from senior_backend.postgres.quote import unquoted
from senior_backend.scaffold.typescript import numbered, string as literal
from senior_backend.tables.checks import narrowed

Schema = dict[str, Any]
NO_NUL = r"^[^\u0000]*$"                # the one character that PostgreSQL's text cannot hold
CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
MONTH_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
DAY = rf"(\d{{4}}-{MONTH_DAY}|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
BEYOND = rf"^-?infinity$|^(-00[0-4][0-6]\d\d|\+(0[1-9]|1\d|2[0-8])\d{{4}})-{MONTH_DAY}"          # years that RFC 3339 cannot write, as ECMAScript writes them
MOST = str(2**63)
BELOW = "|".join(f"{MOST[:place]}[0-{int(digit) - 1}]\\d{{{18 - place}}}" for place, digit in enumerate(MOST) if digit > "0")
BIGINT = rf"^(?!{MOST}$)-?(\d{{1,18}}|{BELOW}|{MOST})$"
BYTE, WORD = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)", "[0-9A-Fa-f]{1,4}"
V4 = rf"({BYTE}\.){{3}}{BYTE}"
V6 = "|".join((f"({WORD}:){{7}}{WORD}", *(f"({WORD}:){{1,{7 - after}}}(:{WORD}){{1,{after}}}" for after in range(1, 7)), f"({WORD}:){{1,7}}:", f":((:{WORD}){{1,7}}|:)", f"::([Ff]{{4}}:)?{V4}"))
INET = rf"^({V4}(/(3[0-2]|[12]?\d))?|({V6})(/(12[0-8]|1[01]\d|[1-9]?\d))?)$"
N = r"-?\d{1,9}"
INTERVAL = rf"^P(?=[-\dT])({N}Y)?({N}M)?({N}D)?(T(?=[-\d])({N}H)?({N}M)?({N}(\.\d{{1,6}})?S)?)?$"
INFINITE_INTERVALS = 170000
BUILT_IN = re.compile(r"([^(\[]+)(?:\(([^)]*)\))?([^\[]*)((?:\[\])*)\Z")
QUALIFIED = re.compile(r'("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^".(\[]+)(?:\([^)]*\))?((?:\[\])*)\Z')
FLOAT4 = 3.4028235e38
RANGES = {"int4range": "integer", "int8range": "bigint", "numrange": "numeric", "tsrange": "timestamp without time zone", "tstzrange": "timestamp with time zone", "daterange": "date"}


def text(pattern: str = NO_NUL, **more: Any) -> Schema:
    return {"type": "string", "pattern": pattern, **more}


def number(**limits: Any) -> Schema:
    """A number that need not be finite."""
    return {"anyOf": [{"type": "number", **limits}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}


def whole(least: int, most: int, **more: Any) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def members(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


FAR = "Years before 0 and after 9999 have a sign and six digits; infinity is later than all."
SHARED: dict[str, Schema] = {
    "Timestamp": {"description": f"An instant. {FAR}", "type": "string", "anyOf": [{"format": "date-time"}, {"pattern": BEYOND + rf"T{CLOCK}Z$"}]},
    "LocalTimestamp": text(rf"^{DAY}T{CLOCK}$|{BEYOND}T{CLOCK}$", description="A date and a time of day that say nothing of a time zone."),
    "Day": {"description": f"A day. {FAR}", "type": "string", "anyOf": [{"format": "date"}, {"pattern": BEYOND + "$"}]},
    "LocalTime": text(rf"^({CLOCK}|24:00:00)$", description="A time of day."),
    "OffsetTime": text(rf"^({CLOCK}|24:00:00)(Z|[+-](0\d|1[0-5]):[0-5]\d)$", description="A time of day with its distance from UTC."),
    "Duration": text(INTERVAL, description="A duration of ISO 8601, each part with a sign of its own: P1Y-2M3DT4H5M6.5S."),
    "BigInt": text(BIGINT, description="A whole number of 64 bits.", format="int64"),
    "Inet": text(INET, description="An address of IPv4 or IPv6, with the length of its network where that is not the whole."),
    "Float": {"description": "A number of binary floating point.", **number()},
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
        return self.schema.get("type") == "integer" or self.schema == reference("BigInt")


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


PLAIN = {
    "smallint": Kind(whole(-2**15, 2**15 - 1), "integer", "number"), "integer": Kind(whole(-2**31, 2**31 - 1, format="int32"), "integer", "number"), "oid": Kind(whole(0, 2**32 - 1), "integer", "number"),
    "bigint": Kind(reference("BigInt"), "text", "number"),
    "real": Kind(number(minimum=-FLOAT4, maximum=FLOAT4), "real", "number"), "double precision": Kind(reference("Float"), "float", "number"), "boolean": Kind({"type": "boolean"}, "boolean", "boolean"),
    "money": Kind(text(r"^-?\d{1,16}(\.\d{1,2})?$"), "money", "number"), "text": Kind(text(), "text"), "bpchar": Kind(text(), "padded"), "name": Kind(text(maxLength=63), "text"),
    '"char"': Kind(text(r"^([\u0001-\u007f]?|\\[0-3][0-7]{2})$"), "text"), "uuid": Kind({"type": "string", "format": "uuid"}, "text", "code"),
    "timestamp with time zone": Kind(reference("Timestamp"), "timestamptz", "time"), "timestamp without time zone": Kind(reference("LocalTimestamp"), "timestamp", "time"),
    "date": Kind(reference("Day"), "date", "time"), "time without time zone": Kind(reference("LocalTime"), "time", "time"), "time with time zone": Kind(reference("OffsetTime"), "timetz", "time"),
    "interval": Kind(reference("Duration"), "interval", "time"), "json": Kind({"description": "Any JSON."}, "json", "", ordered=False), "jsonb": Kind({"description": "Any JSON."}, "json", ""),
    "bytea": Kind(text("^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", contentEncoding="base64"), "bytea", "code"),
    **dict.fromkeys(("inet", "cidr"), Kind(reference("Inet"), "text", "code")), "pg_lsn": Kind(text("^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$"), "text", "code"),
    **{f"macaddr{eight}": Kind(text(f"^([0-9A-Fa-f]{{2}}:){{{more}}}[0-9A-Fa-f]{{2}}$"), "text", "code") for eight, more in (("", 5), ("8", 7))},
    **dict.fromkeys(("tsvector", "tsquery"), Kind(text(), "text", "code")),
}
OF_EXTENSIONS = {"citext": Kind(text(), "text", literal=False), "hstore": Kind({"type": "object", "additionalProperties": text(type=["string", "null"])}, "hstore", "", ordered=False)}


class Kinds:
    """The types of one catalogue. exact: bigint and numeric as text, else as numbers. components: the schemas that the document needs besides those of tables."""

    def __init__(self, catalogue: Catalogue, exact: bool):
        self.catalogue, self.exact, self.taken = catalogue, exact, set[str]()
        self.components: dict[str, Schema] = {}
        self.named: dict[Id, Kind] = {}
        self.multiranges = {(fact.id.name[0], fact.attributes.get("multirange")): fact.id for fact in catalogue.of_kind("range_type")}

    def of(self, name: str) -> Kind:
        """The kind of a type as format_type spells it with an empty search_path."""
        if own := QUALIFIED.match(name):
            parts, dimensions = (unquoted(own[1]), unquoted(own[2])), own[3]
            kind = self.own(parts) or OF_EXTENSIONS.get(parts[1]) or opaque(name.removesuffix("[]"))
        elif found := BUILT_IN.match(name):
            kind, dimensions = self.built_in(found[1].strip() + found[3], [int(one) for one in re.findall(r"-?\d+", found[2] or "")]), found[4]
        else:
            return opaque(name)
        delimiter = f", {literal(';')}" if name.startswith("box[") else ""
        return Kind({"type": "array", "items": nullable(kind.schema)}, f"array({kind.codec}{delimiter})", "", ordered=kind.ordered) if dimensions else kind

    def built_in(self, base: str, modifier: list[int]) -> Kind:
        if base in ("character varying", "character"):
            return Kind(text(**({"maxLength": modifier[0]} if modifier else {})), "padded" if base == "character" else "text")
        if base in ("bit", "bit varying"):
            most = modifier[0] if modifier else ""
            return Kind(text(f"^[01]{{{'' if base == 'bit' else '0,'}{most}}}$"), "text", "code")
        if base == "bigint" and not self.exact:
            return Kind(whole(1 - 2**53, 2**53 - 1), "safeInteger", "number")
        if base == "numeric":
            return self.numeric(*modifier)
        if bound := RANGES.get(base.replace("multirange", "range")):
            return self.range(bound, "multirange" in base)
        kind = PLAIN.get("interval" if base.startswith("interval") else base) or opaque(base)
        name = kind.schema.get("$ref", "").rpartition("/")[2]
        if name and name not in self.components:
            infinite = name == "Duration" and self.catalogue.server_version >= INFINITE_INTERVALS
            self.components[name] = {**SHARED[name], "pattern": INTERVAL + "|^-?infinity$"} if infinite else SHARED[name]
        return kind

    def numeric(self, precision: int | None = None, scale: int = 0) -> Kind:
        bounded = precision is not None and 0 <= scale <= precision
        digits = (precision or 0) - scale
        if not self.exact:
            limit = 10.0 ** digits - 10.0 ** -scale
            return Kind(number(minimum=-limit, maximum=limit) if bounded else number(), "float", "number")
        before, after = rf"\d{{1,{digits}}}" if digits else "0", rf"(\.\d{{1,{scale}}})?" if scale else ""
        return Kind(text(rf"^-?{before}{after}$|^NaN$" if bounded else r"^-?\d+(\.\d+)?$|^NaN$|^-?Infinity$", format="decimal"), "text", "number")

    # --- types that somebody defined
    def own(self, name: tuple[str, str]) -> Kind | None:
        for kind, make in (("enum", self.enum), ("domain", self.domain), ("composite_type", self.composite), ("range_type", self.own_range)):
            if (identity := Id(kind, name)) in self.catalogue:
                if identity not in self.named:
                    self.named[identity] = make(identity)
                return self.named[identity]
        return self.own_range(self.multiranges[name], True) if name in self.multiranges else None

    def component(self, identity: Id, schema: Schema) -> Schema:
        """The schema as a component of the type's own name, and the reference to it."""
        if comment := self.catalogue.get(Id("comment", (identity.kind, *identity.name))):
            schema = {"description": comment.attributes["text"], **schema}
        key = component_key(identity.name[1], self.taken)
        self.components[key] = schema
        return reference(key)

    def enum(self, identity: Id) -> Kind:
        labels = self.catalogue[identity].attributes["labels"]
        return Kind(self.component(identity, {"type": "string", **({"enum": labels} if labels else {})}), "text", "enum")

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
        return self.components[schema["$ref"].rpartition("/")[2]] if set(schema) == {"$ref"} else schema

    def composite(self, identity: Id) -> Kind:
        self.named[identity] = opaque(".".join(identity.name))          # what a type that holds itself sees
        kinds = {one.id.name[2]: self.of(one.attributes["type"]) for one in self.catalogue.parts(identity, "attribute")}
        kinds = {name: opaque("money") if "money" in kind.codec else kind for name, kind in kinds.items()}          # a member cannot be cast by itself
        codecs = ", ".join(f"[{literal(name)}, {kind.codec}]" for name, kind in kinds.items())
        return Kind(self.component(identity, members({name: nullable(kind.schema) for name, kind in kinds.items()})), f"composite([{codecs}])", "", ordered=False)

    def own_range(self, identity: Id, multi: bool = False) -> Kind:
        return self.range(self.catalogue[identity].attributes["subtype"], multi)

    def range(self, bound: str, multi: bool) -> Kind:
        kind = self.of(bound)
        end, ends = nullable(kind.schema), {"type": "string", "enum": ["[)", "[]", "(]", "()", "empty"], "description": "Which ends belong to the range."}
        schema = members({"lower": end, "upper": end, "bounds": ends})
        return Kind({"type": "array", "items": schema} if multi else schema, f"{'multi' * multi}range({kind.codec})", "")


def opaque(name: str) -> Kind:
    """A type that only PostgreSQL understands: its own text."""
    return Kind(text(description=f"As PostgreSQL writes a {name}."), "text", "code", ordered=False)


def nullable(schema: Schema) -> Schema:
    """The schema, and null."""
    if "type" not in schema and "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "$ref" in schema or "anyOf" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" not in schema:
        return schema
    return {**schema, "type": [schema["type"], "null"], **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}


def limited(schema: Schema, limits: Schema) -> Schema:
    """The schema with limits that a CHECK sets; the tighter of two counts."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [limited(one, limits) if one.get("type") == "number" else one for one in schema["anyOf"]]}
    for keyword, limit in limits.items():
        plain = keyword.replace("exclusiveM", "m")
        if plain in ("minimum", "maximum") and schema.get("type") == "string":          # numbers as text: only the sign can be told, and that they are not zero
            above = plain == "minimum" and limit >= 0
            pattern = schema["pattern"].replace("-?", "") if above else schema["pattern"]
            keyword, limit = "pattern", f"^(?![0.]+$){pattern[1:]}" if above and (limit or keyword != plain) and "(?![0.]" not in pattern else pattern
        elif schema.get("type") == "integer" and keyword != plain:
            keyword, limit = plain, math.floor(limit) + 1 if plain == "minimum" else math.ceil(limit) - 1
        elif keyword == "pattern" and schema.get("pattern", NO_NUL) != NO_NUL:
            keyword, limit = "allOf", [*schema.get("allOf", []), {"pattern": limit}]
        known = schema.get(keyword, limit)
        if keyword == "enum":
            limit = [one for one in limit if one in known]
        elif keyword not in ("pattern", "allOf", "type"):
            limit = max(limit, known) if keyword.lower().startswith(("min", "exclusivemin")) else min(limit, known)
        schema = {**schema, keyword: limit}
    return schema


def component_key(name: str, taken: set[str]) -> str:
    """A name for a component: of ASCII, and never taken twice.

    >>> component_key("order items", set()), component_key("film_actor", {"filmactor"})
    ('OrderItems', 'FilmActor2')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    wish = "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", plain))
    wish = wish if wish[:1].isalpha() else f"T{wish or hashlib.sha256(name.encode()).hexdigest()[:8]}"
    key = next(one for one in numbered(wish) if one.lower() not in taken)
    taken.add(key.lower())
    return key

"""zod, TypeBox, Joi, Ajv and express-validator: what their functions and methods say in JSON Schema.

In the tables a function is work(it, a) and a method work(it, s, a): s is the schema, a the arguments.
"""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.routes.schemas import Schema, as_schema, enumerated, literals, plain, validation
from senior_backend.routes.types import of_schema
from senior_backend.routes.values import UNDEFINED, Arr, Cls, Getter, Native, Obj, Unknown, Value

STRING, NUMBER = {"type": "string"}, {"type": "number"}
LIMITS = {"string": "Length", "array": "Items", "tuple": "Items", "object": "Properties", "record": "Properties"}
# what meta() may say in a schema; component and view are words of generated validators
NOTED = frozenset("""title description default example examples deprecated readOnly writeOnly format pattern type enum minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength
maxLength minItems maxItems uniqueItems discriminator externalDocs xml contentEncoding contentMediaType additionalProperties component view""".split())


def named(text: str) -> dict[str, str]:
    """"url=uri email" as {"url": "uri", "email": "email"}."""
    return {name: value if sign else name for name, sign, value in (word.partition("=") for word in text.split())}


def scalars(text: str) -> dict[str, dict]:
    """"int32=integer:int32 any=" as {"int32": {"type": "integer", "format": "int32"}, "any": {}}."""
    return {name: {key: word for key, word in zip(("type", "format"), value.split(":")) if word} for name, value in named(text).items()}


FORMATS = named("""email url=uri httpUrl=uri uri uuid guid=uuid uuidv4=uuid uuidv6=uuid uuidv7=uuid datetime=date-time date time duration ipv4 ipv6 hostname isoDate=date-time isEmail=email isURL=uri isUrl=uri
    isDate=date-time isDateString=date-time isUUID=uuid isISO8601=date-time isIP= isMongoId= isJWT= isAlpha= isAlphanumeric= isPostalCode= isMobilePhone= isStrongPassword= isHexadecimal= isSlug= cuid= cuid2= ulid= nanoid= jwt= base64= base64url= emoji= ip= cidr=
    cidrv4= cidrv6= xid= ksuid= e164= hex=""")
ISO = ("date", "time", "datetime", "duration")


def at(a: list, index: int = 0) -> Any:
    return a[index] if index < len(a) else UNDEFINED


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def limit(ends: str, exclusive: bool = False, fixed: Any = None) -> Callable:
    """A method that bounds a value, or a length or count. ends: "min", "max" or "min max"."""
    def work(it, s, a):
        value = at(a) if fixed is None else fixed
        kind = s.keywords.get("type") if s.kind == "scalar" else s.kind
        noun = LIMITS.get(kind if isinstance(kind, str) else "")
        keys = [end + noun if noun else f"exclusive{end.capitalize()}imum" if exclusive else end + "imum" for end in ends.split()]
        return s.inherit(**dict.fromkeys(keys, value)) if number(value) else s.copy()
    return work


def keyword(name: str, value: Callable = lambda given: given if number(given) else None) -> Callable:
    """A method that adds a keyword, with what `value` makes of the first argument; None: nothing."""
    def work(it, s, a):
        made = value(at(a))
        return s if made is None else s.inherit(**{name: made})
    return work


def pattern_of(value: Any) -> str | None:
    return value.props["source"].replace("\\/", "/") if type(value) is Obj and "source" in value.props else None


def literally(before: str, after: str) -> Callable:
    return keyword("pattern", lambda text: before + "".join("\\" + letter if letter in ".*+?^${}()|[]\\/" else letter for letter in text) + after if isinstance(text, str) else None)


def inner_of(s: Schema) -> Schema:
    """The schema behind wrappers."""
    while s.kind == "lazy" and isinstance(found := s.parts(), Schema):
        s = found
    return s


# members
def members_of(it: Any, library: Any, value: Any) -> dict[str, Schema]:
    value = inner_of(value) if isinstance(value, Schema) else value
    if type(value) is Obj:
        return {str(name): Schema(library, "getter", None, lambda member=member: member.getter(it, value)) if type(member) is Getter else as_schema(library, member) for name, member in value.props.items()}
    return dict(value.parts) if isinstance(value, Schema) and value.kind == "object" else {}


def object_of(it: Any, library: Any, value: Any, rest: Any = None) -> Schema:
    made = Schema(library, "object", None, members_of(it, library, value))
    made.rest = rest
    return made


def listed(names: Any) -> Any:
    """The names that pick() and the likes are given."""
    if isinstance(names, Schema):
        return names.keywords.get("enum") or [names.keywords.get("const")]
    return names.props if type(names) is Obj else names.items if type(names) is Arr else [names] if isinstance(names, str) else None


def objects(change: Callable) -> Callable:
    """A method of objects: change(it, the object, a)."""
    def work(it, s, a):
        whole = inner_of(s)
        if whole.kind != "object":
            return s.copy()
        made = change(it, whole, a)
        made.optional = s.optional
        return made
    return work


def only(wanted: bool) -> Callable:
    return objects(lambda it, s, a: s.copy(parts={name: part for name, part in s.parts.items() if (name in (listed(at(a)) or ())) == wanted}))


def changed(change: Callable, deep: bool = False) -> Callable:
    def work(it, s, a):
        names = None if deep else listed(at(a))
        return s.copy(parts={name: change(part) if names is None or name in names else part for name, part in s.parts.items()})
    return objects(work)


def extended(it, s, a):
    made = s.copy(parts={**s.parts, **members_of(it, s.library, at(a))})
    made.rest = at(a).rest if isinstance(at(a), Schema) and at(a).rest is not None else s.rest
    return made


def rest_of(rest: Any) -> Callable:
    return objects(lambda it, s, a: s.copy(rest=rest))


# wrappers
def wrapped(s: Schema, made: Schema) -> Schema:
    """A copy that differs as a member alone still stands for the same named schema."""
    if made is s or not (s.name or s.id):
        return made
    wrapper = Schema(s.library, "lazy", {key: value for key, value in made.keywords.items() if key not in s.keywords}, lambda: s, made.optional)
    wrapper.nulls = made.nulls and not s.nulls
    return wrapper


def optional(s: Schema) -> Schema:
    return s if s.optional else wrapped(s, s.copy(optional=True))


def nulled(s: Schema) -> Schema:
    return wrapped(s, s.copy(nulls=True))


def required(s: Schema) -> Schema:
    return s.copy(optional=False, keywords={key: value for key, value in s.keywords.items() if key != "default"})


def defaulted(it, s, a):
    made, value = optional(s).copy(), at(a)
    known = plain(value) if not isinstance(value, Value) or type(value) in (Arr, Obj) else None
    return made if known is None or inner_of(s).keywords.get("default") == known else made.inherit(default=known)


def described(it, s, a):
    """With annotations: a text, or an object of keywords."""
    value = a[-1] if a else UNDEFINED
    notes = {"description": value} if isinstance(value, str) else plain(value) if type(value) is Obj else {}
    kept = {name: note for name, note in notes.items() if name in NOTED or name.startswith("x-")}
    made = Schema(s.library, "lazy", kept, lambda: s, s.optional) if s.name or s.id else s.inherit(**kept)
    name = a[0] if len(a) > 1 or a and isinstance(a[0], str) and value is None else notes.get("id") or notes.get("ref") or notes.get("refId")
    made.id = name if isinstance(name, str) else ""
    return made


def refined(it, s, a):
    made = s.copy(name=s.name, id=s.id)
    made.notes = (*s.notes, "a rule in code is not expressed here")
    return made


def checked(it, s, a):
    """check(...): those of generated validators add their keywords."""
    made = Schema(s.library, "lazy", {}, lambda: s, s.optional) if s.id else s.copy()
    for check in a:
        made = check.apply(made) if hasattr(check, "apply") else made
    return made


def union(library: Any, items: list, rest: Any = None) -> Schema:
    made = Schema(library, "union", None, [as_schema(library, item) for item in items])
    made.optional, made.rest = any(part.optional for part in made.parts), rest
    return made


def intersected(it, s, a):
    known = s.parts if s.kind == "intersection" and not (s.name or s.id or s.keywords) else [s]
    return Schema(s.library, "intersection", None, [*known, as_schema(s.library, at(a))])


def picked(wanted: bool) -> Callable:
    return lambda it, s, a: enumerated(s.library, [value for value in listed(s) if (value in literals(at(a))) == wanted])


def parse(it, s, a):
    return validation(it, s, a, it.builtins.error("ZodError"))


def safe_parse(it, s, a):
    return Obj({"success": Unknown(), "data": validation(it, s, a, None), "error": Unknown()}, open=True)


class Library:
    """A library by its tables."""

    def __init__(self, functions: dict[str, Callable], methods: dict[str, Callable], member: Callable = lambda s, name: None):
        self.functions, self.methods, self.member = functions, methods, member

    def namespace(self, *names: str, **further: Any) -> Native:
        """What importing the library gives; names: members that are the library again."""
        props = {name: Native(lambda it, this, a, node, work=work: work(it, a)) for name, work in self.functions.items()}
        whole = Native(lambda it, this, a, node: Unknown(), {**props, **further})
        whole.props.update(dict.fromkeys(("default", *names), whole))
        return whole

    def method(self, it: Any, s: Schema, name: str, a: list) -> Any:
        work = self.methods.get(name)
        return work(it, s, a) if work else s


def makers(table: dict[str, dict], library: Callable, optional_: bool = False) -> dict[str, Callable]:
    return {name: lambda it, a, keywords=keywords: Schema(library(), "scalar", dict(keywords), None, optional_) for name, keywords in table.items()}


def tuple_of(library: Any, items: Any, rest: Any = None) -> Schema:
    made = Schema(library, "tuple", None, [as_schema(library, item) for item in (items.items if type(items) is Arr else [])])
    made.rest = None if rest is None else as_schema(library, rest)
    return made


def record_of(library: Any, a: list) -> Schema:
    return Schema(library, "record", None, (as_schema(library, a[0]) if len(a) > 1 else None, as_schema(library, a[1] if len(a) > 1 else at(a))))


def same(it, s, a):
    return s


# zod
def zod_member(s: Schema, name: str) -> Any:
    whole = inner_of(s)
    if name == "shape" and whole.kind == "object":
        return Obj(dict(whole.parts))
    if name == "element" and whole.kind == "array":
        return whole.parts
    if name == "options" and whole.kind in ("union", "enum"):
        return Arr(list(whole.parts if whole.kind == "union" else listed(whole)))
    return Obj({str(value): value for value in listed(whole)}) if name in ("enum", "Enum", "Values") and whole.kind == "enum" else None


def unwrapped(it, s, a):
    return inner_of(s) if s.kind == "lazy" else s.parts if s.kind == "array" else s.copy(optional=False, nulls=False)


PATTERN = keyword("pattern", pattern_of)
ZOD = Library({
    **makers(scalars("""string number boolean bigint=integer int=integer int32=integer:int32 uint32=integer float32=number:float float64=number:double int64=integer:int64 date=string:date-time null stringbool=string
        file=string:binary templateLiteral=string any= unknown= undefined= void= json= instanceof= custom= symbol= nan= map=array"""), lambda: ZOD),
    **makers({name: {**STRING, **({"format": text} if text else {})} for name, text in FORMATS.items() if name not in ISO}, lambda: ZOD),
    "never": lambda it, a: Schema(ZOD, "scalar", {"not": {}}), "literal": lambda it, a: enumerated(ZOD, literals(at(a)) if type(at(a)) is Arr else [value for value in a[:1] if not isinstance(value, Value)]),
    **dict.fromkeys(("enum", "nativeEnum"), lambda it, a: enumerated(ZOD, literals(at(a)))),
    **dict.fromkeys(("object", "looseObject", "interface"), lambda it, a: object_of(it, ZOD, at(a))), "strictObject": lambda it, a: object_of(it, ZOD, at(a), False),
    "array": lambda it, a: Schema(ZOD, "array", None, as_schema(ZOD, at(a))), "set": lambda it, a: Schema(ZOD, "array", {"uniqueItems": True}, as_schema(ZOD, at(a))),
    "tuple": lambda it, a: tuple_of(ZOD, at(a), *a[1:2]), **dict.fromkeys(("record", "partialRecord"), lambda it, a: record_of(ZOD, a)),
    "union": lambda it, a: union(ZOD, it.items(at(a))), "xor": lambda it, a: union(ZOD, it.items(at(a)), True), "discriminatedUnion": lambda it, a: union(ZOD, it.items(at(a, 1)), at(a)),
    "intersection": lambda it, a: Schema(ZOD, "intersection", None, [as_schema(ZOD, part) for part in a]), "lazy": lambda it, a: Schema(ZOD, "lazy", None, lambda: it.call(at(a), UNDEFINED, [], None)),
    "preprocess": lambda it, a: as_schema(ZOD, at(a, 1)), "pipe": lambda it, a: as_schema(ZOD, at(a)), "optional": lambda it, a: optional(as_schema(ZOD, at(a))),
    "nullable": lambda it, a: nulled(as_schema(ZOD, at(a))), "nullish": lambda it, a: optional(nulled(as_schema(ZOD, at(a)))),
}, {
    **dict.fromkeys(("min", "gte"), limit("min")), **dict.fromkeys(("max", "lte"), limit("max")), "gt": limit("min", True), "lt": limit("max", True), "positive": limit("min", True, 0), "negative": limit("max", True, 0),
    "nonnegative": limit("min", fixed=0), "nonpositive": limit("max", fixed=0), **dict.fromkeys(("length", "size"), limit("min max")), "nonempty": limit("min", fixed=1), "int": lambda it, s, a: s.inherit(type="integer"),
    **dict.fromkeys(("multipleOf", "step"), keyword("multipleOf")), "regex": PATTERN, "startsWith": literally("^", ""), "endsWith": literally("", "$"), "includes": literally("", ""),
    **{name: keyword("format", lambda given, text=text: text) for name, text in FORMATS.items() if text}, **dict.fromkeys(("optional", "exactOptional", "catch"), lambda it, s, a: optional(s)),
    "nullable": lambda it, s, a: nulled(s), "nullish": lambda it, s, a: optional(nulled(s)), **dict.fromkeys(("default", "prefault"), defaulted), **dict.fromkeys(("describe", "meta", "openapi"), described),
    "array": lambda it, s, a: Schema(s.library, "array", None, s), "or": lambda it, s, a: union(s.library, [s, *a[:1]]), "and": intersected, **dict.fromkeys(("refine", "superRefine"), refined),
    **dict.fromkeys(("check", "with"), checked), **dict.fromkeys(("parse", "parseAsync"), parse), **dict.fromkeys(("safeParse", "safeParseAsync", "spa"), safe_parse), "unwrap": unwrapped,
    "exclude": picked(False), "extract": picked(True), **dict.fromkeys(("extend", "merge", "safeExtend", "augment"), objects(extended)), "pick": only(True), "omit": only(False), "partial": changed(optional),
    "deepPartial": changed(optional, True), "required": changed(required), "strict": rest_of(False), **dict.fromkeys(("strip", "passthrough", "loose", "nonstrict"), rest_of(None)),
    "catchall": objects(lambda it, s, a: s.copy(rest=as_schema(ZOD, at(a)))), "keyof": objects(lambda it, s, a: enumerated(ZOD, list(s.parts)))}, zod_member)


def zod(it: Any) -> Native:
    coerce = Native(lambda it, this, a, node: Unknown(), {name: Native(lambda it, this, a, node, work=work: work(it, a)) for name, work in makers(scalars("string number boolean bigint=integer date=string:date-time"), lambda: ZOD).items()})
    iso = Native(lambda it, this, a, node: Unknown(), {name: Native(lambda it, this, a, node, name=name: Schema(ZOD, "scalar", {**STRING, "format": FORMATS[name]})) for name in ISO})
    return ZOD.namespace("z", coerce=coerce, iso=iso, ZodError=it.builtins.error_class("ZodError"))


# TypeBox
def with_options(work: Callable, taken: int) -> Callable:
    """A function whose argument after those that it takes holds keywords."""
    def made(it, a):
        s, given = work(it, a), at(a, taken)
        if isinstance(s, Schema) and type(given) is Obj:
            keywords = plain(given)
            s.id = keywords.pop("$id", "") or s.id
            s.rest = keywords.pop("additionalProperties", s.rest) if s.kind == "object" else s.rest
            s.keywords.update({name: value for name, value in keywords.items() if value is not None and (s.kind != "object" or name != "type")})
        return s
    return made


def recursive(it, a):
    made: list = []
    made.append(it.call(at(a), UNDEFINED, [Schema(TYPEBOX, "lazy", None, lambda: made[0])], None))
    if isinstance(made[0], Schema):
        made[0].name = made[0].name or "Recursive"
    return made[0]


def composite(it, a):
    made = object_of(it, TYPEBOX, UNDEFINED)
    for item in it.items(at(a)):
        made.parts.update(members_of(it, TYPEBOX, item))
    return made


def as_method(method: Callable) -> Callable:
    return lambda it, a: method(it, as_schema(TYPEBOX, at(a)), a[1:])


TYPEBOX = Library({
    **{name: with_options(work, 0) for name, work in makers(scalars("String=string Number=number Integer=integer Boolean=boolean Null=null Any= Unknown= Undefined= Void= Date=string:date-time"), lambda: TYPEBOX).items()},
    "Never": lambda it, a: Schema(TYPEBOX, "scalar", {"not": {}}), "Record": with_options(lambda it, a: record_of(TYPEBOX, a[:2]), 2), "Recursive": recursive,
    "Pick": with_options(as_method(only(True)), 2), "Omit": with_options(as_method(only(False)), 2),
    **{name: with_options(work, 1) for name, work in {
        "Object": lambda it, a: object_of(it, TYPEBOX, at(a)), "Array": lambda it, a: Schema(TYPEBOX, "array", None, as_schema(TYPEBOX, at(a))), "Tuple": lambda it, a: tuple_of(TYPEBOX, at(a)),
        "Literal": lambda it, a: enumerated(TYPEBOX, [value for value in a[:1] if not isinstance(value, Value)]), "Enum": lambda it, a: enumerated(TYPEBOX, literals(at(a))), "Union": lambda it, a: union(TYPEBOX, it.items(at(a))),
        "Intersect": lambda it, a: Schema(TYPEBOX, "intersection", None, [as_schema(TYPEBOX, item) for item in it.items(at(a))]), "Composite": composite, "Optional": lambda it, a: optional(as_schema(TYPEBOX, at(a))),
        "Readonly": lambda it, a: as_schema(TYPEBOX, at(a)), "Partial": lambda it, a: changed(optional, True)(it, as_schema(TYPEBOX, at(a)), a), "Required": lambda it, a: changed(required, True)(it, as_schema(TYPEBOX, at(a)), a),
        "Ref": lambda it, a: at(a) if isinstance(at(a), Schema) else Schema(TYPEBOX, "scalar", {"$ref": at(a)} if isinstance(at(a), str) else {}),
        "KeyOf": lambda it, a: enumerated(TYPEBOX, list(members_of(it, TYPEBOX, at(a)))), "Unsafe": lambda it, a: Schema(TYPEBOX, "scalar", plain(at(a)) if type(at(a)) is Obj else {}),
        "RegExp": lambda it, a: Schema(TYPEBOX, "scalar", {**STRING, "pattern": pattern_of(at(a)) or at(a)})}.items()},
}, {}, lambda s, name: Obj(dict(s.parts)) if name == "properties" and s.kind == "object" else s.id if name == "$id" else Unknown())


# Joi
def joi_validate(it, s, a):
    return Obj({"error": Unknown(), "value": validation(it, s, a, None), "errors": Unknown()}, open=True)


def joi_values(it, s, a):
    values = [value for given in a for value in (given.items if type(given) is Arr else [given]) if not isinstance(value, Value)]
    made = s.inherit(enum=[value for value in values if value is not None]) if any(value is not None for value in values) else s.copy()
    made.nulls = s.nulls or None in values
    return made


def joi_items(it, s, a):
    return s.copy(parts=as_schema(JOI, a[0]) if len(a) == 1 else union(JOI, a))


def joi_fork(it, s, a):
    return changed(lambda part: made if isinstance(made := it.call(at(a, 1), UNDEFINED, [part], None), Schema) else part)(it, s, a)


JOI = Library({
    **makers(scalars("string number boolean bool=boolean any= date=string:date-time binary=string:binary symbol= func="), lambda: JOI, True),
    "object": lambda it, a: object_of(it, JOI, at(a)).copy(optional=True), "array": lambda it, a: Schema(JOI, "array", None, None, True), "alternatives": lambda it, a: union(JOI, it.items(at(a)) or a).copy(optional=True),
    "valid": lambda it, a: joi_values(it, Schema(JOI, "scalar", {}, None, True), a), "ref": lambda it, a: Unknown(), "forbidden": lambda it, a: Schema(JOI, "forbidden", None, None, True), "validate": lambda it, a: joi_validate(it, a[1], a[:1]) if isinstance(at(a, 1), Schema) else Unknown(),
}, {
    **{name: ZOD.methods[name] for name in ("min", "max", "length", "positive", "negative", "email", "uri", "guid", "uuid", "hostname", "default", "describe", "isoDate")},
    **{name: ZOD.methods[other] for name, other in named("integer=int greater=gt less=lt multiple=multipleOf pattern=regex regex description=describe").items()}, **dict.fromkeys(("valid", "equal"), joi_values),
    "allow": lambda it, s, a: s.copy(nulls=s.nulls or None in a), **dict.fromkeys(("required", "exist"), lambda it, s, a: s.copy(optional=False)), "optional": lambda it, s, a: s.copy(optional=True), "items": joi_items, "forbidden": lambda it, s, a: Schema(JOI, "forbidden", None, None, True),
    **dict.fromkeys(("keys", "append", "concat"), objects(extended)), "unique": lambda it, s, a: s.inherit(uniqueItems=True), "fork": joi_fork, "try": lambda it, s, a: union(JOI, [*s.parts, *a]) if s.kind == "union" else s,
    **dict.fromkeys(("custom", "when", "or", "xor", "nand", "with", "without", "external", "assert"), refined), **dict.fromkeys(("validate", "attempt"), joi_validate),
    "validateAsync": lambda it, s, a: validation(it, s, a, it.builtins.error("ValidationError"))})


# fluent-json-schema
def with_prop(it, s, a):
    return s.copy(parts={**s.parts, at(a): as_schema(FLUENT, at(a, 1)) if len(a) > 1 else Schema(FLUENT, "scalar", None, None, True)}) if isinstance(at(a), str) else s


def needed(it, s, a):
    return s.copy(parts={name: part.copy(optional=part.optional and name not in listed(at(a))) for name, part in s.parts.items()}) if type(at(a)) is Arr and s.kind == "object" else s.copy(optional=False)


FLUENT = Library({
    **makers(scalars("string number integer boolean null mixed= raw= ref="), lambda: FLUENT, True), "object": lambda it, a: object_of(it, FLUENT, UNDEFINED).copy(optional=True), "array": lambda it, a: Schema(FLUENT, "array", None, None, True),
}, {
    **{name: keyword(name) for name in "minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems minProperties maxProperties".split()}, "default": defaulted, "extend": objects(extended),
    **{name: keyword(name, lambda given: pattern_of(given) or (given if isinstance(given, str) else None)) for name in ("pattern", "format", "title", "description")}, "enum": joi_values, "required": needed, "prop": objects(with_prop),
    "items": joi_items, "only": only(True), "without": only(False), "additionalProperties": lambda it, s, a: s.copy(rest=False if at(a) is False else None), "uniqueItems": keyword("uniqueItems", lambda given: given is True)})


# celebrate
SEGMENTS = {name.upper(): name for name in ("body", "query", "params", "headers", "cookies", "signedCookies")}
CELEBRATE_ERROR = Cls("CelebrateError", None, None)


class Celebrated(Value):
    """A handler that holds Joi's schemas against parts of the request; errors() answers 400 where they do not fit."""
    __slots__ = ("parts",)

    def __init__(self, parts: Any):
        self.parts = parts.props if type(parts) is Obj else {}

    def handle(self, it, exchange):
        for name, part in self.parts.items():
            exchange.validate(it, it.member(exchange.request, name), part if isinstance(part, Schema) else object_of(it, JOI, part))
        exchange.throw(Obj({"message": ""}, cls=CELEBRATE_ERROR))


def celebrate_errors(it: Any, this: Any, a: list, node: Any) -> Any:
    if type(at(a)) is not Obj or a[0].cls is not CELEBRATE_ERROR:
        return it.call(at(a, 3), UNDEFINED, a[:1], node)
    it.exchange.send(Obj({name: Unknown(it.types.STRING if name != "statusCode" else it.types.NUMBER) for name in ("statusCode", "error", "message")}, depth=1), "application/json", 400)
    return UNDEFINED


def celebrate_package(it: Any) -> Native:
    unknown, whole = Native(lambda it, this, a, node: Unknown()), Native(lambda it, this, a, node: Celebrated(at(a)))
    whole.props.update(celebrate=whole, default=whole, errors=Native(lambda it, this, a, node: Native(celebrate_errors, {"length": 4})), Joi=JOI.namespace("Joi"), Segments=Obj(dict(SEGMENTS)),
                       isCelebrateError=Native(lambda it, this, a, node: a[0].cls is CELEBRATE_ERROR if type(at(a)) is Obj else Unknown()), celebrator=Native(lambda it, this, a, node: whole), Modes=unknown, CelebrateError=CELEBRATE_ERROR)
    return whole


# Ajv
def ajv(it: Any) -> Native:
    def tested(it, schema, a):
        validation(it, as_schema(ZOD, schema), a, None)
        return Unknown()
    made = Obj({"compile": Native(lambda it, this, a, node: Native(lambda it, this, given, node: tested(it, at(a), given))), "validate": Native(lambda it, this, a, node: tested(it, at(a), a[1:]))}, open=True)
    whole = Native(lambda it, this, a, node: made)
    whole.props["default"] = whole.props["Ajv"] = whole
    return whole


# express-validator
LOCATIONS = named("params=path query body headers=header cookies=cookie")
RULES = named("""isInt=integer isFloat=number isNumeric=number isDecimal=number isBoolean=boolean isString=string isArray=array isObject=object toInt=integer toFloat=number isLength=string
    isBooleanString=boolean isNumberString=number isPositive=number""")


# those of class-validator that take numbers
POSITIONAL = {"minLength": ["minLength"], "maxLength": ["maxLength"], "length": ["minLength", "maxLength"], "min": ["minimum"], "max": ["maximum"], "arrayMinSize": ["minItems"], "arrayMaxSize": ["maxItems"]}


class Field(Value):
    """A rule for one field of the request: a handler that notes it."""
    __slots__ = ("location", "path", "keywords", "optional")

    def __init__(self, location: str, path: str):
        self.location, self.path, self.keywords, self.optional = location, path, {}, False

    def get(self, it, name, node):
        return self

    def invoke(self, it, name, a, node):
        given = plain(at(a)) if type(at(a)) is Obj else {}
        if name in ("optional", "isOptional"):
            self.optional = True
        elif name in ("notEmpty", "isNotEmpty"):
            self.keywords.setdefault("minLength", 1)
        elif name in POSITIONAL:
            self.keywords.update((key, value) for key, value in zip(POSITIONAL[name], a) if number(value))
        elif name in RULES:
            noun = LIMITS.get(RULES[name], "imum")
            self.keywords.update({"type": RULES[name], **{end + noun: given[end] for end in ("min", "max") if end in given}} if given or "type" not in self.keywords else {})
        elif name in ("isIn", "isEnum"):
            self.keywords.update(enumerated(None, literals(at(a))).keywords)
        elif name == "matches" and pattern_of(at(a)):
            self.keywords.update(STRING, pattern=pattern_of(at(a)))
        elif name in FORMATS:
            self.keywords.update(STRING, **({"format": FORMATS[name]} if FORMATS[name] else {}))
        return self

    def handle(self, it, exchange):
        exchange.rule(self.location, tuple(part.replace("*", "[]") for part in self.path.split(".")), self.keywords, not self.optional)
        return True


def express_validator(it: Any) -> Native:
    def rule(location: str) -> Native:
        return Native(lambda it, this, a, node: Arr([Field(location, name) for name in at(a).items if isinstance(name, str)]) if type(at(a)) is Arr else Field(location, at(a)) if isinstance(at(a), str) else Unknown())
    return Native(lambda it, this, a, node: Unknown(), {"checkSchema": Native(check_schema), **{name: rule(location) for name, location in named("body query param=path header cookie check=body").items()}})


def decorated(it: Any, node: Any, scope: Any) -> tuple[dict, bool]:
    """(keywords, whether it is optional) by the decorators of class-validator at a field."""
    field = Field("", "")
    for call in (child.named_children[0] for child in node.named_children if child.type == "decorator"):
        if call.type == "call_expression":
            name, written = call.child_by_field_name("function").text.decode(), call.child_by_field_name("arguments")
            field.invoke(it, name[:1].lower() + name[1:], [it.evaluate(child, scope) for child in written.named_children], call)
    return field.keywords, field.optional


def instance_of(it: Any, this: Any, a: list, node: Any) -> Any:
    """plainToInstance(Dto, req.body)."""
    if isinstance(at(a), Cls) and hasattr(at(a, 1), "typed"):
        a[1].typed(it, of_schema(a[0]))
    return at(a, 1)


def check_schema(it: Any, this: Any, a: list, node: Any) -> Arr:
    """Rules as data: {name: {in: ["body"], isInt: {options: {min: 1}}}}."""
    found, usual = [], at(a, 1)
    for path, rules in at(a).props.items() if type(at(a)) is Obj else ():
        given = rules.props if type(rules) is Obj else {}
        for place in it.items(given.get("in", usual)) or [given.get("in", usual)]:
            field = Field(LOCATIONS.get(place, "body"), path)
            for name, rule in given.items():
                options = rule.props.get("options", UNDEFINED) if type(rule) is Obj else UNDEFINED
                field.invoke(it, name, options.items if type(options) is Arr else [options], node)
            found.append(field)
    return Arr(found)


PACKAGES: dict[str, Callable] = {
    **dict.fromkeys(("zod", "zod/v4", "zod/v3", "zod/mini", "zod/v4-mini"), zod), **dict.fromkeys(("@sinclair/typebox", "typebox", "@fastify/type-provider-typebox"), lambda it: TYPEBOX.namespace("Type", Check=Unknown(), Compile=Unknown())),
    **dict.fromkeys(("joi", "@hapi/joi"), lambda it: JOI.namespace("Joi", ValidationError=it.builtins.error_class("ValidationError"))), "ajv": ajv, "celebrate": celebrate_package, "fluent-json-schema": lambda it: FLUENT.namespace("S", FORMATS=Obj({name.upper().replace("-", "_"): name for name in FORMATS.values() if name})), "class-transformer": lambda it: Native(instance_of, dict.fromkeys(("plainToInstance", "plainToClass"), Native(instance_of))), "express-validator": express_validator}

"""zod, TypeBox, Joi and express-validator: what their functions and methods say in JSON Schema."""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.routes.schemas import Schema, as_schema, enumerated, literals, plain, scalar, validation
from senior_backend.routes.types import Type
from senior_backend.routes.values import UNDEFINED, Arr, Cls, Fn, Getter, Native, Obj, Unknown, Value, either, options

STRING, NUMBER, INTEGER, BOOLEAN = ({"type": name} for name in ("string", "number", "integer", "boolean"))
FORMATS = {
    "email": "email", "url": "uri", "httpUrl": "uri", "uri": "uri", "uuid": "uuid", "guid": "uuid", "uuidv4": "uuid", "uuidv6": "uuid", "uuidv7": "uuid", "datetime": "date-time", "date": "date", "time": "time",
    "duration": "duration", "ipv4": "ipv4", "ipv6": "ipv6", "hostname": "hostname", "isoDate": "date-time", "isEmail": "email", "isURL": "uri", "isUUID": "uuid", "isISO8601": "date-time",
    "isIP": "", "isMongoId": "", "isJWT": "", "isAlpha": "", "isAlphanumeric": "", "isMobilePhone": "", "isStrongPassword": "", "isHexadecimal": "", "isSlug": "", "isCreditCard": "", "isCurrency": "",
    "cuid": "", "cuid2": "", "ulid": "", "nanoid": "", "jwt": "", "base64": "", "base64url": "", "emoji": "", "ip": "", "cidr": "", "cidrv4": "", "cidrv6": "", "xid": "", "ksuid": "", "e164": "", "hex": ""}
LIMITS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems"), "object": ("minProperties", "maxProperties")}
# what meta() may say in a schema; component and view are words of generated validators
NOTED = frozenset((
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "format", "pattern", "type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "discriminator", "externalDocs", "xml", "contentEncoding", "contentMediaType", "additionalProperties", "component", "view"))


def bound(schema: Schema, end: int, value: Any, exclusive: bool = False) -> Schema:
    """With a lower (0) or upper (1) bound, of length, count or size."""
    if not isinstance(value, (int, float)):
        return schema.copy()
    kind = schema.keywords.get("type") if schema.kind == "scalar" else {"tuple": "array", "record": "object"}.get(schema.kind, schema.kind)
    pair = LIMITS.get(kind if isinstance(kind, str) else "", ("minimum", "maximum") if not exclusive else ("exclusiveMinimum", "exclusiveMaximum"))
    return schema.inherit(**{pair[end]: value})


def pattern_of(value: Any) -> str | None:
    return value.props["source"].replace("\\/", "/") if type(value) is Obj and "source" in value.props else None


def escaped(text: Any) -> str:
    return "".join("\\" + letter if letter in ".*+?^${}()|[]\\/" else letter for letter in str(text))


def first(arguments: list, otherwise: Any = UNDEFINED) -> Any:
    return arguments[0] if arguments else otherwise


def members_of(it: Any, library: Any, value: Any) -> dict[str, Schema]:
    if type(value) is Obj:
        return {str(name): Schema(library, "getter", None, lambda member=member: member.getter(it, value)) if type(member) is Getter else as_schema(library, member) for name, member in value.props.items()}
    return dict(value.parts) if isinstance(value, Schema) and value.kind == "object" else {}


def object_of(it: Any, library: Any, value: Any, rest: Any = None) -> Schema:
    made = Schema(library, "object", None, members_of(it, library, value))
    made.rest = rest
    return made


def described(schema: Schema, value: Any) -> Schema:
    """With annotations: a text, or an object of keywords."""
    notes = {"description": value} if isinstance(value, str) else plain(value) if type(value) is Obj else {}
    kept = {name: note for name, note in notes.items() if name in NOTED or name.startswith("x-")}
    name = notes.get("id") or notes.get("ref") or notes.get("refId")
    if schema.name or schema.id:
        made = Schema(schema.library, "lazy", kept, lambda: schema, schema.optional)
    else:
        made = schema.inherit(**kept)
    made.id = name if isinstance(name, str) else ""
    return made


def optional(schema: Schema) -> Schema:
    made = schema if schema.optional else schema.copy(optional=True, name=schema.name, id=schema.id)
    return keep(schema, made)


def keep(schema: Schema, made: Schema) -> Schema:
    """A copy that differs as a member alone stands for the same named schema."""
    if made is not schema and (schema.name or schema.id):
        wrapper = Schema(schema.library, "lazy", {}, lambda: schema, made.optional)
        wrapper.nulls, wrapper.keywords = made.nulls and not schema.nulls, {key: value for key, value in made.keywords.items() if key not in schema.keywords}
        return wrapper
    return made


def default(schema: Schema, value: Any) -> Schema:
    made = optional(schema).copy()
    known = plain(value) if not isinstance(value, Value) or type(value) in (Arr, Obj) else None
    return made.inherit(default=known) if known is not None and inner_of(schema).keywords.get("default") != known else made


def inner_of(schema: Schema) -> Schema:
    """The schema behind a wrapper."""
    while schema.kind == "lazy":
        found = schema.parts()
        if not isinstance(found, Schema):
            break
        schema = found
    return schema


class Library:
    """Functions and methods of one library. Subclasses fill the tables."""
    functions: dict[str, Callable] = {}
    methods: dict[str, Callable] = {}

    def namespace(self, **further: Any) -> Native:
        """What importing the library gives."""
        props = {name: Native(lambda it, this, arguments, node, work=work: work(self, it, arguments)) for name, work in self.functions.items()}
        whole = Native(lambda it, this, arguments, node: Unknown(), {**props, **further})
        return whole

    def member(self, it: Any, schema: Schema, name: str) -> Any:
        return None

    def method(self, it: Any, schema: Schema, name: str, arguments: list) -> Any:
        work = self.methods.get(name)
        return work(schema, it, arguments) if work else schema


# zod
def zod_parse(schema: Schema, it: Any, arguments: list) -> Any:
    return validation(it, schema, arguments, it.builtins.error("ZodError"))


def zod_safe_parse(schema: Schema, it: Any, arguments: list) -> Any:
    value = validation(it, schema, arguments, None)
    return Obj({"success": Unknown(), "data": value, "error": Unknown()}, open=True)


def objects_only(change: Callable) -> Callable:
    def work(schema: Schema, it: Any, arguments: list) -> Schema:
        whole = inner_of(schema)
        if whole.kind != "object":
            return schema.copy()
        made = change(whole, it, arguments)
        made.optional = schema.optional
        return made
    return work


def only(schema: Schema, names: Any, wanted: bool) -> Schema:
    """The object with, or without, the members that are named."""
    listed = names.props if type(names) is Obj else names.items if type(names) is Arr else ()
    return schema.copy(parts={name: part for name, part in schema.parts.items() if (name in listed) == wanted})


def changed(schema: Schema, names: Any, change: Callable) -> Schema:
    listed = names.props if type(names) is Obj else names.items if type(names) is Arr else schema.parts
    return schema.copy(parts={name: change(part) if name in listed else part for name, part in schema.parts.items()})


def required(schema: Schema) -> Schema:
    return schema.copy(optional=False, keywords={key: value for key, value in schema.keywords.items() if key != "default"})


def extended(schema: Schema, it: Any, arguments: list) -> Schema:
    other = first(arguments)
    made = schema.copy(parts={**schema.parts, **members_of(it, schema.library, inner_of(other) if isinstance(other, Schema) else other)})
    if isinstance(other, Schema) and other.rest is not None:
        made.rest = other.rest
    return made


def union_of(library: Any, arguments: list, discriminator: Any = None) -> Schema:
    parts = [as_schema(library, item) for item in (arguments[0].items if arguments and type(arguments[0]) is Arr else [])]
    made = Schema(library, "union", None, parts)
    made.optional = any(part.optional for part in parts)
    made.rest = discriminator
    return made


def pick_enum(wanted: bool) -> Callable:
    def work(schema: Schema, it: Any, arguments: list) -> Schema:
        values = schema.keywords.get("enum") or ([schema.keywords["const"]] if "const" in schema.keywords else [])
        listed = literals(first(arguments))
        return enumerated(schema.library, [value for value in values if (value in listed) == wanted])
    return work


def formatted(library: Any, name: str, arguments: list) -> Schema:
    return scalar(library, type="string", **({"format": FORMATS[name]} if FORMATS[name] else {}))


def coerced(library: Any) -> Native:
    return Native(lambda it, this, arguments, node: Unknown(), {
        name: Native(lambda it, this, arguments, node, keywords=keywords: scalar(library, **keywords))
        for name, keywords in {"string": STRING, "number": NUMBER, "boolean": BOOLEAN, "bigint": INTEGER, "date": {**STRING, "format": "date-time"}}.items()})


def same(schema: Schema, it: Any, arguments: list) -> Schema:
    return schema


def refined(schema: Schema, it: Any, arguments: list) -> Schema:
    made = schema.copy(name=schema.name, id=schema.id)
    made.notes = (*schema.notes, "a rule in code is not expressed here")
    return made


def checked(schema: Schema, it: Any, arguments: list) -> Schema:
    """check(...): those of our own helpers and of zod/mini that are known add their keywords."""
    made = Schema(schema.library, "lazy", {}, lambda: schema, schema.optional) if schema.id else schema.copy()
    for argument in arguments:
        if hasattr(argument, "apply"):
            made = argument.apply(made)
    return made


def text(keywords: dict, key: str, value: Any) -> dict:
    return {**keywords, key: value} if value is not None else keywords


ZOD_FUNCTIONS: dict[str, Callable] = {
    **{name: lambda library, it, arguments, keywords=keywords: scalar(library, **keywords) for name, keywords in {
        "string": STRING, "number": NUMBER, "boolean": BOOLEAN, "bigint": INTEGER, "int": INTEGER, "int32": {**INTEGER, "format": "int32"}, "uint32": {**INTEGER, "minimum": 0}, "float32": {**NUMBER, "format": "float"},
        "float64": {**NUMBER, "format": "double"}, "int64": {**INTEGER, "format": "int64"}, "date": {**STRING, "format": "date-time"}, "null": {"type": "null"}, "undefined": {}, "void": {}, "any": {}, "unknown": {},
        "never": {"not": {}}, "stringbool": STRING, "file": {**STRING, "format": "binary"}, "json": {}, "instanceof": {}, "custom": {}, "nan": {}, "symbol": {}, "templateLiteral": STRING}.items()},
    **{name: lambda library, it, arguments, name=name: formatted(library, name, arguments) for name in FORMATS if not name.startswith("is") and name not in ("date", "time", "datetime", "duration")},
    "literal": lambda library, it, arguments: enumerated(library, literals(first(arguments)) if type(first(arguments)) is Arr else [value for value in arguments[:1] if not isinstance(value, Value)]),
    "enum": lambda library, it, arguments: enumerated(library, literals(first(arguments))),
    "nativeEnum": lambda library, it, arguments: enumerated(library, literals(first(arguments))),
    "object": lambda library, it, arguments: object_of(it, library, first(arguments)),
    "strictObject": lambda library, it, arguments: object_of(it, library, first(arguments), False),
    "looseObject": lambda library, it, arguments: object_of(it, library, first(arguments)),
    "interface": lambda library, it, arguments: object_of(it, library, first(arguments)),
    "array": lambda library, it, arguments: Schema(library, "array", None, as_schema(library, first(arguments))),
    "set": lambda library, it, arguments: Schema(library, "array", {"uniqueItems": True}, as_schema(library, first(arguments))),
    "tuple": lambda library, it, arguments: tuple_of(library, arguments),
    "record": lambda library, it, arguments: Schema(library, "record", None, (as_schema(library, arguments[0]), as_schema(library, arguments[1])) if len(arguments) > 1 else (None, as_schema(library, first(arguments)))),
    "partialRecord": lambda library, it, arguments: Schema(library, "record", None, (as_schema(library, first(arguments)), as_schema(library, arguments[-1] if arguments else UNDEFINED))),
    "map": lambda library, it, arguments: Schema(library, "scalar", {"type": "array"}),
    "union": lambda library, it, arguments: union_of(library, arguments),
    "xor": lambda library, it, arguments: union_of(library, arguments, True),
    "discriminatedUnion": lambda library, it, arguments: union_of(library, arguments[1:], first(arguments, True)),
    "intersection": lambda library, it, arguments: Schema(library, "intersection", None, [as_schema(library, argument) for argument in arguments]),
    "lazy": lambda library, it, arguments: Schema(library, "lazy", None, lambda: it.call(first(arguments), UNDEFINED, [], None)),
    "preprocess": lambda library, it, arguments: as_schema(library, arguments[1] if len(arguments) > 1 else UNDEFINED),
    "pipe": lambda library, it, arguments: as_schema(library, first(arguments)),
    "optional": lambda library, it, arguments: optional(as_schema(library, first(arguments))),
    "nullable": lambda library, it, arguments: nulled(as_schema(library, first(arguments))),
    "nullish": lambda library, it, arguments: optional(nulled(as_schema(library, first(arguments)))),
}


def tuple_of(library: Any, arguments: list) -> Schema:
    made = Schema(library, "tuple", None, [as_schema(library, item) for item in (arguments[0].items if arguments and type(arguments[0]) is Arr else [])])
    made.rest = as_schema(library, arguments[1]) if len(arguments) > 1 else None
    return made


def nulled(schema: Schema) -> Schema:
    return keep(schema, schema.copy(nulls=True))


ZOD_METHODS: dict[str, Callable] = {
    "min": lambda schema, it, arguments: bound(schema, 0, first(arguments)), "max": lambda schema, it, arguments: bound(schema, 1, first(arguments)),
    "gte": lambda schema, it, arguments: bound(schema, 0, first(arguments)), "lte": lambda schema, it, arguments: bound(schema, 1, first(arguments)),
    "gt": lambda schema, it, arguments: bound(schema, 0, first(arguments), True), "lt": lambda schema, it, arguments: bound(schema, 1, first(arguments), True),
    "positive": lambda schema, it, arguments: bound(schema, 0, 0, True), "negative": lambda schema, it, arguments: bound(schema, 1, 0, True),
    "nonnegative": lambda schema, it, arguments: bound(schema, 0, 0), "nonpositive": lambda schema, it, arguments: bound(schema, 1, 0),
    "length": lambda schema, it, arguments: bound(bound(schema, 0, first(arguments)), 1, first(arguments)), "size": lambda schema, it, arguments: bound(bound(schema, 0, first(arguments)), 1, first(arguments)),
    "nonempty": lambda schema, it, arguments: bound(schema, 0, 1), "int": lambda schema, it, arguments: schema.inherit(type="integer"),
    "multipleOf": lambda schema, it, arguments: schema.inherit(multipleOf=first(arguments)) if isinstance(first(arguments), (int, float)) else schema,
    "step": lambda schema, it, arguments: schema.inherit(multipleOf=first(arguments)) if isinstance(first(arguments), (int, float)) else schema,
    "regex": lambda schema, it, arguments: schema.inherit(**text({}, "pattern", pattern_of(first(arguments)))),
    "startsWith": lambda schema, it, arguments: schema.inherit(pattern="^" + escaped(first(arguments))) if isinstance(first(arguments), str) else schema,
    "endsWith": lambda schema, it, arguments: schema.inherit(pattern=escaped(first(arguments)) + "$") if isinstance(first(arguments), str) else schema,
    "includes": lambda schema, it, arguments: schema.inherit(pattern=escaped(first(arguments))) if isinstance(first(arguments), str) else schema,
    **{name: lambda schema, it, arguments, name=name: schema.inherit(format=FORMATS[name]) for name in FORMATS if FORMATS[name] and not name.startswith("is")},
    "optional": lambda schema, it, arguments: optional(schema), "exactOptional": lambda schema, it, arguments: optional(schema), "nullable": lambda schema, it, arguments: nulled(schema),
    "nullish": lambda schema, it, arguments: optional(nulled(schema)), "default": lambda schema, it, arguments: default(schema, first(arguments)), "prefault": lambda schema, it, arguments: default(schema, first(arguments)),
    "catch": lambda schema, it, arguments: optional(schema), "describe": lambda schema, it, arguments: described(schema, first(arguments)), "meta": lambda schema, it, arguments: described(schema, first(arguments)),
    "openapi": lambda schema, it, arguments: described(schema, arguments[-1] if arguments else UNDEFINED) if type(first(arguments)) is Obj else described(described(schema, arguments[1]) if len(arguments) > 1 else schema, Obj({"id": first(arguments)})),
    "array": lambda schema, it, arguments: Schema(schema.library, "array", None, schema), "or": lambda schema, it, arguments: union_of(schema.library, [Arr([schema, *arguments[:1]])]),
    "and": lambda schema, it, arguments: Schema(schema.library, "intersection", None, [*(schema.parts if schema.kind == "intersection" and not schema.name and not schema.id and not schema.keywords else [schema]), as_schema(schema.library, first(arguments))]),
    "refine": refined, "superRefine": refined, "check": checked, "with": checked,
    "pipe": lambda schema, it, arguments: schema, "parse": zod_parse, "parseAsync": zod_parse, "safeParse": zod_safe_parse, "safeParseAsync": zod_safe_parse, "spa": zod_safe_parse,
    "unwrap": lambda schema, it, arguments: inner_of(schema) if schema.kind == "lazy" else schema.parts if schema.kind == "array" else schema.copy(optional=False, nulls=False),
    "exclude": pick_enum(False), "extract": pick_enum(True),
    **{name: objects_only(work) for name, work in {
        "extend": extended, "merge": extended, "safeExtend": extended, "augment": extended, "pick": lambda schema, it, arguments: only(schema, first(arguments), True), "omit": lambda schema, it, arguments: only(schema, first(arguments), False),
        "partial": lambda schema, it, arguments: changed(schema, first(arguments), optional), "deepPartial": lambda schema, it, arguments: changed(schema, None, optional),
        "required": lambda schema, it, arguments: changed(schema, first(arguments), required), "strict": lambda schema, it, arguments: schema.copy(rest=False), "strip": lambda schema, it, arguments: schema.copy(rest=None),
        "passthrough": lambda schema, it, arguments: schema.copy(rest=None), "loose": lambda schema, it, arguments: schema.copy(rest=None), "nonstrict": lambda schema, it, arguments: schema.copy(rest=None),
        "catchall": lambda schema, it, arguments: schema.copy(rest=as_schema(schema.library, first(arguments))), "keyof": lambda schema, it, arguments: enumerated(schema.library, list(schema.parts))}.items()},
}


class Zod(Library):
    functions, methods = ZOD_FUNCTIONS, ZOD_METHODS

    def member(self, it, schema, name):
        whole = inner_of(schema)
        if name == "shape" and whole.kind == "object":
            return Obj(dict(whole.parts))
        if name in ("element", "options") and whole.kind in ("array", "union"):
            return whole.parts if name == "element" else Arr(list(whole.parts))
        if name in ("enum", "Enum", "Values", "options") and whole.kind == "enum":
            values = whole.keywords.get("enum") or [whole.keywords.get("const")]
            return Arr(list(values)) if name == "options" else Obj({str(value): value for value in values})
        return None


def zod(it: Any) -> Native:
    library = Zod()
    iso = Native(lambda it, this, arguments, node: Unknown(), {name: Native(lambda it, this, arguments, node, name=name: formatted(library, name, arguments)) for name in ("date", "time", "datetime", "duration")})
    whole = library.namespace(coerce=coerced(library), iso=iso, ZodError=it.builtins.error_class("ZodError"))
    whole.props["z"] = whole.props["default"] = whole
    return whole


# TypeBox
def with_options(schema: Schema, value: Any) -> Schema:
    if type(value) is not Obj:
        return schema
    keywords = plain(value)
    schema.id = keywords.pop("$id", "") or schema.id
    schema.rest = keywords.pop("additionalProperties", schema.rest) if schema.kind == "object" else schema.rest
    schema.keywords.update({name: keyword for name, keyword in keywords.items() if keyword is not None and (schema.kind != "object" or name != "type")})
    return schema


def typebox_function(name: str) -> Callable:
    def work(library: Any, it: Any, arguments: list) -> Any:
        made = TYPEBOX[name](library, it, arguments)
        return with_options(made, arguments[-1]) if isinstance(made, Schema) and len(arguments) > TAKEN.get(name, 1) else made
    return work


def part(arguments: list, index: int) -> Any:
    return arguments[index] if index < len(arguments) else UNDEFINED


def composite(it: Any, library: Any, value: Any) -> Schema:
    made = object_of(it, library, UNDEFINED)
    for item in value.items if type(value) is Arr else ():
        made.parts.update(members_of(it, library, inner_of(item) if isinstance(item, Schema) else item))
    return made


TAKEN = {"String": 0, "Number": 0, "Integer": 0, "Boolean": 0, "Null": 0, "Any": 0, "Unknown": 0, "Date": 0, "Never": 0, "Record": 2, "Pick": 2, "Omit": 2, "Undefined": 0, "Void": 0}
TYPEBOX: dict[str, Callable] = {
    **{name: lambda library, it, arguments, keywords=keywords: scalar(library, **keywords) for name, keywords in {
        "String": STRING, "Number": NUMBER, "Integer": INTEGER, "Boolean": BOOLEAN, "Null": {"type": "null"}, "Any": {}, "Unknown": {}, "Undefined": {}, "Void": {}, "Never": {"not": {}}, "Date": {**STRING, "format": "date-time"}}.items()},
    "Object": lambda library, it, arguments: object_of(it, library, first(arguments)),
    "Array": lambda library, it, arguments: Schema(library, "array", None, as_schema(library, first(arguments))),
    "Tuple": lambda library, it, arguments: tuple_of(library, arguments[:1]),
    "Record": lambda library, it, arguments: Schema(library, "record", None, (as_schema(library, first(arguments)), as_schema(library, part(arguments, 1)))),
    "Literal": lambda library, it, arguments: enumerated(library, [value for value in arguments[:1] if not isinstance(value, Value)]),
    "Enum": lambda library, it, arguments: enumerated(library, literals(first(arguments))),
    "Union": lambda library, it, arguments: union_of(library, arguments),
    "Intersect": lambda library, it, arguments: Schema(library, "intersection", None, [as_schema(library, item) for item in (it.items(first(arguments)))]),
    "Composite": lambda library, it, arguments: composite(it, library, first(arguments)),
    "Optional": lambda library, it, arguments: optional(as_schema(library, first(arguments))),
    "Readonly": lambda library, it, arguments: as_schema(library, first(arguments)),
    "Partial": lambda library, it, arguments: changed(inner_of(as_schema(library, first(arguments))), None, optional) if inner_of(as_schema(library, first(arguments))).kind == "object" else as_schema(library, first(arguments)),
    "Required": lambda library, it, arguments: changed(inner_of(as_schema(library, first(arguments))), None, required),
    "Pick": lambda library, it, arguments: only(inner_of(as_schema(library, first(arguments))), keys_of(part(arguments, 1)), True),
    "Omit": lambda library, it, arguments: only(inner_of(as_schema(library, first(arguments))), keys_of(part(arguments, 1)), False),
    "Ref": lambda library, it, arguments: first(arguments) if isinstance(first(arguments), Schema) else Schema(library, "scalar", {"$ref": first(arguments)} if isinstance(first(arguments), str) else {}),
    "KeyOf": lambda library, it, arguments: enumerated(library, list(members_of(it, library, inner_of(as_schema(library, first(arguments)))))),
    "Unsafe": lambda library, it, arguments: Schema(library, "scalar", plain(first(arguments)) if type(first(arguments)) is Obj else {}),
    "Recursive": lambda library, it, arguments: recursive(library, it, arguments),
    "RegExp": lambda library, it, arguments: scalar(library, **text(STRING, "pattern", pattern_of(first(arguments)) or first(arguments))),
}


def keys_of(value: Any) -> Any:
    return Arr(list(value.keywords.get("enum") or [value.keywords.get("const")])) if isinstance(value, Schema) else Arr([value]) if isinstance(value, str) else value


def recursive(library: Any, it: Any, arguments: list) -> Schema:
    made: list = []
    this = Schema(library, "lazy", None, lambda: made[0])
    found = it.call(first(arguments), UNDEFINED, [this], None)
    made.append(found)
    if isinstance(found, Schema):
        found.name = found.name or "Recursive"
    return found


class TypeBox(Library):
    functions = {name: typebox_function(name) for name in TYPEBOX}

    def member(self, it, schema, name):
        if name == "properties" and schema.kind == "object":
            return Obj(dict(schema.parts))
        return schema.id if name == "$id" else Unknown()

    def method(self, it, schema, name, arguments):
        return Unknown()


def typebox(it: Any) -> Native:
    whole = TypeBox().namespace()
    whole.props["Type"] = whole
    whole.props["Check"] = whole.props["Compile"] = Native(lambda it, this, arguments, node: Unknown())
    return whole


# Joi
def joi_validate(schema: Schema, it: Any, arguments: list) -> Any:
    value = validation(it, schema, arguments, None)
    return Obj({"error": Unknown(), "value": value, "errors": Unknown()}, open=True)


def joi_values(schema: Schema, it: Any, arguments: list) -> Schema:
    values = [value for argument in arguments for value in (argument.items if type(argument) is Arr else [argument]) if not isinstance(value, Value)]
    made = schema.inherit(enum=[value for value in values if value is not None]) if any(value is not None for value in values) else schema.copy()
    made.nulls = schema.nulls or None in values
    return made


def joi_object(library: Any, it: Any, arguments: list) -> Schema:
    made = object_of(it, library, first(arguments))
    made.optional = True
    return made


JOI: dict[str, Callable] = {
    **{name: lambda library, it, arguments, keywords=keywords: Schema(library, "scalar", dict(keywords), None, True) for name, keywords in {
        "string": STRING, "number": NUMBER, "boolean": BOOLEAN, "bool": BOOLEAN, "any": {}, "date": {**STRING, "format": "date-time"}, "binary": {**STRING, "format": "binary"}, "symbol": {}, "func": {}}.items()},
    "object": joi_object, "array": lambda library, it, arguments: Schema(library, "array", None, None, True),
    "alternatives": lambda library, it, arguments: Schema(library, "union", None, [as_schema(library, argument) for argument in (it.items(first(arguments)) or arguments)], True),
    "valid": lambda library, it, arguments: joi_values(Schema(library, "scalar", {}, None, True), it, arguments),
    "ref": lambda library, it, arguments: Unknown(), "validate": lambda library, it, arguments: joi_validate(arguments[1], it, arguments[:1]) if len(arguments) > 1 and isinstance(arguments[1], Schema) else Unknown(),
}
JOI_METHODS: dict[str, Callable] = {
    **{name: ZOD_METHODS[name] for name in ("min", "max", "length", "positive", "negative", "email", "uri", "guid", "uuid", "hostname", "default", "describe", "keyof")},
    "integer": ZOD_METHODS["int"], "greater": ZOD_METHODS["gt"], "less": ZOD_METHODS["lt"], "multiple": ZOD_METHODS["multipleOf"], "pattern": ZOD_METHODS["regex"], "regex": ZOD_METHODS["regex"],
    "isoDate": lambda schema, it, arguments: schema.inherit(format="date-time"), "iso": same, "valid": joi_values, "equal": joi_values, "only": same,
    "allow": lambda schema, it, arguments: schema.copy(nulls=schema.nulls or None in arguments), "required": lambda schema, it, arguments: schema.copy(optional=False), "exist": lambda schema, it, arguments: schema.copy(optional=False),
    "optional": lambda schema, it, arguments: schema.copy(optional=True), "description": ZOD_METHODS["describe"], "unknown": lambda schema, it, arguments: schema.copy(rest=None),
    "items": lambda schema, it, arguments: schema.copy(parts=as_schema(schema.library, arguments[0]) if len(arguments) == 1 else Schema(schema.library, "union", None, [as_schema(schema.library, argument) for argument in arguments])),
    "keys": lambda schema, it, arguments: extended(schema, it, arguments) if schema.kind == "object" else schema, "append": lambda schema, it, arguments: extended(schema, it, arguments) if schema.kind == "object" else schema,
    "concat": lambda schema, it, arguments: extended(schema, it, arguments) if schema.kind == "object" else schema, "unique": lambda schema, it, arguments: schema.inherit(uniqueItems=True),
    "fork": lambda schema, it, arguments: changed(schema, Arr([first(arguments)]) if isinstance(first(arguments), str) else first(arguments), lambda part: result if isinstance(result := it.call(arguments[1], UNDEFINED, [part], None), Schema) else part),
    "try": lambda schema, it, arguments: schema.copy(parts=[*schema.parts, *(as_schema(schema.library, argument) for argument in arguments)]) if schema.kind == "union" else schema,
    "custom": refined, "when": refined, "or": refined, "xor": refined, "nand": refined, "with": refined, "without": refined, "external": refined, "assert": refined,
    "validate": joi_validate, "validateAsync": lambda schema, it, arguments: validation(it, schema, arguments, it.builtins.error("ValidationError")), "attempt": joi_validate,
}


class Joi(Library):
    functions, methods = JOI, JOI_METHODS


def joi(it: Any) -> Native:
    whole = Joi().namespace(ValidationError=it.builtins.error_class("ValidationError"))
    whole.props["default"] = whole.props["Joi"] = whole
    return whole


# express-validator
class Field(Value):
    """A rule for one field of the request: a handler that notes it."""
    __slots__ = ("location", "path", "keywords", "optional")

    def __init__(self, location: str, path: str):
        self.location, self.path, self.keywords, self.optional = location, path, {}, False

    def get(self, it, name, node):
        return self

    def invoke(self, it, name, arguments, node):
        given = plain(first(arguments)) if type(first(arguments)) is Obj else {}
        kind = {"isInt": "integer", "isFloat": "number", "isNumeric": "number", "isDecimal": "number", "isBoolean": "boolean", "isString": "string", "isArray": "array", "isObject": "object", "toInt": "integer", "toFloat": "number"}.get(name)
        if name == "optional":
            self.optional = True
        elif name in ("isInt", "isFloat"):
            self.keywords.update({"type": kind, **{keyword: given[key] for key, keyword in (("min", "minimum"), ("max", "maximum")) if key in given}})
        elif name == "isArray":
            self.keywords.update({"type": kind, **{keyword: given[key] for key, keyword in (("min", "minItems"), ("max", "maxItems")) if key in given}})
        elif name == "isLength":
            self.keywords.update({"type": "string", **{keyword: given[key] for key, keyword in (("min", "minLength"), ("max", "maxLength")) if key in given}})
        elif name == "isIn":
            self.keywords.update(enumerated(None, literals(first(arguments))).keywords)
        elif name == "matches" and pattern_of(first(arguments)):
            self.keywords.update(type="string", pattern=pattern_of(first(arguments)))
        elif name in FORMATS:
            self.keywords.update({"type": "string", **({"format": FORMATS[name]} if FORMATS[name] else {})})
        elif kind and "type" not in self.keywords:
            self.keywords["type"] = kind
        return self

    def handle(self, it, exchange):
        exchange.rule(self.location, tuple(self.path.split(".")), self.keywords, not self.optional)
        return True


def express_validator(it: Any) -> Native:
    def rule(location: str) -> Native:
        return Native(lambda it, this, arguments, node: Arr([Field(location, name) for name in (it.items(first(arguments)) or [first(arguments)]) if isinstance(name, str)]) if type(first(arguments)) is Arr else Field(location, first(arguments)) if isinstance(first(arguments), str) else Unknown())
    return Native(lambda it, this, arguments, node: Unknown(), {"body": rule("body"), "query": rule("query"), "param": rule("path"), "header": rule("header"), "cookie": rule("cookie"), "check": rule("body")})


# Ajv
def ajv(it: Any) -> Native:
    def compiled(it: Any, this: Any, arguments: list, node: Any) -> Native:
        schema = as_schema(Library(), first(arguments))
        return Native(lambda it, this, given, node: (validation(it, schema, given, None), Unknown())[1])
    made = Obj({"compile": Native(compiled), "validate": Native(lambda it, this, arguments, node: (validation(it, as_schema(Library(), first(arguments)), arguments[1:], None), Unknown())[1])}, open=True)
    whole = Native(lambda it, this, arguments, node: made)
    whole.props["default"] = whole.props["Ajv"] = whole
    return whole

"""The one walk over schemas from which types and validators are written, and by which codec bodies and parameters are read."""
from __future__ import annotations

import dataclasses
import functools
import re

from senior_backend.openapi.model import Api, MediaType, Report, Schema
from senior_backend.scaffold.plan import HIDDEN_BY, View, references
from senior_backend.scaffold.schemas import objects, scalars
from senior_backend.scaffold.schemas.compositions import all_of, alternatives, apart, merged, sources
from senior_backend.scaffold.schemas.facts import KEYWORDS_OF, NEVER, NULL, UNKNOWN, Facts, Rank, Role, Shape, checked, nested, union
from senior_backend.scaffold.schemas.scalars import admitted_values, notes, number_shape, string_shape, values_shape
from senior_backend.scaffold.typescript import Names, key, literal, string

COMPOSITIONS = frozenset(("$ref", "allOf", "oneOf", "anyOf"))
PLAIN = frozenset(("type", "description", "title", "example", "examples", "default", "deprecated", "readOnly", "writeOnly", "format"))
ANY_OBJECT = "z.record(z.string(), z.unknown())"
PROVEN_DEPTH = 8           # tsc gives up inferring zod objects that are nested some 16 levels deep
BOOLEAN = Shape("boolean", "z.boolean()")
GUARDS = {"object": "whenObject", "array": "whenArray", "string": "whenString", "number": "whenNumber"}


class Walk:
    """Turns schemas into shapes as one view sees them. `shared` remembers what validators.ts needs."""

    def __init__(self, names: Names, facts: Facts, view: View, shared: Shared):
        self.names, self.facts, self.view, self.shared = names, facts, view, shared
        self.plain: dict[tuple[str, str | None], Shape] = {}
        self.binary, self.depth = "string", 0
        self.hides_members = view is not View.WHOLE
        self.drops = self.hides_members and view is View.REQUEST       # what a client has no say in is dropped, not refused
        self.whole = self                      # the walk of the view that hides nothing
        self.inline = False                    # whether what is written stands in an operation, not in a component
        self.component = ""                    # key of the component being written, while nothing stands between it and the schema at hand

    def shape(self, schema: Schema, assume: str = "", role: Role = Role.WHOLE) -> Shape:
        """assume: the JSON type that the value is known to have."""
        if isinstance(schema, bool) or not schema:
            return NEVER if schema is False else UNKNOWN
        kind = schema.get("type")
        if kind.__class__ is str and kind != "object" and kind != "array" and schema.keys() <= PLAIN:
            shape = self.plain_shape(kind, schema)
            return dataclasses.replace(shape, meta=meta) if len(schema) > 1 and (meta := notes(schema)) else shape
        if "$ref" in schema and len(schema) == 1:
            return self.reference(schema["$ref"])
        return self.composed(schema, assume, role)

    def plain_shape(self, kind: str, schema: dict) -> Shape:
        """A scalar without limits; the same few make up most of a document."""
        wanted = kind, schema.get("format")
        if wanted not in self.plain or wanted[1] == "binary":
            self.plain[wanted] = self.typed(kind, schema)
        return self.plain[wanted]

    def reference(self, key: str) -> Shape:
        name = self.names.schema(key, self.view)
        if self.component and (self.component, key) in self.shared.endless:
            return self.cut(key)
        return Shape(name, f"{name}Schema", deferred=name not in self.shared.declared)

    def cut(self, key: str) -> Shape:
        """A component that refers back to the one being written: what it says besides its alternatives."""
        schema = self.facts.schemas[key]
        rest = {keyword: value for keyword, value in schema.items() if keyword not in ("oneOf", "anyOf", "discriminator", "$ref", "allOf")}
        if "oneOf" not in schema and "anyOf" not in schema:
            self.warn(f"{key} refers to itself without an end; the reference is left out", self.facts.schemas[self.component])
        return self.shape(rest)

    def composed(self, schema: dict, assume: str, role: Role) -> Shape:
        kinds, given = self.facts.kinds(schema), assume
        assume = assume if assume else next(iter(kinds)) if len(kinds) == 1 else ""
        source = merged(schema, assume == "object") if "allOf" in schema else schema
        if role is Role.WHOLE and COMPOSITIONS.isdisjoint(source):
            shape = self.base(source, kinds, assume)
        else:
            shape = self.joined(source, kinds, assume, given == "object")
        left = scalars.on_top(schema)
        if not shape.exact or scalars.interpreted_whole(schema):
            shape = self.interpreted(schema, shape, assume)
        elif left:
            shape = checked(shape, [self.keywords(left)])
        hidden = self.facts.hidden_members(schema, self.view) if role is not Role.PART and self.drops else []
        shape = dataclasses.replace(shape, zod=f"{self.helper('without')}({self.dropped(schema, hidden)}, {shape.zod})") if hidden else shape
        meta = notes(schema)
        return dataclasses.replace(shape, zod=shape.noted, meta=meta) if meta else shape

    def dropped(self, schema: dict, names: list[str]) -> str:
        """The names of members that are dropped; with their schemas where no component has them."""
        members = schema.get("properties", {})
        if not self.inline or any(name not in members for name in names):
            return literal(names)
        shapes = {name: self.whole.shape(members[name]).noted + ("" if name in schema.get("required", ()) else ".exactOptional()") for name in names}
        return "{\n" + "".join(f"  {key(name)}: {nested(zod)},\n" for name, zod in shapes.items()) + "}"

    def joined(self, schema: dict, kinds: frozenset[str], assume: str, known_object: bool) -> Shape:
        """The schema's own keywords and its compositions; required members may be declared in any of them.

        known_object: something around the schema has made sure that the value is an object.
        """
        own, elsewhere = apart(schema)
        parts, choices = self.parts(schema, assume, elsewhere), [alternatives(self, schema, keyword, assume) for keyword in ("oneOf", "anyOf") if keyword in schema]
        base = self.base(own, kinds, assume)
        if base.zod == ANY_OBJECT and (known_object or any(part.type != "unknown" and self.facts.kinds(source) == {"object"} for part, source in zip(parts, sources(schema)))):
            base = UNKNOWN
        shape = all_of(self, own, [part for part in [*parts, base, *choices] if part is not UNKNOWN])
        return checked(shape, [f"{self.helper('required')}({string(name)})" for name in elsewhere])

    def keywords(self, schema: dict) -> str:
        return f"{self.helper('keywords')}({scalars.data(self, schema)}{self.definitions_argument(schema)})"

    def interpreted(self, schema: dict, shape: Shape, assume: str) -> Shape:
        """The same type, decided by the interpreter."""
        if assume and "type" not in schema:
            schema = {"type": assume, **schema}
        self.shared.casts.append(shape.type)
        generic = "" if shape.type == "unknown" else f"<{shape.type}>"
        zod = f"{self.helper('jsonSchema')}{generic}({scalars.data(self, schema)}{self.definitions_argument(schema)})"
        return dataclasses.replace(shape, zod=zod, deferred=False, exact=True)

    def base(self, schema: dict, kinds: frozenset[str], assume: str) -> Shape:
        """What the schema's own keywords say, without its compositions."""
        if "enum" in schema or "const" in schema:
            return self.enumerated(schema, kinds)
        kind = schema.get("type")
        if isinstance(kind, str):
            return self.typed(kind, schema)
        if isinstance(kind, list):
            return union([self.typed(name, schema) for name in kind if not (name == "integer" and "number" in kind)])
        present = [name for name, keywords in KEYWORDS_OF.items() if not keywords.isdisjoint(schema)]
        if assume in present:
            return self.typed(assume, schema)
        guarded = [self.guarded(name, schema) for name in present if name in kinds]
        if len(guarded) < 2:
            return guarded[0] if guarded else UNKNOWN
        return Shape("unknown", guarded[0].zod + "".join(f".and({shape.zod})" for shape in guarded[1:]), deferred=any(shape.deferred for shape in guarded), exact=all(shape.exact for shape in guarded))

    def enumerated(self, schema: dict, kinds: frozenset[str]) -> Shape:
        shape = values_shape(self, admitted_values(schema, kinds))
        rest = {keyword: value for keyword, value in schema.items() if keyword in scalars.BESIDE_VALUES}
        rest = {keyword: value for keyword, value in rest.items() if any(keyword in KEYWORDS_OF[kind] for kind in kinds if kind in KEYWORDS_OF)}
        return checked(shape, [self.keywords(rest)] if rest else [])

    def typed(self, kind: str, schema: dict) -> Shape:
        """The keywords of one JSON type, on a value of that type."""
        if kind == "string":
            return string_shape(self, schema)
        if kind == "object" or kind == "array":
            component, self.component, self.depth = self.component, "", self.depth + 1
            shape = objects.object_shape(self, schema) if kind == "object" else objects.array_shape(self, schema)
            self.component, self.depth = component, self.depth - 1
            return self.proven(shape) if self.depth % PROVEN_DEPTH == PROVEN_DEPTH - 1 else shape
        if kind == "boolean":
            return BOOLEAN
        return NULL if kind == "null" else number_shape(self, schema, kind == "integer")

    def proven(self, shape: Shape) -> Shape:
        """The shape with its type written out beside it, so that the compiler need not infer all levels at once."""
        self.shared.casts.append(shape.type)
        return dataclasses.replace(shape, zod=f"typed<{shape.type}>({shape.zod})")

    def guarded(self, kind: str, schema: dict) -> Shape:
        """The keywords of one JSON type, which other values pass by."""
        shape = self.typed(kind, schema)
        if shape.exact and shape.zod in ("z.string()", "z.number()", "z.array(z.unknown())", ANY_OBJECT):
            return UNKNOWN
        typed = shape.type if kind in ("object", "array") else "unknown"
        rank = shape.rank if typed == shape.type else Rank.ATOM
        return dataclasses.replace(shape, zod=f"{self.helper(GUARDS[kind])}({shape.zod})", type=typed, rank=rank)

    def parts(self, schema: dict, assume: str, elsewhere: list[str]) -> list[Shape]:
        """The reference and the parts of allOf; names that a referenced part declares move from `elsewhere` to that part."""
        found = [self.requiring(schema["$ref"], elsewhere)] if "$ref" in schema else []
        for part in schema.get("allOf", ()):
            alone = isinstance(part, dict) and "$ref" in part and len(part) == 1
            found.append(self.requiring(part["$ref"], elsewhere) if alone else self.shape(part, assume, Role.PART))
        return found

    def requiring(self, key: str, elsewhere: list[str]) -> Shape:
        """A referenced schema with further required members."""
        shape = self.reference(key)
        names = [name for name in elsewhere if name in self.facts.solid_members(self.facts.schemas[key], self.view)] if elsewhere else []
        if not names or shape.type != self.names.schema(key, self.view):
            return shape
        elsewhere[:] = [name for name in elsewhere if name not in names]
        picked = " | ".join(map(string, names))
        zod = f"{self.helper('requiring')}({shape.zod}, [{', '.join(map(string, names))}])"
        return Shape(f"{shape.type} & Required<Pick<{shape.type}, {picked}>>", zod, Rank.INTERSECTION, shape.deferred)

    def hides(self, schema: Schema) -> bool:
        return self.hides_members and self.names.views.hidden(schema, self.view)

    def drops_members(self, schema: dict) -> bool:
        """Whether members are dropped from the schema's values, at any depth."""
        if not self.drops:
            return False
        found = references(schema, marks := set())
        return HIDDEN_BY[self.view] in marks or not self.names.views.varied[self.view].isdisjoint(found)

    def is_binary(self, schema: dict) -> bool:
        return schema.get("format") == "binary" and self.binary != "string"

    def binary_shape(self) -> Shape:
        return Shape("File", "z.file()") if self.binary == "file" else Shape("File | string", "z.union([z.file(), z.string()])", Rank.UNION)

    def documentation(self, schema: Schema) -> str:
        return objects.documentation(schema)

    def helper(self, name: str) -> str:
        self.shared.helpers.add(name)
        return name

    def format_data(self, name: str) -> str:
        self.shared.helpers.add("formats")
        return f"formats[{string(name)}]"

    def definition(self, key: str) -> str:
        """The name by which the interpreter finds a schema."""
        name = self.names.schema(key, self.view)
        self.shared.wanted.setdefault(name, (key, self.names.views.of(key, self.view)))
        return name

    def definitions_argument(self, schema: Schema) -> str:
        return ", definitions" if references(schema, set()) else ""

    def warn(self, message: str, node, key=None) -> None:
        if (id(node), message) not in self.shared.warned:
            self.shared.warned.add((id(node), message))
            self.shared.report.warn(message, node, key)


class Shared:
    """What the walks of all views gather for the two files."""

    def __init__(self, report: Report):
        self.report = report
        self.declared: set[str] = set()        # types whose validators stand above the one being written
        self.endless: set[tuple[str, str]] = set()                 # references between components that a type alias cannot follow
        self.interfaces: dict[str, frozenset[str] | None] = {}     # interface -> names of its members, None with an index signature
        self.helpers: set[str] = set()         # functions of json-schema.ts and formats.ts
        self.casts: list[str] = []             # type expressions inside zod expressions
        self.wanted: dict[str, tuple[str, View]] = {}
        self.warned: set[tuple[int, str]] = set()


TOKEN = re.compile(r"[a-z0-9!#$&^_.+-]+\Z")


def codec_of(content_type: str, schema: Schema | None) -> str:
    """"json", "form", "multipart", "text", "xml" or "binary"."""
    kind, _, subtype = content_type.partition("/")
    if subtype == "json" or subtype.endswith("+json"):
        return "json"
    if content_type == "application/x-www-form-urlencoded":
        return "form"
    if content_type == "multipart/form-data" or content_type == "multipart/*":
        return "multipart"
    if subtype == "xml" or subtype.endswith("+xml"):
        return "text" if schema is None or says_text(schema) else "xml"
    if kind == "text":
        return "text"
    return "json" if content_type in ("*/*", "application/*") and not says_text(schema) else "binary"


def says_text(schema: Schema | None) -> bool:
    """Whether the schema is about a text or raw bytes, not about a structure."""
    return not isinstance(schema, dict) or schema.get("type") == "string" or not schema


def content_type_expression(content_type: str) -> str:
    """The type of the header's value: a literal, or a template where it is a range."""
    kind, _, subtype = content_type.partition("/")
    if subtype != "*":
        return string(content_type)
    return f"`{kind}/${{string}}`" if TOKEN.match(kind) and kind != "*" else "string"


@dataclasses.dataclass(slots=True)
class Declaration:
    """A type of types.ts and its validator: export `name` and export `name`Schema."""
    name: str
    shape: Shape
    description: str
    typed: bool = True                 # False: the validator alone is declared; its type is an expression
    validated: bool = True             # False: the type alone is declared


class Understanding:
    """Walks the components in an order in which validators can be declared; operations are added by planning."""

    def __init__(self, api: Api, names: Names):
        self.api, self.names = api, names
        self.facts = Facts(api, names.views)
        self.shared = Shared(api.report)
        self.shared.endless = endless_references(api.schemas)
        self.walks = {view: Walk(names, self.facts, view, self.shared) for view in View}
        for walk in self.walks.values():
            walk.whole = self.walks[View.WHOLE]
        self.binary = binary_components(api, names)
        self.components = {declaration.name: declaration for key, view in self.order() for declaration in [self.component(key, view)]}
        self.operations: list[Declaration] = []
        self.statements: list[str] = []        # types of requests and replies, in the order of the operations
        self.statuses: set[str] = set()        # status unions that replies refer to

    def order(self) -> list[tuple[str, View]]:
        """(key, view) of every declaration, referred-to ones first wherever there is no cycle."""
        used = {View.WHOLE: set(self.api.schemas), View.REQUEST: self.names.views.used_by(request_roots(self.api)), View.RESPONSE: self.names.views.used_by(response_roots(self.api))}
        return [(key, view) for view in View for key in self.sorted_keys(used[view]) if self.names.views.of(key, view) is view]

    def sorted_keys(self, wanted: set[str]) -> list[str]:
        graph, done = self.names.views.references, {}
        for root in self.api.schemas:
            work = [(root, iter(graph[root]))] if root in wanted and root not in done else []
            entered = {root}
            while work:
                key, targets = work[-1]
                fresh = next((target for target in targets if target not in done and target not in entered), None)
                if fresh is None:
                    done[key] = None
                    work.pop()
                else:
                    entered.add(fresh)
                    work.append((fresh, iter(graph[fresh])))
        return list(done)

    def component(self, key: str, view: View) -> Declaration:
        walk, schema, name = self.walks[view], self.api.schemas[key], self.names.schema(key, view)
        walk.component, walk.binary = key, self.binary.get(key, "string")
        shape = walk.shape(schema)
        walk.component, walk.binary = "", "string"
        if shape.deferred:
            shape = dataclasses.replace(shape, zod=f"z.lazy(() => {shape.noted})", meta="")
        if name != key:
            own = {"component": key, **({"view": view.value.lower()} if view.value else {})}
            shape = dataclasses.replace(shape, zod=shape.noted, meta=literal(own))
        if shape.members is not None and (shape.bases or shape.braced):
            self.shared.interfaces[name] = shape.members
        self.shared.declared.add(name)
        return Declaration(name, shape, text_of(schema))


def text_of(schema: Schema) -> str:
    """The description of a declaration."""
    if not isinstance(schema, dict):
        return ""
    lines = [schema.get("description") or schema.get("title") or ""]
    return "\n".join([*filter(None, lines), *(["@deprecated"] if schema.get("deprecated") is True else [])])


def media_of_requests(api: Api) -> list[MediaType]:
    return [media for operation in api.operations if operation.body for media in operation.body.media]


def media_of_responses(api: Api) -> list[MediaType]:
    return [media for operation in api.operations for response in operation.responses for media in response.media]


def keys_in(media_types: list[MediaType]) -> list[str]:
    return [key for media in media_types if isinstance(media.schema, dict) for key in references(media.schema, set())]


def request_roots(api: Api) -> list[str]:
    parameters = [key for operation in api.operations for parameter in operation.parameters if isinstance(parameter.schema, dict) for key in references(parameter.schema, set())]
    return keys_in(media_of_requests(api)) + parameters


def response_roots(api: Api) -> list[str]:
    return keys_in(media_of_responses(api))


def binary_components(api: Api, names: Names) -> dict[str, str]:
    """Components that are read from multipart bodies -> "file", or "both" when they are also read or written otherwise."""
    requests = media_of_requests(api)
    multipart = [media for media in requests if codec_of(media.content_type, media.schema) == "multipart"]
    if not multipart:
        return {}
    files = names.views.used_by(keys_in(multipart))
    others = names.views.used_by(keys_in([media for media in requests if media not in multipart]) + response_roots(api))
    return {key: "both" if key in others else "file" for key in files}


@functools.lru_cache(maxsize=1)
def understand(names: Names) -> Understanding:
    """The understanding of an api; the same object for the same names."""
    return Understanding(names.api, names)


def endless_references(schemas: dict[str, Schema]) -> set[tuple[str, str]]:
    """The pairs (component, what it refers to) that have to be cut: those inside allOf first, since alternatives carry the types."""
    inward = {key: direct(schema, ("allOf",)) for key, schema in schemas.items()}
    every = {key: direct(schema, ("allOf", "oneOf", "anyOf")) for key, schema in schemas.items()}
    if not any(every.values()):
        return set()
    cut = {(source, target) for source, target in within_cycles(every) if target in inward[source]}
    left = {key: [target for target in targets if (key, target) not in cut] for key, targets in every.items()}
    return cut | within_cycles(left)


def direct(schema: Schema, keywords: tuple[str, ...]) -> list[str]:
    found, pending = [], [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if "$ref" in node:
                found.append(node["$ref"])
            for keyword in keywords:
                pending.extend(node.get(keyword, ()))
    return found


def within_cycles(graph: dict[str, list[str]]) -> set[tuple[str, str]]:
    """The edges from whose end a path leads back to their start."""
    return {(source, target) for source, targets in graph.items() for target in targets if source in reached(graph, target)}


def reached(graph: dict[str, list[str]], start: str) -> set[str]:
    found, pending = {start}, [start]
    while pending:
        fresh = [target for target in graph[pending.pop()] if target not in found]
        found.update(fresh)
        pending.extend(fresh)
    return found

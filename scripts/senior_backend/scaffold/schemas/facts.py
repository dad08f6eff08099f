"""Facts about schemas that types and validators share, and the shape in which their text is built."""
from __future__ import annotations

import dataclasses
import enum

from senior_backend.openapi.model import Api, Schema
from senior_backend.scaffold.plan import View, Views

KINDS = frozenset(("null", "boolean", "number", "string", "array", "object"))
ANNOTATIONS = frozenset((
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "externalDocs", "xml", "discriminator", "nullable", "$comment", "$schema", "$id",
    "contentMediaType", "contentEncoding", "contentSchema", "$defs", "definitions"))
OBJECT_KEYWORDS = frozenset((
    "properties", "required", "additionalProperties", "minProperties", "maxProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
    "unevaluatedProperties"))
ARRAY_KEYWORDS = frozenset(("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems"))
STRING_KEYWORDS = frozenset(("minLength", "maxLength", "pattern", "format"))
NUMBER_KEYWORDS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
KEYWORDS_OF = {"object": OBJECT_KEYWORDS, "array": ARRAY_KEYWORDS, "string": STRING_KEYWORDS, "number": NUMBER_KEYWORDS}
APPLICATORS = frozenset(("$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "not"))


def kind_of(value) -> str:
    """The JSON type of a value; integers are numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def says_nothing(schema: dict) -> bool:
    """Whether only annotations stand in it."""
    return all(keyword in ANNOTATIONS or keyword.startswith("x-") for keyword in schema)


class Facts:
    """Answers are remembered per component, so that each schema is looked at once."""

    def __init__(self, api: Api, views: Views):
        self.schemas, self.views = api.schemas, views
        self.known_kinds: dict[str, frozenset[str]] = {}
        self.known_closed: dict[str, bool] = {}
        self.known_hidden: dict[tuple[str, View], dict[str, bool]] = {}

    def target(self, schema: Schema) -> Schema:
        """The schema at the end of a chain of references without siblings."""
        for _ in range(32):
            if not isinstance(schema, dict) or "$ref" not in schema or len(schema) > 1:
                break
            schema = self.schemas[schema["$ref"]]
        return schema

    def kinds(self, schema: Schema) -> frozenset[str]:
        """The JSON types of the values that it can admit."""
        if isinstance(schema, bool):
            return KINDS if schema else frozenset()
        found = KINDS
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            found = frozenset("number" if name == "integer" else name for name in types)
        if "enum" in schema:
            found &= {kind_of(value) for value in schema["enum"]}
        if "const" in schema:
            found &= {kind_of(schema["const"])}
        if "$ref" in schema:
            found &= self.component_kinds(schema["$ref"])
        for part in schema.get("allOf", ()):
            found &= self.kinds(part)
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                found &= frozenset().union(*map(self.kinds, schema[keyword]))
        return found

    def component_kinds(self, key: str) -> frozenset[str]:
        if key not in self.known_kinds:
            self.known_kinds[key] = KINDS      # what a reference back to it sees
            self.known_kinds[key] = self.kinds(self.schemas[key])
        return self.known_kinds[key]

    def closed(self, schema: Schema) -> bool:
        """Whether it may refuse members that it does not name."""
        if isinstance(schema, bool):
            return False
        if schema.get("additionalProperties") is False or schema.get("unevaluatedProperties") is False:
            return True
        if "$ref" in schema and self.component_closed(schema["$ref"]):
            return True
        return any(self.closed(part) for keyword in ("allOf", "anyOf", "oneOf") for part in schema.get(keyword, ()))

    def component_closed(self, key: str) -> bool:
        if key not in self.known_closed:
            self.known_closed[key] = False
            self.known_closed[key] = self.closed(self.schemas[key])
        return self.known_closed[key]

    def hidden_members(self, schema: Schema, view: View) -> list[str]:
        """Names that are not part of the view wherever they are declared in the schema or in what it is composed of."""
        if view is View.WHOLE:
            return []
        return [name for name, hidden in self.members(schema, view).items() if hidden]

    def members(self, schema: Schema, view: View) -> dict[str, bool]:
        """All member names of a schema and of what it is composed of -> whether every declaration hides the member."""
        if isinstance(schema, bool):
            return {}
        found = {name: self.views.hidden(member, view) for name, member in schema.get("properties", {}).items()}
        parts = [self.component_members(schema["$ref"], view)] if "$ref" in schema else []
        parts += [self.members(part, view) for keyword in ("allOf", "anyOf", "oneOf") for part in schema.get(keyword, ())]
        for part in parts:
            for name, hidden in part.items():
                found[name] = found.get(name, True) and hidden
        return found

    def solid_members(self, schema: Schema, view: View, depth: int = 0) -> set[str]:
        """Names of the members that its type declares whichever alternative holds."""
        if isinstance(schema, bool) or depth > 16:
            return set()
        found = {name for name, member in schema.get("properties", {}).items() if not self.views.hidden(member, view)}
        for part in [*schema.get("allOf", ()), *([self.schemas[schema["$ref"]]] if "$ref" in schema else [])]:
            found |= self.solid_members(part, view, depth + 1)
        return found

    def component_members(self, key: str, view: View) -> dict[str, bool]:
        if (key, view) not in self.known_hidden:
            self.known_hidden[key, view] = {}
            self.known_hidden[key, view] = self.members(self.schemas[key], view)
        return self.known_hidden[key, view]


LINE_LENGTH = 100


class Rank(enum.IntEnum):
    """How strongly a type expression holds together."""
    ATOM = 0
    INTERSECTION = 1
    UNION = 2


@dataclasses.dataclass(slots=True)
class Shape:
    """Texts are written as if they stood at the start of a line; `nested` moves them inwards."""
    type: str
    zod: str
    rank: Rank = Rank.ATOM
    deferred: bool = False                 # zod names a validator that is declared later: it must not be evaluated at once
    exact: bool = True                     # False: zod cannot say it, the interpreter must
    members: frozenset[str] | None = None  # names of the members, when the type is `{ ... }` without index signature
    bases: tuple[str, ...] = ()            # interfaces that the component's interface extends
    body: str = ""                         # `{ ... }` of the interface when it differs from `type`
    meta: str = ""                         # what zod only notes: the argument of meta()

    @property
    def braced(self) -> bool:
        """Whether the type is one `{ ... }`, as an interface needs it."""
        return self.rank is Rank.ATOM and self.type.startswith("{") and self.type.endswith("}")


    @property
    def noted(self) -> str:
        """The zod expression where it stands for this schema alone."""
        return f"{self.zod}.meta({self.meta})" if self.meta else self.zod


UNKNOWN = Shape("unknown", "z.unknown()")
NEVER = Shape("never", "z.never()")
NULL = Shape("null", "z.null()")


def nested(text: str) -> str:
    return text.replace("\n", "\n  ") if "\n" in text else text


def atom(shape: Shape) -> str:
    """The type where only one term may stand."""
    return f"({shape.type})" if shape.rank else shape.type


def call(function: str, arguments: list[str], before: str = "[", after: str = "]") -> str:
    """`z.union([a, b])`, broken over lines when it is long."""
    flat = f"{function}({before}{', '.join(arguments)}{after})"
    if len(flat) <= LINE_LENGTH and "\n" not in flat or len(arguments) < 2:
        return flat
    return f"{function}({before}\n" + "".join(f"  {nested(argument)},\n" for argument in arguments) + f"{after})"


def union_type(shapes: list[Shape]) -> tuple[str, Rank]:
    """`A | B` without repetitions; unknown takes in all others."""
    texts = list(dict.fromkeys(shape.type for shape in shapes if shape.type != "never"))
    if not texts or "unknown" in texts:
        return ("unknown" if texts else "never"), Rank.ATOM
    if len(texts) == 1:
        return texts[0], next(shape.rank for shape in shapes if shape.type == texts[0])
    flat = " | ".join(texts)
    if len(flat) <= LINE_LENGTH or "\n" in flat and len(texts) <= 2:
        return flat, Rank.UNION
    return "".join(f"\n  | {nested(text)}" for text in texts), Rank.UNION


def intersection_type(shapes: list[Shape]) -> tuple[str, Rank]:
    """`A & B`, without the terms that say nothing."""
    kept = {shape.type: shape for shape in shapes if shape.type != "unknown"}
    if "never" in kept or not kept:
        return ("never" if kept else "unknown"), Rank.ATOM
    if len(kept) == 1:
        only = next(iter(kept.values()))
        return only.type, only.rank
    return " & ".join(f"({shape.type})" if shape.rank == Rank.UNION else shape.type for shape in kept.values()), Rank.INTERSECTION


def union(shapes: list[Shape], function: str = "z.union") -> Shape:
    """One of the shapes; null becomes `.nullable()`."""
    rest = [shape for shape in shapes if shape.zod != "z.null()"]
    if not rest:
        return NULL if shapes else NEVER
    text, rank = union_type(shapes)
    zods = list(dict.fromkeys(shape.noted for shape in rest)) if function == "z.union" else [shape.noted for shape in rest]
    zod = zods[0] if len(zods) == 1 else call(function, zods)
    return Shape(text, zod + ".nullable()" if len(rest) < len(shapes) else zod, rank, any(shape.deferred for shape in shapes), all(shape.exact for shape in shapes))


def checked(shape: Shape, checks: list[str]) -> Shape:
    """The shape with further checks."""
    if not checks:
        return shape
    return dataclasses.replace(shape, zod=call(f"{shape.zod}.check", checks, "", ""))


class Role(enum.Enum):
    """How a schema stands to the one around it."""
    WHOLE = "a schema of its own"
    PART = "one of the schemas of an allOf: what its members hide is dropped by the whole"
    BRANCH = "an alternative, perhaps beside other keywords"

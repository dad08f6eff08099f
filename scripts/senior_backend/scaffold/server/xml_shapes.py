"""xml-shapes.ts: how the schemas of XML bodies are written, as literals for the codec of xml.ts."""
from __future__ import annotations

from senior_backend.openapi.model import Api, Schema
from senior_backend.scaffold.values.flat_schemas import Contradiction, Flat
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.typescript import key, string

HEADER = "/** How the schemas of XML bodies are written: the xml hints of the document. */\nimport type { XmlShape } from './xml.ts';\n"
DEPTH_LIMIT = 30


class XmlShapes:
    """Gathers the shapes that routes ask for; a schema that is referred to becomes a constant of its own, so that recursion ends.

    codec(schema) -> "xmlCodec(PetXml, 'Pet')", an expression of routes; names_used -> the constants that it mentions; text() -> xml-shapes.ts.
    """

    def __init__(self, api: Api, names: Names):
        self.api, self.names = api, names
        self.wanted: dict[str, None] = {}

    def constant(self, schema_key: str) -> str:
        self.wanted[schema_key] = None
        return f"{self.names.schema(schema_key)}Xml"

    def codec(self, schema: Schema) -> str:
        """The codec of a body with this schema, for `xml(...)` in routes; its root element is named like the schema unless a hint says otherwise."""
        root = self.root_name(schema)
        return f"xmlCodec({self.shape(schema, 0, bare=True)}{', ' + string(root) if root else ''})"

    def constants(self, schema: Schema) -> list[str]:
        """The names that codec(schema) mentions, for its import."""
        found = XmlShapes(self.api, self.names)
        found.codec(schema)
        return sorted(f"{self.names.schema(schema_key)}Xml" for schema_key in found.wanted)

    def root_name(self, schema: Schema) -> str:
        if not isinstance(schema, dict):
            return ""
        if "$ref" in schema:
            return schema["$ref"]
        return self.root_name(schema["items"]) if "items" in schema else ""

    def text(self) -> str:
        """The module, with all shapes that were asked for and those that they refer to."""
        written: dict[str, str] = {}
        while pending := [schema_key for schema_key in self.wanted if schema_key not in written]:
            for schema_key in pending:
                written[schema_key] = self.literal(self.api.schemas[schema_key], 0)
        constants = (f"\nexport const {self.names.schema(schema_key)}Xml: XmlShape = {written[schema_key]};\n" for schema_key in self.api.schemas if schema_key in written)
        return HEADER + "".join(constants)

    def shape(self, schema: Schema, depth: int, bare: bool = False) -> str:
        """A shape by name, where the schema is a reference, or in place. Names inside shapes are thunks, since they may not be there yet."""
        if isinstance(schema, dict) and "$ref" in schema and schema["$ref"] in self.api.schemas and "xml" not in schema:
            return self.constant(schema["$ref"]) if bare else f"() => {self.constant(schema['$ref'])}"
        return self.literal(schema, depth)

    def literal(self, schema: Schema, depth: int) -> str:
        flat = self.gathered(schema)
        kind = shape_type(flat)
        fields = [f"type: '{kind}'"]
        if "null" in flat.order:
            fields.append("nullable: true")
        fields += hints(self.xml_of(schema))
        if kind == "object" and flat.properties and depth < DEPTH_LIMIT:
            members = [f"{key(name)}: {self.shape(parts[0], depth + 1)}" for name, parts in flat.properties.items()]
            fields.append("properties: " + braced(members, depth + 1))
        if kind == "object" and (required := [name for name in flat.required if name in flat.properties]):
            fields.append(f"required: [{', '.join(map(string, required))}]")
        items = flat.all_of("items")
        if kind == "array" and items and depth < DEPTH_LIMIT:
            fields.append(f"items: {self.shape(items[0], depth + 1)}")
        return braced(fields, depth)

    def gathered(self, schema: Schema) -> Flat:
        """The keywords of a schema and of all its branches: XML only needs to know what may stand there."""
        flat = self.flattened(schema)
        for branches in flat.choices:
            for branch in branches:
                other = self.flattened(branch)
                for name, parts in other.properties.items():
                    flat.properties.setdefault(name, parts)
                flat.order.extend(name for name in other.order if name not in flat.order)
                flat.gathered.setdefault("items", []).extend(other.all_of("items"))
        return flat

    def flattened(self, schema: Schema) -> Flat:
        try:
            return Flat().add(schema, self.api.schemas)
        except Contradiction:
            return Flat()

    def xml_of(self, schema: Schema) -> dict:
        """The hints of a schema: its own, or those of the schema that it refers to."""
        for _ in range(16):
            if not isinstance(schema, dict):
                return {}
            if isinstance(schema.get("xml"), dict):
                return schema["xml"]
            schema = self.api.schemas.get(schema["$ref"]) if "$ref" in schema else None
        return {}


def shape_type(flat: Flat) -> str:
    types = {"number" if name == "integer" else name for name in flat.order} - {"null"}
    if len(types) == 1:
        return types.pop()
    return "object" if not types and flat.properties else "any"


def hints(xml: dict) -> list[str]:
    texts = [f"{name}: {string(xml[name])}" for name in ("name", "prefix", "namespace") if isinstance(xml.get(name), str) and xml[name]]
    return texts + [f"{name}: true" for name in ("attribute", "wrapped") if xml.get(name) is True]


def braced(fields: list[str], depth: int) -> str:
    """Fields of a literal in one line, or one below the other where they do not fit."""
    flat = f"{{ {', '.join(fields)} }}"
    if len(flat) <= 100 and "\n" not in flat:
        return flat
    inner = "  " * (depth + 1)
    return "{\n" + "".join(f"{inner}{field},\n" for field in fields) + "  " * depth + "}"

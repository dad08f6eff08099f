"""validators.ts: a zod schema for every type that is read from or written to the network."""
from __future__ import annotations

import re

from senior_backend.openapi.model import Api
from senior_backend.scaffold.schemas import leftovers
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OperationPlan
from senior_backend.scaffold.schemas.shape import nested
from senior_backend.scaffold.schemas.understanding import Declaration, Understanding, understand

FORMAT_HELPERS = ("format", "formats")
# assigning a ZodObject to ZodType<T> makes tsc compare all of zod: 36 s for a document of 700 schemas, against 3 s when it looks at the output alone
TYPED = """/** The compiler proves that a schema gives T by its output alone, which is many times quicker than comparing zod's classes. */
const typed = <T>(schema: { _zod: { output: T } }) => schema as z.ZodType<T>;

"""
OPERATIONS_BELOW = "// What follows belongs to one operation each.\n"
SIMPLE = re.compile(r"(?:z\.(?:string|number|int|int32|boolean|unknown)\(\)(?!.*\.nullable)|jsonSchema\b|\w+Schema\Z)")
TOKENS = re.compile(r"'(?:[^'\\]|\\.)*'|([^\W\d]\w*)")


def write_validators(api: Api, names: Names, plans: list[OperationPlan]) -> tuple[str, set[str]]:
    """The text of validators.ts, and which of json-schema.ts and formats.ts it imports."""
    understanding = understand(names)
    components, operations = ([declaration for declaration in group if declaration.validated] for group in (understanding.components.values(), understanding.operations))
    declarations = [*components, *operations]
    statements = [*map(validator_statement, components), *[OPERATIONS_BELOW] * bool(operations), *map(validator_statement, operations)]
    definitions = definitions_statement(understanding)
    helpers = understanding.shared.helpers
    files = {"json-schema.ts"} if helpers.difference(FORMAT_HELPERS) else set()
    files |= {"formats.ts"} if helpers.intersection(FORMAT_HELPERS) else set()
    return imports(understanding, declarations) + TYPED + definitions + "\n".join(statements), files


def exported_schemas(api: Api, names: Names) -> dict[str, str]:
    """{name of a component schema: name of its validator}."""
    return {key: f"{names.schema(key)}Schema" for key in api.schemas}


def validator_statement(declaration: Declaration) -> str:
    annotation = declaration.name if declaration.typed else declaration.shape.type
    zod = declaration.shape.zod
    meta = f".meta({declaration.shape.meta})" if declaration.shape.meta else ""
    cast = next((helper for helper in ("jsonSchema", "allOf") if zod.startswith(f"{helper}<{declaration.shape.type}>(")), None)
    if cast == "jsonSchema" and meta:           # what meta() belongs to is not inferred from the annotation
        zod = f"jsonSchema<{annotation}>" + zod[len(cast) + len(declaration.shape.type) + 2:]
    elif cast:
        zod = cast + (f"<{annotation}>" if cast == "allOf" else "") + zod[len(cast) + len(declaration.shape.type) + 2:]
    zod = zod if cast == "jsonSchema" or SIMPLE.match(zod) else f"typed<{annotation}>({zod})"
    return f"export const {declaration.name}Schema: z.ZodType<{annotation}> = {zod}{meta};\n"


def definitions_statement(understanding: Understanding) -> str:
    """The schemas that interpreted ones refer to, as data; writing one may add others."""
    shared, written = understanding.shared, {}
    while len(written) < len(shared.wanted):
        for name, (key, view) in list(shared.wanted.items()):
            if name not in written:
                written[name] = ""
                written[name] = leftovers.data(understanding.walks[view], understanding.api.schemas[key])
    if not written:
        return ""
    shared.helpers.add("type Definitions")
    return "const definitions: Definitions = {\n" + "".join(f"  {name}: {nested(text)},\n" for name, text in sorted(written.items())) + "};\n\n"


def imports(understanding: Understanding, declarations: list[Declaration]) -> str:
    helpers = understanding.shared.helpers
    schema_helpers, format_helpers = sorted(helpers.difference(FORMAT_HELPERS)), sorted(helpers.intersection(FORMAT_HELPERS))
    text = "import * as z from 'zod';\n"
    text += f"import {{ {', '.join(format_helpers)} }} from './formats.ts';\n" if format_helpers else ""
    text += import_list("import", schema_helpers, "./json-schema.ts") if schema_helpers else ""
    types = used_types(understanding, declarations)
    return text + (import_list("import type", types, "./types.ts") if types else "") + "\n"


def import_list(keyword: str, names: list[str], module: str) -> str:
    flat = f"{keyword} {{ {', '.join(names)} }} from '{module}';\n"
    return flat if len(flat) <= 120 else f"{keyword} {{\n" + "".join(f"  {name},\n" for name in names) + f"}} from '{module}';\n"


def used_types(understanding: Understanding, declarations: list[Declaration]) -> list[str]:
    """The types of types.ts that annotations and casts speak of."""
    exported = {declaration.name for declaration in [*understanding.components.values(), *understanding.operations] if declaration.typed}
    used = {declaration.name for declaration in declarations if declaration.typed}
    for text in [*(declaration.shape.type for declaration in declarations if not declaration.typed), *understanding.shared.casts]:
        used.update(exported.intersection(TOKENS.findall(text)))
    return sorted(used)

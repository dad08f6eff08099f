"""From the model of an API to all files of a server: what each operation gets (names, codecs, types and validators of its parameters, bodies and replies),
then the files."""
from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import unicodedata

from senior_backend.openapi.model import MISSING, Api, Body, MediaType, Operation, Parameter, Response, Schema
from senior_backend.scaffold.plan import FRAMEWORKS, BodyPlan, Framework, OperationPlan, Options, OwnedFile, ReplyPlan, View
from senior_backend.scaffold.schemas.facts import UNKNOWN, Shape
from senior_backend.scaffold.schemas.objects import parameters_shape
from senior_backend.scaffold.schemas.types import exported_schemas, write_types, write_validators
from senior_backend.scaffold.schemas.walk import Declaration, Understanding, codec_of, text_of, understand
from senior_backend.scaffold.server.routes import HEADER, handler_files, security_hooks, used_schemes, write_routes, write_security
from senior_backend.scaffold.server.shapes import ErrorShapes, XmlShapes
from senior_backend.scaffold.typescript import Names, literal, pascal

ASSETS = pathlib.Path(__file__).resolve().parents[3] / "assets" / "scaffold"
SHARED = ("bodies.ts", "credentials.ts", "decode.ts", "http-error.ts", "media-types.ts", "numbers.ts", "parameters.ts", "routing.ts", "runtime.ts", "validation.ts")
DEPENDENCIES = {"zod": "^4.6.0"}
DEV_DEPENDENCIES = {"@types/node": "^24.0.0", "typescript": "~5.9.0"}
COMPILER_OPTIONS = {
    "target": "es2023", "lib": ["es2023"], "module": "nodenext", "moduleResolution": "nodenext", "types": ["node"], "rootDir": ".", "outDir": "dist", "sourceMap": True,
    "strict": True, "exactOptionalPropertyTypes": True, "noUncheckedIndexedAccess": True, "noImplicitReturns": True, "noFallthroughCasesInSwitch": True,
    "erasableSyntaxOnly": True, "verbatimModuleSyntax": True, "rewriteRelativeImportExtensions": True, "skipLibCheck": True,
}


def server_files(api: Api, names: Names, plans: list[OperationPlan], options: Options, helpers: set[str]) -> tuple[dict[str, str], dict[str, OwnedFile]]:
    """(generated files, files that belong to a person). helpers: files of assets/scaffold/ that validators.ts imports."""
    framework = FRAMEWORKS[options.framework]
    shapes, xml = ErrorShapes(api, names, plans), XmlShapes(api, names)
    tags = list(dict.fromkeys(plan.tag for plan in plans))
    has_xml = any(content.codec == "xml" for plan in plans for content in (*plan.bodies, *plan.replies))
    generated = runtime_files(framework, options.errors, helpers | ({"xml.ts"} if has_xml else set()))
    generated["index.ts"] = write_index(api, names, plans, framework)
    generated.update({f"{names.tag(tag).file}.routes.ts": write_routes(api, names, plans, tag, shapes, xml) for tag in tags})
    if xml.wanted:
        generated["xml-shapes.ts"] = xml.text()
    owned = handler_files(api, names, plans, options)
    if used_schemes(api):
        generated["security.ts"] = write_security(api, names)
        owned["security.handlers.ts"] = security_hooks(api, names, options.with_app)
    if shapes.blocks:
        owned["errors.handlers.ts"] = shapes.file()
    return generated, {**owned, **(application_files(api, framework, options) if options.with_app else {})}


def asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def variant(name: str) -> str:
    """A short file of which only one of several is written; variants.txt holds them one after the other."""
    return dict(re.findall(r"(?ms)^//// (\S+)\n(.*?)(?=^////|\Z)", asset("variants.txt")))[name]


def runtime_files(framework: Framework, errors: str, helpers: set[str]) -> dict[str, str]:
    """errors: "envelope" or "problem"; helpers: files of assets/scaffold/ that validators and routes import besides."""
    files = {name: asset(name) for name in (*SHARED, *sorted(helpers))}
    if "json-schema.ts" in helpers:
        files["runtime.ts"] += "\nexport * from './json-schema.ts';\n"
    return {**files, "error-body.ts": variant(f"error-{errors}.ts"), "mount.ts": asset(f"mount-{framework.name}.ts")}


def write_index(api: Api, names: Names, plans: list[OperationPlan], framework: Framework) -> str:
    """index.ts: registerRoutes(app, options), with the routes of all tags."""
    tags = [names.tag(tag) for tag in dict.fromkeys(plan.tag for plan in plans)]
    secured = bool(used_schemes(api))
    app_type, imported, package = framework.app
    lines = [HEADER, f"import type {imported} from '{package}';\n", "import { mount } from './mount.ts';\n"]
    lines += [f"import {{ routes as {tag.variable} }} from './{tag.file}.routes.ts';\n" for tag in tags]
    lines.append("import type { Route, ServerOptions } from './runtime.ts';\n")
    lines += ["import { schemes, type Principal } from './security.ts';\n"] * secured
    listed = f"[{', '.join(f'...{tag.variable}' for tag in tags)}]"
    if len(listed) > 90:
        listed = "[\n" + "".join(f"    ...{tag.variable},\n" for tag in tags) + "  ]"
    lines += [
        f"\n/** What the API document says of the API as a whole. */\nexport const apiDescription = {literal(described(api, plans))};\n",
        f"\nexport {{ {', '.join(framework.mounted)} }} from './mount.ts';\nexport type {{ ServerOptions }} from './runtime.ts';\n",
        "\n/** Adds all routes to an app, the most specific paths first. Other paths stay the app's own. */\n",
        f"export function registerRoutes(app: {app_type}, options: ServerOptions = {{}}): void {{\n",
        f"  const routes: readonly Route{'<Principal>' * secured}[] = {listed};\n  mount(app, routes, {{ schemes{'' if secured else ': {}'}, options }});\n}}\n",
    ]
    return "".join(lines)


def described(api: Api, plans: list[OperationPlan]) -> dict:
    """Title, version, description, servers, and the descriptions of the tags that operations have."""
    used = {plan.tag for plan in plans}
    made = {"title": api.title, "version": api.version, "description": api.description, "servers": api.servers, "tags": {tag: text for tag, text in api.tags.items() if text and tag in used}}
    return {name: value for name, value in made.items() if value}


def application_files(api: Api, framework: Framework, options: Options) -> dict[str, OwnedFile]:
    """app.ts, server.ts, package.json and tsconfig.json."""
    texts = {
        "app.ts": variant(f"app-{framework.name}.ts"), "server.ts": variant(framework.server),
        "package.json": as_json(package(api, framework, options)), "tsconfig.json": as_json({"compilerOptions": COMPILER_OPTIONS, "include": ["*.ts"]}),
    }
    return {name: OwnedFile(text, []) for name, text in texts.items()}


def as_json(value) -> str:
    return json.dumps(value, indent=2) + "\n"


def package(api: Api, framework: Framework, options: Options) -> dict:
    """`start` compiles first, so that it works on Node 20; `dev` runs the sources, which needs Node 22.18."""
    return {
        "name": package_name(api.title), "version": package_version(api.version), "private": True, "type": "module", "engines": {"node": ">=20"},
        "scripts": {"start": "tsc && node dist/server.js", "dev": "node --watch server.ts", "check": "tsc --noEmit"},
        "dependencies": dict(sorted({**framework.dependencies, **DEPENDENCIES, **options.dependencies}.items())),
        "devDependencies": dict(sorted({**framework.dev_dependencies, **DEV_DEPENDENCIES, **options.dev_dependencies}.items())),
    }


def package_name(title: str) -> str:
    """
    >>> package_name("Swagger Petstore (v1)!"), package_name("\u65e5\u672c")
    ('swagger-petstore-v1', 'api-server')
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:100].strip("-") or "api-server"


def package_version(version: str) -> str:
    """The document's version where npm takes it.

    >>> package_version("1.2.3"), package_version("v1")
    ('1.2.3', '1.0.0')
    """
    return version if re.fullmatch(r"(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}", version) else "1.0.0"


PARTS = (("path", "Path"), ("query", "Query"), ("header", "Headers"), ("cookie", "Cookies"))


def plan_operations(api: Api, names: Names) -> list[OperationPlan]:
    """One plan per operation, in the document's order; their types and validators become part of the understanding."""
    planner = Planner(understand(names))
    return [planner.plan(operation) for operation in api.operations]


class Planner:
    def __init__(self, understanding: Understanding):
        self.understanding, self.names = understanding, understanding.names
        self.shared_contents: dict[tuple[int, str], tuple[str, str | None]] = {}

    def plan(self, operation: Operation) -> OperationPlan:
        type_name = self.names.operation_type(operation)
        validators = [self.parameters(operation, location, type_name + part) for location, part in PARTS]
        bodies = self.bodies(operation.body, type_name) if operation.body else []
        replies = [reply for response in operation.responses for reply in self.replies(operation, response, type_name)]
        headers = {response.status: self.reply_headers(response, type_name) for response in operation.responses if response.headers}
        return OperationPlan(operation, self.names.operation(operation), type_name, operation.tag, *validators, bodies, bool(operation.body and operation.body.required), replies, headers)

    def parameters(self, operation: Operation, location: str, name: str) -> str | None:
        parameters = [parameter for parameter in operation.parameters if parameter.location == location]
        if not parameters:
            return None
        self.declare(Declaration(name, parameters_shape(self.understanding.walks[View.REQUEST], parameters), ""))
        return f"{name}Schema"

    def reply_headers(self, response: Response, type_name: str) -> str:
        memory = (id(response.node), "headers")
        if memory not in self.shared_contents:
            prefix = pascal(response.component) if response.component and pascal(response.component) else type_name + status_name(response.status)
            name = self.names.claim(f"{prefix}Headers")
            headers = [Parameter(header.name, "header", header.required, header.schema, "simple", False, header.description, False, None, MISSING, response.node) for header in response.headers]
            self.declare(Declaration(name, parameters_shape(self.understanding.walks[View.RESPONSE], headers), "", typed=False))
            self.shared_contents[memory] = "", f"{name}Schema"
        return self.shared_contents[memory][1]

    def bodies(self, body: Body, type_name: str) -> list[BodyPlan]:
        plans = []
        for media in body.media:
            codec = codec_of(media.content_type, media.schema)
            name = f"{type_name}{pascal(codec) if len(body.media) > 1 else ''}Body"
            plans.append(BodyPlan(media, codec, *self.content(media, codec, View.REQUEST, name)))
        return plans

    def replies(self, operation: Operation, response: Response, type_name: str) -> list[ReplyPlan]:
        if not response.media or operation.method == "head":
            return [ReplyPlan(response, None, "", "unknown", None)]
        plans = []
        for media in response.media:
            codec = codec_of(media.content_type, media.schema)
            prefix = pascal(response.component) if response.component and pascal(response.component) else type_name + status_name(response.status)
            name = f"{prefix}{pascal(codec) if len(response.media) > 1 else ''}Body"
            memory = (id(media.schema), codec)
            if not response.component or memory not in self.shared_contents:
                self.shared_contents[memory] = self.content(media, codec, View.RESPONSE, name)
            plans.append(ReplyPlan(response, media, codec, *self.shared_contents[memory]))
        return plans

    def content(self, media: MediaType, codec: str, view: View, name: str) -> tuple[str, str | None]:
        """Type expression and validator of what one content type holds."""
        if codec == "binary":
            if media.content_type.startswith("multipart/"):
                self.understanding.shared.report.warn(f"{media.content_type} is handed over as bytes: only multipart/form-data is taken apart", media.node)
            return "Uint8Array", None
        if codec == "text":
            return self.text_content(media, view, name)
        if media.schema is None:
            return "unknown", None
        return self.structured_content(media, codec, view, name)

    def text_content(self, media: MediaType, view: View, name: str) -> tuple[str, str | None]:
        """Text is checked when its schema is about strings."""
        kinds = self.understanding.facts.kinds(media.schema if media.schema is not None else True)
        if not isinstance(media.schema, dict) or kinds != {"string"}:
            return "string", None
        return self.structured_content(media, "text", view, name)

    def structured_content(self, media: MediaType, codec: str, view: View, name: str) -> tuple[str, str | None]:
        schema, walk = media.schema, self.understanding.walks[view]
        target = self.understanding.facts.target(schema)
        forgotten = view is View.REQUEST and forgets_type(target, self.understanding.facts.kinds(schema))
        if forgotten:
            walk.warn("read as an object although it has properties but no type; add `type: object`", target)
        walk.binary, walk.inline = "file" if codec == "multipart" else "string", True
        shape = walk.shape(schema, "object" if forgotten else "")
        walk.binary, walk.inline = "string", False
        if isinstance(schema, dict) and "$ref" in schema and len(schema) == 1:
            if not forgotten:
                return shape.type, shape.zod
            shape = dataclasses.replace(shape, zod=f"{shape.zod}.check({walk.helper('object')}())")
        return self.declared_content(schema, shape, name)

    def declared_content(self, schema: Schema, shape: Shape, name: str) -> tuple[str, str | None]:
        if shape.type == "unknown" and shape.zod == UNKNOWN.zod:
            return "unknown", None
        named = "\n" in shape.type
        name = self.names.claim(name)
        self.declare(Declaration(name, shape, text_of(schema), typed=named))
        return (name if named else shape.type), f"{name}Schema"

    def declare(self, declaration: Declaration) -> None:
        self.understanding.operations.append(declaration)


def forgets_type(schema: Schema, kinds: frozenset[str]) -> bool:
    return isinstance(schema, dict) and "properties" in schema and "type" not in schema and kinds != {"object"}


def status_name(status: str) -> str:
    return "Default" if status == "default" else status[0] + status[1:].lower()


@dataclasses.dataclass
class Generated:
    """File name -> text; routes: {method, path, operation, handler, file} in the document's order; schemas: original name -> export of validators.ts."""
    files: dict[str, str]
    owned: dict[str, OwnedFile]
    routes: list[dict[str, str]]
    schemas: dict[str, str]
    complete: bool                     # False: only a part of the output was asked for, the other files stay as they are


def generate(api: Api, options: Options) -> Generated:
    names = Names(api)
    plans = plan_operations(api, names)
    validators, helpers = write_validators(api, names, plans)
    files, owned = server_files(api, names, plans, options, helpers)
    files |= {"types.ts": write_types(api, names, plans), "validators.ts": validators}
    return Generated(files, owned, [route(names, plan) for plan in plans], exported_schemas(api, names), True)


def generate_types(api: Api) -> Generated:
    names = Names(api)
    return Generated({"types.ts": write_types(api, names, plan_operations(api, names))}, {}, [], {}, False)


def route(names: Names, plan: OperationPlan) -> dict[str, str]:
    operation = plan.operation
    return {"method": operation.method.upper(), "path": operation.path, "operation": operation.operation_id or plan.name, "handler": plan.name,
            "file": f"{names.tag(plan.tag).file}.handlers.ts"}

"""All files of a server beside types.ts and validators.ts: the runtime that every one has, index.ts, and what starts it."""
from __future__ import annotations

import json
import pathlib
import re
import unicodedata

from senior_backend.openapi.model import Api
from senior_backend.scaffold.frameworks import FRAMEWORKS, Framework
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OperationPlan, Options, OwnedFile
from senior_backend.scaffold.server.error_shapes import ErrorShapes
from senior_backend.scaffold.server.handlers import handler_files
from senior_backend.scaffold.server.routes import HEADER, write_routes
from senior_backend.scaffold.server.security import security_hooks, used_schemes, write_security
from senior_backend.scaffold.server.xml_shapes import XmlShapes
from senior_backend.scaffold.typescript import literal

ASSETS = pathlib.Path(__file__).resolve().parents[4] / "assets" / "scaffold"
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


def runtime_files(framework: Framework, errors: str, helpers: set[str]) -> dict[str, str]:
    """errors: "envelope" or "problem"; helpers: files of assets/scaffold/ that validators and routes import besides."""
    files = {name: asset(name) for name in (*SHARED, *sorted(helpers))}
    if "json-schema.ts" in helpers:
        files["runtime.ts"] += "\nexport * from './json-schema.ts';\n"
    return {**files, "error-body.ts": asset(f"error-{errors}.ts"), "mount.ts": asset(f"mount-{framework.name}.ts")}


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
        "app.ts": asset(f"app-{framework.name}.ts"), "server.ts": asset(framework.server),
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

"""The files that every generated server has: the runtime, mount.ts for its framework, and index.ts."""
from __future__ import annotations

import pathlib

from senior_backend.openapi.model import Api
from senior_backend.scaffold.frameworks.base import Framework
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OperationPlan
from senior_backend.scaffold.server.routes import HEADER
from senior_backend.scaffold.server.security import used_schemes
from senior_backend.scaffold.typescript import literal

ASSETS = pathlib.Path(__file__).resolve().parents[4] / "assets" / "scaffold"
SHARED = ("bodies.ts", "credentials.ts", "decode.ts", "http-error.ts", "media-types.ts", "numbers.ts", "parameters.ts", "routing.ts", "runtime.ts", "validation.ts")


def asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def runtime_files(framework: Framework, errors: str, helpers: set[str]) -> dict[str, str]:
    """errors: "envelope" or "problem"; helpers: files of assets/scaffold/ that validators and routes import besides."""
    files = {name: asset(name) for name in (*SHARED, *sorted(helpers))}
    if "json-schema.ts" in helpers:
        files["runtime.ts"] += "\nexport * from './json-schema.ts';\n"
    return {**files, "error-body.ts": asset(f"error-{errors}.ts"), "mount.ts": asset(framework.MOUNT)}


def write_index(api: Api, names: Names, plans: list[OperationPlan], framework: Framework) -> str:
    """index.ts: registerRoutes(app, options), with the routes of all tags."""
    tags = [names.tag(tag) for tag in dict.fromkeys(plan.tag for plan in plans)]
    secured = bool(used_schemes(api))
    app_type = framework.APP_TYPE if framework.APP_TYPE_IS_DEFAULT else f"{{ {framework.APP_TYPE} }}"
    lines = [HEADER, f"import type {app_type} from '{framework.APP_TYPE_MODULE}';\n", "import { mount } from './mount.ts';\n"]
    lines += [f"import {{ routes as {tag.variable} }} from './{tag.file}.routes.ts';\n" for tag in tags]
    lines.append("import type { Route, ServerOptions } from './runtime.ts';\n")
    lines += ["import { schemes, type Principal } from './security.ts';\n"] * secured
    listed = f"[{', '.join(f'...{tag.variable}' for tag in tags)}]"
    if len(listed) > 90:
        listed = "[\n" + "".join(f"    ...{tag.variable},\n" for tag in tags) + "  ]"
    lines += [
        f"\n/** What the API document says of the API as a whole. */\nexport const apiDescription = {literal(described(api, plans))};\n",
        f"\nexport {{ {', '.join(framework.MOUNT_EXPORTS)} }} from './mount.ts';\nexport type {{ ServerOptions }} from './runtime.ts';\n",
        "\n/** Adds all routes to an app, the most specific paths first. Other paths stay the app's own. */\n",
        f"export function registerRoutes(app: {framework.APP_TYPE}, options: ServerOptions = {{}}): void {{\n",
        f"  const routes: readonly Route{'<Principal>' * secured}[] = {listed};\n  mount(app, routes, {{ schemes{'' if secured else ': {}'}, options }});\n}}\n",
    ]
    return "".join(lines)


def described(api: Api, plans: list[OperationPlan]) -> dict:
    """Title, version, description, servers, and the descriptions of the tags that operations have."""
    used = {plan.tag for plan in plans}
    made = {"title": api.title, "version": api.version, "description": api.description, "servers": api.servers, "tags": {tag: text for tag, text in api.tags.items() if text and tag in used}}
    return {name: value for name, value in made.items() if value}

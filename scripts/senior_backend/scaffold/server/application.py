"""The files of a whole server: what starts it and what npm and tsc need. All of them are the person's once they exist."""
from __future__ import annotations

import json
import re
import unicodedata

from senior_backend.openapi.model import Api
from senior_backend.scaffold.frameworks.base import Framework
from senior_backend.scaffold.plan import Options, OwnedFile
from senior_backend.scaffold.server.runtime import asset

DEPENDENCIES = {"zod": "^4.6.0"}
DEV_DEPENDENCIES = {"@types/node": "^24.0.0", "typescript": "~5.9.0"}
COMPILER_OPTIONS = {
    "target": "es2023", "lib": ["es2023"], "module": "nodenext", "moduleResolution": "nodenext", "types": ["node"], "rootDir": ".", "outDir": "dist", "sourceMap": True,
    "strict": True, "exactOptionalPropertyTypes": True, "noUncheckedIndexedAccess": True, "noImplicitReturns": True, "noFallthroughCasesInSwitch": True,
    "erasableSyntaxOnly": True, "verbatimModuleSyntax": True, "rewriteRelativeImportExtensions": True, "skipLibCheck": True,
}


def application_files(api: Api, framework: Framework, options: Options) -> dict[str, OwnedFile]:
    """app.ts, server.ts, package.json and tsconfig.json."""
    texts = {
        "app.ts": asset(framework.APP), "server.ts": asset(framework.SERVER),
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
        "dependencies": dict(sorted({**framework.DEPENDENCIES, **DEPENDENCIES, **options.dependencies}.items())),
        "devDependencies": dict(sorted({**framework.DEV_DEPENDENCIES, **DEV_DEPENDENCIES, **options.dev_dependencies}.items())),
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

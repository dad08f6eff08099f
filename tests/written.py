"""Documents made of component schemas, and what types.ts and validators.ts become for them."""
from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess

from senior_backend.openapi.model import Api
from senior_backend.openapi.reader import read_api
from senior_backend.scaffold.typescript import Names
from senior_backend.scaffold.generate import plan_operations
from senior_backend.scaffold.schemas.types import exported_schemas, write_types, write_validators

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"


@dataclasses.dataclass
class Written:
    api: Api
    types: str
    validators: str
    helpers: set[str]
    exports: dict[str, str]

    @property
    def warnings(self) -> list[str]:
        return [problem.message for problem in self.api.report.warnings]

    def save(self, folder: pathlib.Path) -> pathlib.Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "types.ts").write_text(self.types, encoding="utf-8")
        (folder / "validators.ts").write_text(self.validators, encoding="utf-8")
        for name in self.helpers:
            (folder / name).write_text((ROOT / "assets" / "scaffold" / name).read_text(encoding="utf-8"), encoding="utf-8")
        return folder


def document(schemas: dict, paths: dict | None = None) -> dict:
    return {"openapi": "3.1.0", "info": {"title": "Shapes", "version": "1.0.0"}, "paths": paths or {}, "components": {"schemas": schemas}}


def write(source: dict, folder: pathlib.Path) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "openapi.json"
    path.write_text(json.dumps(source), encoding="utf-8")
    api = read_api(path, need_operations=False)
    names = Names(api)
    plans = plan_operations(api, names)
    validators, helpers = write_validators(api, names, plans)
    return Written(api, write_types(api, names, plans), validators, helpers, exported_schemas(api, names))


def compare_golden(name: str, text: str) -> None:
    """UPDATE_GOLDEN=1 pytest writes what is generated now; look at the difference before committing it."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


DECIDE = """
import fs from 'node:fs';
const { cases } = JSON.parse(fs.readFileSync('cases.json', 'utf8'));
const exported = await import('./validators.ts');
const decide = ([name, text]) => {
  const result = exported[name].safeParse(JSON.parse(text));
  return { right: result.success, data: result.data, issues: (result.error?.issues ?? []).map((issue) => issue.path.join('.') + ': ' + issue.message) };
};
fs.writeFileSync('verdicts.json', JSON.stringify(cases.map(decide)));
"""


def decide(node, folder: pathlib.Path, cases: list[tuple[str, object]]) -> list[dict]:
    """What validators say of values: [{right, data, issues}] for pairs of (export of validators.ts, value)."""
    (folder / "cases.json").write_text(json.dumps({"cases": [(name, json.dumps(value)) for name, value in cases]}), encoding="utf-8")
    (folder / "decide.mjs").write_text(DECIDE, encoding="utf-8")
    done = subprocess.run([str(node), "--no-warnings", "decide.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))

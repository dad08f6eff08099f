"""From the api model to all files of the output, in memory."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import Api
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OperationPlan, Options, OwnedFile
from senior_backend.scaffold.planning import plan_operations
from senior_backend.scaffold.server.files import server_files
from senior_backend.scaffold.schemas.types import write_types
from senior_backend.scaffold.schemas.validators import exported_schemas, write_validators


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

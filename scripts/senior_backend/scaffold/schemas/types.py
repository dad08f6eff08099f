"""types.ts: interfaces and type aliases of the document's schemas and operations."""
from __future__ import annotations

from senior_backend.openapi.model import Api
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OperationPlan
from senior_backend.scaffold.schemas.replies import reply_statement, request_statement, status_unions
from senior_backend.scaffold.typescript import comment
from senior_backend.scaffold.schemas.understanding import Declaration, understand
from senior_backend.scaffold.views import View


def write_types(api: Api, names: Names, plans: list[OperationPlan]) -> str:
    """The text of types.ts: components in the document's order, then per operation its parameters, bodies, request and reply."""
    understanding = understand(names)
    components = [understanding.components[name] for key in api.schemas for name in variants(names, key) if name in understanding.components]
    operations = [type_statement(declaration) for declaration in understanding.operations if declaration.typed]
    for plan in plans:
        operations.append(request_statement(plan))
        operations.append(reply_statement(understanding, plan))
    statuses = status_unions(understanding.statuses)
    return comment(f"{api.title} {api.version}") + "\n" + statuses + "\n".join([*map(type_statement, components), *operations])


def variants(names: Names, key: str) -> list[str]:
    return list(dict.fromkeys(names.schema(key, view) for view in View))


def type_statement(declaration: Declaration) -> str:
    shape, head = declaration.shape, comment(declaration.description)
    if shape.bases:
        return f"{head}export interface {declaration.name} extends {', '.join(shape.bases)} {shape.body}\n"
    if shape.braced:
        return f"{head}export interface {declaration.name} {shape.type}\n"
    space = "" if shape.type.startswith("\n") else " "
    return f"{head}export type {declaration.name} ={space}{shape.type};\n"

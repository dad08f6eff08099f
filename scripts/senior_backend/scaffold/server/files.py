"""All files of a server beside types.ts and validators.ts."""
from __future__ import annotations

from senior_backend.openapi.model import Api
from senior_backend.scaffold.server.application import application_files
from senior_backend.scaffold.server.error_shapes import ErrorShapes
from senior_backend.scaffold.frameworks.base import FRAMEWORKS
from senior_backend.scaffold.server.handlers import handler_files
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OperationPlan, Options, OwnedFile
from senior_backend.scaffold.server.routes import write_routes
from senior_backend.scaffold.server.runtime import runtime_files, write_index
from senior_backend.scaffold.server.security import security_hooks, used_schemes, write_security
from senior_backend.scaffold.server.xml_shapes import XmlShapes


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

"""Security schemes and what operations require of them."""
from __future__ import annotations

from typing import Any

from senior_backend.openapi.kinds import kind, quoted
from senior_backend.openapi.model import SecurityScheme
from senior_backend.openapi.source import Source

KINDS = ("apiKey", "http", "oauth2", "openIdConnect", "mutualTLS")
KEY_PLACES = ("header", "query", "cookie")


def read_schemes(source: Source) -> dict[str, SecurityScheme]:
    holder = source.root.root if source.dialect.swagger else source.mapping(source.root.root, "components")
    field = "securityDefinitions" if source.dialect.swagger else "securitySchemes"
    found = {}
    for key in source.mapping(holder, field):
        target = source.target(holder[field], key, source.root, "a security scheme")
        scheme = read_scheme(source, key, target.node) if target else None
        if scheme:
            found[key] = scheme
    return found


def read_scheme(source: Source, key: str, node: dict) -> SecurityScheme | None:
    written, name, location, scheme = node.get("type"), "", "", ""
    if source.dialect.swagger and written == "basic":
        written, scheme = "http", "basic"
    elif type(written) is not str or written not in KINDS:
        source.report.error(f"the type of a security scheme must be one of {', '.join(KINDS)}, not {kind(written)}", node, "type" if "type" in node else None)
        return None
    elif written == "http":
        scheme = source.text(node, "scheme").lower()
    elif written == "apiKey":
        location, name = source.text(node, "in"), source.text(node, "name")
        if location not in KEY_PLACES or not name:
            source.report.error(f"the apiKey {quoted(key)} must have a name and be in one of {', '.join(KEY_PLACES)}", node, "in" if location and location not in KEY_PLACES else None)
            return None
    if written == "http" and not scheme:
        source.report.error(f"the security scheme {quoted(key)} of type http must name its scheme, for example bearer", node)
        return None
    return SecurityScheme(key, written, location, name, scheme, source.text(node, "description"), node)


def read_requirements(source: Source, node: dict, schemes: dict[str, SecurityScheme]) -> list[dict[str, list[str]]] | None:
    """What node["security"] requires; None when it is unusable: what is left out must not open a door."""
    found, usable = [], True
    for index, requirement in enumerate(source.sequence(node, "security")):
        if type(requirement) is not dict:
            source.report.error(f"a security requirement must be a mapping of schemes, not {kind(requirement)}", node["security"], index)
            usable = False
            continue
        unknown = [name for name in requirement if name not in schemes]
        if unknown:
            source.report.error(f"there is no security scheme {quoted(unknown[0])}", requirement, unknown[0], f"known are: {', '.join(schemes)}" if schemes else "")
        usable = usable and not unknown
        found.append({name: scopes_of(scopes) for name, scopes in requirement.items()})
    if node.get("security") is not None and type(node["security"]) is not list:
        usable = False
    return found if usable else None


def scopes_of(written: Any) -> list[str]:
    return [scope for scope in written if type(scope) is str] if type(written) is list else []

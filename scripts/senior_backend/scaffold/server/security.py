"""Security: security.ts, which ties the document's schemes to hooks, and the hooks of security.handlers.ts."""
from __future__ import annotations

import json

from senior_backend.openapi.model import Api, SecurityScheme
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import OwnedBlock, OwnedFile
from senior_backend.scaffold.server.routes import HEADER
from senior_backend.scaffold.typescript import comment, key, string

HOOKS_HEADER = """// Who may call: one hook per security scheme of the API document. This file is yours; generating again only appends.
// A hook gets the credential that a request carries (requests without one are refused before), and gives who it stands for:
// context.principal in the handlers. It gives undefined for a credential that is not valid (401), and throws forbidden() for a
// valid one that does not suffice, for example when it lacks one of context.scopes (403).
"""
FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials", "password": "password"}        # Swagger 2.0's names
FLOW_MEMBERS = ("authorizationUrl", "tokenUrl", "refreshUrl", "scopes")
# (hook type, what the stub takes from the credential, who it stands for in the accepting stub)
KINDS = {
    "bearer": ("BearerHook", "token", "token"), "basic": ("BasicHook", "user", "user"), "apiKey": ("ApiKeyHook", "key", "key"),
    "certificate": ("CertificateHook", "", "'certificate'"), "authorization": ("AuthorizationHook", "value", "value"),
}


def used_schemes(api: Api) -> list[SecurityScheme]:
    """The schemes that some operation asks for, in the document's order."""
    used = {key for operation in api.operations for requirement in operation.security for key in requirement}
    return [scheme for key, scheme in api.security_schemes.items() if key in used]


def hook_kind(scheme: SecurityScheme) -> str:
    if scheme.kind == "http" and scheme.scheme not in ("bearer", "basic"):
        return "authorization"
    return {"apiKey": "apiKey", "mutualTLS": "certificate"}.get(scheme.kind) or (scheme.scheme if scheme.kind == "http" else "bearer")


def write_security(api: Api, names: Names) -> str:
    """security.ts, generated."""
    schemes = used_schemes(api)
    entries = "".join(f"{comment(documentation(scheme), '  ')}  {key(scheme.key)}: {scheme_expression(scheme, names.scheme(scheme.key))},\n" for scheme in schemes)
    helpers = sorted({"authorizationScheme" if (kind := hook_kind(scheme)) == "authorization" else kind for scheme in schemes})
    principals = " | ".join(f"PrincipalOf<typeof hooks.{names.scheme(scheme.key)}>" for scheme in schemes)
    return (f"{HEADER}import {{ {', '.join([*helpers, 'type PrincipalOf', 'type Schemes'])} }} from './credentials.ts';\nimport * as hooks from './security.handlers.ts';\n\n"
            f"/** Who is asking: what the hooks give. */\nexport type Principal = {principals};\n\n/** The security schemes of the API document. */\n"
            f"export const schemes: Schemes<Principal> = {{\n{entries}}};\n")


def documentation(scheme: SecurityScheme) -> str:
    """What the document says of a scheme besides how its credential is sent."""
    node, notes = scheme.node, [scheme.description.strip()]
    if scheme.kind == "oauth2":
        notes.append("@flows " + json.dumps(node["flows"] if "flows" in node else {FLOWS.get(node.get("flow"), "implicit"): {name: node[name] for name in FLOW_MEMBERS if name in node}}))
    elif scheme.kind == "openIdConnect":
        notes.append(f"@openIdConnectUrl {node.get('openIdConnectUrl', '')}")
    elif isinstance(node.get("bearerFormat"), str):
        notes.append(f"@bearerFormat {node['bearerFormat']}")
    return "\n\n".join(note for note in notes if note)


def scheme_expression(scheme: SecurityScheme, name: str) -> str:
    kind = hook_kind(scheme)
    if kind == "apiKey":
        return f"apiKey('{scheme.location}', {string(scheme.parameter)}, hooks.{name})"
    if kind == "authorization":
        return f"authorizationScheme({string(scheme.scheme)}, hooks.{name})"
    return f"{kind}(hooks.{name})"


def security_hooks(api: Api, names: Names, with_app: bool) -> OwnedFile:
    """security.handlers.ts: with an app hooks that let everybody with a credential in, else hooks that refuse."""
    return OwnedFile(HOOKS_HEADER, [hook_block(scheme, names.scheme(scheme.key), with_app) for scheme in used_schemes(api)])


def hook_block(scheme: SecurityScheme, name: str, with_app: bool) -> OwnedBlock:
    hook, taken, subject = KINDS[hook_kind(scheme)]
    if with_app:
        note = "Demo: accepts every credential of this kind. Check it before anybody else can reach this server."
        body = f"({{ {taken} }}) => ({{ subject: {subject} }})" if taken else f"() => ({{ subject: {subject} }})"
    else:
        note, body = "Refuses everybody until it checks the credential.", "() => undefined"
    text = comment("\n\n".join(part for part in (scheme.description.strip(), note) if part)) + f"export const {name}: {hook}<{{ subject: string }}> = {body};\n"
    return OwnedBlock(name, {"./runtime.ts": [f"type {hook}"]}, text)

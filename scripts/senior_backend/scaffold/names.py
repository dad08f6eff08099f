"""Names of documents as TypeScript identifiers and file names: readable, deterministic, never the same twice."""
from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata

from senior_backend.openapi.model import Api, Operation
from senior_backend.scaffold.typescript import RESERVED
from senior_backend.scaffold.views import View, Views

# what generated code and the runtime refer to by these names
TAKEN_TYPES = frozenset("""
AbortSignal Array ArrayBuffer Awaited BigInt Blob Boolean Buffer ClientErrorStatus Context Date Error ErrorStatus Exclude Extract File FormData Function Handler Handlers
Headers HttpError Infinity InformationalStatus Intl JSON Map Math NaN NonNullable Number Object Omit Partial Pick Promise Proxy Readonly ReadonlyArray RedirectStatus Record Reflect RegExp
Request RequestContext Required Reply Response ReturnType Route Router RouterOptions Routes ServerErrorStatus Set String SuccessStatus Symbol URL URLSearchParams Uint8Array WeakMap WeakSet
""".split())
TAKEN_VALUES = RESERVED | frozenset("""
apiDescription app Buffer console context express fastify format formats globalThis handler handlers hooks HttpError index isNaN koa mount notImplemented options process registerRoutes request reply
response route router routes runtime schema security server then types undefined validators z
""".split())
TAKEN_FILES = frozenset(["security", "errors", "con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))])
FAMILY = ("Request", "Reply", "Path", "Query", "Headers", "Cookies")
WORD = re.compile(r"[^\W_]+")
FILE_NAME_LENGTH = 60


@dataclasses.dataclass(frozen=True, slots=True)
class TagNames:
    file: str                          # "user-accounts": start of the names of its files
    variable: str                      # "userAccounts": identifier


class Names:
    """All names of one api. Types, their validators (name + "Schema") and the types of operations share one namespace."""

    def __init__(self, api: Api):
        self.api = api
        self.views = Views(api)
        self.taken: set[str] = set(TAKEN_TYPES)
        self.schemas = self.name_schemas(list(api.schemas))
        self.operations: dict[int, tuple[str, str]] = {}
        self.name_operations(api.operations)
        self.tags = name_tags(list(dict.fromkeys([*api.tags, *(operation.tag for operation in api.operations)])))
        self.schemes = distinct({key: camel(key) or "scheme" for key in api.security_schemes}, TAKEN_VALUES, "Scheme")

    def schema(self, key: str, view: View = View.WHOLE) -> str:
        """The type of a schema as seen from a view; its validator is this and "Schema"."""
        return self.schemas[key] + self.views.of(key, view).value

    def operation(self, operation: Operation) -> str:
        return self.operations[id(operation)][0]

    def operation_type(self, operation: Operation) -> str:
        return self.operations[id(operation)][1]

    def tag(self, tag: str) -> TagNames:
        return self.tags[tag]

    def scheme(self, key: str) -> str:
        return self.schemes[key]

    def claim(self, wish: str, endings: tuple[str, ...] = ("", "Schema"), fallback: str = "") -> str:
        """Take a name such that it is free with every ending: the wish, the wish and the fallback, then numbered ones."""
        candidate, number = wish, 1
        while any(candidate + ending in self.taken for ending in endings):
            number += 1
            candidate = wish + fallback if fallback and number == 2 else f"{wish}{fallback}{number - bool(fallback)}"
        self.taken.update(candidate + ending for ending in endings)
        return candidate

    def name_schemas(self, keys: list[str]) -> dict[str, str]:
        """Names that need no change go first, so that `Foo` stays `Foo` wherever `foo` stands."""
        wishes = {key: pascal(key) or "Model" for key in keys}
        named: dict[str, str] = {}
        for key in sorted(keys, key=lambda key: wishes[key] != key):
            wish, variants = wishes[key], [view.value for view in View if not view.value or key in self.views.varied[view]]
            endings = tuple(variant + ending for variant in variants for ending in ("", "Schema"))
            named[key] = self.claim(wish, endings, "Model" if wish in TAKEN_TYPES else "")
        return named

    def name_operations(self, operations: list[Operation]) -> None:
        endings = tuple(part + ending for part in FAMILY for ending in ("", "Schema"))
        wishes = [operation_name(operation) for operation in operations]
        functions: set[str] = set(TAKEN_VALUES)
        for operation, wish in sorted(zip(operations, wishes), key=lambda pair: pair[0].operation_id != pair[1]):
            name = wish if wish not in TAKEN_VALUES else f"{wish}Operation"
            name = next(candidate for candidate in numbered(name) if candidate not in functions)
            functions.add(name)
            self.operations[id(operation)] = name, self.claim(name[0].upper() + name[1:], endings, "Operation")


def operation_name(operation: Operation) -> str:
    """The operationId as an identifier, or one made of method and path: GET /users/{id} is getUsersById."""
    if operation.operation_id and (name := camel(operation.operation_id)):
        return name if not name[0].isdigit() else f"operation{name}"
    parts = (f"by {part[1:-1]}" if part.startswith("{") and part.endswith("}") else part for part in operation.path.split("/"))
    return camel(f"{operation.method} {' '.join(parts)}" if words(operation.path) else f"{operation.method} root")


def words(text: str) -> list[str]:
    """The letters and digits of a text between its symbols, as identifiers may hold them."""
    text = unicodedata.normalize("NFKC", text)
    kept = "".join(letter if ("a" + letter).isidentifier() else " " for letter in text) if not text.isascii() else text
    return WORD.findall(kept)


def pascal(text: str) -> str:
    """`io.k8s.api.v1.Pod` is IoK8sApiV1Pod; a leading digit gets "Model" in front."""
    name = "".join(word[0].upper() + word[1:] for word in words(text))
    return name if not name or name[0].isidentifier() else f"Model{name}"


def camel(text: str) -> str:
    """`repos/list-for-org` is reposListForOrg, `GetUser` getUser, `HTTPStatus` httpStatus."""
    found = words(text)
    if not found:
        return ""
    first = re.sub(r"^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+$|^[A-Z]", lambda match: match[0].lower(), found[0])
    return first + "".join(word[0].upper() + word[1:] for word in found[1:])


def numbered(name: str):
    """name, name2, name3, ..."""
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


def distinct(wishes: dict[str, str], taken: frozenset[str], fallback: str) -> dict[str, str]:
    """Identifiers for keys, none of them taken and no two the same."""
    used, named = set(taken), {}
    for key, wish in wishes.items():
        wish = wish if wish[0].isidentifier() else f"{fallback.lower()}{wish}"
        wish = f"{wish}{fallback}" if wish in taken else wish
        named[key] = next(candidate for candidate in numbered(wish) if candidate not in used)
        used.add(named[key])
    return named


def name_tags(tags: list[str]) -> dict[str, TagNames]:
    """File names of ASCII letters, digits and dashes that differ even where case is folded."""
    variables = distinct({tag: camel(tag) or "tag" for tag in tags}, TAKEN_VALUES, "Tag")
    used, named = set(TAKEN_FILES), {}
    for tag in tags:
        file = file_name(tag)
        file = f"{file}-tag" if file in TAKEN_FILES else file
        file = next(candidate for candidate in (file, *(f"{file}-{number}" for number in range(2, len(tags) + 2))) if candidate not in used)
        used.add(file)
        named[tag] = TagNames(file, variables[tag])
    return named


def file_name(tag: str) -> str:
    """`User Accounts` is user-accounts; a tag without an ASCII letter or digit is known by the digest of its text."""
    plain = unicodedata.normalize("NFKD", tag).encode("ascii", "ignore").decode()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", plain)
    kebab = "-".join(re.findall(r"[a-z0-9]+", spaced.lower()))
    digest = hashlib.sha256(tag.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    if not kebab:
        return f"tag-{digest}"
    return kebab if len(kebab) <= FILE_NAME_LENGTH else f"{kebab[:FILE_NAME_LENGTH].rstrip('-')}-{digest}"

"""Text and names of documents as TypeScript: the only way by which names, strings and descriptions reach generated code; names readable, deterministic, never the same twice."""
from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import unicodedata

from senior_backend.openapi.model import Api, Operation
from senior_backend.scaffold.plan import View, Views

IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
RESERVED = frozenset("""
abstract any arguments as asserts async await bigint boolean break case catch class const continue debugger declare default delete do else enum eval export extends
false finally for from function get global if implements import in infer instanceof interface is keyof let module namespace never new null number object of out
override package private protected public readonly require return satisfies set static string super switch symbol this throw true try type typeof undefined unique
unknown using var void while with yield
""".split())
# characters that end a line or reorder text inside a literal or comment, and lone surrogates, which UTF-8 cannot hold
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
PLAIN_STRING = re.compile(r"[ !#-&(-\[\]-~]*\Z")


def string(text: str) -> str:
    r"""A single-quoted literal.

    >>> string("it's ${x}")
    "'it\\'s ${x}'"
    """
    if PLAIN_STRING.match(text):
        return f"'{text}'"
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return "'" + UNSAFE.sub(escape, text) + "'"


def escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def key(name: str) -> str:
    """A property key: bare where the language allows, computed for __proto__ (which would set the prototype).

    >>> key("name"), key("first-name"), key("__proto__")
    ('name', "'first-name'", "['__proto__']")
    """
    if name == "__proto__":
        return "['__proto__']"
    return name if IDENTIFIER.match(name) else string(name)


def literal(value, indent: str = "") -> str:
    """A JSON value as an expression; containers that do not fit into a line are broken over several, indented by `indent`."""
    flat = flat_literal(value)
    if len(flat) + len(indent) <= 120 or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + "".join(f"{inner}{literal(item, inner)},\n" for item in value) + indent + "]"
    return "{\n" + "".join(f"{inner}{key(str(name))}: {literal(item, inner)},\n" for name, item in value.items()) + indent + "}"


def flat_literal(value) -> str:
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(flat_literal, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(str(name))}: {flat_literal(item)}" for name, item in value.items()) + " }" if value else "{}"
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)


def number(value: int | float) -> str:
    """The shortest literal that JavaScript reads as the same number; what no double can hold becomes +-Infinity."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10 ** 21 else js_float(float(value) if abs(value) < 10 ** 308 else float("inf") * (1 if value > 0 else -1))
    return str(int(value)) if value.is_integer() and abs(value) < 10 ** 21 else js_float(value)


def js_float(value: float) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value)) or repr(value)


def comment(text: str, indent: str = "", width: int = 120) -> str:
    """A JSDoc comment with its line end, or '' for a blank text. Nothing in the text can close it.

    >>> comment("Ends */ here")
    '/** Ends *\\\\/ here */\\n'
    """
    lines = [UNSAFE.sub(" ", line).rstrip() for line in text.replace("*/", "*\\/").replace("\r", "").split("\n")]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return ""
    lines[0] = lines[0].strip()
    if len(lines) == 1 and len(lines[0]) + len(indent) + 7 <= width:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


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

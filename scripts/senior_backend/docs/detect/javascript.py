"""JavaScript and TypeScript sources, read by their words: comments and, where code is meant, strings are blanked first."""
from __future__ import annotations

import re
from typing import Iterator

from senior_backend.docs.detect.services import Service, catalogue, scanned
from senior_backend.docs.facts import AUTH_NAME, Facts, host_of
from senior_backend.docs.tree import Lines, Tree

SUFFIXES = "js ts mjs cjs mts cts jsx tsx"
TOKEN = re.compile(r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|(?<=[(,=:\[!&|?{};\n])[ \t]*(?P<regex>/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*)""", re.S)
INTERESTING = ("import", "require(", "process.", ".env", "fetch(", "onfig")          # looked for one by one, which is ten times as fast as one expression
IMPORT = re.compile(r"""^[ \t]*import\s+(?!type\b)(?P<names>[\w$*{][^'";=()]*?)\s*from\s*['"](?P<a>[^'"\n]+)['"]|^[ \t]*import\s*['"](?P<b>[^'"\n]+)['"]"""
                    r"""|\b(?:const|let|var)\s+(?P<bound>\{[^{}]*\}|[\w$]+)\s*=\s*(?:await\s+import|require)\(\s*['"](?P<c>[^'"\n]+)['"]\s*\)(?!\s*\()|\b(?:require|import)\(\s*['"](?P<d>[^'"\n]+)['"]\s*\)""", re.M)
ENV = re.compile(r"""(?:process|import\.meta|Bun)\.env(?:\.([A-Za-z_]\w*)|\[\s*['"](\w+)['"]\s*\])|Deno\.env\.get\(\s*['"](\w+)['"]|\b[cC]onfig(?:Service)?\.(?:get|getOrThrow)(?:<[^<>]*>)?\(\s*['"]([A-Z][A-Z0-9_]+)['"]""")
TAKEN_APART = re.compile(r"\{([^{}]*)\}\s*=\s*process\.env\b")
CHECKED = re.compile(r"(?:parse|validate|validateSync|cleanEnv|createEnv|from|Check|assert)\(\s*(?:[\w.]+,\s*)?(?:\{\s*\.\.\.)?process\.env\b|runtimeEnv\s*:\s*process\.env|validationSchema\s*:|envSchema\(|@fastify/env|fastify-env")
FIELD = re.compile(r"""^[ \t]*['"]?([A-Z][A-Z0-9_]+)['"]?\s*:\s*(?=z\.|str\(|num\(|bool\(|port\(|url\(|email\(|host\(|json\(|makeValidator|[Jj]oi\.|yup\.|v\.|Type\.|t\.|S\.|envalid\.|\{\s*(?:type|default|format|env)\b)|[{,]\s*([A-Z][A-Z0-9_]+)\s*:\s*(?=z\.|str\(|num\(|port\(|url\(|[Jj]oi\.|Type\.)""", re.M)
LITERAL = re.compile(r"\s*(?:\?\?|\|\|)\s*(['\"`])(?!\1)")
CALLS = re.compile(r"(?<![\w$.])(?:(fetch|got|ky|axios|needle)(?:\.(get|post|put|patch|delete|head|request|create|extend|stream))?(?:<[^<>()]*>)?\s*\(|(https?)\.(request|get)\s*\()")
SCHEDULES = re.compile(r"(?<![\w$])(?:cron\.schedule|scheduleJob|agenda\.every|new\s+CronJob|new\s+Cron|Cron)\s*\(\s*(?:\{[^{}]*?cronTime\s*:\s*)?(['\"`])([^'\"`\n]+)\1")
QUEUES = re.compile(r"(?<![\w$.])new\s+(Queue|Worker|Bull)(?:<[^<>()]*>)?\s*\(\s*(['\"`])([\w:.{}-]+)\2")
POOL = re.compile(r"(?<![\w$.])(new\s+(?:\w+\.)?Pool|createPool|new\s+Sequelize|knex|postgres|new\s+DataSource|drizzle|mysql\.createPool)\s*\(")
SIZE = re.compile(r"\b(max|connectionLimit|poolSize|connection_limit)\s*:\s*(\d+)")


def blanked(text: str, strings: bool = False) -> str:
    """The text with comments (and strings, regular expressions) as blanks, every character at its place.

    >>> blanked("a('//x') // b"), blanked("a('//x') // b", True)
    ("a('//x')     ", "a(     )     ")
    """
    def blank(found: re.Match) -> str:
        return re.sub(r"[^\n]", " ", found[0]) if found["comment"] or strings else found[0]
    return TOKEN.sub(blank, text)


def closing(code: str, start: int) -> int:
    """Behind the bracket that closes the one at start; strings must be blanked."""
    depth = 0
    for found in re.compile(r"[()\[\]{}]").finditer(code, start):
        depth += 1 if found[0] in "([{" else -1
        if depth == 0:
            return found.end()
    return len(code)


def arguments(code: str, start: int) -> list[tuple[int, int]]:
    """Begin and end of each argument of the call whose bracket is at start; strings must be blanked."""
    depth, begin, found = 0, start + 1, []
    for token in re.compile(r"[()\[\]{},]").finditer(code, start):
        depth += {"(": 1, "[": 1, "{": 1, ",": 0}.get(token[0], -1)
        if depth == 0 or token[0] == "," and depth == 1:
            if token.start() > begin or found or token[0] == ",":
                found.append((begin, token.start()))
            begin = token.end()
        if depth == 0:
            break
    return found


def package_of(name: str) -> str:
    """The package of what is imported: @scope/name or name."""
    return "/".join(name.split("/")[: 2 if name.startswith("@") else 1])


class Source:
    """One file. text: without comments; code: without strings too."""

    def __init__(self, path: str, service: Service, raw: str, facts: Facts):
        self.path, self.service, self.raw, self.facts = path, service, raw, facts
        self.text, self.code, self.lines = blanked(raw), blanked(raw, True), Lines(raw)

    def place(self, offset: int) -> tuple[str, int]:
        return self.path, self.lines.of(offset)

    def imports(self) -> Iterator[tuple[str, tuple[str, int], tuple[str, int] | None]]:
        """(package, where it is imported, where it is used)"""
        for found in IMPORT.finditer(self.text):
            name = found["a"] or found["b"] or found["c"] or found["d"]
            start = found.start() + len(found[0]) - len(found[0].lstrip())
            if found["b"] or found["d"]:
                yield package_of(name), self.place(start), self.place(start)
                continue
            local = [re.split(r"\s+as\s+|\s*:\s*", one.strip())[-1] for one in re.sub(r"[{}]", ",", found["names"] or found["bound"]).split(",") if one.strip() and not one.strip().startswith("type ")]
            uses = [use for one in local if re.fullmatch(r"[\w$]+", one) for use in [re.compile(rf"(?<![\w$.]){re.escape(one)}(?![\w$])(?!\s*:)").search(self.code, found.end())] if use]
            yield package_of(name), self.place(start), min((self.place(use.start()) for use in uses), default=None)

    def variables(self) -> Iterator[tuple[str, int, bool]]:
        """(name, offset, whether a literal stands in for it)"""
        for found in ENV.finditer(self.text):
            name = found[1] or found[2] or found[3] or found[4]
            yield name, found.start(found.lastindex), bool(LITERAL.match(self.text, found.end()))
        for found in TAKEN_APART.finditer(self.text):
            for one in re.finditer(r"(?:^|,)\s*(\w+)(\s*(?::\s*\w+\s*)?=\s*(['\"`])(?!\3))?", found[1]):
                yield one[1], found.start(1) + one.start(1), bool(one[2])
        if CHECKED.search(self.text):
            for found in FIELD.finditer(self.text):
                rest = self.text[found.end():self.text.find("\n", found.end())]
                yield found[1] or found[2], found.start(found.lastindex), bool(re.search(r"default\(?:?\s*\(?(['\"`])(?!\1)", rest))

    def outbound(self) -> Iterator[tuple[str, int, str | None, str]]:
        """(call, offset, target, timeout)"""
        general = bool(re.search(r"axios\.defaults\.timeout\s*=", self.code))
        for found in CALLS.finditer(self.code):
            name, method = found[1] or found[3], found[2] or found[4]
            if name == "fetch" and re.search(r"\bfunction\s+fetch\b|import\s*\{[^}]*\bfetch\b[^}]*\}\s*from\s*['\"]\.", self.text) or re.search(r"(?:function|async|new)\s+$", self.code[:found.start()][-12:]):
                continue
            bracket = found.end() - 1
            given = arguments(self.code, bracket)
            words = self.code[bracket:closing(self.code, bracket)]
            timeout = "set" if re.search(r"\b(?:timeout|signal|headersTimeout)\b\s*[:,}]", words) or general and name == "axios" else "10 s (ky)" if name == "ky" else "none"
            if timeout == "none" and given and re.fullmatch(r"\s*[\w$.]+\s*", self.code[given[-1][0]:given[-1][1]]) and (len(given) > 1 or method == "create" or not method and name == "axios"):
                timeout = "not known"                   # options are put together elsewhere
            yield name + (f".{method}" if method else ""), found.start(), self.target(given, words, bracket), timeout

    def target(self, given: list[tuple[int, int]], words: str, bracket: int) -> str | None:
        if not given:
            return None
        text = self.text[given[0][0]:given[0][1]].strip()
        if text.startswith("{"):
            found = re.search(r"\b(?:baseURL|prefixUrl|url|host|hostname)\s*:\s*([^,}\n]+)", self.text[bracket:bracket + len(words)])
            text = found[1].strip() if found else ""
        if variable := ENV.match(text) or re.match(r"[`]\$\{\s*process\.env\.(\w+)", text):
            return f"env {variable[variable.lastindex]}"
        if named := re.fullmatch(r"[A-Z][A-Z0-9_]*|`\$\{([A-Z][A-Z0-9_]*)\}.*`", text, re.S):
            found = re.search(rf"\bconst\s+{named[1] or text}\s*(?::\s*string\s*)?=\s*(['\"`][^'\"`\n]+|process\.env\.\w+)", self.text)
            text = found[1] + "/" if found else ""
            if text.startswith("process"):
                return "env " + text.rpartition(".")[2].rstrip("/")
        return host_of(text[1:].rstrip("'\"`")) or None if text[:1] in ("'", '"', "`") else None

    def tell(self) -> None:
        facts, service = self.facts, self.service.name
        for call, offset, target, timeout in self.outbound():
            facts.add("outbound", f"{self.path}:{call}:{target or ''}", {"service": service, "call": call, "target": target, "timeout": timeout}, *self.place(offset))
        for found in SCHEDULES.finditer(self.text):
            facts.add("job", f"cron:{self.path}:{found[2]}", {"service": service, "type": "cron", "name": found[0].split("(")[0].strip(), "schedule": found[2]}, *self.place(found.start()))
        for found in QUEUES.finditer(self.text):
            if re.search(r"bull|bee-queue|pg-boss", self.text):
                kind = "worker" if found[1] == "Worker" else "queue"
                facts.add("job", f"{kind}:{found[3]}", {"service": service, "type": kind, "name": found[3], "schedule": ""}, *self.place(found.start()))
        for found in POOL.finditer(self.code):
            for size in SIZE.finditer(self.code, found.end() - 1, closing(self.code, found.end() - 1)):
                facts.add("pool", f"{service}:{size[1]}:{self.path}", {"service": service, "setting": size[1], "size": int(size[2]), "of": " ".join(found[1].split())}, *self.place(size.start()))
        for found in re.finditer(r"process\.(?:on|once)\(\s*['\"](SIGTERM|SIGINT)['\"]", self.text):
            facts.add("shutdown", f"{service}:{found[1]}", {"service": service, "signal": found[1]}, *self.place(found.start()))
        for found in re.finditer(r"(?<![\w$.])(multer|formidable|busboy|fileUpload|Busboy)\s*\(|register\(\s*(multipart)\b|multipart\s*:\s*(true)", self.code):
            facts.add("upload", f"{self.path}:{found[1] or 'multipart'}", {"service": service, "via": found[1] or "multipart"}, *self.place(found.start()))
        for found in re.finditer(r"\bcors\s*\(\s*(\)|\{[^{}]*\borigin\s*:\s*(?:true\b|['\"]\*['\"]))|register\(\s*(?:fastifyCors|cors)\s*(\)|,\s*\{[^{}]*\borigin\s*:\s*(?:true\b|['\"]\*['\"]))", self.text):
            facts.add("cors-open", f"{self.path}", {"service": service, "origin": "*", "credentials": bool(re.search(r"credentials\s*:\s*true", found[0]))}, *self.place(found.start()))


def read(tree: Tree, facts: Facts, services: list[Service], variables: dict[str, list]) -> tuple[dict[tuple[str, str], tuple], dict[str, Source]]:
    """Places of imports by (folder of the service, package), and the sources that were read."""
    places: dict[tuple[str, str], tuple] = {}
    sources: dict[str, Source] = {}
    for path, service in scanned(services, tree.with_suffix(SUFFIXES), "node"):
        raw = tree.read(path)
        if not any(word in raw for word in INTERESTING):
            continue
        source = sources[path] = Source(path, service, raw, facts)
        for package, place, use in source.imports():
            if package in catalogue()["npm"] and (places.get((service.folder, package)) is None or use and places[service.folder, package][1] is None):
                places[service.folder, package] = (place, use)
        for name, offset, literal in source.variables():
            variables.setdefault(name, []).append((service, *source.place(offset), literal))
        source.tell()
    return places, sources


CHAINED = re.compile(r"(?:([\w$]+)\s*)?\.\s*([\w$]+)\s*(?:<[^<>()]*>)?\(")


def registered(source: Source, line: int, method: str) -> tuple[int, list[str]]:
    """The line of the call that registers a route in the statement that begins at a line, and the names that speak of who calls: among its arguments, and of use() calls of its router before it."""
    start = source.lines.starts[line - 2] + 1 if line > 1 else 0
    call = first = CHAINED.search(source.code, start, start + 400)
    found: list[str] = []
    while call and call[2].lower() not in (method, "all", "del" if method == "delete" else method):
        found += names(source, call.end() - 1) if call[2] == "all" else []
        call = CHAINED.match(source.code, re.compile(r"\s*").match(source.code, closing(source.code, call.end() - 1)).end())
    call = call or first
    if not call:
        return line, []
    found += names(source, call.end() - 1)
    receiver = first[1] or ""
    for use in re.finditer(rf"(?<![\w$.]){re.escape(receiver)}\s*\.\s*(?:use|addHook)\s*\(", source.code[:start]) if receiver else ():
        given = arguments(source.code, use.end() - 1)[:1]
        if given and not source.text[given[0][0]:given[0][1]].strip().startswith(("'/", '"/', "`/")):
            found += names(source, use.end() - 1)
    return source.lines.of(call.start(2)), list(dict.fromkeys(found))


def names(source: Source, bracket: int) -> list[str]:
    """Of the arguments that are names, calls or options, those that speak of who calls; not of functions that stand there in full."""
    found = []
    for begin, end in arguments(source.code, bracket):
        text = source.code[begin:end].strip()
        if "=>" in text or re.match(r"(?:async\s+)?function\b", text):
            text = " ".join(re.findall(r"(?:preHandler|onRequest|preValidation|beforeHandle)\s*:\s*(\[[^\]]*\]|[\w$.]+)", text)) if text.startswith("{") else ""
        found += [name for name in re.findall(r"[\w$]+(?:\.[\w$]+)*", text) if AUTH_NAME.search(name)]
    return found

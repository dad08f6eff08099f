"""Sources of JavaScript, TypeScript, Python and Go, read by their words: comments and, where code is meant, strings are blanked first.

What is looked for stands in PATTERNS, one expression for all languages; imports, variables and calls to other systems have a function each.
"""

from __future__ import annotations

import functools
import re
from typing import Iterator

from senior_backend.docs.detect.services import SIDE, Imports, Place, Service, catalogue, owner
from senior_backend.docs.facts import SECRET_NAME, Facts, host_of
from senior_backend.docs.tree import Lines, Tree

SUFFIXES = {"node": "js ts mjs cjs mts cts jsx tsx", "python": "py", "go": "go"}
STRINGS = r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\""""
SLASHES = r"(?P<comment>//[^\n]*|/\*.*?\*/)|"
TOKENS = {
    language: re.compile(pattern, re.S)
    for language, pattern in {
        "node": SLASHES + STRINGS + r"|`(?:\\.|[^`\\])*`|(?<=[(,=:\[!&|?{};\n])[ \t]*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*",
        "python": r"(?P<comment>#[^\n]*)|\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|" + STRINGS, "go": SLASHES + STRINGS + r"|`[^`]*`"
    }.items()
}
ENV = re.compile(
    r"""(?:process|import\.meta|Bun)\.env(?:\.(\w+)|\[\s*['"](\w+)['"]\s*\])|Deno\.env\.get\(\s*['"](\w+)"""
    r"""|\b(?:[cC]onfigService|this\.config)\.get(?:OrThrow)?(?:<[^<>]*>)?\(\s*['"]([A-Z][A-Z0-9_]+)['"]"""
    r"""|(?:environ(?:\.(?:get|pop|setdefault))?|getenv|\benv(?:\.\w+)?|\bconfig(?=\())\s*[\[(]\s*['"]([A-Z][A-Z0-9_]+)['"]|\bos\.(?:Getenv"""
    r"""|LookupEnv)\(\s*"(\w+)\""""
    r"""|`[^`\n]*\b(?:env|envconfig):"([A-Z][A-Z0-9_]+)"""
)
LITERAL = re.compile(r"""\s*(?:(?:\?\?|\|\|)|,\s*(?:default\s*=\s*)?)\s*(['"`])(?!\1)""")
TAKEN_APART = re.compile(r"\{([^{}]*)\}\s*=\s*process\.env\b")
CHECKED = re.compile(
    r"(?:parse|validate|cleanEnv|createEnv|from|Check"
    r"|assert)\(\s*(?:[\w.]+,\s*)?(?:\{\s*\.\.\.)?process\.env\b|runtimeEnv\s*:\s*process\.env|validationSchema\s*:|@fastify/env"
)
FIELD = re.compile(
    r"""(?:^[ \t]*|[{,]\s*)['"]?([A-Z][A-Z0-9_]+)['"]?\s*:\s*"""
    r"""(?=(?:z|[Jj]oi|yup|v|Type|t|S|envalid)\.|(?:str|num|bool|port|url|email|host|json)\(|\{\s*(?:type|default|format)\b)""",
    re.M,
)
SETTINGS = re.compile(r"^class\s+(\w+)\(([^)]*)\):\n((?:[ \t]+[^\n]*\n|\n)+)", re.M)
SETTING = re.compile(r"^    (\w+)\s*:\s*(?!ClassVar)[^=\n]+?(?:=\s*(.*))?$", re.M)
IMPORTS = {
    "node": re.compile(
        r"""^[ \t]*import\s+(?!type\b)(?P<names>[\w$*{][^'";=()]*?)\s*from\s*['"](?P<a>[^'"\n]+)['"]"""
        r"""|^[ \t]*import\s*['"](?P<b>[^'"\n]+)['"]|\b(?:const|let|var)\s+(?P<bound>\{[^{}]*\}|[\w$]+)\s*=\s*"""
        r"""(?:await\s+import|require)\(\s*['"](?P<c>[^'"\n]+)['"]\s*\)(?!\s*\()|\b(?:require|import)\(\s*['"](?P<d>[^'"\n]+)['"]\s*\)""",
        re.M,
    ),
    "python": re.compile(r"^[ \t]*(?:from[ \t]+(?P<a>[A-Za-z][\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]+)|import[ \t]+(?P<bound>[^\n]+))", re.M),
    "go": re.compile(r"^import\s*(?:\(.*?^\)|[^\n]*)", re.M | re.S),
}
CALLS = re.compile(
    r"(?<![\w$.])(?:((?:fetch|got|ky|axios|needle)(?:\.(?:get|post|put|patch|delete|head|request|create|extend|stream))?)(?:<[^<>()]*>)?\s*\("
    r"|(https?\.(?:request|get))\s*\("
    r"|((?:requests|httpx)\.(?:get|post|put|patch|delete|head|options|request|stream)|httpx\.(?:Async)?Client|(?:urllib\.request\.)?urlopen"
    r"|aiohttp\.ClientSession)\s*\("
    r"|(http\.(?:Get|Post|PostForm|Head))\(|(http\.(?:DefaultClient\b|Client(?=[{)])))[{)]?)"
)
OWN_LIMITS = {"httpx": "5 s (httpx)", "aiohttp": "300 s (aiohttp)", "ky": "10 s (ky)"}  # what holds when no timeout is given
# kind -> what is looked for; a named group, without a digit at its end, is a key of the value
PATTERNS = {
    "shutdown": re.compile(
        r"process\.(?:on|once)\(\s*['\"](?P<signal>SIGTERM)|signal\(\s*signal\.(?P<signal2>SIGTERM)|add_signal_handler\(\s*signal\.(?P<signal3>SIGTERM)"
        r"|\bsyscall\.(?P<signal4>SIGTERM)\b|\bof\s*\[[^\]]*['\"](?P<signal5>SIGTERM)['\"][^{]*\{\s*process\.(?:on|once)\("
    ),
    "upload": re.compile(
        r"(?<![\w$.])(?P<via>multer|formidable|[bB]usboy|fileUpload)\s*\(|register\(\s*(?P<via2>multipart)\b|:\s*[^\n:]*\b(?P<via3>UploadFile)\b"
        r"|\b(?P<via4>request\.(?:FILES|files))\b|\.(?P<via5>FormFile|ParseMultipartForm|MultipartReader)\("
    ),
    "cors-open": re.compile(
        r"\bcors\s*\(\s*(?:\)|\{[^{}]*\borigin\s*:\s*(?:true\b|['\"]\*['\"]))"
        r"|allow_origins\s*=\s*\[\s*['\"]\*['\"]|CORS_(?:ORIGIN_)?ALLOW_ALL(?:_ORIGINS)?\s*=\s*True"
        r"|(?:AllowedOrigins|AllowOrigins)\s*[:=]\s*(?:\[\]string\{)?\s*\"\*\"|AllowAllOrigins\s*[:=]\s*true|cors\.AllowAll\("
    ),
    "pool": re.compile(
        r"\b(?P<setting>pool_size|max_overflow|maxconn|max_pool_size|maxPoolSize|connectionLimit|poolSize|MaxConns|MaxOpenConns"
        r"|PoolSize)\s*[=:]\s*(?P<size>\d+)|\b(?P<setting2>SetMaxOpenConns)\((?P<size2>\d+)\)"
        r"|(?:\bPool|\bSequelize|\bknex|\bpostgres|create_pool|ConnectionPool)\s*\([^;]*?\b(?P<setting3>max|max_size)\s*[:=]\s*(?P<size3>\d+)"
    ),
    "cron": re.compile(
        r"(?:\bcron\.schedule|scheduleJob|agenda\.every|new\s+CronJob|new\s+Cron|@Cron|\.AddFunc"
        r"|\.AddJob)\s*\(\s*(?:\{[^{}]*?cronTime\s*:\s*)?(?P<q>['\"`])(?P<schedule>[^'\"`\n]+)(?P=q)"
        r"|@\w+\.scheduled_job\((?P<schedule2>[^)\n]*)\)|\.add_job\((?P<schedule3>[^)\n]*)\)"
        r"|(?:^|[{,])\s*['\"](?P<name>[\w.-]+)['\"]\s*:\s*\{\s*['\"]task['\"]:[^{}]*['\"]schedule['\"]\s*:\s*(?P<schedule4>[^\n}]*[)\d])",
        re.M,
    ),
    "queue": re.compile(r"(?<![\w$.])new\s+(?:Queue|Bull)(?:<[^<>()]*>)?\s*\(\s*['\"`](?P<name>[\w:.{}-]+)"),
    "worker": re.compile(
        r"(?<![\w$.])new\s+Worker(?:<[^<>()]*>)?\s*\(\s*['\"`](?P<name>[\w:.{}-]+)|^[ \t]*@(?:\w+\.)?(?:shared_task|actor|(?<=\.)task"
        r"|(?<=\.)periodic_task)\b[^\n]*\n(?:[ \t]*@[^\n]*\n)*[ \t]*(?:async\s+)?(?P<def>def\s+(?P<name2>\w+))",
        re.M,
    ),
}
WORDS = {  # one of them stands in every file that the expression fits
    "shutdown": ("SIGTERM",),
    "upload": ("multer", "formidable", "usboy", "fileUpload", "multipart", "UploadFile", "FILES", ".files", "FormFile", "Multipart"),
    "cors-open": ("cors", "CORS", "rigins"),
    "pool": ("ool", "max", "Conns", "imit"),
    "cron": ("cron", "Cron", "schedule", "agenda", "AddFunc", "AddJob", "add_job"),
    "queue": ("Queue", "Bull"),
    "worker": ("Worker", "task", "actor"),
}
KEPT = {  # words of files in which routes and tables are looked for; routes of Node.js have a reader of their own
    "node": ("Table(", "@Entity(", "schema.table("),
    "go": ("net/http", "go-chi", "gin-gonic", "labstack", "gofiber", "gorilla/mux", "julienschmidt"),
    "python": tuple("fastapi flask quart django rest_framework sqlalchemy sqlmodel models url view rout Settings depend prefix PREFIX".split()),
}


def blanked(text: str, language: str = "node", strings: bool = False) -> str:
    """The text with comments (and strings, regular expressions) as blanks, every character at its place.

    >>> blanked("a('//x') // b"), blanked("a('//x') // b", strings=True)
    ("a('//x')     ", 'a(     )     ')
    """
    return TOKENS[language].sub(lambda found: re.sub(r"[^\n]", " ", found[0]) if found["comment"] or strings else found[0], text)


def arguments(code: str, start: int) -> tuple[list[tuple[int, int]], int]:
    """Begin and end of each argument of the call whose bracket is at start, and the place behind its end; strings must be blanked."""
    depth, begin, found = 0, start + 1, []
    for token in re.compile(r"[()\[\]{},]").finditer(code, start):
        depth += {"(": 1, "[": 1, "{": 1, ",": 0}.get(token[0], -1)
        if depth == 0 or token[0] == "," and depth == 1:
            if token.start() > begin or found:
                found.append((begin, token.start()))
            begin = token.end()
        if depth == 0:
            return found, token.end()
    return found, len(code)


class Source:
    """One file. text: without comments; code: without strings too."""

    def __init__(self, path: str, service: Service, raw: str, facts: Facts):
        self.path, self.service, self.raw, self.facts = path, service, raw, facts

    @functools.cached_property
    def text(self) -> str:
        return blanked(self.raw, self.service.language)

    @functools.cached_property
    def code(self) -> str:
        return blanked(self.raw, self.service.language, True)

    @functools.cached_property
    def lines(self) -> Lines:
        return Lines(self.raw)

    def has(self, *words: str) -> bool:
        """Whether any of the words stands in the file: a tenth of the time of an expression."""
        return any(word in self.raw for word in words)

    def place(self, offset: int) -> Place:
        return self.path, self.lines.of(offset)

    def literal(self, span: tuple[int, int]) -> str | None:
        found = re.fullmatch(r"\s*(['\"`])([^'\"`]*)\1\s*", self.text[slice(*span)])
        return found[2] if found else None

    def imports(self, known: frozenset[str]) -> Iterator[tuple[str, Place, Place | None]]:
        """(what is imported, where, where it is used) of what is known"""
        language = self.service.language
        if language in ("node", "python") and not known & set(
            re.findall(r"""['"](@[\w.-]+/[\w.-]+|[\w.-]+)""" if language == "node" else r"(?:from|import)[ \t]+(\w+)", self.raw)
        ):
            return
        for found in IMPORTS[language].finditer(self.text):
            groups, start = found.groupdict(), found.end() - len(found[0].lstrip())
            if language == "go":
                yield from ((name[1], *[self.place(found.start() + name.start())] * 2) for name in re.finditer(r'"([^"\n]+)"', found[0]))
            elif alone := groups.get("b") or groups.get("d"):
                yield package_of(alone), self.place(start), self.place(start)
            else:
                origin, pairs = groups["a"] or groups.get("c") or "", []
                if language == "node" and package_of(origin) not in known or language == "python" and origin and origin.partition(".")[0] not in known:
                    continue
                for one in re.sub(r"[{}()\\]", ",", groups["names"] or groups["bound"]).split(","):
                    words = re.split(r"\s+as\s+|\s*:\s*", one.strip())
                    if re.fullmatch(r"[\w$.]+", words[-1]) and not one.strip().startswith("type "):
                        pairs.append((words[0], words[-1] if language == "node" or len(words) > 1 or origin else words[0].partition(".")[0]))
                uses = [use for _, local in pairs if (use := re.compile(rf"(?<![\w$.]){re.escape(local)}(?![\w$])(?!\s*:)").search(self.code, found.end()))]
                use = self.place(min(one.start() for one in uses)) if uses else None
                for name in [package_of(origin)] if language == "node" else [f"{origin}.{name}".lstrip(".") for name, _ in pairs]:
                    yield name, self.place(start), use

    def variables(self) -> Iterator[tuple[str, int, bool]]:
        """(name, offset, whether a literal stands in for it)"""
        if not self.has("env", "Env", "ENV", "onfig"):
            return
        for found in ENV.finditer(self.text):
            if found[0].startswith("environ") and self.text[found.start() - 3 : found.start()] != "os." and not self.has("from os import"):
                continue  # of a WSGI request
            end = found.end() + (self.text[found.end() : found.end() + 1] in ")]")
            yield found[found.lastindex], found.start(found.lastindex), bool(LITERAL.match(self.text, end))
        for found in TAKEN_APART.finditer(self.text):
            for one in re.finditer(r"(?:^|,)\s*(\w+)(\s*(?::\s*\w+\s*)?=\s*(['\"`])(?!\3))?", found[1]):
                yield one[1], found.start(1) + one.start(1), bool(one[2])
        for found in FIELD.finditer(self.text) if CHECKED.search(self.text) else ():
            yield found[1], found.start(1), bool(re.search(r"default\(?:?\s*\(?(['\"`])(?!\1)", self.text[found.end() :].partition("\n")[0]))

    def outbound(self) -> Iterator[tuple[str, int, str | None, str]]:
        """(call, offset, target, timeout)"""
        if not self.has("fetch", "got", "ky", "axios", "needle", "http", "requests", "urlopen"):
            return
        sessions = "|".join(re.findall(r"(\w+)\s*=\s*requests\.[Ss]ession\(", self.code))
        calls = [
            *CALLS.finditer(self.code),
            *(re.finditer(rf"(?<![\w.])((?:{sessions})\.(?:get|post|put|patch|delete|request))\s*\(", self.code) if sessions else ()),
        ]
        for found in calls:
            name, library = found[found.lastindex], found[found.lastindex].partition(".")[0]
            if (
                name == "fetch"
                and re.search(r"\bfunction\s+fetch\b|\bfetch\b[^;\n]*\}\s*from\s*['\"]\.", self.text)
                or self.code[: found.start()].endswith(("function ", "new "))
            ):
                continue
            given, end = arguments(self.code, found.end() - 1)
            words = self.code[found.end() - 1 : end] if found[0][-1] in "({" else ""
            limit = re.search(r"\b(?:timeout|signal|headersTimeout|Timeout)\b\s*([:=,}]\s*(?:None\b)?)", words)
            timeout = ("none" if "None" in limit[1] else "set") if limit else OWN_LIMITS.get(library, "none")
            if (
                timeout == "none"
                and library in ("axios", "got", "fetch", "needle")
                and given
                and re.fullmatch(r"\s*[\w$.]+\s*", self.code[slice(*given[-1])])
                and (len(given) > 1 or name in ("axios", "axios.create"))
            ):
                timeout = "not known"  # options are put together elsewhere
            if library == "axios" and timeout == "none" and re.search(r"axios\.defaults\.timeout\s*=", self.code):
                timeout = "set"
            yield name, found.start(found.lastindex), self.target(given, found.end() - 1, end, name.endswith(".request")), timeout

    def target(self, given: list[tuple[int, int]], start: int, end: int, second: bool) -> str | None:
        """The host of a URL, "env NAME", or None when it is put together at run time."""
        named = re.search(r"\b(?:base_?[uU][rR][lL]|prefixUrl|url|host|hostname)\s*[:=]\s*([^,}\n]+)", self.text[start:end])
        text = named[1] if named else self.text[slice(*given[min(second and len(given) - 1, 1)])] if given else ""
        text = text.strip().removeprefix("f")
        for _ in range(2):
            if variable := ENV.match(text.lstrip("`${ ").removeprefix("os.")):
                return f"env {variable[variable.lastindex]}"
            if not (constant := re.match(r"[`'\"]?\$?\{?([A-Z][A-Z0-9_]*)\}?(?=[`'\"/+\s]|$)", text)):
                break
            found = re.search(rf"^[^\n]*\b{constant[1]}\s*(?::\s*\w+\s*)?=\s*([^\n;]+)", self.text, re.M)
            text = found[1].strip() if found else ""
        return host_of(text[1:].rstrip("'\"`")) or None if text[:1] in ("'", '"', "`") else None

    def tell(self) -> None:
        facts, service, module = self.facts, self.service.name, self.path.removesuffix(".py").replace("/", ".")
        for call, offset, target, timeout in self.outbound():
            facts.add(
                "outbound", f"{self.path}:{call}:{target or ''}", {"service": service, "call": call, "target": target, "timeout": timeout}, *self.place(offset)
            )
        for kind, pattern in PATTERNS.items():
            for found in pattern.finditer(self.text) if self.has(*WORDS[kind]) else ():
                groups = {re.sub(r"\d$", "", name): text for name, text in found.groupdict().items() if text is not None and name != "q"}
                start = (
                    found.start("def")
                    if "def" in groups
                    else found.start("name")
                    if kind == "cron" and groups.get("name")
                    else found.start() + len(found[0]) - len(found[0].lstrip())
                )
                value = {"service": service, **{name: int(text) if name == "size" else text for name, text in groups.items() if name != "def"}}
                if kind in ("cron", "queue", "worker"):
                    name = groups.get("name", "") if "def" not in groups else f"{module}.{groups['name']}"
                    facts.add(
                        "job", f"{kind}:{name or self.path + ':' + groups.get('schedule', '')}",
                        {"service": service, "type": kind, "name": name, "schedule": " ".join(groups.get("schedule", "").split())}, *self.place(start)
                    )
                elif kind != "upload" or found[0][:1] != ":" or self.service.language == "python":
                    value |= (
                        {"credentials": bool(re.search(r"credentials\s*[:=]\s*[tT]rue", self.text[found.start() : found.end() + 120]))}
                        if kind == "cors-open"
                        else {}
                    )
                    facts.add(
                        kind, ":".join([service, *(str(value[name]) for name in ("signal", "setting") if name in value), self.path]), value,
                        *self.place(found.start("setting") if groups.get("setting") and found["setting"] else start)
                    )


def package_of(name: str) -> str:
    """The package of what is imported: @scope/name or name."""
    return "/".join(name.split("/")[: 2 if name.startswith("@") else 1])


def read(tree: Tree, facts: Facts, services: list[Service], variables: dict[str, list]) -> tuple[Imports, dict[str, Source]]:
    """Where packages are imported and used, and the sources in which more is looked for; adds the facts of their code.

    variables: name of an environment variable -> [(service, file, line, whether a literal stands in for it)].
    """
    places: Imports = {}
    sources: dict[str, Source] = {}
    known = {
        language: frozenset(module.partition(".")[0] if language == "python" else module for listed in packages.values() for _, module in listed)
        for language, packages in catalogue().items()
    }
    for language, suffixes in SUFFIXES.items():
        for path in tree.matching("", suffixes):
            service = owner(services, path, language)
            raw = tree.read(path) if service and service.kind != "frontend" else ""
            if not raw:
                continue
            one = Source(path, service, raw, facts)
            if one.has(*KEPT[language]):
                sources[path] = one
            for name, place, use in one.imports(known[language]):
                if language == "go" or name.partition(".")[0] in known[language] or name in known[language]:
                    places[service.folder, name] = min(
                        places.get((service.folder, name), (place, use)), (place, use), key=lambda one: (one[1] is None, bool(SIDE.search(one[0][0])))
                    )
            for name, offset, literal in one.variables():
                variables.setdefault(name, []).append((service.name, *one.place(offset), literal))
            if language == "python" and path.rpartition("/")[2].startswith("settings") | ("/settings/" in path):
                for found in re.finditer(r"['\"]((\w+)(?:\.\w+)*)['\"]", one.text):
                    if found[2] in known[language]:
                        places.setdefault((service.folder, found[1]), (one.place(found.start()), one.place(found.start())))
            one.tell()
    settings(sources, variables)
    return places, sources


def settings(sources: dict[str, Source], variables: dict[str, list]) -> None:
    """Fields of the classes that pydantic fills from the environment."""
    classes = [(one, found) for one in sources.values() if one.service.language == "python" and one.has("Settings") for found in SETTINGS.finditer(one.text)]
    names = {"BaseSettings"}
    for _ in range(2):
        names |= {found[1] for _, found in classes if names & set(re.findall(r"\w+", found[2]))}
    for one, found in classes:
        if found[1] in names:
            prefix = (re.findall(r"env_prefix\s*=\s*['\"](\w*)", found[3]) or [""])[0]
            for field in SETTING.finditer(found[3]):
                alias = re.search(r"\b(?:validation_alias|alias|env)\s*=\s*['\"](\w+)", field[2] or "")
                literal = re.match(r"(?:\w+\()?\s*(?:default\s*=\s*)?(['\"])(?!\1)", field[2] or "")
                variables.setdefault(alias[1] if alias else (prefix + field[1]).upper(), []).append(
                    (one.service.name, *one.place(found.start(3) + field.start(1)), bool(literal))
                )


def tell_variables(tree: Tree, facts: Facts, variables: dict[str, list], documented: dict[str, str]) -> None:
    """Environment variables that code reads, and where they are documented; never a value."""
    for path in tree.matching("", "prisma"):
        for found in re.finditer(r'\benv\("(\w+)"\)', text := tree.read(path)):
            variables.setdefault(found[1], []).append(("", path, text.count("\n", 0, found.start()) + 1, False))
    for name, uses in sorted(variables.items()):
        uses.sort(key=lambda use: use[1:3])
        value = {
            "name": name, "services": sorted({use[0] for use in uses if use[0]}), "documented": documented.get(name), "uses": len(uses),
            "secret": bool(SECRET_NAME.search(name))
        }
        facts.add("env", name, value, *uses[0][1:3])
        literal = next((use for use in uses if use[3]), None)
        if literal and value["secret"]:
            facts.add("secret-default", name, {"name": name}, *literal[1:3])

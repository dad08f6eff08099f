"""One request as its handlers see it: what they read of it, hold it against, and answer."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable, NamedTuple

from senior_backend.routes.builtins import HTTP_ERRORS, http_error
from senior_backend.routes.libraries import inner_of
from senior_backend.routes.schemas import Schema
from senior_backend.routes.types import Type
from senior_backend.routes.values import NONE, UNDEFINED, Arr, Fn, Native, Obj, Test, Unknown, Value, function_at, options

MOST_STATES = 8
ANY_STATUS = 600            # one that could not be read; it may well be a failure
# headers that HTTP itself, a proxy or a browser sets, and those that OpenAPI does not allow as parameters
INFRASTRUCTURE = frozenset("""accept content-type authorization host user-agent cookie origin referer connection content-length accept-encoding accept-language x-forwarded-for x-forwarded-proto
x-forwarded-host x-real-ip x-requested-with upgrade te transfer-encoding forwarded cf-connecting-ip""".split())
LOCATIONS = {"params": "path", "query": "query", "body": "body", "headers": "header", "header": "header", "cookies": "cookie", "signedCookies": "cookie", "querystring": "query"}
TEXT_METHODS = frozenset("""trim toLowerCase toUpperCase split startsWith endsWith replace replaceAll match matchAll substring substr padStart padEnd normalize charAt charCodeAt localeCompare search
trimStart trimEnd""".split())
LIST_METHODS = frozenset("map forEach filter some every find findIndex reduce push sort join flatMap flat reverse splice entries keys values pop shift reduceRight".split())
OTHER_METHODS = frozenset("toString valueOf hasOwnProperty includes indexOf lastIndexOf slice concat at toFixed toJSON then catch finally has get".split())
MEDIA_TYPES = {"json": "application/json", "html": "text/html", "text": "text/plain", "txt": "text/plain", "xml": "application/xml", "csv": "text/csv", "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "js": "text/javascript", "css": "text/css"}
SENSIBLE = {name[0].lower() + name[1:]: code for name, code in HTTP_ERRORS.items()}       # reply.notFound() of @fastify/sensible


@dataclasses.dataclass(slots=True)
class Use:
    """How a part of the request is used. kinds: JSON types that the code takes it for; own: not only by something in front of all routes."""
    kinds: list = dataclasses.field(default_factory=list)
    required: bool = False
    default: Any = UNDEFINED
    type: Type | None = None
    schema: Schema | None = None
    keywords: dict = dataclasses.field(default_factory=dict)
    own: bool = True


class Reply(NamedTuple):
    """What is known of the answer at one point of one path. passed: the next handler has been called."""
    status: int | None = None
    body: Any = UNDEFINED
    content_type: str | None = None
    passed: bool = False
    sent: bool = False


class Answer(NamedTuple):
    status: int
    body: Any                           # UNDEFINED: none
    content_type: str | None


class Exchange:
    """framework: express, fastify or koa. names: of the parameters in the path; credentials: security scheme -> its definition; own, handling: whether the handler at hand is the route's, and its last."""

    def __init__(self, framework: str, names: list[str]):
        self.framework, self.names = framework, names
        self.uses: dict[tuple, Use] = {}
        self.answers: list[Answer] = []
        self.thrown: list = []
        self.state: tuple[Reply, ...] = (Reply(),)
        self.failures = self.refusals = 0
        self.reads: set = set()
        self.delegates: dict[int, dict] = {}        # function -> the functions that it hands the request to
        self.credentials: dict[str, dict] = {}
        self.scheme_words: set[str] = set()
        self.assumed: list[str] = []
        self.media: set[str] = set()
        self.reply_type: Type | None = None
        self.own, self.handling, self.passed_on = True, False, False
        self.locals = Obj(open=True, depth=1)
        self.request = Context(self) if framework == "koa" else Request(self)
        self.reply = self.request if framework == "koa" else Response(self)

    # paths through the code
    def join(self, ends: list) -> tuple:
        return distinct([reply for end in ends for reply in end])[:MOST_STATES]

    def every(self, **changes: Any) -> None:
        self.state = tuple(reply._replace(**changes) for reply in self.state)

    def set_status(self, value: Any) -> None:
        codes = [int(code) for code in options(value) if is_number(code) and 100 <= code <= 599] or [ANY_STATUS if any(isinstance(code, Unknown) for code in options(value)) else None]
        self.state = distinct([reply._replace(status=code) for reply in self.state for code in codes])[:MOST_STATES]

    def leave(self, it: Any, value: Any) -> None:
        """A handler comes to its end, giving a value."""
        if self.framework == "express" or not it.frames[-1]:
            return
        koa, replied = self.framework == "koa", isinstance(value, Response)
        for reply in self.state:
            if reply.sent or reply.passed:
                continue
            if koa and (reply.status is not None or reply.body is not UNDEFINED):
                self.answer(reply.status or (204 if reply.body is None else 200), reply.body, reply.content_type)
            elif not koa and self.handling and (value is not UNDEFINED and not replied or reply.status is not None):
                self.answer(reply.status or 200, UNDEFINED if replied else value, reply.content_type)
        if koa:
            self.every(sent=True)

    def answer(self, status: int, body: Any = UNDEFINED, content_type: str | None = None) -> None:
        self.failures += status >= 400
        self.answers.append(Answer(status, body, content_type))

    def send(self, body: Any = UNDEFINED, content_type: str | None = None, status: int | None = None) -> None:
        for reply in self.state:
            if not reply.sent or self.framework == "express":
                self.answer(status or reply.status or 200, body, reply.content_type or content_type)
        self.every(sent=True)

    def redirect(self, numbers: list) -> None:
        self.send(UNDEFINED, None, next((code for code in [*numbers, *(reply.status for reply in self.state)] if code and 300 <= code < 400), 302))

    def throw(self, value: Any) -> None:
        self.failures += 1
        self.thrown.append(value)

    def thrown_with(self, value: Any) -> Any:
        """Fastify answers an error without a status by the one that was set before."""
        statuses = {str(value.props.get(name)) for name in ("status", "statusCode") if name in value.props} if type(value) is Obj else {""}
        self.refusals += bool({"401", "403"} & statuses)
        code = next((reply.status for reply in self.state if reply.status is not None and reply.status >= 400), None)
        return Obj({**value.props, "statusCode": code}, value.cls, value.open, value.depth) if self.framework == "fastify" and code and not statuses else value

    # what is read
    def use(self, key: tuple) -> Use:
        found = self.uses.get(key)
        if found is None:
            found = self.uses[key] = Use(own=self.own)
        found.own |= self.own
        self.reads.add(key)
        return found

    def guard(self, missing: frozenset, failures: int) -> None:
        """A branch for missing inputs, or for other values than these, has ended: they are required when it fails."""
        if self.failures > failures or all(reply.status is not None and reply.status >= 400 and not reply.sent for reply in self.state):
            for location, path, *values in missing:
                use = self.use((location, path))
                use.required |= not values
                for listed in values:
                    use.keywords.setdefault("enum", list(listed))

    def compared(self, text: Any) -> None:
        """A text that something, perhaps the Authorization header, is looked at for."""
        self.scheme_words.update(word for word in ("bearer", "basic") if isinstance(text, str) and text.strip(" ^").lower().startswith(word))

    def rule(self, location: str, path: tuple, keywords: dict, required: bool) -> None:
        use = self.use((location, path))
        use.keywords.update(keywords)
        use.required |= required
        for length in range(len(path) - 1, 0, -1):
            required = required and path[length] != "[]"
            self.use((location, path[:length])).required |= required

    def validate(self, it: Any, value: Any, schema: Any) -> None:
        """Hold a schema against a part of the request, or an object of such parts."""
        if isinstance(value, Input):
            self.use(value.key).schema = schema
            return
        whole = inner_of(schema)
        for name, part in whole.parts.items() if whole.kind == "object" else ():
            member = value.props.get(name) if type(value) is Obj else value.get(it, name, None) if isinstance(value, Request) and name in LOCATIONS else None
            if member is not None:
                self.validate(it, member, part)

    def annotate(self, it: Any, pairs: list[tuple[str, Type]]) -> None:
        """What types say of the request: (location, type)."""
        for location, found in pairs:
            if location == "reply":
                self.reply_type = found
            elif location == "path" or it.types.schema(found) not in ({}, {"type": "object"}):
                self.use((location, ())).type = found


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def distinct(replies: list) -> tuple:
    found: list = []
    for reply in replies:
        if not any(reply[0] == other[0] and reply[1] is other[1] and reply[2:] == other[2:] for other in found):
            found.append(reply)
    return tuple(found)


# what types of handlers and their parameters say of the request
POSITIONS = {"Request": ("path", "reply", "body", "query"), "RequestHandler": ("path", "reply", "body", "query"), "Response": ("reply",)}
RECORDS = {"FastifyRequest": 0, "RouteHandler": 0, "RouteHandlerMethod": 3, "RouteGenericInterface": 0, "RouteOptions": 3, "RouteShorthandOptions": 3}
RECORD_MEMBERS = {"Params": "path", "Body": "body", "Querystring": "query", "Headers": "header", "Reply": "reply", "body": "body", "query": "query", "params": "path"}
EMPTY_TYPES = (b"any", b"unknown", b"never", b"{}", b"ParamsDictionary", b"ParsedQs", b"core.ParamsDictionary")


def request_types(types: Any, type_: Type | None, hops: int = 0) -> list[tuple[str, Type]]:
    """(location, type) for what a type such as Request<Params, Reply, Body, Query> says."""
    if type_ is None or type_.node is None or hops > 8:
        return []
    name, arguments = types.parts(type_)
    name = name.rpartition(".")[2]
    if name in POSITIONS:
        return positional(arguments, POSITIONS[name])
    if name in RECORDS:
        return record_types(types, arguments[RECORDS[name]] if RECORDS[name] < len(arguments) else arguments[0] if len(arguments) == 1 else None)
    if type_.node.type == "intersection_type":
        return [found for child in type_.node.named_children for found in request_types(types, type_.at(child), hops + 1)]
    declared = types.declared(type_.scope, name) if name else None
    if type(declared) is not tuple:
        return record_types(types, type_) if type_.node.type == "object_type" else []
    node, scope = declared[0][0], declared[1]
    if node.type == "type_alias_declaration":
        return request_types(types, Type(node.child_by_field_name("value"), scope, {}), hops + 1)
    bases = [base for clause in node.named_children if clause.type.startswith("extends") for base in clause.named_children]
    return [pair for base in bases for pair in request_types(types, Type(base, scope, {}), hops + 1)] + record_types(types, Type(node.child_by_field_name("body"), scope, {}))


def positional(arguments: list[Type], locations: tuple = POSITIONS["Request"]) -> list[tuple[str, Type]]:
    return [(location, argument) for location, argument in zip(locations, arguments) if argument.node.text not in EMPTY_TYPES]


def record_types(types: Any, type_: Type | None) -> list[tuple[str, Type]]:
    return [(RECORD_MEMBERS[name], member) for name, member in types.members(type_).items() if name in RECORD_MEMBERS] if type_ is not None else []


class Part(Value):
    """Something of an exchange."""
    __slots__ = ("exchange", "props")

    def __init__(self, exchange: Exchange):
        self.exchange, self.props = exchange, {}

    def typed(self, it: Any, type_: Type) -> None:
        self.exchange.annotate(it, request_types(it.types, type_))


class Input(Value):
    """A part of the request."""
    __slots__ = ("exchange", "location", "path")
    truth = None

    def __init__(self, exchange: Exchange, location: str, path: tuple = ()):
        self.exchange, self.location, self.path = exchange, location, path

    @property
    def key(self) -> tuple:
        return self.location, self.path

    def get(self, it, name, node):
        if not isinstance(name, str):
            return self.item(it)
        return Test(NONE, frozenset([self.key])) if name == "length" and (self.path or self.location != "body") else self.part(name)

    def part(self, name: str) -> Any:
        made = Input(self.exchange, self.location, (*self.path, name.lower() if self.location == "header" and not self.path else name))
        self.exchange.use(made.key)
        return made

    def declares(self, it: Any, name: str) -> bool:
        """Whether a type says that there is such a part."""
        whole = self.exchange.uses.get(self.key)
        return whole is not None and whole.type is not None and name in it.types.members(whole.type)

    def item(self, it: Any) -> Any:
        """One of the items of a list."""
        return self.part("[]") if self.path or self.location == "body" else Unknown()

    def spread(self, it, made):
        made.open, made.inputs = True, (*made.inputs, self)
        made.props.update({key[1][-1]: Input(self.exchange, *key) for key in list(self.exchange.uses) if key[0] == self.location and key[1] and key[1][:-1] == self.path})

    def invoke(self, it, name, arguments, node):
        functions = [value for value in arguments if isinstance(value, (Fn, Native))]
        first = arguments[0] if arguments else UNDEFINED
        if self.location == "header" and self.path == ("authorization",):
            self.exchange.compared(first.props.get("source") if type(first) is Obj else first)
        if self.path and name in TEXT_METHODS:
            self.evident("string")
            it.call_unknown(functions)
            return Arr([Unknown(it.types.STRING)], open=True) if name in ("split", "match") else self if name in ("trim", "toLowerCase", "toUpperCase") else Unknown(it.types.STRING)
        if name in LIST_METHODS and (self.path or self.location == "body"):
            self.evident("array")
            for function in functions:
                it.attempt(lambda function=function: it.call(function, UNDEFINED, [Unknown(), self.item(it)] if name.startswith("reduce") else [self.item(it), Unknown()], node))
            return self if name in ("filter", "sort", "reverse") else Unknown()
        if name == "get" and isinstance(first, str) and not self.path and self.location in ("header", "query"):
            return self.part(first)
        return Unknown() if name in OTHER_METHODS else it.call_unknown(arguments)

    def evident(self, kind: str) -> None:
        use = self.exchange.use(self.key)
        use.kinds += [kind] if kind not in use.kinds else []

    def defaulted(self, value: Any) -> None:
        use = self.exchange.use(self.key)
        if not isinstance(value, Value) and use.default is UNDEFINED:
            use.default = value
        elif type(value) in (Obj, Arr) and self.path:
            self.evident("object" if type(value) is Obj else "array")

    def typed(self, it: Any, type_: Type) -> None:
        if type_.node is None or type_.node.text not in EMPTY_TYPES:
            use = self.exchange.use(self.key)
            use.type = use.type or type_


class Request(Part):
    """req of Express, request of Fastify."""
    __slots__ = ()

    def get(self, it, name, node):
        if name in LOCATIONS and name != "header":
            if name == "body":
                self.exchange.use(("body", ()))
            return Input(self.exchange, LOCATIONS[name])
        if name in self.props:
            return self.props[name]
        if name in ("req", "raw", "request"):
            return self
        if name in ("file", "files") and self.exchange.framework == "express":
            return Files(self.exchange, name == "files")
        return self.exchange.reply if name == "res" else Unknown(why=name if name in ("user", "session", "auth") else "")

    def set(self, it, name, value):
        if name not in LOCATIONS:
            self.props[name] = value

    def invoke(self, it, name, arguments, node):
        first = arguments[0] if arguments else UNDEFINED
        if name in ("get", "header", "param") and isinstance(first, str):
            return Input(self.exchange, "path" if name == "param" else "header").part(first)
        if name in ("file", "files", "parts", "saveRequestFiles") and self.exchange.framework == "fastify":
            self.exchange.media.add("multipart/form-data")
            self.exchange.use(("body", ()))
            return Unknown()
        if name == "jwtVerify":
            self.exchange.credentials["bearerAuth"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        return it.call(self.props[name], self, arguments, node) if name in self.props else it.call_unknown(arguments)


class Files(Part):
    """req.file and req.files of multer, ctx.request.files of koa-body."""
    __slots__ = ("many",)
    truth = None

    def __init__(self, exchange: Exchange, many: bool):
        super().__init__(exchange)
        self.many = many

    def get(self, it, name, node):
        if not self.many or not isinstance(name, str) or name == "length" or name in LIST_METHODS:
            return Unknown()
        if ("body", (name,)) not in self.exchange.uses:
            self.exchange.rule("body", (name,), {"type": "string", "format": "binary"}, False)
        return Input(self.exchange, "body", (name,))

    @property
    def key(self) -> tuple:
        return next((key for key, use in self.exchange.uses.items() if use.keywords.get("format") == "binary"), ("body", ()))


class Response(Part):
    """res of Express, reply of Fastify."""
    __slots__ = ()

    def get(self, it, name, node):
        if name in self.props:
            return self.props[name]
        if name in ("locals", "req", "request"):
            return self.exchange.locals if name == "locals" else self.exchange.request
        return self if name in ("raw", "res") else Unknown(it.types.NUMBER) if name == "statusCode" else Native(lambda it, this, a, node: self.framework_method(it, name, a))

    def set(self, it, name, value):
        if name == "statusCode":
            self.exchange.set_status(value)
        self.props[name] = value

    def invoke(self, it, name, arguments, node):
        return it.call(self.props[name], self, arguments, node) if name in self.props else self.framework_method(it, name, arguments)

    def framework_method(self, it, name, arguments):
        """What the framework does by that name, whatever the sources have put in its place."""
        if name in ANSWERS:
            ANSWERS[name](self.exchange, it, arguments)
        elif name in SENSIBLE and self.exchange.framework == "fastify":
            self.exchange.send(Unknown(), "application/json", SENSIBLE[name])
        else:
            it.call_unknown(arguments)
        return self


# the methods of responses
def status_in(a: list) -> int | None:
    """res.json(status, body) of old."""
    return int(a[0]) if len(a) > 1 and is_number(a[0]) else None


def send_any(exchange: Exchange, it: Any, a: list) -> None:
    body = a[-1] if a else UNDEFINED
    kinds = {"text" if isinstance(option, str) else "json" if option is not UNDEFINED and (not isinstance(option, Value) or type(option) in (Obj, Arr) or hasattr(option, "key")) else "" for option in options(body)}
    exchange.send(body, ("text/html" if exchange.framework == "express" else "text/plain") if kinds == {"text"} else "application/json" if kinds == {"json"} else None, status_in(a))


def send_status(exchange: Exchange, it: Any, a: list) -> None:
    for code in options(a[0]) if a else ():
        if isinstance(code, int):
            exchange.send(UNDEFINED, None, code)


def send_type(exchange: Exchange, it: Any, a: list) -> None:
    name, value = (a[0], a[-1]) if len(a) > 1 else ("content-type", a[0] if a else "")
    if type(value) is Obj or type(name) is Obj:
        for key, inner in (value if type(value) is Obj else name).props.items():
            send_type(exchange, it, [key, inner])
    elif isinstance(name, str) and name.lower() == "content-type" and isinstance(value, str):
        media = value.partition(";")[0].strip().lower()
        exchange.every(content_type=MEDIA_TYPES.get(media.lstrip("."), media if "/" in media else "application/octet-stream"))


def set_status(exchange: Exchange, it: Any, a: list) -> None:
    exchange.set_status(a[0] if a else None)
    if len(a) > 1:
        send_type(exchange, it, a[-1:])


def formats(exchange: Exchange, it: Any, a: list) -> None:
    members = a[0].props if a and type(a[0]) is Obj else {}
    it.fork([lambda function=function: it.call(function, UNDEFINED, [exchange.request, exchange.reply], None) and None for function in members.values()])


ANSWERS: dict[str, Callable] = {
    **dict.fromkeys(("status", "code", "writeHead"), set_status), **dict.fromkeys(("json", "jsonp"), lambda exchange, it, a: exchange.send(a[-1] if a else UNDEFINED, "application/json", status_in(a))), "send": send_any,
    "end": lambda exchange, it, a: exchange.send(a[0] if a and not isinstance(a[0], Fn) else UNDEFINED), "sendStatus": send_status, "redirect": lambda exchange, it, a: exchange.redirect([value for value in a if isinstance(value, int)]),
    **dict.fromkeys(("type", "contentType", "set", "header", "headers", "setHeader"), send_type), **dict.fromkeys(("sendFile", "download"), lambda exchange, it, a: exchange.send(Unknown())),
    "render": lambda exchange, it, a: exchange.send(Unknown(), "text/html"), "callNotFound": lambda exchange, it, a: exchange.send(Unknown(), "application/json", 404), "format": formats,
    **dict.fromkeys("cookie clearCookie location append vary links attachment removeHeader write serialize serializer hijack".split(), lambda exchange, it, a: None)}


class Context(Part):
    """ctx of Koa; also its request and response."""
    __slots__ = ()

    def get(self, it, name, node):
        if name in ("request", "response", "req", "res"):
            return self
        if name in ("file", "files"):
            self.exchange.media.add("multipart/form-data")
            return Files(self.exchange, name == "files")
        if name == "cookies":
            return Cookies(self.exchange)
        if name in ("query", "params", "headers", "header"):
            return Input(self.exchange, LOCATIONS[name])
        if name == "body":
            written = [reply.body for reply in self.exchange.state if reply.body is not UNDEFINED]
            if written and node is not None and b"request" not in node.text:
                return written[0]
            self.exchange.use(("body", ()))
            return Input(self.exchange, "body")
        if name == "state":
            return self.exchange.locals
        return self.props[name] if name in self.props else function_at(self, name) if name in ("throw", "assert", "get", "set") else Unknown()

    def set(self, it, name, value):
        if name == "status":
            self.exchange.set_status(value)
        elif name == "body":
            self.exchange.every(body=value)
        elif name == "type":
            send_type(self.exchange, it, [value])
        else:
            self.props[name] = value

    def invoke(self, it, name, arguments, node):
        first = arguments[0] if arguments else UNDEFINED
        if name in self.props:
            return it.call(self.props[name], self, arguments, node)
        if name == "get" and isinstance(first, str):
            return Input(self.exchange, "header").part(first)
        if name == "throw":
            it.throw(http_error(it, arguments))
        elif name == "assert":
            it.ensure(first, http_error(it, arguments[1:]))
        elif name == "redirect":
            self.exchange.redirect([])
        elif name in ("set", "append"):
            send_type(self.exchange, it, arguments)
        elif name in ("json", "ok", "send", "render"):
            self.exchange.every(**({"body": Unknown(), "content_type": "text/html"} if name == "render" else {"body": first}))
        else:
            return it.call_unknown(arguments)
        return self


class Cookies(Part):
    """ctx.cookies of Koa."""
    __slots__ = ()

    def invoke(self, it, name, arguments, node):
        return Input(self.exchange, "cookie").part(arguments[0]) if name == "get" and arguments and isinstance(arguments[0], str) else Unknown()

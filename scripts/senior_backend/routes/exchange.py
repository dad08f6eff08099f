"""One request as its handlers see it: what they read of it, hold it against, and answer."""
from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from senior_backend.routes.schemas import Schema
from senior_backend.routes.types import Type
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Native, Obj, Test, Unknown, Value, options

MOST_STATES = 8
# headers that HTTP itself, a proxy or a browser sets, and those that OpenAPI does not allow as parameters
INFRASTRUCTURE = frozenset((
    "accept", "content-type", "authorization", "host", "user-agent", "cookie", "origin", "referer", "connection", "content-length", "accept-encoding", "accept-language", "x-forwarded-for",
    "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "x-requested-with", "upgrade", "te", "transfer-encoding", "forwarded", "if-none-match", "if-modified-since", "cf-connecting-ip"))
LOCATIONS = {"params": "path", "query": "query", "body": "body", "headers": "header", "cookies": "cookie", "querystring": "query", "param": "path", "header": "header"}
TEXT_METHODS = frozenset((
    "trim", "toLowerCase", "toUpperCase", "split", "startsWith", "endsWith", "replace", "replaceAll", "match", "matchAll", "substring", "substr", "padStart", "padEnd", "normalize", "charAt", "charCodeAt",
    "localeCompare", "search", "trimStart", "trimEnd", "codePointAt", "repeat"))
LIST_METHODS = frozenset(("map", "forEach", "filter", "some", "every", "find", "findIndex", "reduce", "push", "sort", "join", "flatMap", "flat", "reverse", "splice", "entries", "keys", "values", "pop", "shift", "reduceRight"))
OTHER_METHODS = frozenset(("toString", "valueOf", "hasOwnProperty", "includes", "indexOf", "lastIndexOf", "slice", "concat", "at", "toFixed", "toJSON", "then", "catch", "finally", "has", "get"))


@dataclasses.dataclass(slots=True)
class Use:
    """How a part of the request is used."""
    kinds: list                         # JSON types that the code takes it for
    required: bool = False
    default: Any = UNDEFINED
    type: Type | None = None
    schema: Schema | None = None
    keywords: dict = dataclasses.field(default_factory=dict)
    own: bool = True                    # False: only something in front of all routes uses it


class Reply(NamedTuple):
    """What is known of the answer at one point of one path."""
    status: int | None = None
    body: Any = UNDEFINED
    content_type: str | None = None
    passed: bool = False                # the next handler has been called
    sent: bool = False


@dataclasses.dataclass(slots=True)
class Answer:
    status: int
    body: Any                           # UNDEFINED: none
    content_type: str | None
    redirect: bool = False


class Exchange:
    """framework: express, fastify or koa."""

    def __init__(self, framework: str):
        self.framework = framework
        self.uses: dict[tuple, Use] = {}
        self.answers: list[Answer] = []
        self.thrown: list = []
        self.state: tuple[Reply, ...] = (Reply(),)
        self.failures = self.refusals = 0
        self.reads: set = set()
        self.credentials: dict[str, dict] = {}      # name of a security scheme -> its definition
        self.scheme_words: set[str] = set()
        self.assumed: list[str] = []
        self.media: set[str] = set()
        self.reply_type: Type | None = None
        self.own = True
        self.passed_on = False                      # all handlers only called the next one
        self.handling = False                       # the route's own handler, not something in front of it
        self.locals = Obj(open=True, depth=1)
        self.request, self.reply = self.values()

    def values(self) -> tuple[Value, Value]:
        if self.framework == "koa":
            context = Context(self)
            return context, context
        return (Request(self), FastifyReply(self)) if self.framework == "fastify" else (Request(self), Response(self))

    # paths through the code
    def join(self, ends: list) -> tuple:
        return distinct([reply for end in ends for reply in end])[:MOST_STATES]

    def every(self, **changes: Any) -> None:
        self.state = tuple(reply._replace(**changes) for reply in self.state)

    def set_status(self, value: Any) -> None:
        codes = [int(code) for code in options(value) if isinstance(code, (int, float)) and not isinstance(code, bool) and 100 <= code <= 599]
        if codes:
            self.state = distinct([reply._replace(status=code) for reply in self.state for code in codes])[:MOST_STATES]
        else:
            self.every(status=None)

    def receives(self, arguments: list) -> bool:
        """Whether a function that is called with these is a handler of its own."""
        return self.framework == "koa" and self.request in arguments

    def leave(self, it: Any, value: Any) -> None:
        """A handler comes to its end, giving a value."""
        if self.framework == "express" or not it.frames[-1]:
            return
        for reply in self.state:
            if reply.sent or reply.passed:
                continue
            if self.framework == "koa":
                if reply.status is not None or reply.body is not UNDEFINED:
                    self.answer(reply.status or (204 if reply.body is None else 200), reply.body, reply.content_type)
            elif self.handling and (value is not UNDEFINED and not isinstance(value, FastifyReply) or reply.status is not None):
                self.answer(reply.status or 200, UNDEFINED if isinstance(value, FastifyReply) else value, reply.content_type)
        if self.framework == "koa":
            self.every(sent=True)

    def answer(self, status: int, body: Any = UNDEFINED, content_type: str | None = None, redirect: bool = False) -> None:
        self.failures += status >= 400
        self.answers.append(Answer(status, body, content_type, redirect))

    def send(self, body: Any = UNDEFINED, content_type: str | None = None, status: int | None = None, redirect: bool = False) -> None:
        for reply in self.state:
            if not reply.sent or self.framework == "express":
                self.answer(status or reply.status or 200, body, reply.content_type or content_type, redirect)
        self.every(sent=True)

    def throw(self, value: Any) -> None:
        self.failures += 1
        self.thrown.append(value)

    def thrown_with(self, value: Any) -> Any:
        """Fastify answers an error without a status by the one that was set before."""
        if type(value) is Obj and {401, 403} & {value.props.get("status"), value.props.get("statusCode")}:
            self.refusals += 1
        code = next((reply.status for reply in self.state if reply.status is not None and reply.status >= 400), None)
        if self.framework == "fastify" and code and type(value) is Obj and not {"status", "statusCode"} & value.props.keys():
            return Obj({**value.props, "statusCode": code}, value.cls, value.open, value.depth)
        return value

    # what is read
    def use(self, key: tuple) -> Use:
        found = self.uses.get(key)
        if found is None:
            found = self.uses[key] = Use([], own=self.own)
        found.own |= self.own
        self.reads.add(key)
        return found

    def guard(self, missing: frozenset, failures: int) -> None:
        """A branch for missing inputs has ended: they are required when it fails."""
        failed = self.failures > failures or all(reply.status is not None and reply.status >= 400 and not reply.sent for reply in self.state)
        for key in missing if failed else ():
            self.use(key).required = True

    def handed_over(self, arguments: list) -> None:
        pass

    def compared(self, text: str) -> None:
        if text.strip().lower() in ("bearer", "basic"):
            self.scheme_words.add(text.strip().lower())

    def rule(self, location: str, path: tuple, keywords: dict, required: bool) -> None:
        use = self.use((location, path))
        use.keywords.update(keywords)
        use.required |= required

    def validate(self, it: Any, value: Any, schema: Any) -> None:
        """Hold a schema against a part of the request, or an object of such parts."""
        if isinstance(value, Input):
            self.use(value.key).schema = schema
            return
        from senior_backend.routes.libraries import inner_of
        whole = inner_of(schema)
        if whole.kind != "object":
            return
        for name, part in whole.parts.items():
            member = value.props.get(name) if type(value) is Obj else value.get(it, name, None) if isinstance(value, Request) and name in LOCATIONS else None
            if member is not None:
                self.validate(it, member, part)

    def annotate(self, it: Any, type_: Type | None) -> None:
        """What the types of a handler or of its parameters say of the request."""
        for location, found in request_types(it.types, type_, 0):
            if location == "reply":
                self.reply_type = found
            elif it.types.schema(found) or location == "path":
                self.use((location, ())).type = found


def distinct(replies: list) -> tuple:
    found: list = []
    for reply in replies:
        if not any(reply[0] == other[0] and reply[1] is other[1] and reply[2:] == other[2:] for other in found):
            found.append(reply)
    return tuple(found)


POSITIONS = {"Request": ("path", "reply", "body", "query"), "RequestHandler": ("path", "reply", "body", "query"), "Response": ("reply",)}
RECORDS = {"FastifyRequest": 0, "RouteHandler": 0, "RouteHandlerMethod": 3, "RouteGenericInterface": 0, "RouteOptions": 3, "RouteShorthandOptions": 3}
RECORD_MEMBERS = {"Params": "path", "Body": "body", "Querystring": "query", "Headers": "header", "Reply": "reply", "body": "body", "query": "query", "params": "path"}


def request_types(types: Any, type_: Type | None, hops: int) -> list[tuple[str, Type]]:
    """(location, type) for what a type such as Request<Params, Reply, Body, Query> says."""
    if type_ is None or type_.node is None or hops > 8:
        return []
    name, arguments = types.parts(type_)
    name = name.rpartition(".")[2]
    if name in POSITIONS:
        return [(location, argument) for location, argument in zip(POSITIONS[name], arguments) if argument.node.text not in (b"any", b"unknown", b"never", b"{}", b"ParamsDictionary", b"ParsedQs", b"core.ParamsDictionary")]
    if name in RECORDS:
        given = arguments[RECORDS[name]] if RECORDS[name] < len(arguments) else arguments[0] if len(arguments) == 1 else None
        return record_types(types, given)
    if type_.node.type == "intersection_type":
        return [found for child in type_.node.named_children for found in request_types(types, Type(child, type_.scope, type_.bindings), hops + 1)]
    declared = types.declared(type_.scope, name) if name else None
    return declared_request(types, declared, hops) if type(declared) is tuple else record_types(types, type_) if type_.node.type == "object_type" else []


def declared_request(types: Any, declared: tuple, hops: int) -> list[tuple[str, Type]]:
    node, scope = declared[0][0], declared[1]
    if node.type == "type_alias_declaration":
        return request_types(types, Type(node.child_by_field_name("value"), scope, {}), hops + 1)
    found = [pair for clause in node.named_children if clause.type.startswith("extends") for base in clause.named_children for pair in request_types(types, Type(base, scope, {}), hops + 1)]
    return found + record_types(types, Type(node.child_by_field_name("body"), scope, {}))


def record_types(types: Any, type_: Type | None) -> list[tuple[str, Type]]:
    members = types.object(type_) if type_ is not None else None
    return [(RECORD_MEMBERS[name], member.type) for name, member in (members or {}).items() if name in RECORD_MEMBERS]


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
        if not isinstance(name, str) or name == "length" and (self.path or self.location != "body"):
            return self.item(it) if not isinstance(name, str) else Test(frozenset(), frozenset([self.key]))
        return self.part(name)

    def part(self, name: str) -> Any:
        name = name.lower() if self.location == "header" and not self.path else name
        made = Input(self.exchange, self.location, (*self.path, name))
        self.exchange.use(made.key)
        return made

    def item(self, it: Any) -> Any:
        """One of the items of a list."""
        if not self.path and self.location != "body":
            return Unknown()
        made = Input(self.exchange, self.location, (*self.path, "[]"))
        self.exchange.use(made.key)
        return made

    def rest(self, taken: list) -> Any:
        return Input(self.exchange, self.location, self.path)

    def spread(self, it, made):
        made.open = True
        made.props.update({key[1][-1]: Input(self.exchange, *key) for key in list(self.exchange.uses) if key[0] == self.location and key[1][:-1] == self.path and key[1]})

    def invoke(self, it, name, arguments, node):
        deep = self.path or self.location == "body"
        if self.path and name in TEXT_METHODS:
            self.evident("string")
            self.credential(arguments)
            value = [value for value in arguments if type(value) in (Fn, Native)]
            it.call_unknown(value)
            return Arr([Unknown(it.types.STRING)], open=True) if name in ("split", "match") else self if name in ("trim", "toLowerCase", "toUpperCase") else Unknown(it.types.STRING)
        if deep and name in LIST_METHODS:
            self.evident("array")
            for function in arguments:
                if type(function) is Fn:
                    it.attempt(lambda function=function: it.call(function, UNDEFINED, [Unknown(), self.item(it)] if name.startswith("reduce") else [self.item(it), Unknown()], node))
            return self if name in ("filter", "sort", "reverse") else Unknown()
        if self.location == "header" and not self.path and name == "get" or self.location == "query" and name == "get":
            return self.part(arguments[0]) if arguments and isinstance(arguments[0], str) else Unknown()
        if name in OTHER_METHODS:
            self.credential(arguments)
            return Unknown()
        return it.call_unknown(arguments)

    def credential(self, arguments: list) -> None:
        """Whether the text is looked at for the name of an HTTP authentication scheme."""
        if self.location == "header" and self.path == ("authorization",):
            for value in arguments:
                text = value.props.get("source", "") if type(value) is Obj else value
                self.exchange.scheme_words.update(word for word in ("bearer", "basic") if isinstance(text, str) and word in text.lower())

    def evident(self, kind: str) -> None:
        use = self.exchange.use(self.key)
        if kind not in use.kinds:
            use.kinds.append(kind)

    def defaulted(self, value: Any) -> None:
        use = self.exchange.use(self.key)
        if not isinstance(value, Value) and use.default is UNDEFINED:
            use.default = value
        elif type(value) in (Obj, Arr):
            self.evident("object" if type(value) is Obj else "array") if self.path else None

    def typed(self, type_: Type) -> None:
        use = self.exchange.use(self.key)
        use.type = use.type or type_

    def known_schema(self) -> dict:
        return {}


class Request(Value):
    """req of Express, request of Fastify."""
    __slots__ = ("exchange", "props")

    def __init__(self, exchange: Exchange):
        self.exchange, self.props = exchange, {}

    def get(self, it, name, node):
        if name in ("body", "query", "params", "headers", "cookies", "signedCookies", "rawHeaders"):
            location = "cookie" if name == "signedCookies" else LOCATIONS.get(name, "header")
            if location == "body":
                self.exchange.use(("body", ()))
            return Input(self.exchange, location)
        if name in self.props:
            return self.props[name]
        if name in ("file", "files"):
            return Files(self.exchange, name) if self.exchange.framework == "express" else Unknown()
        if name in ("req", "raw", "request"):
            return self
        if name == "res":
            return self.exchange.reply
        if name == "method":
            return Unknown(it.types.STRING)
        return Unknown(why="" if name not in ("user", "session", "auth") else name)

    def set(self, it, name, value):
        if name not in ("body", "query", "params", "headers", "cookies"):
            self.props[name] = value

    def invoke(self, it, name, arguments, node):
        first = arguments[0] if arguments else UNDEFINED
        if name in ("get", "header") and isinstance(first, str):
            return Input(self.exchange, "header").part(first)
        if name == "param" and isinstance(first, str):
            return Input(self.exchange, "path").part(first)
        if name in ("file", "files", "parts", "saveRequestFiles") and self.exchange.framework == "fastify":
            self.exchange.media.add("multipart/form-data")
            self.exchange.use(("body", ()))
            return Unknown()
        if name == "jwtVerify":
            self.exchange.credentials["bearerAuth"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            it.unknown_calls += 1
            return Unknown()
        if name in self.props:
            return it.call(self.props[name], self, arguments, node)
        return it.call_unknown(arguments)

    def typed(self, type_: Type) -> None:
        self.exchange.annotate(self.exchange.it, type_)


class Files(Value):
    """req.file and req.files of multer."""
    __slots__ = ("exchange", "name")
    truth = None

    def __init__(self, exchange: Exchange, name: str):
        self.exchange, self.name = exchange, name

    @property
    def key(self) -> tuple:
        return next((key for key, use in self.exchange.uses.items() if use.keywords.get("format") == "binary"), ("body", ()))


class Response(Value):
    """res of Express."""
    __slots__ = ("exchange", "props")

    def __init__(self, exchange: Exchange):
        self.exchange, self.props = exchange, {}

    def get(self, it, name, node):
        if name == "locals":
            return self.exchange.locals
        if name == "req":
            return self.exchange.request
        if name in self.props:
            return self.props[name]
        if name == "statusCode":
            return Unknown(it.types.NUMBER)
        return Native(lambda it, this, arguments, node: self.invoke(it, name, arguments, node))

    def set(self, it, name, value):
        if name == "statusCode":
            self.exchange.set_status(value)
        self.props[name] = value

    def invoke(self, it, name, arguments, node):
        work = ANSWERS.get(name)
        if work is None:
            if name in self.props:
                return it.call(self.props[name], self, arguments, node)
            it.call_unknown(arguments)
            return self
        work(self.exchange, it, arguments)
        return self

    def typed(self, type_: Type) -> None:
        self.exchange.annotate(self.exchange.it, type_)


def number_of(arguments: list, index: int = 0) -> int | None:
    value = arguments[index] if index < len(arguments) else None
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def send_json(exchange: Exchange, it: Any, arguments: list) -> None:
    status = number_of(arguments) if len(arguments) > 1 else None
    exchange.send(arguments[-1] if arguments else UNDEFINED, "application/json", status)


def send_any(exchange: Exchange, it: Any, arguments: list) -> None:
    body = arguments[-1] if arguments else UNDEFINED
    status = number_of(arguments) if len(arguments) > 1 else None
    exchange.send(body, sent_type(body, "text/html" if exchange.framework == "express" else "text/plain"), status)


def sent_type(body: Any, text: str) -> str | None:
    """The content type that a framework gives a body by what it is."""
    kinds = {"text" if isinstance(option, str) else "json" if option is not UNDEFINED and (not isinstance(option, Value) or type(option) in (Obj, Arr) or hasattr(option, "key")) else "" for option in options(body)}
    return text if kinds == {"text"} else "application/json" if kinds == {"json"} else None


def send_status(exchange: Exchange, it: Any, arguments: list) -> None:
    for code in options(arguments[0]) if arguments else ():
        if isinstance(code, int):
            exchange.send(UNDEFINED, None, code)


def redirect(exchange: Exchange, it: Any, arguments: list) -> None:
    numbers = [value for value in arguments if isinstance(value, int)]
    exchange.send(UNDEFINED, None, numbers[0] if numbers else next((reply.status for reply in exchange.state if reply.status and 300 <= reply.status < 400), 302), True)


def send_type(exchange: Exchange, it: Any, arguments: list) -> None:
    name, value = (arguments[0], arguments[-1]) if len(arguments) > 1 else ("content-type", arguments[0] if arguments else "")
    if isinstance(name, str) and name.lower() == "content-type" and isinstance(value, str):
        exchange.every(content_type=media_type(value))
    elif type(name) is Obj:
        for key, inner in name.props.items():
            send_type(exchange, it, [key, inner])


def media_type(text: str) -> str:
    known = {"json": "application/json", "html": "text/html", "text": "text/plain", "txt": "text/plain", "xml": "application/xml", "csv": "text/csv", "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml"}
    return known.get(text.lstrip(".").lower(), text.partition(";")[0].strip().lower())


def write_head(exchange: Exchange, it: Any, arguments: list) -> None:
    exchange.set_status(arguments[0] if arguments else None)
    if len(arguments) > 1:
        send_type(exchange, it, [arguments[-1], UNDEFINED])


def send_file(exchange: Exchange, it: Any, arguments: list) -> None:
    exchange.send(Unknown(), None)


def status(exchange: Exchange, it: Any, arguments: list) -> None:
    exchange.set_status(arguments[0] if arguments else None)


def nothing(exchange: Exchange, it: Any, arguments: list) -> None:
    pass


ANSWERS = {
    "status": status, "code": status, "json": send_json, "jsonp": send_json, "send": send_any, "end": lambda exchange, it, arguments: exchange.send(arguments[0] if arguments and not isinstance(arguments[0], Fn) else UNDEFINED, None),
    "sendStatus": send_status, "redirect": redirect, "type": send_type, "contentType": send_type, "set": send_type, "header": send_type, "setHeader": send_type, "writeHead": write_head, "sendFile": send_file,
    "download": send_file, "render": lambda exchange, it, arguments: exchange.send(Unknown(), "text/html"), "cookie": nothing, "clearCookie": nothing, "location": nothing, "append": nothing, "vary": nothing, "links": nothing,
    "attachment": nothing, "removeHeader": nothing, "write": nothing, "format": lambda exchange, it, arguments: formats(exchange, it, arguments)}


def formats(exchange: Exchange, it: Any, arguments: list) -> None:
    members = arguments[0].props if arguments and type(arguments[0]) is Obj else {}
    it.fork([lambda function=function: it.call(function, UNDEFINED, [exchange.request, exchange.reply], None) and None for function in members.values()])


FASTIFY = {**ANSWERS, "redirect": redirect, "headers": send_type, "serialize": nothing, "serializer": nothing, "hijack": nothing, "callNotFound": lambda exchange, it, arguments: exchange.send(Unknown(), "application/json", 404)}
SENSIBLE = {}       # names of HTTP errors in camelCase -> status: filled by frameworks.py


class FastifyReply(Response):
    __slots__ = ()

    def get(self, it, name, node):
        return self if name in ("raw", "res") else self.exchange.request if name == "request" else super().get(it, name, node)

    def invoke(self, it, name, arguments, node):
        if name in self.props:
            return it.call(self.props[name], self, arguments, node)
        if name in SENSIBLE:
            self.exchange.send(Unknown(), "application/json", SENSIBLE[name])
        elif name in FASTIFY:
            FASTIFY[name](self.exchange, it, arguments)
        else:
            it.call_unknown(arguments)
        return self


class Context(Value):
    """ctx of Koa; also its request and response."""
    __slots__ = ("exchange", "props")

    def __init__(self, exchange: Exchange):
        self.exchange, self.props = exchange, {"state": exchange.locals}

    def get(self, it, name, node):
        if name in ("request", "response", "req", "res"):
            return self
        if name in ("query", "params", "headers", "header", "cookies"):
            return Cookies(self.exchange) if name == "cookies" else Input(self.exchange, LOCATIONS[name])
        if name == "body":
            written = [reply.body for reply in self.exchange.state if reply.body is not UNDEFINED]
            if written and node is not None and b"request" not in node.text:
                return written[0]
            self.exchange.use(("body", ()))
            return Input(self.exchange, "body")
        if name in ("file", "files"):
            return Unknown()
        if name in self.props:
            return self.props[name]
        return Unknown() if name in ("status", "type", "method", "path", "url", "ip", "app", "session", "user", "host", "href", "origin") else Native(lambda it, this, arguments, node: self.invoke(it, name, arguments, node))

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
        if name == "get" and isinstance(first, str):
            return Input(self.exchange, "header").part(first)
        if name == "throw":
            it.throw(it.builtins.http_error(it, arguments))
        if name == "assert":
            it.fork([lambda: it.throw(it.builtins.http_error(it, arguments[1:])), lambda: None], (frozenset([first.key]) if hasattr(first, "key") else first.when_false if isinstance(first, Test) else frozenset(), frozenset()))
        elif name == "redirect":
            self.exchange.send(UNDEFINED, None, next((reply.status for reply in self.exchange.state if reply.status and 300 <= reply.status < 400), 302), True)
        elif name in ("set", "append"):
            send_type(self.exchange, it, arguments)
        elif name == "render" and name not in self.props:
            self.exchange.every(body=Unknown(), content_type="text/html")
        elif name in ("json", "ok", "send") and name not in self.props:
            self.exchange.every(body=first)
        elif name in self.props:
            return it.call(self.props[name], self, arguments, node)
        else:
            return it.call_unknown(arguments)
        return self

    def typed(self, type_: Type) -> None:
        self.exchange.annotate(self.exchange.it, type_)


class Cookies(Value):
    """ctx.cookies of Koa."""
    __slots__ = ("exchange",)

    def __init__(self, exchange: Exchange):
        self.exchange = exchange

    def invoke(self, it, name, arguments, node):
        return Input(self.exchange, "cookie").part(arguments[0]) if name == "get" and arguments and isinstance(arguments[0], str) else Unknown()

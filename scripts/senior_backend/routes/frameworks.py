"""Express, Fastify and Koa as far as routing goes: what their functions give, and which routes were registered."""
from __future__ import annotations

import dataclasses
import re
from typing import Any, Callable, Iterator

from senior_backend.routes import builtins, libraries
from senior_backend.routes.builtins import HTTP_ERRORS, http_error, named_errors
from senior_backend.routes.modules import Namespace
from senior_backend.routes.notation import covers, joined
from senior_backend.routes.schemas import plain
from senior_backend.routes.values import UNDEFINED, Alternatives, Arr, Fn, Native, Obj, Unknown, Value, function_at, options

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
EVERY_METHOD = ("get", "put", "post", "delete", "patch")
MOST_LAYERS = 20_000        # more are made by loops that were not meant to be read
HOOKS = ("onRequest", "preParsing", "preValidation", "preHandler")


@dataclasses.dataclass(slots=True)
class Layer:
    """A route, a middleware, or a router within a router. paths: None for every path, [] when they are not known."""
    kind: str                           # "route" | "use" | "all" | "own"
    methods: tuple
    paths: list | None
    handlers: list
    place: tuple
    node: Any = None
    router: Any = None
    options: Any = None                 # the options object of Fastify; the entry of a generated table
    types: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Endpoint:
    """A route with all that stands in front of it: handlers are (value, whether it is the route's own)."""
    framework: str
    method: str
    path: str
    handlers: list
    errors: list
    layer: Layer


def flat(values: list) -> list:
    return [inner for value in values for inner in (flat(value.items) if type(value) is Arr else flat(value.parts) if type(value) is Composed and not value.prefix else [value])]


def at(a: list, index: int = 0) -> Any:
    return a[index] if index < len(a) else UNDEFINED


class Router(Value):
    """A router or an app. owner: for Fastify the instance that this one is a part of."""
    __slots__ = ("framework", "app", "layers", "prefix", "place", "mounts", "hooks", "props", "owner", "failures", "parameters")

    def __init__(self, it: Any, framework: str, app: bool, node: Any, prefix: str = "", owner: Any = None):
        self.framework, self.app, self.prefix, self.owner = framework, app, prefix, owner
        self.place, self.mounts = it.place(node), 0
        self.layers: list[Layer] = []
        self.hooks: list[tuple[str, Any]] = []
        self.failures: list[tuple[int, Any]] = []       # error handlers, and behind how many layers they stand
        self.props: dict[str, Any] = {}
        self.parameters: list[Parameter] = []
        it.routers.append(self)

    def call(self, it, this, arguments, node):
        return UNDEFINED

    def set(self, it, name, value):
        self.props[name] = value

    def work(self, name: Any) -> Callable | None:
        return TABLES[self.framework].get(name) or (METHOD[self.framework] if name in METHODS else None)

    def get(self, it, name, node):
        router: Any = self
        while router is not None:
            if name in router.props:
                return router.props[name]
            router = router.owner
        if self.work(name):
            return function_at(self, name)
        if self.framework == "fastify":
            return ERRORS if name == "httpErrors" else self if name in ("server", "app") else self.prefix if name == "prefix" else Unknown(why=name)
        return Unknown()

    def invoke(self, it, name, arguments, node):
        work = None if name in self.props and name not in METHODS else self.work(name)
        if work:
            return work(it, self, name, arguments, node)
        found = self.get(it, name, node) if isinstance(name, str) else Unknown()
        return it.call(found, self, arguments if name in ("listen", "then", "ready") or not isinstance(found, Unknown) else [], node)

    def add(self, it: Any, kind: str, methods: tuple, paths: list | None, handlers: list, node: Any, **further: Any) -> Router:
        it.registered += 1
        if it.registered > MOST_LAYERS:
            it.tell(f"more than {MOST_LAYERS} routes and middlewares: the rest is left out", it.place(node))
            return self
        self.layers.append(Layer(kind, methods, paths, handlers, it.place(node), node, types=it.generics, **further))
        return self

    def route(self, it: Any, name: str, paths: list | None, handlers: list, node: Any) -> Router:
        return self.add(it, "all" if name == "all" else "route", METHODS if name == "all" else (name,), paths, flat(handlers), node)


class Parameter(Value):
    """What router.param() puts in front of the routes that have a parameter."""
    __slots__ = ("of", "function", "name", "first")

    def __init__(self, of: str, function: Fn, first: bool):
        self.of, self.function, self.name, self.first = of, function, function.name, first

    def call(self, it, this, arguments, node):
        value = it.exchange.request.get(it, "params", None).part(self.of)
        return it.call(self.function, this, [value, *arguments] if self.first else [*arguments, value, self.of], node)


def param(it, router, name, a, node):
    router.parameters += [Parameter(of, function, router.framework == "koa") for of in flat(a[:1]) if isinstance(of, str) for function in options(at(a, 1)) if type(function) is Fn]
    return router


def itself(it, router, name, a, node):
    return router


def nothing(it, router, name, a, node):
    return Unknown()


# paths and mounting
def patterns(it: Any, value: Any, node: Any) -> list[str]:
    """The patterns that a value stands for; [] with the place told when they are not known."""
    found: list[str] = []
    for option in flat(options(value)):
        if isinstance(option, str):
            found.append(option)
        elif type(option) is Obj and "source" in option.props:
            it.tell(f"a regular expression as path cannot be said in a template: /{option.props['source'][:80]}/", it.place(node))
        elif type(value) is Alternatives and any(isinstance(other, str) for other in value.options):
            it.tell("a part of the path is known at run time alone: its default is taken", it.place(node))
        else:
            why = getattr(option, "why", "")
            it.tell("the path is known at run time alone" + (f" ({why})" if why else "") + ": what is registered here is left out", it.place(node))
    return found


def is_path(value: Any) -> bool:
    if type(value) in (Arr, Alternatives):
        return (all if type(value) is Arr else any)(map(is_path, found := value.items if type(value) is Arr else value.options)) and bool(found)
    return isinstance(value, str) or type(value) is Obj and "source" in value.props


def mount(it: Any, router: Router, value: Any, paths: list | None, node: Any) -> None:
    if isinstance(value, Composed):
        for part in value.parts:
            mount(it, router, part, [joined(start, value.prefix) for start in paths or [""]] if value.prefix else paths, node)
    elif isinstance(value, Router):
        value.mounts += 1
        router.add(it, "use", (), [""] if paths is None else paths, [], node, router=value)
    elif type(value) is Obj and isinstance(value.props.get("router"), Router):
        mount(it, router, value.props["router"], paths, node)
    elif router.framework == "express" and (arity(value) == 4 if type(value) is Fn else isinstance(value, Native) and value.props.get("length") == 4):
        router.failures.append((len(router.layers), value))
    elif isinstance(value, Unknown) and not value.why and not paths:
        it.tell("what is used here could not be followed: routes in it are missing", it.place(node))
    else:
        router.add(it, "use", (), paths, [value], node)


def use(it, router, name, a, node):
    first, rest = at(a), flat(a[1:])
    with_path = is_path(first) or isinstance(first, Unknown) and rest and not (first.why and not any(isinstance(value, Router) for value in rest))
    with_path = with_path and not (router.framework == "koa" and router.app)
    paths = patterns(it, first, node) if with_path and (is_path(first) or any(isinstance(value, (Router, Fn)) for value in rest)) else [] if with_path else None
    for value in rest if with_path else flat(a):
        for option in options(value):
            mount(it, router, option, paths, node)
    return router


def arity(function: Any) -> int:
    if type(function) is not Fn:
        return 3
    written = function.node.child_by_field_name("parameters")
    return sum(child.type != "comment" for child in written.named_children) if written else 1


# Express
class Route(Value):
    """router.route('/x'), to which methods are added."""
    __slots__ = ("router", "paths")

    def __init__(self, router: Router, paths: list):
        self.router, self.paths = router, paths

    def invoke(self, it, name, arguments, node):
        if name in METHODS or name == "all":
            self.router.route(it, name, self.paths, arguments, node)
        return self


def express_method(it, router, name, a, node):
    if name == "get" and len(a) == 1:
        return Unknown()            # a setting
    return router.route(it, name, patterns(it, at(a), node), a[1:], node)


# Koa
class Composed(Value):
    """Several middlewares as one: router.routes(), koa-compose, koa-mount."""
    __slots__ = ("parts", "prefix")

    def __init__(self, parts: list, prefix: str = ""):
        self.parts, self.prefix = parts, prefix


def koa_method(it, router, name, a, node):
    a = a[1:] if len(a) > 2 and isinstance(a[0], str) and is_path(a[1]) else a         # a route may have a name
    return router.route(it, "delete" if name == "del" else name, patterns(it, at(a), node), a[1:], node)


def koa_routes(it, router, name, a, node):
    return Composed([router])


def koa_prefix(it, router, name, a, node):
    if isinstance(at(a), str):
        router.prefix = joined(a[0], router.prefix) if router.prefix else a[0]
    return router


def methods_of(value: Any) -> tuple:
    return tuple(method.lower() for method in flat([value]) if isinstance(method, str) and method.lower() in METHODS)


def koa_register(it, router, name, a, node):
    return router.add(it, "route", methods_of(at(a, 1)), patterns(it, at(a), node), flat(a[2:3]), node)


def koa_redirect(it, router, name, a, node):
    code = next((value for value in a[2:] if isinstance(value, int)), 301)
    handler = Native(lambda it, this, given, node: it.exchange.send(UNDEFINED, None, code) or UNDEFINED)
    return router.route(it, "get", patterns(it, at(a), node), [handler], node)


# Fastify
def fastify_method(it, router, name, a, node):
    given = a[1] if len(a) > 2 or len(a) > 1 and type(a[1]) is Obj and a[1].cls is None else Obj()
    handler = a[-1] if len(a) > 1 and a[-1] is not given else it.member(given, "handler")
    return fastify_add(it, router, METHODS if name == "all" else (name,), at(a), given, handler, node)


def fastify_route(it, router, name, a, node):
    given = at(a)
    methods = methods_of(given.props.get("method", UNDEFINED)) if type(given) is Obj else ()
    if not methods:
        it.tell("the options of this route are not known: it is left out", it.place(node))
        return router
    return fastify_add(it, router, methods, given.props.get("url", given.props.get("path", UNDEFINED)), given, it.member(given, "handler"), node)


def fastify_add(it: Any, router: Router, methods: tuple, path: Any, given: Any, handler: Any, node: Any) -> Router:
    before = [hook for name in HOOKS for hook in flat([given.props[name]] if type(given) is Obj and name in given.props else [])]
    return router.add(it, "all" if methods == METHODS else "route", methods, patterns(it, path, node), [*before, handler], node, options=given)


def fastify_register(it, router, name, a, node):
    given = it.call(a[1], UNDEFINED, [router], node) if isinstance(at(a, 1), (Fn, Native)) else at(a, 1)
    for option in options(at(a)):
        register_plugin(it, router, option, given if type(given) is Obj else Obj(open=isinstance(given, Unknown)), node)
    return router


def register_plugin(it: Any, router: Router, plugin: Any, given: Obj, node: Any) -> None:
    if isinstance(plugin, Namespace) or type(plugin) is Obj:
        plugin = next((found for name in ("default", "plugin", "routes") if type(found := it.member(plugin, name)) in (Fn, Native)), plugin)
    if isinstance(plugin, Native) and "register" in plugin.props:
        plugin.props["register"](it, router, given, node)
    if type(plugin) is not Fn:
        if isinstance(plugin, Unknown) and not plugin.why:
            it.tell("the plugin that is registered here could not be followed: its routes are missing", it.place(node))
        return
    prefix = given.props.get("prefix", "")
    if not isinstance(prefix, str):
        prefix = next((option for option in options(prefix) if isinstance(option, str)), None)
        it.tell("the prefix of this plugin is known at run time alone: " + ("its default is taken" if prefix is not None else "its routes are left out"), it.place(node))
    if prefix is None:
        return
    child = router
    if not (plugin.props and "skip-override" in plugin.props):
        child = Router(it, "fastify", False, node, owner=router)
        router.add(it, "use", (), [prefix], [], node, router=child)
        child.mounts += 1
    it.guarded(lambda: it.call(plugin, child, [child, given, Native(lambda it, this, a, node: UNDEFINED)], node))


def autoload(it: Any, router: Router, given: Obj, node: Any) -> None:
    """@fastify/autoload: each module of a folder is a plugin, folders are prefixes."""
    start, further = given.props.get("dir"), given.props.get("options")
    base = further.props.get("prefix", "") if type(further) is Obj else ""
    found = it.sources.below(start) if isinstance(start, str) and isinstance(base, str) else None
    if found is None:
        it.tell("the folder of autoload is not known: its routes are missing", it.place(node))
    for name, module in found or ():
        folders = name.split("/")[:-1] if given.props.get("dirNameRoutePrefix", True) is not False else []
        own, whole = (module.export(it, name) if not module.is_commonjs() else UNDEFINED for name in ("autoPrefix", "prefixOverride"))
        prefix = own if isinstance(own, str) else "/".join(":" + part[1:] if part.startswith("_") and given.props.get("routeParams") is True else part for part in folders)
        plugin = module.export(it, "default")
        if type(plugin) is Fn:
            register_plugin(it, router, plugin, Obj({**given.props, "prefix": whole if isinstance(whole, str) else joined(base, prefix) if base or prefix else ""}), node)


def fastify_hook(it, router, name, a, node):
    if len(a) > 1 and a[0] in HOOKS:
        router.hooks.append((a[0], a[1]))
    return router


def fastify_decorate(it, router, name, a, node):
    if isinstance(at(a), str):
        router.props[a[0]] = at(a, 1)
    return router


def fastify_schema(it, router, name, a, node):
    it.shared_schemas.extend(a[:1])
    return router


def fastify_failure(it, router, name, a, node):
    router.failures.append((0, at(a)))
    return router


def fastify_after(it, router, name, a, node):
    for function in a:
        it.guarded(lambda function=function: it.call(function, router, [None, router], node))
    return router


def fastify_auth(it, router, name, a, node):
    return at(a)


def fastify_assert(it, router, name, a, node):
    return UNDEFINED if it.exchange is None else it.ensure(at(a), http_error(it, a[1:]))


TABLES: dict[str, dict[str, Callable]] = {
    "express": {"use": use, "all": express_method, "route": lambda it, router, name, a, node: Route(router, patterns(it, at(a), node)), "listen": nothing, "handle": nothing,
                "param": param, **dict.fromkeys(("set", "enable", "disable", "engine"), itself)},
    "koa": {"use": use, "all": koa_method, "del": koa_method, "routes": koa_routes, "middleware": koa_routes, "allowedMethods": lambda *a: Unknown(why="allowedMethods"), "prefix": koa_prefix, "register": koa_register,
            "redirect": koa_redirect, "param": param, "on": itself, "listen": nothing, "callback": nothing},
    "fastify": {"register": fastify_register, "route": fastify_route, "all": fastify_method, "addHook": fastify_hook, "decorate": fastify_decorate, "addSchema": fastify_schema, "setErrorHandler": fastify_failure,
                "after": fastify_after, "ready": fastify_after, "auth": fastify_auth, "assert": fastify_assert, **dict.fromkeys(("listen", "close", "inject"), nothing),
                **dict.fromkeys(("decorateRequest", "decorateReply", "setNotFoundHandler", "withTypeProvider", "setValidatorCompiler", "setSerializerCompiler", "addContentTypeParser", "use"), itself)}}
METHOD = {"express": express_method, "koa": koa_method, "fastify": fastify_method}


# what is registered
def endpoints(it: Any) -> Iterator[Endpoint]:
    """All routes of all apps; of routers without an app when there is none."""
    apps = [router for router in it.routers if router.app and not router.mounts]
    for router in apps:
        yield from below(it, router, "", [], [], set())
    served = any(router.layers for router in apps)
    used = {router.place for router in it.routers if router.mounts}
    for router in it.routers:
        if router.app or router.mounts or not router.layers or router.place in used:        # or another instance of it is used
            continue
        own = all(layer.kind == "own" for layer in router.layers)       # a generated server that is not used here: its paths are whole
        if not own:
            it.tell("nothing that was read uses this router: " + ("its routes are left out" if served else "a prefix of its paths may be missing"), router.place)
        if own or not served:
            yield from below(it, router, "", [], [], set())


def below(it: Any, router: Router, prefix: str, before: list, failures: list, above: set) -> Iterator[Endpoint]:
    """before: (pattern, exact, handler) of what is passed on the way here; failures: error handlers."""
    if id(router) in above:
        return
    before = [*before, *(("/", False, parameter) for parameter in router.parameters)] if router.parameters else before
    above, prefix, shared = above | {id(router)}, joined(prefix, router.prefix) if router.prefix else prefix, router.framework == "express"
    # in Express a request that a router does not answer has still passed its middlewares
    before = before if shared else [*before, *((prefix, False, hook) for name in HOOKS for given, hook in router.hooks if given == name)]
    for index, layer in enumerate(router.layers):
        handled = [*(failure for at, failure in router.failures if at > index or router.framework == "fastify"), *failures]
        paths = [joined(prefix, path) if path else prefix for path in ([""] if layer.paths is None else layer.paths)]
        if layer.router is not None:
            for path in paths:
                yield from below(it, layer.router, path, before if shared else list(before), handled, above)
        elif layer.kind == "use" or layer.kind == "all" and passes(layer, router.framework):
            before.extend((path or "/", layer.kind == "all", handler) for path in paths for handler in layer.handlers)
        elif layer.methods != ("options",) or any(type(handler) is Fn for handler in layer.handlers):      # else what browsers ask before they call
            yield from of_layer(layer, prefix, before, handled, router.framework)


def of_layer(layer: Layer, prefix: str, before: list, failures: list, framework: str) -> Iterator[Endpoint]:
    for written in layer.paths or ():
        path = written if layer.kind == "own" and not prefix else joined(prefix, written)
        front = [(handler, False) for pattern, exact, handler in before if covers(pattern, path, exact) and (type(handler) is not Parameter or re.search(rf":{handler.of}\b", path))]
        for method in EVERY_METHOD if layer.kind == "all" else layer.methods:
            yield Endpoint(framework, method, path, [*front, *((handler, True) for handler in layer.handlers)], failures, layer)


def passes(layer: Layer, framework: str) -> bool:
    """Whether handlers of all() only stand in front of others: the last one calls its next."""
    last, wanted = layer.handlers[-1] if layer.handlers else None, 1 if framework == "koa" else 2
    if type(last) is not Fn or framework == "fastify":
        return framework != "fastify" and not isinstance(last, Native)
    if arity(last) <= wanted:
        return False
    written = [child for child in last.node.child_by_field_name("parameters").named_children if child.type != "comment"][wanted]
    return (written.child_by_field_name("pattern") or written).text + b"(" in last.node.child_by_field_name("body").text


# packages
ERRORS = Native(lambda it, this, a, node: http_error(it, a), {
    **{name[0].lower() + name[1:]: error for name, error in named_errors(HTTP_ERRORS).items()}, **named_errors(HTTP_ERRORS), "HttpError": builtins.HTTP_ERROR, **dict.fromkeys(("isHttpError", "isBoom"), Native(lambda it, this, a, node: a[0].cls is builtins.HTTP_ERROR if type(at(a)) is Obj else Unknown())), "boomify": Native(lambda it, this, a, node: at(a)),
    "createError": Native(lambda it, this, a, node: http_error(it, a)), "badImplementation": named_errors({"": 500})[""]})


ERRORS.props["default"] = ERRORS


def function(work: Callable, *names: str, **further: Any) -> Callable:
    """A package that is a function work(it, a, node), also by these names."""
    def package(it: Any) -> Native:
        whole = Native(lambda it, this, a, node: work(it, a, node), dict(further))
        whole.props.update(dict.fromkeys(("default", *names), whole))
        return whole
    return package


def maker(framework: str, app: bool) -> Callable:
    def work(it: Any, a: list, node: Any) -> Router:
        prefix = at(a).props.get("prefix", "") if framework == "koa" and not app and type(at(a)) is Obj else ""
        return Router(it, framework, app, node, prefix if isinstance(prefix, str) else "")
    return work


def express_package(it: Any) -> Native:
    middleware = Native(lambda it, this, a, node: Unknown(why="express"))
    return function(maker("express", True), Router=function(maker("express", False))(it), application=Unknown(), **dict.fromkeys(("json", "urlencoded", "static", "raw", "text"), middleware))(it)


def as_plugin(it: Any, a: list, node: Any) -> Any:
    if type(at(a)) is Fn:
        a[0].set(it, "skip-override", True)
    return at(a)


class Uploads(Value):
    """A middleware of multer: the body is a form with files."""
    __slots__ = ("fields",)

    def __init__(self, fields: list):
        self.fields = fields

    def handle(self, it, exchange):
        exchange.media.add("multipart/form-data")
        exchange.use(("body", ()))
        for name, many in self.fields:
            binary = {"type": "string", "format": "binary"}
            exchange.rule("body", (name,), {"type": "array", "items": binary, **({"maxItems": many} if many > 1 else {})} if many else binary, False)
        return True


def multer(it: Any, a: list, node: Any) -> Obj:
    def uploads(many: bool) -> Native:
        return Native(lambda it, this, a, node: Uploads([(a[0], many)] if isinstance(at(a), str) else [(item["name"], item.get("maxCount", True) != 1 and item.get("maxCount", True)) for item in plain(at(a)) or () if "name" in item]))
    return Obj({**dict.fromkeys(("single", "none"), uploads(False)), **dict.fromkeys(("array", "fields", "any"), uploads(True))}, open=True)


class Guard(Value):
    """A middleware that asks for credentials of a known kind."""
    __slots__ = ("schemes",)

    def __init__(self, schemes: dict):
        self.schemes = schemes

    def handle(self, it, exchange):
        exchange.credentials.update(self.schemes)
        return True

    def get(self, it, name, node):
        return Native(lambda it, this, a, node: self)       # unless()

    def call(self, it, this, arguments, node):
        if it.exchange is not None:
            self.handle(it, it.exchange)
            it.attempt(lambda: it.call(arguments[2], UNDEFINED, [], node) if len(arguments) > 2 else None)
        return UNDEFINED


BEARER, BASIC = {"bearerAuth": {"type": "http", "scheme": "bearer"}}, {"basicAuth": {"type": "http", "scheme": "basic"}}
STRATEGIES = {"passport-jwt": {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}, "passport-http-bearer": BEARER, "passport-http": BASIC, "passport-local": {}}


def guard(schemes: dict) -> Callable:
    return lambda it, a, node: Guard(schemes)


class Passport(Value):
    """passport: which HTTP scheme a strategy is can be told where the strategy is made."""
    __slots__ = ()

    def get(self, it, name, node):
        return self if name == "default" else function_at(self, name)

    def invoke(self, it, name, arguments, node):
        if name == "use":
            why = getattr(arguments[-1] if arguments else None, "why", "")
            it.strategies[arguments[0] if len(arguments) > 1 and isinstance(arguments[0], str) else why.removeprefix("passport-").removeprefix("http-")] = why
            return self
        it.call_unknown([argument for argument in arguments if isinstance(argument, Fn)])
        schemes: dict = {}
        for key in flat(arguments[:1]) if name == "authenticate" else ():
            schemes.update(STRATEGIES.get(it.strategies.get(key, ""), {}) if isinstance(key, str) else {})
        return Guard(schemes) if schemes else Unknown(why="passport." + str(name))


def strategy(name: str) -> Callable:
    return function(lambda it, a, node: Unknown(why=name), "Strategy", "BasicStrategy", "JwtStrategy", ExtractJwt=Unknown())


def note_definition(it: Any, given: Any) -> None:
    """swagger-jsdoc and @fastify/swagger are told what the document says of the API as a whole."""
    found = plain(given)
    for name in ("definition", "swaggerDefinition", "openapi", "swagger"):
        told = found.get(name) if isinstance(found, dict) else None
        if isinstance(told, dict):
            it.about.update({key: told[key] for key in ("info", "servers", "tags", "externalDocs") if told.get(key)})
            schemes = told.get("components", {}).get("securitySchemes") if isinstance(told.get("components"), dict) else None
            it.schemes.update({key: value for key, value in (schemes or {}).items() if isinstance(value, dict)})


def swagger(it: Any, a: list, node: Any) -> Unknown:
    note_definition(it, at(a))
    it.documents += [path for path in it.items(it.member(at(a), "apis")) if isinstance(path, str)] if type(at(a)) is Obj else []
    return Unknown(why="swagger-jsdoc")


def statuses(it: Any) -> Obj:
    names = Obj(dict(builtins.STATUS_NAMES), open=True)
    return Obj({**names.props, **dict.fromkeys(("StatusCodes", "default", "status", "HttpStatus"), names)}, open=True)


def members(table: dict) -> Callable:
    return lambda it: Native(lambda it, this, a, node: Unknown(), {**table, **dict.fromkeys(("default", "posix", "promises"), Obj(dict(table), open=True))})


def each(package: Callable, *names: str) -> dict[str, Callable]:
    return dict.fromkeys(names, package)


def first(it: Any, a: list, node: Any) -> Any:
    return at(a)


PACKAGES: dict[str, Callable] = {
    **libraries.PACKAGES, "express": express_package, "express-promise-router": function(maker("express", False)), "koa": function(maker("koa", True)), **each(function(maker("koa", False), "Router"), "@koa/router", "koa-router"),
    "fastify": function(maker("fastify", True), "fastify"), "fastify-plugin": function(as_plugin), "@fastify/autoload": function(first, register=autoload), "koa-compose": function(lambda it, a, node: Composed(flat(a))),
    "koa-mount": function(lambda it, a, node: Composed(flat(a[1:]), a[0]) if len(a) > 1 and isinstance(a[0], str) else Composed(flat(a))),
    **each(function(swagger, register=lambda it, router, given, node: note_definition(it, given)), "swagger-jsdoc", "@fastify/swagger"), **each(lambda it: ERRORS, "http-errors", "@hapi/boom", "boom"),
    **each(statuses, "http-status-codes", "http-status"), "multer": function(multer, memoryStorage=builtins.opaque(), diskStorage=builtins.opaque()), **each(function(guard(BASIC)), "express-basic-auth", "koa-basic-auth"),
    **each(function(guard(BEARER), "expressjwt", "auth"), "express-jwt", "koa-jwt", "express-oauth2-jwt-bearer"), **each(lambda it: Passport(), "passport", "koa-passport"), **{name: strategy(name) for name in STRATEGIES},
    **each(function(first), "express-async-handler", "express-async-wrapper"), "path": members(builtins.PATH), "fs": members(builtins.FILES), "url": members(builtins.URL), "util": members({"promisify": Native(lambda it, this, a, node: at(a))})}

"""Express, Fastify and Koa as far as routing goes: what their functions give, and which routes were registered."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterator

from senior_backend.routes import builtins, libraries
from senior_backend.routes.builtins import HTTP_ERRORS, camel, named_errors, native
from senior_backend.routes.exchange import SENSIBLE
from senior_backend.routes.interpreter import Thrown
from senior_backend.routes.modules import Namespace
from senior_backend.routes.paths import covers, joined
from senior_backend.routes.schemas import plain
from senior_backend.routes.values import UNDEFINED, Alternatives, Arr, Cls, Fn, Native, Obj, Unknown, Value, either, options

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
EVERY_METHOD = ("get", "put", "post", "delete", "patch")
FASTIFY_HOOKS = ("onRequest", "preParsing", "preValidation", "preHandler")
SENSIBLE.update({camel(name): code for name, code in HTTP_ERRORS.items()})


@dataclasses.dataclass(slots=True)
class Layer:
    """A route, a middleware, or a router within a router. paths: None for every path, [] when they are not known."""
    kind: str                           # "route" | "use" | "all"
    methods: tuple
    paths: list | None
    handlers: list
    place: tuple
    node: Any = None
    router: Any = None
    options: Any = None                 # the options object of Fastify
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
    return [inner for value in values for inner in (flat(value.items) if type(value) is Arr else [value])]


class Router(Value):
    """A router or an app. owner: for Fastify the instance that this one is a part of."""
    __slots__ = ("framework", "app", "layers", "prefix", "place", "mounts", "hooks", "props", "owner", "failures", "base")

    def __init__(self, it: Any, framework: str, app: bool, node: Any, prefix: str = "", owner: Any = None):
        self.framework, self.app, self.prefix, self.owner = framework, app, prefix, owner
        self.layers: list[Layer] = []
        self.place, self.mounts = it.place(node), 0
        self.hooks: list[tuple[str, Any]] = []
        self.failures: list = []                # error handlers
        self.props: dict[str, Any] = {}
        self.base = ""                          # the pattern of a route() that is being filled
        it.routers.append(self)

    def call(self, it, this, arguments, node):
        return UNDEFINED

    def set(self, it, name, value):
        self.props[name] = value

    def get(self, it, name, node):
        router: Any = self
        while router is not None:
            if name in router.props:
                return router.props[name]
            router = router.owner
        if self.framework == "fastify":
            return FASTIFY_PROPS[name] if name in FASTIFY_PROPS else self if name in ("server", "app") else bound(self, name) if name in FASTIFY or name in METHODS else self.prefix if name == "prefix" else Unknown(why=name)
        return bound(self, name) if name in EXPRESS or name in KOA or name in METHODS else Unknown()

    def invoke(self, it, name, arguments, node):
        if isinstance(name, str) and name in self.props and name not in METHODS:
            return it.call(self.props[name], self, arguments, node)
        table = {"express": EXPRESS, "koa": KOA, "fastify": FASTIFY}[self.framework]
        work = table.get(name)
        if work is None and name in METHODS:
            work = {"express": express_method, "koa": koa_method, "fastify": fastify_method}[self.framework]
        if work is not None:
            return work(it, self, name, arguments, node)
        if self.framework == "fastify":
            found = self.get(it, name, node)
            return it.call(found, self, arguments, node)
        it.call_unknown([argument for argument in arguments if name in ("listen", "then", "ready")])
        return Unknown()

    def add(self, it: Any, kind: str, methods: tuple, paths: list | None, handlers: list, node: Any, **further: Any) -> Router:
        self.layers.append(Layer(kind, methods, paths, handlers, it.place(node), node, types=it.generics, **further))
        return self


def bound(router: Router, name: str) -> Native:
    return Native(lambda it, this, arguments, node: router.invoke(it, name, arguments, node))


def pattern_list(it: Any, value: Any, node: Any) -> list[str]:
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


# Express
def is_path(value: Any) -> bool:
    return isinstance(value, str) or type(value) is Obj and "source" in value.props or type(value) is Arr and bool(value.items) and all(map(is_path, value.items)) \
        or type(value) is Alternatives and any(map(is_path, value.options))


def express_method(it, router, name, arguments, node):
    if name == "get" and len(arguments) == 1 and not router.base:
        return Unknown()
    path, handlers = (router.base, arguments) if router.base else (arguments[0] if arguments else UNDEFINED, arguments[1:])
    paths = [router.base] if router.base else pattern_list(it, path, node)
    router.add(it, "all" if name == "all" else "route", METHODS if name == "all" else (name,), paths, flat(handlers), node)
    return router


def express_use(it, router, name, arguments, node):
    with_path = len(arguments) > 1 and (is_path(arguments[0]) or isinstance(arguments[0], Unknown)) or len(arguments) == 1 and is_path(arguments[0])
    rest = flat(arguments[1:] if with_path else arguments)
    if with_path and isinstance(arguments[0], Unknown) and arguments[0].why and not any(isinstance(value, Router) for value in rest):
        with_path, rest = False, rest[0:]       # the middleware of a package, and others
    paths = None
    if with_path:
        paths = pattern_list(it, arguments[0], node) if any(isinstance(value, (Router, Fn)) for value in rest) or is_path(arguments[0]) else []
    for value in rest:
        for option in options(value):
            mount(it, router, option, paths, node)
    return router


def mount(it: Any, router: Router, value: Any, paths: list | None, node: Any) -> None:
    if isinstance(value, Router):
        value.mounts += 1
        router.add(it, "use", (), [""] if paths is None else paths, [], node, router=value)
    elif type(value) is Obj and isinstance(value.props.get("router"), Router):
        mount(it, router, value.props["router"], paths, node)
    elif type(value) is Fn and parameters_of(value) == 4:
        router.failures.append((len(router.layers), value))
    elif isinstance(value, Unknown) and not value.why and not paths:
        it.tell("what is used here could not be followed: routes in it are missing", it.place(node))
    else:
        router.add(it, "use", (), paths, [value], node)


def parameters_of(function: Fn) -> int:
    written = function.node.child_by_field_name("parameters")
    return sum(child.type != "comment" for child in written.named_children) if written else 1


class Route(Value):
    """router.route('/x'), to which methods are added."""
    __slots__ = ("router", "paths")

    def __init__(self, router: Router, paths: list):
        self.router, self.paths = router, paths

    def invoke(self, it, name, arguments, node):
        if name in METHODS or name == "all":
            self.router.add(it, "all" if name == "all" else "route", METHODS if name == "all" else (name,), self.paths, flat(arguments), node)
        return self


def express_route(it, router, name, arguments, node):
    return Route(router, pattern_list(it, arguments[0] if arguments else UNDEFINED, node))


def chained(it, router, name, arguments, node):
    return router


def listen(it, router, name, arguments, node):
    return Unknown()


EXPRESS: dict[str, Callable] = {"use": express_use, "all": express_method, "route": express_route, "param": chained, "set": chained, "enable": chained, "disable": chained, "engine": chained, "listen": listen, "handle": listen}


# Koa
def koa_method(it, router, name, arguments, node):
    rest = arguments[1:] if len(arguments) > 2 and isinstance(arguments[0], str) and is_path(arguments[1]) else arguments
    handlers = flat(rest[1:])
    method = "delete" if name == "del" else name
    return router.add(it, "all" if name == "all" else "route", METHODS if name == "all" else (method,), pattern_list(it, rest[0] if rest else UNDEFINED, node), handlers, node)


def koa_use(it, router, name, arguments, node):
    with_path = not router.app and len(arguments) > 1 and (is_path(arguments[0]) or isinstance(arguments[0], Unknown) and not isinstance(arguments[0], Composed))
    paths = pattern_list(it, arguments[0], node) if with_path else None
    for value in flat(arguments[1:] if with_path else arguments):
        for option in options(value):
            koa_mount(it, router, option, paths, node)
    return router


def koa_mount(it: Any, router: Router, value: Any, paths: list | None, node: Any) -> None:
    if isinstance(value, Composed):
        for inner in value.parts:
            koa_mount(it, router, inner, [joined(start, value.prefix) for start in paths or [""]] if value.prefix else paths, node)
    elif isinstance(value, Router):
        mount(it, router, value, paths, node)
    elif isinstance(value, Unknown) and not value.why:
        it.tell("what is used here could not be followed: routes in it are missing", it.place(node))
    else:
        router.add(it, "use", (), paths, [value], node)


class Composed(Value):
    """Several middlewares as one: router.routes(), koa-compose, koa-mount."""
    __slots__ = ("parts", "prefix")

    def __init__(self, parts: list, prefix: str = ""):
        self.parts, self.prefix = parts, prefix


def koa_routes(it, router, name, arguments, node):
    return Composed([router]) if name != "allowedMethods" else Unknown(why="allowedMethods")


def koa_prefix(it, router, name, arguments, node):
    if arguments and isinstance(arguments[0], str):
        router.prefix = joined(arguments[0], router.prefix) if router.prefix else arguments[0]
    return router


def koa_register(it, router, name, arguments, node):
    path, methods, handlers = (arguments + [UNDEFINED] * 3)[:3]
    names = tuple(method.lower() for method in flat([methods]) if isinstance(method, str) and method.lower() in METHODS)
    return router.add(it, "route", names, pattern_list(it, path, node), flat([handlers]), node)


def koa_redirect(it, router, name, arguments, node):
    code = next((value for value in arguments[2:] if isinstance(value, int)), 301)
    handler = Native(lambda it, this, given, node: it.exchange.send(UNDEFINED, None, code, True) or UNDEFINED)
    return router.add(it, "route", ("get",), pattern_list(it, arguments[0] if arguments else UNDEFINED, node), [handler], node)


KOA: dict[str, Callable] = {"use": koa_use, "all": koa_method, "del": koa_method, "routes": koa_routes, "middleware": koa_routes, "allowedMethods": koa_routes, "prefix": koa_prefix, "register": koa_register,
                            "redirect": koa_redirect, "param": chained, "listen": listen, "callback": listen, "on": chained}


# Fastify
def fastify_method(it, router, name, arguments, node):
    path, rest = arguments[0] if arguments else UNDEFINED, arguments[1:]
    given = rest[0] if len(rest) > 1 or rest and type(rest[0]) is Obj and rest[0].cls is None else Obj()
    handler = rest[-1] if rest and rest[-1] is not given else it.member(given, "handler") if isinstance(given, Obj) else UNDEFINED
    return fastify_add(it, router, METHODS if name == "all" else (name,), path, given, handler, node)


def fastify_route(it, router, name, arguments, node):
    given = arguments[0] if arguments else UNDEFINED
    if type(given) is not Obj:
        it.tell("the options of this route are not known: it is left out", it.place(node))
        return router
    methods = tuple(method.lower() for method in flat([given.props.get("method", UNDEFINED)]) if isinstance(method, str) and method.lower() in METHODS)
    if not methods:
        it.tell("the method of this route is not known: it is left out", it.place(node))
    path = given.props.get("url", given.props.get("path", UNDEFINED))
    return fastify_add(it, router, methods, path, given, it.member(given, "handler"), node)


def fastify_add(it: Any, router: Router, methods: tuple, path: Any, given: Any, handler: Any, node: Any) -> Router:
    kind = "all" if methods == METHODS else "route"
    before = [hook for name in FASTIFY_HOOKS for hook in flat([given.props[name]] if type(given) is Obj and name in given.props else [])]
    return router.add(it, kind, methods, pattern_list(it, path, node), [*before, handler], node, options=given)


def fastify_register(it, router, name, arguments, node):
    plugin, given = (arguments + [UNDEFINED, UNDEFINED])[:2]
    if isinstance(given, (Fn, Native)):
        given = it.call(given, UNDEFINED, [router], node)
    given = given if type(given) is Obj else Obj(open=isinstance(given, Unknown))
    for option in options(plugin):
        register_plugin(it, router, option, given, node)
    return router


def register_plugin(it: Any, router: Router, plugin: Any, given: Obj, node: Any) -> None:
    if isinstance(plugin, Namespace) or type(plugin) is Obj:
        plugin = next((found for name in ("default", "plugin", "routes") if (found := it.member(plugin, name)) is not UNDEFINED and not isinstance(found, Unknown)), plugin)
    if isinstance(plugin, Native) and "autoload" in plugin.props:
        autoload(it, router, given, node)
        return
    if isinstance(plugin, Native) and "definition" in plugin.props:
        note_definition(it, given)
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
    done = Native(lambda it, this, arguments, node: UNDEFINED)
    it.guarded(lambda: it.call(plugin, child, [child, given, done], node), node)


def autoload(it: Any, router: Router, given: Obj, node: Any) -> None:
    """@fastify/autoload: each module of a folder is a plugin, folders are prefixes."""
    start, further = given.props.get("dir"), given.props.get("options")
    base = further.props.get("prefix", "") if type(further) is Obj else ""
    named = given.props.get("dirNameRoutePrefix", True) is not False
    found = it.sources.below(start) if isinstance(start, str) else None
    if found is None or not isinstance(base, str):
        it.tell("the folder of autoload is not known: its routes are missing", it.place(node))
        return
    for name, module in found:
        folders = name.split("/")[:-1] if named else []
        own = it.member(Namespace(module), "autoPrefix") if not module.is_commonjs() else UNDEFINED
        prefix = own if isinstance(own, str) else "/".join(":" + part[1:] if part.startswith("_") and given.props.get("routeParams") is True else part for part in folders)
        plugin = module.export(it, "default")
        if type(plugin) is Fn:
            register_plugin(it, router, plugin, Obj({**given.props, "prefix": joined(base, prefix) if base or prefix else ""}), node)


def fastify_hook(it, router, name, arguments, node):
    if len(arguments) > 1 and arguments[0] in FASTIFY_HOOKS:
        router.hooks.append((arguments[0], arguments[1]))
    return router


def fastify_decorate(it, router, name, arguments, node):
    if arguments and isinstance(arguments[0], str) and name == "decorate":
        router.props[arguments[0]] = arguments[1] if len(arguments) > 1 else UNDEFINED
    return router


def fastify_schema(it, router, name, arguments, node):
    if arguments:
        it.shared_schemas.append(arguments[0])
    return router


def fastify_error_handler(it, router, name, arguments, node):
    router.failures.append((0, arguments[0] if arguments else UNDEFINED))
    return router


def fastify_after(it, router, name, arguments, node):
    for function in arguments:
        if isinstance(function, Fn):
            it.guarded(lambda function=function: it.call(function, router, [None, router], node), node)
    return router


FASTIFY: dict[str, Callable] = {
    "register": fastify_register, "route": fastify_route, "all": fastify_method, "addHook": fastify_hook, "decorate": fastify_decorate, "decorateRequest": fastify_decorate, "decorateReply": fastify_decorate, "addSchema": fastify_schema,
    "setErrorHandler": fastify_error_handler, "setNotFoundHandler": chained, "withTypeProvider": chained, "setValidatorCompiler": chained, "setSerializerCompiler": chained, "after": fastify_after, "ready": fastify_after,
    "auth": lambda it, router, name, arguments, node: arguments[0] if arguments else UNDEFINED, "listen": listen, "close": listen, "addContentTypeParser": chained, "use": chained, "inject": listen}
FASTIFY_PROPS = {"httpErrors": Native(lambda it, this, arguments, node: builtins.http_error(it, arguments), {**{camel(name): error for name, error in named_errors(HTTP_ERRORS).items()}, "createError": Native(lambda it, this, arguments, node: builtins.http_error(it, arguments))}),
                 "log": Unknown()}


# what is registered
def endpoints(it: Any) -> Iterator[Endpoint]:
    """All routes of all apps; of routers without an app when there is none."""
    apps = [router for router in it.routers if router.app and not router.mounts]
    loose = [router for router in it.routers if not router.app and not router.mounts and router.layers]
    for router in apps:
        yield from below(it, router, "", [], [], set())
    served = any(router.layers for router in apps)
    used = {router.place for router in it.routers if router.mounts}
    for router in loose:
        if router.place in used:
            continue            # another instance of the same is used
        if all(layer.kind == "own" for layer in router.layers):
            yield from below(it, router, "", [], [], set())         # a generated server that is not used here: its paths are whole
        elif served:
            it.tell("nothing that was read uses this router: its routes are left out", router.place)
        else:
            it.tell("nothing that was read uses this router: a prefix of its paths may be missing", router.place)
            yield from below(it, router, "", [], [], set())


def below(it: Any, router: Router, prefix: str, before: list, failures: list, above: set) -> Iterator[Endpoint]:
    """before: (pattern, exact, handler) of what is passed on the way here; failures: error handlers."""
    if id(router) in above:
        return
    above, prefix = above | {id(router)}, joined(prefix, router.prefix) if router.prefix else prefix
    before = before if router.framework == "express" else [*before, *((prefix, False, hook) for name in FASTIFY_HOOKS for given, hook in router.hooks if given == name)]
    for index, layer in enumerate(router.layers):
        later = [failure for at, failure in router.failures if at > index or router.framework == "fastify"]
        handled = [*later, *failures]
        if layer.router is not None:
            for path in layer.paths or ():
                # in Express a request that a router does not answer has still passed its middlewares
                yield from below(it, layer.router, joined(prefix, path) if path else prefix, before if router.framework == "express" else list(before), handled, above)
        elif layer.kind == "use":
            before.extend((joined(prefix, path) if path else prefix, False, handler) for path in ([""] if layer.paths is None else layer.paths) for handler in layer.handlers)
        else:
            yield from of_layer(it, layer, prefix, before, handled, router)


def of_layer(it: Any, layer: Layer, prefix: str, before: list, failures: list, router: Router) -> Iterator[Endpoint]:
    paths = [joined(prefix, path) if layer.kind != "own" or prefix else path for path in layer.paths or ()]
    if layer.kind == "all" and passes(layer, router.framework):
        before.extend((path, True, handler) for path in paths for handler in layer.handlers)
        return
    if layer.methods == ("options",) and not any(type(handler) is Fn for handler in layer.handlers):
        return          # what browsers ask before they call: a package answers it
    for path in paths:
        front = [(handler, False) for pattern, exact, handler in before if covers(pattern, path, exact)]
        for method in EVERY_METHOD if layer.kind == "all" else layer.methods:
            yield Endpoint(router.framework, method, path, [*front, *((handler, True) for handler in layer.handlers)], failures, layer)


def passes(layer: Layer, framework: str) -> bool:
    """Whether handlers of all() only stand in front of others: the last one calls its next."""
    last = layer.handlers[-1] if layer.handlers else None
    if type(last) is not Fn:
        return not isinstance(last, Native) if framework != "fastify" else False
    wanted = 1 if framework == "koa" else 2
    if framework == "fastify" or parameters_of(last) <= wanted:
        return False
    written = [child for child in last.node.child_by_field_name("parameters").named_children if child.type != "comment"][wanted]
    name = (written.child_by_field_name("pattern") or written).text
    body = last.node.child_by_field_name("body").text
    return name + b"(" in body


# packages
def prefix_of(arguments: list) -> str:
    given = arguments[0] if arguments else UNDEFINED
    found = given.props.get("prefix", "") if type(given) is Obj else ""
    return found if isinstance(found, str) else ""


def maker(framework: str, app: bool) -> Native:
    def work(it: Any, this: Any, arguments: list, node: Any) -> Router:
        return Router(it, framework, app, node, prefix_of(arguments) if framework == "koa" and not app else "")
    return Native(work)


def express_package(it: Any) -> Native:
    whole, router = maker("express", True), maker("express", False)
    plain_middleware = Native(lambda it, this, arguments, node: Unknown(why="express"))
    whole.props.update({"Router": router, "default": whole, "application": Unknown(), **{name: plain_middleware for name in ("json", "urlencoded", "static", "raw", "text")}})
    return whole


def koa_package(it: Any) -> Native:
    whole = maker("koa", True)
    whole.props["default"] = whole
    return whole


def koa_router_package(it: Any) -> Native:
    whole = maker("koa", False)
    whole.props["default"] = whole.props["Router"] = whole
    return whole


def fastify_package(it: Any) -> Native:
    whole = maker("fastify", True)
    whole.props.update(default=whole, fastify=whole)
    return whole


def plugin_package(it: Any) -> Native:
    def work(it: Any, this: Any, arguments: list, node: Any) -> Any:
        function = arguments[0] if arguments else UNDEFINED
        if type(function) is Fn:
            function.set(it, "skip-override", True)
        return function
    whole = Native(work)
    whole.props["default"] = whole
    return whole


def http_errors_package(it: Any) -> Native:
    whole = Native(lambda it, this, arguments, node: builtins.http_error(it, arguments), {**named_errors(HTTP_ERRORS), "HttpError": builtins.HTTP_ERROR, "isHttpError": native(lambda it, *rest: Unknown())})
    whole.props["default"] = whole
    return whole


def boom_package(it: Any) -> Native:
    whole = Native(lambda it, this, arguments, node: Unknown(), {**{camel(name): error for name, error in named_errors(HTTP_ERRORS).items()}, "badImplementation": named_errors({"": 500})[""]})
    whole.props["default"] = whole
    return whole


def status_package(it: Any) -> Obj:
    names = Obj({**builtins.STATUS_NAMES, "MULTI_STATUS": 207}, open=True)
    return Obj({**names.props, "StatusCodes": names, "default": names, "status": names, "HttpStatus": names}, open=True)


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
            exchange.rule("body", (name,), {"type": "array", "items": binary} if many else binary, False)
        return True


def multer_package(it: Any) -> Native:
    def fields(arguments: list) -> list:
        listed = arguments[0].items if arguments and type(arguments[0]) is Arr else []
        return [(item.props["name"], True) for item in listed if type(item) is Obj and isinstance(item.props.get("name"), str)]
    kinds = {"single": lambda arguments: [(arguments[0], False)] if arguments and isinstance(arguments[0], str) else [], "array": lambda arguments: [(arguments[0], True)] if arguments and isinstance(arguments[0], str) else [],
             "fields": fields, "any": lambda arguments: [], "none": lambda arguments: []}
    made = Obj({name: Native(lambda it, this, arguments, node, work=work: Uploads(work(arguments))) for name, work in kinds.items()}, open=True)
    return Native(lambda it, this, arguments, node: made, {"default": Native(lambda it, this, arguments, node: made), "memoryStorage": builtins.opaque(), "diskStorage": builtins.opaque()})


class Guard(Value):
    """A middleware that asks for credentials of a known kind."""
    __slots__ = ("schemes",)

    def __init__(self, schemes: dict):
        self.schemes = schemes

    def handle(self, it, exchange):
        exchange.credentials.update(self.schemes)
        return True

    def call(self, it, this, arguments, node):
        if it.exchange is not None:
            self.handle(it, it.exchange)
            it.attempt(lambda: it.call(arguments[2], UNDEFINED, [], node) if len(arguments) > 2 else None)
        return UNDEFINED


BEARER, BASIC = {"bearerAuth": {"type": "http", "scheme": "bearer"}}, {"basicAuth": {"type": "http", "scheme": "basic"}}


def guard_package(schemes: dict, *names: str) -> Callable:
    def package(it: Any) -> Native:
        whole = Native(lambda it, this, arguments, node: Guard(schemes))
        whole.props.update({name: whole for name in ("default", *names)})
        return whole
    return package


class Passport(Value):
    """passport: which HTTP scheme a strategy is can be told where the strategy is made."""
    __slots__ = ()
    strategies: dict[str, dict] = {}

    def get(self, it, name, node):
        return self if name == "default" else bound_to(self, name)

    def invoke(self, it, name, arguments, node):
        if name == "use":
            strategy = arguments[-1] if arguments else UNDEFINED
            key = arguments[0] if len(arguments) > 1 and isinstance(arguments[0], str) else getattr(strategy, "why", "")
            it.strategies[key.removeprefix("passport-").removeprefix("http-") if key else ""] = strategy.why if isinstance(strategy, Unknown) else ""
            return self
        if name != "authenticate":
            return Unknown(why="passport")
        it.call_unknown([argument for argument in arguments if isinstance(argument, Fn)])
        schemes: dict = {}
        for key in flat(arguments[:1]):
            package = it.strategies.get(key, "") if isinstance(key, str) else ""
            schemes.update({"passport-jwt": {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}, "passport-http-bearer": BEARER, "passport-http": BASIC}.get(package, {}))
        return Guard(schemes) if schemes else Unknown(why="passport.authenticate")


def bound_to(value: Value, name: str) -> Native:
    return Native(lambda it, this, arguments, node: value.invoke(it, name, arguments, node))


def strategy_package(name: str) -> Callable:
    def package(it: Any) -> Native:
        made = builtins.opaque()
        strategy = Native(lambda it, this, arguments, node: Unknown(why=name), made=lambda it, this, arguments, node: Unknown(why=name))
        return Native(lambda it, this, arguments, node: Unknown(), {"Strategy": strategy, "BasicStrategy": strategy, "default": strategy, "ExtractJwt": Unknown(), "Bearer": made})
    return package


def passed_through(it: Any) -> Native:
    """Packages whose function gives back, as far as requests go, the handler that it gets."""
    whole = Native(lambda it, this, arguments, node: arguments[0] if arguments else UNDEFINED)
    whole.props["default"] = whole
    return whole


def compose_package(it: Any) -> Native:
    whole = Native(lambda it, this, arguments, node: Composed(flat(arguments)))
    whole.props["default"] = whole
    return whole


def mount_package(it: Any) -> Native:
    whole = Native(lambda it, this, arguments, node: Composed(flat(arguments[1:]), arguments[0]) if len(arguments) > 1 and isinstance(arguments[0], str) else Composed(flat(arguments)))
    whole.props["default"] = whole
    return whole


def members_package(members: dict) -> Callable:
    return lambda it: Native(lambda it, this, arguments, node: Unknown(), {**members, "default": Obj(dict(members), open=True), "posix": Obj(dict(members), open=True), "promises": Obj(dict(members), open=True)})


def definition_package(it: Any) -> Native:
    """swagger-jsdoc and @fastify/swagger are told what the document says of the API as a whole."""
    def work(it: Any, this: Any, arguments: list, node: Any) -> Any:
        note_definition(it, arguments[0] if arguments else UNDEFINED)
        return Unknown(why="swagger-jsdoc")
    return Native(work, {"default": Native(work), "definition": True})


def note_definition(it: Any, given: Any) -> None:
    found = plain(given)
    for name in ("definition", "swaggerDefinition", "openapi", "swagger"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            told = found[name]
            it.about.update({key: told[key] for key in ("info", "servers", "tags", "externalDocs") if told.get(key)})
            schemes = told.get("components", {}).get("securitySchemes") if isinstance(told.get("components"), dict) else None
            it.schemes.update({key: value for key, value in (schemes or {}).items() if isinstance(value, dict)})


PACKAGES: dict[str, Callable] = {
    "ajv": libraries.ajv, **dict.fromkeys(("swagger-jsdoc", "@fastify/swagger"), definition_package),
    "express": express_package, "express-promise-router": lambda it: express_package(it).props["Router"], "koa": koa_package, **dict.fromkeys(("@koa/router", "koa-router"), koa_router_package), "fastify": fastify_package,
    "fastify-plugin": plugin_package, "@fastify/autoload": lambda it: Native(lambda it, this, arguments, node: UNDEFINED, {"autoload": True}), "koa-compose": compose_package, "koa-mount": mount_package,
    **dict.fromkeys(("zod", "zod/v4", "zod/v3", "zod/mini", "zod/v4-mini"), libraries.zod), **dict.fromkeys(("@sinclair/typebox", "typebox", "@fastify/type-provider-typebox"), lambda it: libraries.TYPEBOX.namespace("Type", Check=Unknown(), Compile=Unknown())),
    **dict.fromkeys(("joi", "@hapi/joi"), lambda it: libraries.JOI.namespace("Joi", ValidationError=it.builtins.error_class("ValidationError"))), "express-validator": libraries.express_validator, "http-errors": http_errors_package, **dict.fromkeys(("@hapi/boom", "boom"), boom_package),
    **dict.fromkeys(("http-status-codes", "http-status"), status_package), "multer": multer_package, "express-basic-auth": guard_package(BASIC), "koa-basic-auth": guard_package(BASIC),
    "express-jwt": guard_package(BEARER, "expressjwt"), "koa-jwt": guard_package(BEARER), "express-oauth2-jwt-bearer": guard_package(BEARER, "auth"), "passport": lambda it: Passport(), "koa-passport": lambda it: Passport(),
    **{name: strategy_package(name) for name in ("passport-jwt", "passport-http-bearer", "passport-http", "passport-local")}, **dict.fromkeys(("express-async-handler", "express-async-wrapper", "p-asyncwrapper"), passed_through),
    "path": members_package(builtins.PATH), "fs": members_package(builtins.FILES), "url": members_package({"fileURLToPath": native(builtins.file_url)}), "util": members_package({"promisify": native(builtins.same)})}

"""What JavaScript, Node.js and everyday packages bring: members of text, numbers and lists, globals, errors."""
from __future__ import annotations

import http
import posixpath
import re
from typing import Any, Callable

from senior_backend.routes import statements
from senior_backend.routes.interpreter import LONGEST_LOOP
from senior_backend.routes.types import Type
from senior_backend.routes.values import NONE, UNDEFINED, Arr, Cls, Fn, Native, Obj, Test, Unknown, Value, absence, either, options, spread, truth

FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}
STATUS_NAMES = {**{status.name: status.value for status in http.HTTPStatus}, "UNPROCESSABLE_CONTENT": 422, "CONTENT_TOO_LARGE": 413, "PAYLOAD_TOO_LARGE": 413, "INTERNAL": 500}
HTTP_ERRORS = {**{"".join(word.capitalize() for word in name.split("_")): code for name, code in STATUS_NAMES.items() if code >= 400}, "ImATeapot": 418, "BadData": 422, "EntityTooLarge": 413}


def native(work: Callable) -> Native:
    """A function of its arguments alone."""
    return Native(lambda it, this, arguments, node: work(it, *arguments))


def known(*values: Any) -> bool:
    return not any(isinstance(value, Value) for value in values)


def number(it: Any, *rest: Any) -> Unknown:
    return Unknown(it.types.NUMBER)


def text(it: Any, *rest: Any) -> Unknown:
    return Unknown(it.types.STRING)


# text
def text_method(it: Any, value: str, name: str, arguments: list) -> Any:
    if name in ("replace", "replaceAll", "split") and arguments and type(arguments[0]) is Obj:
        return with_regex(it, value, name, arguments)
    if not known(*arguments):
        return text(it)
    try:
        return TEXT[name](value, *arguments) if name in TEXT else Unknown()
    except (TypeError, ValueError, IndexError, OverflowError):
        return Unknown()


def with_regex(it: Any, value: str, name: str, arguments: list) -> Any:
    source, given = arguments[0].props.get("source"), arguments[0].props.get("flags", "")
    flags = sum(FLAGS.get(flag, 0) for flag in given)
    try:
        pattern = re.compile(source, flags) if isinstance(source, str) and len(source) < 200 and len(value) < 2000 else None
        if pattern and name == "split":
            return Arr(list(pattern.split(value)))
        if pattern and isinstance(arguments[-1], str):
            return pattern.sub(re.sub(r"\$(\d)", r"\\\1", arguments[-1].replace("\\", "\\\\")), value, count=0 if "g" in given else 1)
    except re.error:
        pass
    return text(it)


def sliced(value: Any, start: float = 0, end: float | None = None) -> Any:
    return value[int(start):None if end is None else int(end)]


TEXT: dict[str, Callable] = {
    "concat": lambda value, *parts: value + "".join(map(str, parts)), "toLowerCase": str.lower, "toUpperCase": str.upper, "trim": str.strip, "slice": sliced, "substring": lambda value, start=0, end=None: sliced(value, max(start, 0), end),
    "startsWith": str.startswith, "endsWith": str.endswith, "includes": str.__contains__, "indexOf": str.find, "lastIndexOf": str.rfind, "split": lambda value, part=None: Arr([value] if part is None else list(value) if part == "" else value.split(part)),
    "replace": lambda value, old, new: value.replace(old, new, 1), "replaceAll": str.replace, "padStart": lambda value, width, fill=" ": value.rjust(int(width), fill), "repeat": lambda value, times: value * min(int(times), 1000),
    "toString": str, "valueOf": str, "charAt": lambda value, at=0: value[int(at)], "at": lambda value, at: value[int(at)]}


# lists
def list_method(it: Any, value: Arr, name: str, a: list) -> Any:
    if name in LISTS:
        return LISTS[name](it, value, a)
    return CALLBACKS[name](it, value, a[0] if a else UNDEFINED, a[1:]) if name in CALLBACKS else it.call_unknown(a)


def push(it: Any, value: Arr, a: list) -> Any:
    if it.depth > value.depth:
        value.open = True
        value.guards |= it.missing()
    if len(value.items) < LONGEST_LOOP and not (it.exchange is not None and value.depth == 0):
        value.items.extend(a)
    return number(it)


def results(it: Any, value: Arr, function: Any) -> list:
    """What a function gives for each item: (item, result)."""
    found = [] if value.open and it.exchange else [(item, it.call(function, UNDEFINED, [item, index, value], None)) for index, item in enumerate(value.items[:LONGEST_LOOP])]
    if value.open and (it.exchange or not value.items):
        item = it.items_of(value)
        it.fork([lambda: found.append((item, it.call(function, UNDEFINED, [item, number(it), value], None))), lambda: None])
    return found


def find(it: Any, value: Arr, function: Any, rest: list) -> Any:
    found = results(it, value, function)
    sure = [item for item, result in found if truth(result) is True] if all(truth(result) is not None for _, result in found) else []
    return sure[0] if sure else either(*(item for item, result in found if truth(result) is not False), UNDEFINED)


def filtered(it: Any, value: Arr, function: Any, rest: list) -> Arr:
    found = results(it, value, function)
    made = Arr([item for item, result in found if truth(result) is not False], value.open or any(truth(result) is None for _, result in found), it.depth)
    made.guards = frozenset().union(*(result.when_true for _, result in found if isinstance(result, Test)))
    return made


def reduced(it: Any, value: Arr, function: Any, rest: list) -> Any:
    if value.open and it.exchange:
        it.attempt(lambda: it.call(function, UNDEFINED, [Unknown(), it.items_of(value)], None))
        return Unknown()
    total, items = (rest[0], value.items) if rest else (value.items[0], value.items[1:]) if value.items else (UNDEFINED, [])
    for index, item in enumerate(items[:LONGEST_LOOP]):
        total = it.call(function, UNDEFINED, [total, item, index, value], None)
    return total


def includes(it: Any, value: Arr, a: list) -> Any:
    if not a or value.open or not known(*value.items):
        return Test()
    if known(a[0]):
        return a[0] in value.items
    inputs = [option for option in options(a[0]) if hasattr(option, "key")]
    return Test(NONE, frozenset([*((*option.key, tuple(value.items)) for option in inputs), *(option.key for option in inputs if option is a[0] and UNDEFINED not in value.items)]))


def decided(wanted: bool) -> Callable:
    def work(it: Any, value: Arr, function: Any, rest: list) -> Any:
        found = [truth(result) for _, result in results(it, value, function)]
        return Test() if value.open or None in found else any(found) if wanted else all(found)
    return work


def flattened(items: list) -> list:
    return [inner for item in items for inner in (item.items if type(item) is Arr else [item])]


def taken(index: int) -> Callable:
    """pop() and shift()."""
    def work(it: Any, value: Arr, a: list) -> Any:
        if value.open or it.depth > value.depth or it.exchange is not None and value.depth == 0:
            return it.items_of(value)
        return value.items.pop(index) if value.items else UNDEFINED
    return work


def copied(it: Any, value: Arr, items: list) -> Arr:
    return Arr(items, value.open, it.depth)


def emptied(it: Any, value: Arr, a: list) -> Arr:
    value.open = True
    return copied(it, value, list(value.items))


LISTS: dict[str, Callable] = {
    "push": push, "unshift": push, "join": lambda it, value, a: (a[0] if a else ",").join(map(str, value.items)) if not value.open and known(*a, *value.items) else text(it),
    "concat": lambda it, value, a: Arr(value.items + flattened(a), value.open or any(isinstance(given, Unknown) or type(given) is Arr and given.open for given in a), it.depth),
    "slice": lambda it, value, a: copied(it, value, sliced(value.items, *a) if known(*a) and not value.open else list(value.items)), "flat": lambda it, value, a: copied(it, value, flattened(value.items)),
    "reverse": lambda it, value, a: copied(it, value, value.items[::-1]), "sort": lambda it, value, a: value, "values": lambda it, value, a: value, "splice": emptied,
    "includes": includes, "has": includes, "indexOf": number, "keys": lambda it, value, a: copied(it, value, list(range(len(value.items)))),
    "entries": lambda it, value, a: copied(it, value, [Arr([index, item]) for index, item in enumerate(value.items)]), "pop": taken(-1), "shift": taken(0), "at": lambda it, value, a: it.items_of(value)}
CALLBACKS: dict[str, Callable] = {
    "forEach": lambda it, value, function, rest: results(it, value, function) and UNDEFINED, "map": lambda it, value, function, rest: copied(it, value, [result for _, result in results(it, value, function)]),
    "flatMap": lambda it, value, function, rest: copied(it, value, flattened([result for _, result in results(it, value, function)])), "filter": filtered, "find": find, "findLast": find, "reduce": reduced,
    "some": decided(True), "every": decided(False), "findIndex": lambda it, value, function, rest: number(it, results(it, value, function))}


# objects
def entries(pick: Callable) -> Native:
    def work(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
        if type(value) is Obj:
            made = Arr([pick(name, value.get(it, name, None)) for name in value.props], value.open or bool(value.guards), it.depth)
            made.guards = value.guards
            return made
        if hasattr(value, "module"):
            return Arr([pick(name, value.module.export(it, name)) for name in value.module.names(it)], depth=it.depth)
        return Arr([pick(str(index), item) for index, item in enumerate(value.items)], value.open, it.depth) if type(value) is Arr else Arr([], True, it.depth)
    return native(work)


def assigned(it: Any, target: Any = UNDEFINED, *sources: Any) -> Any:
    for source in sources if type(target) is Obj else ():
        spread(it, target, source)
    return target


def from_entries(it: Any, value: Any = UNDEFINED) -> Obj:
    pairs = [item.items for item in it.items(value) if type(item) is Arr and len(item.items) == 2]
    return Obj({str(name): member for name, member in pairs if known(name)}, open=type(value) is not Arr or value.open, depth=it.depth)


def same(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    return value


def array_from(it: Any, value: Any = UNDEFINED, function: Any = None, *rest: Any) -> Any:
    made = value if type(value) is Arr else Arr([], True, it.depth)
    return CALLBACKS["map"](it, made, function, []) if isinstance(function, Value) else made


# numbers and text made of something
class Converted(Unknown):
    """A number or text made of inputs, which get the default that it gets."""
    __slots__ = ("of",)

    def __init__(self, type: Any, of: list):
        super().__init__(type)
        self.of = of

    def defaulted(self, value: Any) -> None:
        for option in self.of:
            option.defaulted(value)


def converted(kind: str) -> Callable:
    """Number(), parseInt(), String(): an input that is converted is taken for what it is converted to."""
    def work(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
        if isinstance(value, Value):
            for option in options(value):
                if hasattr(option, "evident") and kind:
                    option.evident(kind)
            return Converted(it.types.NUMBER if kind else it.types.STRING, [option for option in options(value) if hasattr(option, "defaulted")])
        if not kind:
            return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        try:
            return int(float(value)) if float(value).is_integer() or kind == "integer" else float(value)
        except (TypeError, ValueError, OverflowError):
            return number(it)
    return work


def tested(kind: str) -> Native:
    """Number.isInteger() and the likes: an input for which it fails is missing or of another kind."""
    def work(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
        if not hasattr(value, "evident"):
            return Test()
        value.evident(kind)
        return Test(frozenset(), frozenset([value.key]))
    return native(work)


class ArrayTest(Test):
    """Array.isArray of an input: where that fails the request does, the input is a list and required."""
    __slots__ = ("of",)

    def __init__(self, value: Any):
        super().__init__(frozenset(), frozenset([value.key]))
        self.of = value


def is_array(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    return ArrayTest(value) if hasattr(value, "evident") else True if type(value) is Arr else False if known(value) or type(value) in (Obj, Fn) else Test()


def boolean(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    return Test(*absence(value)) if truth(value) is None else truth(value)


def promise(it: Any, function: Any = UNDEFINED, *rest: Any) -> Any:
    found: list = []
    resolve = Native(lambda it, this, a, node: found.append(a[0] if a else UNDEFINED))
    reject = Native(lambda it, this, a, node: it.catchers[-1].append(a[0] if a else Unknown()))
    it.attempt(lambda: it.call(function, UNDEFINED, [resolve, reject], None))
    return either(*found) if found else Unknown()


# Node.js
def of_paths(work: Callable) -> Native:
    return native(lambda it, *parts: work(*parts) if parts and all(isinstance(part, str) for part in parts) else Unknown())


def listing(it: Any, path: Any = UNDEFINED, *rest: Any) -> Any:
    names = it.sources.listing(path) if isinstance(path, str) and not (rest and type(rest[0]) is Obj) else None
    found = Unknown(why="the files of a folder") if names is None else Arr(names, depth=it.depth)
    if rest and type(rest[-1]) is Fn:
        it.call(rest[-1], UNDEFINED, [None, found], None)
    return found


def extension(path: str) -> str:
    return posixpath.splitext(path)[1]


PATH = {"join": of_paths(lambda first, *rest: posixpath.normpath(posixpath.join(first, *(part.lstrip("/") for part in rest)))), "resolve": of_paths(lambda *parts: posixpath.normpath(posixpath.join("/", *parts))), "sep": "/",
        "dirname": of_paths(posixpath.dirname), "basename": of_paths(lambda path, ending="": posixpath.basename(path).removesuffix(ending)), "extname": of_paths(extension),
        "parse": of_paths(lambda path: Obj({"name": posixpath.basename(path).removesuffix(extension(path)), "ext": extension(path), "base": posixpath.basename(path), "dir": posixpath.dirname(path)}))}
FILES = {"readdirSync": native(listing), "readdir": native(listing)}
URL = {"fileURLToPath": of_paths(lambda path: path.removeprefix("file://"))}


# errors
def make_error(it: Any, this: Any, a: list, node: Any) -> Any:
    if isinstance(this, Obj):
        this.props["message"] = a[0] if a else ""
    return this


ERROR = Cls("Error", None, None)
ERROR.constructor = Native(make_error)
ERROR.statics["captureStackTrace"] = Native(lambda it, this, a, node: UNDEFINED)
REGEXP, HTTP_ERROR = Cls("RegExp", None, None), Cls("HttpError", ERROR, None)


def http_error(it: Any, a: list) -> Any:
    """createError(404, 'message', { ... }) in any order."""
    given = next((argument for argument in a if any(isinstance(option, int) and not isinstance(option, bool) for option in options(argument))), None)
    if given is None and a and type(a[0]) is Obj and a[0].cls:
        return a[0]
    code = given if given is not None else Unknown() if a and isinstance(a[0], Unknown) else 500
    message = next((argument for argument in a if isinstance(argument, str)), "")
    output = Obj({"statusCode": code, "payload": Obj({"statusCode": code, "error": text(it), "message": text(it)}), "headers": Unknown()})        # Boom's
    return Obj({"status": code, "statusCode": code, "message": message, "output": output}, cls=HTTP_ERROR, depth=it.depth)


def named_errors(names: dict[str, int]) -> dict[str, Native]:
    return {name: Native(lambda it, this, a, node, code=code: http_error(it, [code, *a])) for name, code in names.items()}


class Builtins:
    """What the interpreter asks for."""
    REGEXP = REGEXP
    enter, construct, http_error = staticmethod(statements.enter), staticmethod(statements.construct), staticmethod(http_error)

    def __init__(self, decorated: Callable) -> None:
        self.errors: dict[str, Cls] = {}
        self.decorated = decorated

    def error_class(self, name: str) -> Cls:
        return self.errors.setdefault(name, Cls(name, ERROR, None))

    def error(self, name: str) -> Obj:
        return Obj({"message": "", "issues": Unknown(), "errors": Unknown(), "name": name}, cls=self.error_class(name))

    def member(self, it: Any, value: Any, name: Any) -> Any:
        if isinstance(value, str) and (name == "length" or isinstance(name, int)):
            return len(value) if name == "length" else value[name] if 0 <= name < len(value) else UNDEFINED
        return Unknown() if value is None else Native(lambda it, this, a, node: self.invoke(it, value, name, a, node))

    def invoke(self, it: Any, value: Any, name: Any, a: list, node: Any) -> Any:
        if type(value) is Arr:
            return list_method(it, value, name, a)
        if isinstance(value, str):
            return text_method(it, value, name, a)
        return str(value) if isinstance(value, (int, float)) and name in ("toString", "toFixed") else it.call_unknown(a)


def opaque(kind: Any = None) -> Native:
    """A class or function of which nothing needs to be known but the type of what it gives."""
    return Native(lambda it, this, a, node: Unknown(kind))


def constant(name: str) -> Type:
    return Type(None, None, {}, {"type": "string", "format": name})


def globals_() -> dict[str, Any]:
    unknown, identity, binary = Native(lambda it, this, a, node: it.call_unknown(a)), native(same), opaque(constant("binary"))
    object_ = {"keys": entries(lambda name, member: name), "getOwnPropertyNames": entries(lambda name, member: name), "values": entries(lambda name, member: member), "entries": entries(lambda name, member: Arr([name, member])),
               "assign": native(assigned), "fromEntries": native(from_entries), "create": native(lambda it, *rest: Obj(open=True, depth=it.depth)), **dict.fromkeys(("freeze", "seal", "defineProperty", "setPrototypeOf"), identity)}
    promises = {"resolve": identity, "all": identity, "reject": native(lambda it, value=UNDEFINED: it.throw(value)), "allSettled": native(lambda it, *rest: Arr([], True)), "race": opaque()}
    integer, number_ = native(converted("integer")), native(converted("number"))
    numbers = {"parseInt": integer, "parseFloat": number_, "isInteger": tested("integer"), "isSafeInteger": tested("integer"), "isFinite": tested("number"), "isNaN": native(lambda it, *rest: Test())}
    return {
        **dict.fromkeys(("Error", "TypeError", "RangeError", "SyntaxError", "EvalError", "AggregateError", "ReferenceError"), ERROR), "undefined": UNDEFINED, "Object": Native(lambda it, this, a, node: Obj(open=True), object_),
        "Array": Native(lambda it, this, a, node: Arr([], True), {"isArray": native(is_array), "from": native(array_from), "of": Native(lambda it, this, a, node: Arr(a)), "prototype": Arr([])}), "Promise": Native(lambda it, this, a, node: promise(it, *a), promises),
        "Number": Native(number_.work, numbers), "parseInt": integer, "parseFloat": number_, "isNaN": numbers["isNaN"], "String": native(converted("")), "Boolean": native(boolean),
        "JSON": Native(unknown.work, {"parse": opaque(), "stringify": native(text)}), "Date": Native(opaque(constant("date-time")).work, {"now": native(number)}), "Buffer": Native(binary.work, {"from": binary, "alloc": binary}),
        "Set": Native(lambda it, this, a, node: Arr(it.items(a[0]) if a else [], not a or type(a[0]) is not Arr or a[0].open, it.depth)), **dict.fromkeys(("Map", "WeakMap", "URL", "URLSearchParams", "Symbol"), opaque()), "process": Obj({"env": Obj(open=True), "argv": Unknown(), "exit": unknown, "on": unknown, "cwd": native(lambda it: "/")}, open=True),
        **dict.fromkeys(("setTimeout", "setInterval", "setImmediate", "queueMicrotask"), unknown), **dict.fromkeys(("console", "globalThis", "NaN"), Unknown()), **dict.fromkeys(("encodeURIComponent", "structuredClone"), identity), "Infinity": float("inf")}

"""What JavaScript, Node.js and the packages of everyday bring: members of text, numbers and lists, globals, errors."""
from __future__ import annotations

import http
import posixpath
import re
from typing import Any, Callable

from senior_backend.routes import statements
from senior_backend.routes.interpreter import LONGEST_LOOP
from senior_backend.routes.types import Type
from senior_backend.routes.values import UNDEFINED, Alternatives, Arr, Cls, Fn, Getter, Native, Obj, Test, Unknown, Value, either, options, truth

FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}
STATUS_NAMES = {status.name: status.value for status in http.HTTPStatus}
STATUS_NAMES.update(UNPROCESSABLE_CONTENT=422, CONTENT_TOO_LARGE=413, IM_A_TEAPOT=418, TEAPOT=418, PAYLOAD_TOO_LARGE=413, INTERNAL=500)
CAMEL = {"".join(word.capitalize() for word in name.split("_")): code for name, code in STATUS_NAMES.items() if code >= 400}
HTTP_ERRORS = {**CAMEL, "InternalServerError": 500, "Internal": 500, "TooManyRequests": 429, "ImATeapot": 418, "BadData": 422, "EntityTooLarge": 413}


def native(work: Callable) -> Native:
    """A function of its arguments alone."""
    return Native(lambda it, this, arguments, node: work(it, *arguments))


def regex_of(value: Any) -> re.Pattern | None:
    if type(value) is not Obj or "source" not in value.props:
        return re.compile(re.escape(value)) if isinstance(value, str) else None
    flags = 0
    for flag in value.props.get("flags", ""):
        flags |= FLAGS.get(flag, 0)
    try:
        return re.compile(value.props["source"], flags) if len(value.props["source"]) < 200 else None
    except re.error:
        return None


def all_known(*values: Any) -> bool:
    return not any(isinstance(value, Value) for value in values)


# text
def text_method(it: Any, text: str, name: str, arguments: list) -> Any:
    first = arguments[0] if arguments else UNDEFINED
    if name in ("replace", "replaceAll", "split", "match", "search") and arguments and type(first) is Obj:
        return with_regex(it, text, name, first, arguments)
    if not all_known(*arguments):
        return Unknown(it.types.STRING)
    work = TEXT.get(name)
    try:
        return work(text, *arguments) if work else Unknown()
    except (TypeError, ValueError, IndexError, OverflowError):
        return Unknown()


def with_regex(it: Any, text: str, name: str, written: Obj, arguments: list) -> Any:
    pattern = regex_of(written)
    if pattern is None or len(text) > 2000:
        return Unknown(it.types.STRING)
    if name == "split":
        return Arr([part for part in pattern.split(text)])
    if name in ("replace", "replaceAll") and len(arguments) > 1 and isinstance(arguments[1], str):
        target = re.sub(r"\$(\d)", r"\\\1", arguments[1].replace("\\", "\\\\"))
        try:
            return pattern.sub(target, text, count=0 if "g" in written.props.get("flags", "") else 1)
        except re.error:
            return Unknown(it.types.STRING)
    return Unknown(it.types.STRING)


def sliced(text: Any, start: float = 0, end: float | None = None) -> Any:
    return text[int(start):None if end is None else int(end)]


def substring(text: str, start: float = 0, end: float | None = None) -> str:
    low, high = sorted((max(int(start), 0), len(text) if end is None else max(int(end), 0)))
    return text[low:high]


TEXT: dict[str, Callable] = {
    "concat": lambda text, *parts: text + "".join(map(str, parts)), "toLowerCase": str.lower, "toUpperCase": str.upper, "trim": str.strip, "trimStart": str.lstrip, "trimEnd": str.rstrip,
    "slice": sliced, "substring": substring, "substr": lambda text, start, length=None: text[int(start):] if length is None else text[int(start):int(start) + int(length)],
    "startsWith": lambda text, part: text.startswith(part), "endsWith": lambda text, part: text.endswith(part), "includes": lambda text, part: part in text, "indexOf": lambda text, part: text.find(part),
    "lastIndexOf": lambda text, part: text.rfind(part), "split": lambda text, part=None: Arr([text] if part is None else list(text) if part == "" else text.split(part)),
    "replace": lambda text, old, new: text.replace(old, new, 1), "replaceAll": lambda text, old, new: text.replace(old, new), "padStart": lambda text, width, fill=" ": text.rjust(int(width), fill),
    "repeat": lambda text, times: text * min(int(times), 1000), "toString": str, "valueOf": str, "charAt": lambda text, at=0: text[int(at)], "at": lambda text, at: text[int(at)], "normalize": str}


# lists
def list_method(it: Any, value: Arr, name: str, arguments: list, node: Any) -> Any:
    work = LISTS.get(name)
    if work:
        return work(it, value, arguments)
    if name in CALLBACKS:
        return CALLBACKS[name](it, value, arguments[0] if arguments else UNDEFINED, arguments[1:])
    return it.call_unknown(arguments)


def push(it: Any, value: Arr, arguments: list) -> Any:
    if it.depth > value.depth:
        value.open = True
        value.guards |= it.missing()
        if it.exchange is not None and value.depth == 0:
            return Unknown(it.types.NUMBER)
    if len(value.items) < LONGEST_LOOP:
        value.items.extend(arguments)
    return Unknown(it.types.NUMBER)


def item_results(it: Any, value: Arr, function: Any) -> list:
    """What a function gives for each item: (item, result)."""
    found = [(item, it.call(function, UNDEFINED, [item, index, value], None)) for index, item in enumerate(value.items[:LONGEST_LOOP])] if not (value.open and it.exchange) else []
    if value.open and (it.exchange or not value.items):
        item = it.items_of(value)
        it.fork([lambda: found.append((item, it.call(function, UNDEFINED, [item, Unknown(it.types.NUMBER), value], None))), lambda: None])
    return found


def find(it: Any, value: Arr, function: Any, rest: list) -> Any:
    found = item_results(it, value, function)
    sure = next((item for item, result in found if truth(result) is True), None)
    if sure is not None and all(truth(result) is not None for _, result in found):
        return sure
    return either(*(item for item, result in found if truth(result) is not False), UNDEFINED)


def filtered(it: Any, value: Arr, function: Any, rest: list) -> Arr:
    found = item_results(it, value, function)
    certain = all(truth(result) is not None for _, result in found)
    made = Arr([item for item, result in found if truth(result) is not False], open=value.open or not certain, depth=it.depth)
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


def decided(it: Any, value: Arr, function: Any, wanted: bool) -> Any:
    found = [truth(result) for _, result in item_results(it, value, function)]
    if not value.open and None not in found:
        return any(found) if wanted else all(found)
    return Test()


def joined_text(it: Any, value: Arr, arguments: list) -> Any:
    separator = arguments[0] if arguments else ","
    return separator.join(map(str, value.items)) if not value.open and all_known(separator, *value.items) else Unknown(it.types.STRING)


def flattened(items: list) -> list:
    return [inner for item in items for inner in (item.items if type(item) is Arr else [item])]


def copied(it: Any, value: Arr, items: list) -> Arr:
    return Arr(items, open=value.open, depth=it.depth)


LISTS: dict[str, Callable] = {
    "push": push, "unshift": push, "join": joined_text,
    "concat": lambda it, value, arguments: Arr(value.items + flattened(arguments), value.open or any(type(argument) is not Arr and isinstance(argument, Unknown) or type(argument) is Arr and argument.open for argument in arguments), it.depth),
    "slice": lambda it, value, arguments: copied(it, value, sliced(value.items, *arguments) if all_known(*arguments) and not value.open else list(value.items)),
    "flat": lambda it, value, arguments: copied(it, value, flattened(value.items)), "reverse": lambda it, value, arguments: copied(it, value, value.items[::-1]), "sort": lambda it, value, arguments: value,
    "includes": lambda it, value, arguments: arguments[0] in value.items if arguments and not value.open and all_known(arguments[0], *value.items) else Test(),
    "indexOf": lambda it, value, arguments: value.items.index(arguments[0]) if arguments and not value.open and all_known(*arguments, *value.items) and arguments[0] in value.items else Unknown(it.types.NUMBER),
    "entries": lambda it, value, arguments: copied(it, value, [Arr([index, item]) for index, item in enumerate(value.items)]), "values": lambda it, value, arguments: value,
    "keys": lambda it, value, arguments: copied(it, value, list(range(len(value.items)))), "pop": lambda it, value, arguments: it.items_of(value), "shift": lambda it, value, arguments: it.items_of(value),
    "splice": lambda it, value, arguments: emptied(it, value), "at": lambda it, value, arguments: value.items[int(arguments[0])] if arguments and isinstance(arguments[0], int) and not value.open and -len(value.items) <= arguments[0] < len(value.items) else it.items_of(value)}
CALLBACKS: dict[str, Callable] = {
    "forEach": lambda it, value, function, rest: item_results(it, value, function) and UNDEFINED, "map": lambda it, value, function, rest: copied(it, value, [result for _, result in item_results(it, value, function)]),
    "flatMap": lambda it, value, function, rest: copied(it, value, flattened([result for _, result in item_results(it, value, function)])), "filter": filtered, "find": find, "findLast": find, "reduce": reduced,
    "some": lambda it, value, function, rest: decided(it, value, function, True), "every": lambda it, value, function, rest: decided(it, value, function, False),
    "findIndex": lambda it, value, function, rest: (item_results(it, value, function), Unknown(it.types.NUMBER))[1]}


def emptied(it: Any, value: Arr) -> Arr:
    value.open = True
    return Arr(list(value.items), open=True, depth=it.depth)


# objects
def entries_of(it: Any, value: Any, pick: Callable) -> Any:
    if type(value) is Obj:
        made = Arr([pick(name, value.get(it, name, None)) for name in value.props], open=value.open or bool(value.guards), depth=it.depth)
        made.guards = value.guards
        return made
    if type(value) is Arr:
        return Arr([pick(str(index), item) for index, item in enumerate(value.items)], value.open, it.depth)
    if hasattr(value, "module"):
        return Arr([pick(name, value.module.export(it, name)) for name in value.module.names(it)], depth=it.depth)
    return Arr([], open=True, depth=it.depth)


def assigned(it: Any, target: Any = UNDEFINED, *sources: Any) -> Any:
    from senior_backend.routes.expressions import spread
    if type(target) is Obj:
        for source in sources:
            spread(it, target, source)
    return target


def from_entries(it: Any, value: Any = UNDEFINED) -> Obj:
    pairs = [item.items for item in it.items(value) if type(item) is Arr and len(item.items) == 2]
    return Obj({str(name): member for name, member in pairs if not isinstance(name, Value)}, open=type(value) is not Arr or value.open, depth=it.depth)


def same(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    return value


def array_from(it: Any, value: Any = UNDEFINED, function: Any = None, *rest: Any) -> Any:
    made = value if type(value) is Arr else Arr([], open=True, depth=it.depth)
    return LIST_MAP(it, made, function) if isinstance(function, Value) else made


def LIST_MAP(it: Any, value: Arr, function: Any) -> Arr:
    return CALLBACKS["map"](it, value, function, [])


# numbers and text made of something
def converted(kind: str) -> Callable:
    def work(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
        if isinstance(value, Value):
            for option in options(value):
                if hasattr(option, "evident") and kind:
                    option.evident(kind)
            return Unknown(it.types.STRING if kind == "" else it.types.NUMBER)
        if kind == "":
            return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        try:
            return int(float(value)) if float(value).is_integer() or kind == "integer" else float(value)
        except (TypeError, ValueError, OverflowError):
            return Unknown(it.types.NUMBER)
    return work


def boolean(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    from senior_backend.routes.expressions import missing
    known = truth(value)
    return known if known is not None else Test(*missing(value))


def is_array(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    if hasattr(value, "evident"):
        return ArrayTest(value)
    return True if type(value) is Arr else False if all_known(value) or type(value) in (Obj, Fn) else Test()


class ArrayTest(Test):
    """Array.isArray of an input: where that fails the request does, the input is a list and required."""
    __slots__ = ("of",)

    def __init__(self, value: Any):
        super().__init__(frozenset(), frozenset([value.key]))
        self.of = value


def awaited(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    return value


def promise(it: Any, function: Any = UNDEFINED, *rest: Any) -> Any:
    found: list = []
    resolve = Native(lambda it, this, arguments, node: found.append(arguments[0] if arguments else UNDEFINED))
    reject = Native(lambda it, this, arguments, node: it.catchers[-1].append(arguments[0] if arguments else Unknown()))
    it.attempt(lambda: it.call(function, UNDEFINED, [resolve, reject], None))
    return either(*found) if found else Unknown()


# Node.js
def paths(*parts: Any) -> Any:
    return all_known(*parts) and all(isinstance(part, str) for part in parts)


def joined_path(it: Any, *parts: Any) -> Any:
    return posixpath.normpath(posixpath.join(parts[0], *(part.lstrip("/") for part in parts[1:]))) if parts and paths(*parts) else Unknown()


def resolved_path(it: Any, *parts: Any) -> Any:
    return posixpath.normpath(posixpath.join("/", *parts)) if paths(*parts) else Unknown()


def of_path(work: Callable) -> Native:
    return native(lambda it, value=UNDEFINED, *rest: work(value, *rest) if paths(value, *rest) else Unknown())


def basename(path: str, ending: str = "") -> str:
    name = posixpath.basename(path)
    return name.removesuffix(ending) if ending else name


def listing(it: Any, path: Any = UNDEFINED, *rest: Any) -> Any:
    names = it.sources.listing(path) if isinstance(path, str) and not rest or rest and isinstance(rest[0], str) and isinstance(path, str) else None
    return Unknown(why="the files of a folder") if names is None else Arr(names, depth=it.depth)


def file_url(it: Any, value: Any = UNDEFINED, *rest: Any) -> Any:
    return value.removeprefix("file://") if isinstance(value, str) else Unknown()


PATH = {"join": native(joined_path), "resolve": native(resolved_path), "dirname": of_path(posixpath.dirname), "basename": of_path(basename), "extname": of_path(lambda path: posixpath.splitext(path)[1]),
        "parse": of_path(lambda path: Obj({"name": posixpath.splitext(posixpath.basename(path))[0], "ext": posixpath.splitext(path)[1], "base": posixpath.basename(path), "dir": posixpath.dirname(path)})), "sep": "/"}
FILES = {"readdirSync": native(listing), "readdir": native(lambda it, path=UNDEFINED, *rest: each_listed(it, path, rest))}


def each_listed(it: Any, path: Any, rest: tuple) -> Any:
    found = listing(it, path)
    if rest and type(rest[-1]) is Fn:
        it.call(rest[-1], UNDEFINED, [None, found], None)
    return found


# errors
ERROR = Cls("Error", None, None)


def make_error(it: Any, this: Any, arguments: list, node: Any) -> Any:
    if isinstance(this, Obj):
        this.props["message"] = arguments[0] if arguments else ""
    return this


ERROR.constructor = Native(make_error)
ERROR.scope = None
ERROR.statics["captureStackTrace"] = Native(lambda it, this, arguments, node: UNDEFINED)
REGEXP = Cls("RegExp", None, None)
HTTP_ERROR = Cls("HttpError", ERROR, None)


def http_error(it: Any, arguments: list) -> Obj:
    """createError(404, 'message', { ... }) in any order."""
    code = next((option for argument in arguments for option in options(argument) if isinstance(option, int) and not isinstance(option, bool)), None)
    if code is None and arguments and type(arguments[0]) is Obj and arguments[0].cls:
        return arguments[0]
    known = code if code is not None else Unknown() if arguments and isinstance(arguments[0], Unknown) else 500
    code = next((argument for argument in arguments if type(argument) is Alternatives and code in argument.options), known)
    return Obj({"status": code, "statusCode": code, "message": next((argument for argument in arguments if isinstance(argument, str)), "")}, cls=HTTP_ERROR, depth=it.depth)


def named_errors(names: dict[str, int]) -> dict[str, Native]:
    return {name: Native(lambda it, this, arguments, node, code=code: http_error(it, [code, *arguments])) for name, code in names.items()}


def camel(name: str) -> str:
    return name[0].lower() + name[1:]


class Builtins:
    """What the interpreter asks for."""
    REGEXP = REGEXP
    enter, construct = staticmethod(statements.enter), staticmethod(statements.construct)
    http_error = staticmethod(http_error)

    def __init__(self) -> None:
        self.errors: dict[str, Cls] = {"Error": ERROR}

    def error_class(self, name: str) -> Cls:
        if name not in self.errors:
            self.errors[name] = Cls(name, ERROR, None)
        return self.errors[name]

    def error(self, name: str) -> Obj:
        return Obj({"message": "", "issues": Unknown(), "errors": Unknown(), "name": name}, cls=self.error_class(name))

    def member(self, it: Any, value: Any, name: Any) -> Any:
        if isinstance(value, str):
            if name == "length":
                return len(value)
            if isinstance(name, (int, float)):
                return value[int(name)] if 0 <= name < len(value) else UNDEFINED
        return Native(lambda it, this, arguments, node: self.invoke(it, value, name, arguments, node)) if value is not None else Unknown()

    def method(self, value: Arr, name: str) -> Any:
        return Native(lambda it, this, arguments, node: list_method(it, value, name, arguments, node)) if name in LISTS or name in CALLBACKS else UNDEFINED

    def invoke(self, it: Any, value: Any, name: Any, arguments: list, node: Any) -> Any:
        if type(value) is Arr:
            return list_method(it, value, name, arguments, node)
        if isinstance(value, str):
            return text_method(it, value, name, arguments)
        if isinstance(value, (int, float)) and name in ("toString", "toFixed"):
            return str(value)
        return it.call_unknown(arguments)


def opaque(kind: Any = None) -> Native:
    """A class of which nothing needs to be known but that it makes something."""
    return Native(lambda it, this, arguments, node: Unknown(kind), made=lambda it, this, arguments, node: Unknown(kind))


DATE = Type(None, None, {}, {"type": "string", "format": "date-time"})


def globals_() -> dict[str, Any]:
    nothing = Native(lambda it, this, arguments, node: it.call_unknown(arguments))
    object_ = {"keys": native(lambda it, value=UNDEFINED: entries_of(it, value, lambda name, member: name)), "values": native(lambda it, value=UNDEFINED: entries_of(it, value, lambda name, member: member)),
               "entries": native(lambda it, value=UNDEFINED: entries_of(it, value, lambda name, member: Arr([name, member]))), "assign": native(assigned), "freeze": native(same), "seal": native(same), "fromEntries": native(from_entries),
               "create": native(lambda it, *rest: Obj(open=True, depth=it.depth)), "defineProperty": native(same), "setPrototypeOf": native(same), "getOwnPropertyNames": native(lambda it, value=UNDEFINED: entries_of(it, value, lambda name, member: name))}
    promises = {"resolve": native(awaited), "reject": native(lambda it, value=UNDEFINED: it.throw(value)), "all": native(awaited), "allSettled": native(lambda it, *rest: Arr([], open=True)), "race": native(lambda it, *rest: Unknown())}
    numbers = {"isInteger": native(lambda it, value=UNDEFINED: number_test(it, value, "integer")), "isNaN": native(lambda it, value=UNDEFINED: Test()), "isFinite": native(lambda it, value=UNDEFINED: number_test(it, value, "number")),
               "parseInt": native(converted("integer")), "parseFloat": native(converted("number")), "isSafeInteger": native(lambda it, value=UNDEFINED: number_test(it, value, "integer"))}
    errors = {name: ERROR for name in ("Error", "TypeError", "RangeError", "SyntaxError", "EvalError", "AggregateError", "ReferenceError")}
    return {
        **errors, "undefined": UNDEFINED, "Object": Native(lambda it, this, arguments, node: Obj(open=True), object_), "Array": Native(lambda it, this, arguments, node: Arr([], open=True), {"isArray": native(is_array), "from": native(array_from), "of": Native(lambda it, this, arguments, node: Arr(arguments))}),
        "Promise": Native(lambda it, this, arguments, node: promise(it, *arguments), promises), "Number": Native(lambda it, this, arguments, node: converted("number")(it, *arguments), numbers), "parseInt": native(converted("integer")),
        "parseFloat": native(converted("number")), "String": Native(lambda it, this, arguments, node: converted("")(it, *arguments)), "Boolean": native(boolean), "isNaN": native(lambda it, value=UNDEFINED: Test()),
        "JSON": Native(lambda it, this, arguments, node: Unknown(), {"parse": native(lambda it, *rest: Unknown()), "stringify": native(lambda it, *rest: Unknown(it.types.STRING))}), "Date": Native(lambda it, this, arguments, node: Unknown(DATE), {"now": native(lambda it: Unknown(it.types.NUMBER))}),
        "Map": opaque(), "Set": opaque(), "WeakMap": opaque(), "URL": opaque(), "URLSearchParams": opaque(), "Buffer": Native(lambda it, this, arguments, node: Unknown(BINARY), {"from": native(lambda it, *rest: Unknown(BINARY)), "alloc": native(lambda it, *rest: Unknown(BINARY))}),
        "process": Obj({"env": Obj(open=True), "argv": Unknown(), "exit": nothing, "on": nothing, "cwd": native(lambda it: "/")}, open=True), "console": Unknown(), "setTimeout": nothing, "setInterval": nothing, "setImmediate": nothing, "queueMicrotask": nothing, "globalThis": Unknown(),
        "encodeURIComponent": native(same), "structuredClone": native(same), "Symbol": opaque(), "NaN": Unknown(), "Infinity": float("inf")}


BINARY = Type(None, None, {}, {"type": "string", "format": "binary"})


def number_test(it: Any, value: Any, kind: str) -> Any:
    if hasattr(value, "evident"):
        value.evident(kind)
        return Test(frozenset(), frozenset([value.key]))
    return Test()

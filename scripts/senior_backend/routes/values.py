"""Values as the interpreter knows them: JavaScript's own, and those of which little or nothing is known.

Text, numbers, true, false and null are Python's str, int, float, bool and None. Every other value answers get, set, call, invoke
(a method call) and new; `it` is the interpreter, `node` the place in the source.
"""
from __future__ import annotations

from typing import Any, Callable

MOST_OPTIONS = 12           # values that one expression may have before it counts as unknown
NONE: frozenset = frozenset()


class Value:
    __slots__ = ()
    truth: bool | None = True           # None: depends on what happens at run time

    def get(self, it: Any, name: Any, node: Any) -> Any:
        return Unknown()

    def set(self, it: Any, name: Any, value: Any) -> None:
        pass

    def call(self, it: Any, this: Any, arguments: list, node: Any) -> Any:
        return it.call_unknown(arguments)

    def invoke(self, it: Any, name: Any, arguments: list, node: Any) -> Any:
        return it.call(self.get(it, name, node), self, arguments, node)

    def new(self, it: Any, arguments: list, node: Any) -> Any:
        return self.call(it, self, arguments, node)


class Undefined(Value):
    __slots__ = ()
    truth = False


UNDEFINED = Undefined()


class Unknown(Value):
    """What is known at run time alone. type: what TypeScript says of it (types.Type); why: the package or name that made it, for messages."""
    __slots__ = ("type", "why")
    truth = None

    def __init__(self, type: Any = None, why: str = ""):
        self.type, self.why = type, why

    def get(self, it, name, node):
        return Unknown(it.types.member(self.type, name) if self.type else None, self.why)

    def invoke(self, it, name, arguments, node):
        if name in ("then", "catch", "finally"):
            return it.promise(self, name, arguments)
        made = it.types.result(self.type, name) if self.type else None
        found = it.call_unknown(arguments, self.why)
        return found if made is None else Unknown(made, self.why)

    def call(self, it, this, arguments, node):
        made = it.types.returned(self.type) if self.type else None
        if self.why.startswith(".") and it.exchange is None and any(hasattr(argument, "layers") for argument in arguments):
            it.tell(f"{self.why} could not be read: routes in it are missing", it.place(node))
        found = it.call_unknown(arguments, self.why)
        return found if made is None else Unknown(made, self.why)


class Varying(Unknown):
    """A value that is there for sure, of which the type alone is."""
    __slots__ = ()


class Test(Unknown):
    """A condition. when_true, when_false: the inputs of which one is missing in that case: frozensets of Input.key; with values at its end: it is none of these."""
    __slots__ = ("when_true", "when_false")

    def __init__(self, when_true: frozenset = NONE, when_false: frozenset = NONE):
        super().__init__()
        self.when_true, self.when_false = when_true, when_false


def absence(value: Any) -> tuple[frozenset, frozenset]:
    """The inputs that are missing when a value is true, and when it is false."""
    if isinstance(value, Test):
        return value.when_true, value.when_false
    return NONE, frozenset([value.key]) if hasattr(value, "key") else NONE


class Alternatives(Value):
    """One of several values."""
    __slots__ = ("options",)

    def __init__(self, options: list):
        self.options = options

    @property
    def truth(self):
        known = {truth(option) for option in self.options}
        return known.pop() if len(known) == 1 else None

    def present(self) -> list:
        return [option for option in self.options if option is not UNDEFINED and option is not None]

    def get(self, it, name, node):
        return either(*(it.member(option, name, node) for option in self.present()))

    def set(self, it, name, value):
        for option in self.options:
            if isinstance(option, Value):
                option.set(it, name, value)

    def call(self, it, this, arguments, node):
        return it.each([lambda option=option: it.call(option, this, arguments, node) for option in self.options])

    def invoke(self, it, name, arguments, node):
        return it.each([lambda option=option: it.invoke(option, name, arguments, node) for option in self.present()])


def either(*values: Any) -> Any:
    """One of the values; the value itself when there is but one."""
    found: list = []
    for value in values:
        for option in value.options if type(value) is Alternatives else (value,):
            if not any(option is other or type(option) is type(other) and not isinstance(option, Value) and option == other for other in found):
                found.append(option)
    return UNDEFINED if not found else found[0] if len(found) == 1 else Alternatives(found) if len(found) <= MOST_OPTIONS else Unknown()


def options(value: Any) -> list:
    return value.options if type(value) is Alternatives else [value]


def truth(value: Any) -> bool | None:
    return value.truth if isinstance(value, Value) else bool(value)


class Collection(Value):
    """What objects and lists have in common. open: there may be more in it than is known; depth: how conditional its making was;
    guards: inputs whose absence puts something into it; type: what TypeScript says of it."""
    __slots__ = ("open", "depth", "guards", "type")

    def __init__(self, open: bool, depth: int):
        self.open, self.depth, self.guards, self.type = open, depth, NONE, None


class Obj(Collection):
    """inputs: the parts of the request that were spread into it."""
    __slots__ = ("props", "cls", "inputs")

    def __init__(self, props: dict | None = None, cls: Any = None, open: bool = False, depth: int = 0):
        super().__init__(open, depth)
        self.props, self.cls, self.inputs = {} if props is None else props, cls, ()

    def get(self, it, name, node):
        if name in self.props:
            found = self.props[name]
            return found.getter(it, self) if type(found) is Getter else found
        if self.cls is not None:
            return self.cls.member(it, self, name)
        if self.inputs and isinstance(name, str):
            found = [spread for spread in self.inputs if spread.location != "path" or name in spread.exchange.names]
            if found:
                return next((spread for spread in found if spread.declares(it, name)), found[-1]).part(name)
        if name == "hasOwnProperty":
            return Native(lambda it, this, arguments, node: Unknown())
        return Unknown(it.types.member(self.type, name) or it.types.item(self.type) if self.type else None) if self.open else UNDEFINED

    def set(self, it, name, value):
        if it.exchange is not None and self.depth == 0 and self.cls is None:
            self.open = True            # what one request leaves behind is not known to another
            return
        if it.depth > self.depth:
            self.open |= name not in self.props
            value = either(self.props.get(name, UNDEFINED), value)
            self.guards |= it.missing()
        self.props[name] = value


class Getter:
    __slots__ = ("function",)

    def __init__(self, function: Any):
        self.function = function

    def getter(self, it: Any, this: Any) -> Any:
        return it.call(self.function, this, [], None)


class Arr(Collection):
    __slots__ = ("items",)

    def __init__(self, items: list | None = None, open: bool = False, depth: int = 0):
        super().__init__(open, depth)
        self.items = [] if items is None else items

    def get(self, it, name, node):
        if name == "length":
            return Test(self.guards) if self.open else len(self.items)
        if isinstance(name, (int, float)) and not isinstance(name, bool):
            return self.items[int(name)] if 0 <= name < len(self.items) else it.items_of(self) if self.open else UNDEFINED
        return function_at(self, name)

    def invoke(self, it, name, arguments, node):
        return it.builtins.invoke(it, self, name, arguments, node)


class Fn(Value):
    """A function of the sources. this: what it is bound to; home: its class; type: what TypeScript says of the variable that holds it; comment: the node above which its comment stands."""
    __slots__ = ("node", "scope", "this", "name", "props", "type", "home", "comment")

    def __init__(self, node: Any, scope: Any, name: str = "", this: Any = None, home: Any = None):
        self.node, self.scope, self.name, self.this, self.home = node, scope, name, this, home
        self.props: dict | None = None
        self.type = self.comment = None

    def bound(self, this: Any, home: Any = None) -> Fn:
        made = Fn(self.node, self.scope, self.name, this, home or self.home)
        made.type, made.comment = self.type, self.comment
        return made

    def get(self, it, name, node):
        if self.props and name in self.props:
            return self.props[name]
        return function_at(self, name) if name in ("call", "apply", "bind") else self.name if name == "name" else UNDEFINED

    def set(self, it, name, value):
        self.props = {**(self.props or {}), name: value}

    def call(self, it, this, arguments, node):
        return it.call_function(self, this if self.this is None else self.this, arguments)

    def invoke(self, it, name, arguments, node):
        if self.props and name in self.props:
            return it.call(self.props[name], self, arguments, node)
        this, rest = (arguments[0], arguments[1:]) if arguments else (UNDEFINED, [])
        if name == "bind":
            bound = self.bound(this)
            return bound if not rest else Native(lambda it, own, more, node: it.call(bound, this, rest + more, node))
        if name in ("call", "apply"):
            return self.call(it, this, rest if name == "call" else it.items(rest[0]) if rest else [], node)
        return it.call_unknown(arguments)

    def new(self, it, arguments, node):
        made = Obj(open=True, depth=it.depth)
        result = it.call_function(self, made, arguments)
        return result if isinstance(result, Value) and result is not UNDEFINED else made


class Native(Value):
    """A function that is known by what it does: work(it, this, arguments, node)."""
    __slots__ = ("work", "props")

    def __init__(self, work: Callable, props: dict | None = None):
        self.work, self.props = work, {} if props is None else props

    def get(self, it, name, node):
        return self.props[name] if name in self.props else function_at(self, name) if name in ("bind", "call", "apply") else Unknown()

    def set(self, it, name, value):
        self.props[name] = value

    def call(self, it, this, arguments, node):
        return self.work(it, this, arguments, node)

    def invoke(self, it, name, arguments, node):
        if name in self.props or name not in ("bind", "call", "apply"):
            return it.call(self.get(it, name, node), self, arguments, node)
        return self if name == "bind" else self.work(it, arguments[0] if arguments else UNDEFINED, arguments[1:] if name == "call" else it.items(arguments[1]) if len(arguments) > 1 else [], node)

    def new(self, it, arguments, node):
        return self.work(it, UNDEFINED, arguments, node)


def function_at(value: Value, name: Any) -> Native:
    """A method that is read without being called; one of lists may be called for another list."""
    return Native(lambda it, this, arguments, node: (this if type(value) is type(this) is Arr else value).invoke(it, name, arguments, node))


class Cls(Value):
    """A class of the sources. parent: a Cls, or any other value that it extends; members: methods, Getter for getters; fields: (name, node)."""
    __slots__ = ("name", "parent", "members", "fields", "statics", "scope", "constructor")

    def __init__(self, name: str, parent: Any, scope: Any):
        self.name, self.parent, self.scope, self.constructor = name, parent, scope, None
        self.members: dict[str, Any] = {}
        self.fields: list[tuple[str, Any]] = []
        self.statics: dict[str, Any] = {}

    def get(self, it, name, node):
        if name in self.statics:
            return self.statics[name]
        return self.name if name == "name" else it.member(self.parent, name, node) if self.parent is not None else UNDEFINED

    def set(self, it, name, value):
        self.statics[name] = value

    def member(self, it, this, name):
        """What an instance has by its class."""
        if name in self.members:
            found = self.members[name]
            return found.getter(it, this) if type(found) is Getter else found.bound(this, self)
        return self.parent.member(it, this, name) if isinstance(self.parent, Cls) else UNDEFINED if self.parent is None else Unknown()

    def new(self, it, arguments, node):
        return it.construct(self, arguments, node)

    def is_a(self, other: Any) -> bool | None:
        """Whether instances are instances of the other; None when that is not known."""
        cls = self
        while isinstance(cls, Cls) and cls is not other:
            cls = cls.parent
        return True if cls is other and cls is not None else False if isinstance(other, (Cls, Native)) and (cls is None or isinstance(cls, Native)) else None


def spread(it: Any, made: Obj, value: Any) -> None:
    """{...value}: what an object gets of another value."""
    if type(value) is Obj:
        made.props.update({name: member.getter(it, value) if type(member) is Getter else member for name, member in value.props.items()})
        made.open, made.inputs = made.open or value.open, (*made.inputs, *value.inputs)
    elif hasattr(value, "spread"):
        value.spread(it, made)
    elif type(value) is Alternatives:
        for option in value.present():
            inner = Obj()
            spread(it, inner, option)
            made.props.update({name: either(made.props.get(name, UNDEFINED), member) for name, member in inner.props.items()})
            made.open, made.inputs = made.open or inner.open, (*made.inputs, *inner.inputs)
    elif value is not UNDEFINED and value is not None and value is not False:
        made.open = True
        made.props.update({name: Unknown(type_) for name, type_ in it.types.members(value.type).items()} if type(value) is Unknown and value.type else {})

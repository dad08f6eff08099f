"""Follows what sources do without running them: every branch is taken, loops over known lists are gone through, the rest is unknown."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable

from senior_backend.routes.values import NONE, UNDEFINED, Alternatives, Arr, Cls, Fn, Native, Obj, Unknown, Value, Varying, absence, either, options

STEPS = 12_000              # statements and calls that are followed for one route; code that needs more is cut short and told
MOST_STEPS = 1_000_000       # those of all routes together, after which each gets but a part; 1 MB of usual sources needs less than a twentieth
STARTING_STEPS = 80_000     # the same for one module, which may set up a whole app
IDLE_STEPS = 4_000          # those after which a function that registered nothing is no longer followed there
DEEPEST_CALL = 48           # calls within calls
LONGEST_LOOP = 400          # turns of a loop over known values
RETURN, BREAK, CONTINUE, THROW = "return", "break", "continue", "throw"


class Exhausted(Exception):
    """Following the sources takes too many steps."""


class Thrown(Exception):
    """What the sources throw."""

    def __init__(self, value: Any):
        self.value = value


@dataclasses.dataclass(slots=True)
class Unresolved:
    """A place that could not be followed: what is there is not in the operations, or only in part. blocks: routes may be missing because of it."""
    file: str
    line: int
    message: str
    blocks: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"

    def as_json(self) -> dict:
        return {"file": self.file, "line": self.line, "message": self.message}


class Scope:
    __slots__ = ("vars", "parent", "depth", "module")

    def __init__(self, parent: Scope | None, depth: int, module: Any):
        self.vars: dict[str, Any] = {}
        self.parent, self.depth, self.module = parent, depth, module

    def holder(self, name: str) -> Scope | None:
        scope: Scope | None = self
        while scope is not None and name not in scope.vars:
            scope = scope.parent
        return scope


class Interpreter:
    """evaluate(node, scope) gives a value, execute(node, scope) says how a statement ends. builtins and types are set by the reader."""

    def __init__(self, sources: Any, globals_: dict[str, Any], expressions: dict[str, Callable], statements: dict[str, Callable], hoisted: dict[str, Callable]):
        self.sources, self.expressions, self.statements, self.hoisted = sources, expressions, statements, hoisted
        self.globals = Scope(None, 0, None)
        self.globals.vars.update(globals_)
        self.builtins: Any = None
        self.types: Any = None
        self.known_fields: dict[int, tuple] = {}
        self.signatures: dict[int, Any] = {}
        self.depth, self.steps = 0, STEPS       # how many conditions stand around what is evaluated
        self.calls: list[Fn] = []
        self.returns: list[list] = [[]]
        self.frames: list[bool] = [False]       # for each call: whether what it gives is the answer to the request
        self.tail, self.entering = None, False  # the call whose value is given back by the function at hand
        self.catchers: list[list] = [[]]        # what is thrown goes to the innermost
        self.module: Any = None
        self.exchange: Any = None               # the request that is being answered
        self.absent: list[frozenset] = []
        self.unknown_calls = self.passed_on = self.registered = self.spent = 0
        self.idle: dict[int, int] = {}          # function -> the steps that it took at start without registering a route
        self.unresolved: dict[tuple, Unresolved] = {}
        # what the sources were seen to make: routers, Fastify's schemas, passport's strategies, security schemes, exports of generated validators, what is said of the whole API, files that say more of it
        self.routers, self.shared_schemas, self.strategies, self.schemes, self.generated, self.about, self.documents = [], [], {}, {}, {}, {}, []
        self.generics, self.called, self.variables = [], set(), set()

    # evaluation
    def evaluate(self, node: Any, scope: Scope) -> Any:
        work = self.expressions.get(node.type)
        return work(self, node, scope) if work else Unknown()

    def result(self, node: Any, scope: Scope) -> Any:
        """The value that a function gives back; a call there stands for the function itself."""
        if self.frames[-1]:
            inner = node
            while inner.type in ("await_expression", "parenthesized_expression", "as_expression", "unary_expression"):
                inner = inner.named_children[0]
            self.tail = inner.id
        return self.evaluate(node, scope)

    def execute(self, node: Any, scope: Scope) -> str | None:
        work = self.statements.get(node.type)
        return work(self, node, scope) if work else None

    def run(self, nodes: list, scope: Scope) -> str | None:
        """Statements one after the other, up to the one that leaves."""
        self.steps -= len(nodes)
        if self.steps < 0:
            raise Exhausted
        kinds = [node.type for node in nodes]
        for kind, node in zip(kinds, nodes):
            if kind in self.hoisted:
                self.hoisted[kind](self, node, scope)
        for kind, node in zip(kinds, nodes):
            work = self.statements.get(kind)
            done = work(self, node, scope) if work else None
            if done:
                return done
        return None

    def fields(self, node: Any, *names: str) -> tuple:
        """The children of a node by their names, looked up once for each node."""
        found = self.known_fields.get(node.id)
        if found is None:
            found = self.known_fields[node.id] = tuple(node.child_by_field_name(name) for name in names)
        return found

    def inner(self, scope: Scope) -> Scope:
        return Scope(scope, self.depth, scope.module)

    # conditions
    def attempt(self, action: Callable) -> Any:
        """What happens under a condition; what it throws is noted and ends there."""
        self.depth += 1
        try:
            return action()
        except Thrown as thrown:
            self.catchers[-1].append(thrown.value)
            if self.exchange:
                self.exchange.failures += 1
            return THROW
        finally:
            self.depth -= 1

    def fork(self, branches: list[Callable], missing: tuple = ()) -> str | None:
        """Alternatives of which one happens. missing: for each, the inputs that are absent in it."""
        exchange = self.exchange
        start, ends, results = exchange and exchange.state, [], []
        for index, branch in enumerate(branches):
            failures, absent = exchange.failures if exchange else 0, missing[index] if index < len(missing) else NONE
            self.absent.append(absent)
            done = self.attempt(branch)
            self.absent.pop()
            results.append(done)
            if exchange:
                if absent:
                    exchange.guard(absent, failures)
                if done not in (RETURN, THROW):
                    ends.append(exchange.state)
                exchange.state = start
        if ends:
            exchange.state = exchange.join(ends)
        return None if not all(results) else THROW if all(done == THROW for done in results) else RETURN if RETURN in results else results[0]

    def choice(self, branches: list[Callable], missing: tuple = ()) -> Any:
        """The value of one of several expressions."""
        found: list = []
        if self.fork([lambda branch=branch: found.append(branch()) for branch in branches], missing) == THROW:
            raise Thrown(self.catchers[-1].pop())
        return either(*found)

    def ensure(self, test: Any, error: Any) -> Any:
        """An assertion: the error is thrown where the test fails."""
        self.fork([lambda: self.throw(error), lambda: None], (absence(test)[1], NONE))
        return UNDEFINED

    def each(self, calls: list[Callable]) -> Any:
        return calls[0]() if len(calls) == 1 else self.choice(calls) if calls else Unknown()

    def missing(self) -> frozenset:
        """The inputs that are absent where we are."""
        return NONE.union(*self.absent)

    def throw(self, value: Any) -> None:
        raise Thrown(self.exchange.thrown_with(value) if self.exchange is not None else value)

    def guarded(self, action: Callable) -> None:
        """Something whose failure must not end what comes after it."""
        try:
            action()
        except Thrown:
            pass

    # calls
    def member(self, value: Any, name: Any, node: Any = None) -> Any:
        return value.get(self, name, node) if isinstance(value, Value) else self.builtins.member(self, value, name)

    def call(self, function: Any, this: Any, arguments: list, node: Any) -> Any:
        return function.call(self, this, arguments, node) if isinstance(function, Value) else self.call_unknown(arguments)

    def invoke(self, value: Any, name: Any, arguments: list, node: Any) -> Any:
        return value.invoke(self, name, arguments, node) if isinstance(value, Value) else self.builtins.invoke(self, value, name, arguments, node)

    def call_function(self, function: Fn, this: Any, arguments: list) -> Any:
        self.steps -= 1
        key, before = function.node.id, (self.steps, self.registered)
        if len(self.calls) >= DEEPEST_CALL or sum(other.node.id == key for other in self.calls) > 1:
            return Unknown(why="calls itself")
        if self.exchange is None and self.idle.get(key, 0) > IDLE_STEPS:
            return Unknown(why=function.name)
        scope, module = Scope(function.scope, self.depth, function.scope.module), self.module
        self.called.add(key)
        if self.calls and self.exchange is not None and arguments and arguments[0] is self.exchange.request:
            self.exchange.delegates.setdefault(self.calls[-1].node.id, {})[key] = function
        self.calls.append(function)
        self.returns.append([])
        self.frames.append(self.entering)
        self.entering, self.module = False, scope.module
        try:
            value = self.builtins.enter(self, function, this, arguments, scope)
            return uncertain(self, value) if self.exchange is not None else value
        finally:
            self.module = module
            self.calls.pop()
            self.returns.pop()
            self.frames.pop()
            if self.exchange is None and before[1] == self.registered:
                self.idle[key] = self.idle.get(key, 0) + before[0] - self.steps

    def call_unknown(self, arguments: list, why: str = "") -> Any:
        """A call of something that is not known: functions that it is given may be called back, and a container makes the class that it is asked for."""
        self.unknown_calls += 1
        for argument in [*arguments, *(item for listed in arguments if type(listed) is Arr for item in listed.items)]:
            if type(argument) is Fn and all(function.node.id != argument.node.id for function in self.calls):
                self.attempt(lambda function=argument: self.call(function, UNDEFINED, [], None))
        if self.exchange is None and len(arguments) == 1 and isinstance(arguments[0], Cls) and arguments[0].scope is not None:
            return self.construct(arguments[0], [], None)
        return Unknown(why=why)

    def promise(self, value: Any, name: str, arguments: list) -> Any:
        """then, catch, finally: awaiting is taken as having."""
        first = arguments[0] if arguments else UNDEFINED
        if name == "then":
            for function in arguments[1:]:
                self.attempt(lambda function=function: self.call(function, UNDEFINED, [Unknown()], None))
            return self.call(first, UNDEFINED, [value], None) if isinstance(first, Value) and first is not UNDEFINED else value
        if isinstance(first, (Fn, Native)):
            self.attempt(lambda: self.call(first, UNDEFINED, [Unknown()] if name == "catch" else [], None))
        return value

    def construct(self, cls: Cls, arguments: list, node: Any) -> Obj:
        self.called.add(id(cls))
        made = Obj(cls=cls, depth=self.depth)
        self.builtins.construct(self, cls, made, arguments, node)
        return made

    # lists
    def items(self, value: Any) -> list:
        return [item for option in options(value) if type(option) is Arr for item in option.items]

    def items_of(self, value: Any) -> Any:
        """One of the items of a list."""
        if type(value) is Arr:
            return either(*value.items, *([Unknown(self.types.item(value.type) if value.type else None)] if value.open or not value.items else []))
        if type(value) is Alternatives:
            return either(*map(self.items_of, value.options))
        if type(value) is Unknown and value.type or type(value) is Obj and value.open and value.type:
            return Unknown(self.types.item(value.type))
        return value.item(self) if hasattr(value, "item") else Unknown()

    # telling
    def place(self, node: Any) -> tuple[str, int]:
        return (self.module.name if self.module else "", node.start_point[0] + 1 if node is not None else 0)

    def tell(self, message: str, place: tuple[str, int]) -> None:
        self.unresolved.setdefault((*place, message), Unresolved(*place, message, "left out" in message or "missing" in message))


def uncertain(it: Interpreter, value: Any) -> Any:
    """What a function gives while a request is answered: null, true or a number may be another the next time; a status stays."""
    if value is None:
        return either(None, Unknown())
    return Varying(it.types.of_value(value)) if isinstance(value, (bool, int, float)) and not 100 <= value < 600 else value

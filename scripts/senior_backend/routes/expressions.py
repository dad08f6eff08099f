"""Expressions."""
from __future__ import annotations

import math
import operator as operators
import re
from typing import Any, Callable

from senior_backend.routes.builtins import ArrayTest
from senior_backend.routes.interpreter import Scope, uncertain
from senior_backend.routes.modules import Import, import_call, resolved
from senior_backend.routes.statements import assign, make_class, property_name, registering, super_call, typed
from senior_backend.routes.types import Type
from senior_backend.routes.values import NONE, UNDEFINED, Alternatives, Arr, Cls, Fn, Getter, Native, Obj, Test, Unknown, Value, absence, either, options, spread, truth

EXPRESSIONS: dict[str, Callable] = {}
ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|[\s\S]))")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
CONSTANTS = {"true": True, "false": False, "null": None, "undefined": UNDEFINED}
TYPE_NAMES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "object"}
ORDER = {"<": operators.lt, ">": operators.gt, "<=": operators.le, ">=": operators.ge}
ARITHMETIC = {"-": operators.sub, "*": operators.mul, "/": operators.truediv, "%": math.fmod}
expression = registering(EXPRESSIONS)


# literals
@expression("string")
def string(it, node, scope):
    text = node.text.decode()[1:-1]
    return unescaped(text) if "\\" in text else text


def unescaped(text: str) -> str:
    def plain(found: re.Match) -> str:
        digits = found[1] or found[2] or found[3]
        return chr(min(int(digits, 16), 0x10FFFF)) if digits else ESCAPES.get(found[4], found[4])
    return ESCAPE.sub(plain, text)


@expression("template_string")
def template(it, node, scope):
    found: list = [""]
    for part in node.named_children:
        if part.type == "template_substitution":
            found = [add(it, start, end) for start in found for end in options(it.evaluate(part.named_children[0], scope))][:8]
        else:
            text = part.text.decode()
            found = [add(it, start, unescaped(text) if part.type == "escape_sequence" else text) for start in found]
    return either(*found)


def add(it, left: Any, right: Any) -> Any:
    """The sum or the joined text of two values."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left + right
    unknown = [value for value in (left, right) if isinstance(value, Value)]
    if unknown:
        return Unknown(it.types.STRING, getattr(unknown[0], "why", "")) if any(isinstance(value, str) or hasattr(value, "key") for value in (left, right)) else Unknown()
    return text_of(left) + text_of(right)


def text_of(value: Any) -> str:
    if value is True or value is False or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else str(value)


@expression("number")
def number(it, node, scope):
    text = node.text.decode().replace("_", "").lower()
    try:
        return int(text, 0) if text[:2] in ("0x", "0o", "0b") else int(text.rstrip("n")) if text.rstrip("n").isdigit() else float(text)
    except ValueError:
        return Unknown(it.types.NUMBER)


@expression("meta_property")
def meta(it, node, scope):
    name = "/" + scope.module.name
    return Obj({"url": "file://" + name, "filename": name, "dirname": name.rpartition("/")[0], "main": Unknown()}, open=True)


@expression(*CONSTANTS)
def constant(it, node, scope):
    return CONSTANTS[node.type]


@expression("regex")
def regex(it, node, scope):
    pattern, flags = node.child_by_field_name("pattern"), node.child_by_field_name("flags")
    return Obj({"source": pattern.text.decode(), "flags": flags.text.decode() if flags else ""}, cls=it.builtins.REGEXP, open=True)


@expression("array")
def array(it, node, scope):
    made = Arr(depth=it.depth)
    for child in node.named_children:
        if child.type == "spread_element":
            value = it.evaluate(child.named_children[0], scope)
            made.items.extend(it.items(value))
            made.open |= type(value) is not Arr or value.open
            if hasattr(value, "item") or type(value) is Unknown and value.type:
                made.items.append(it.items_of(value))
        elif child.type != "comment":
            made.items.append(it.evaluate(child, scope))
    return made


@expression("object")
def object_(it, node, scope):
    made = Obj(depth=it.depth)
    for child in node.named_children:
        kind = child.type
        if kind == "pair":
            parts = child.children
            name, value = property_name(it, parts[0], scope), it.evaluate(parts[-1], scope)
            if type(value) is Fn and value.comment is None:
                value.comment, value.name = child, value.name or str(name)
            if name is Unknown:
                made.open = True
            else:
                made.props[name if isinstance(name, str) else text_of(name)] = value
        elif kind == "shorthand_property_identifier":
            made.props[child.text.decode()] = identifier(it, child, scope)
        elif kind == "method_definition":
            name = property_name(it, child.child_by_field_name("name"), scope)
            function = Fn(child, scope, name if isinstance(name, str) else "", made)
            function.comment = child
            made.props[name] = Getter(function) if any(word.type == "get" for word in child.children) else function
        elif kind == "spread_element":
            spread(it, made, it.evaluate(child.named_children[0], scope))
    return made


# names
@expression("identifier", "shorthand_property_identifier", "type_identifier")
def identifier(it, node, scope):
    name = node.text.decode()
    holder = scope.holder(name)
    if holder is None:
        return Unknown(why=name)
    value = holder.vars[name]
    if type(value) is Import:
        return resolved(it, holder, name, value)
    if it.exchange is not None and holder.parent is it.globals and (id(holder), name) in it.variables and (not isinstance(value, Value) or value is UNDEFINED):
        return Unknown()            # a variable of the module: by the time of a request it may be anything
    return value


@expression("this")
def this(it, node, scope):
    holder = scope.holder("this")
    return holder.vars["this"] if holder else UNDEFINED


@expression("member_expression")
def member(it, node, scope):
    children = node.children
    owner, name = children[0], children[-1].text.decode()
    return super_member(it, name, scope) if owner.type == "super" else it.member(it.evaluate(owner, scope), name, node)


def super_member(it, name: str, scope: Scope) -> Any:
    cls, holder = scope.holder("super"), scope.holder("this")
    cls = cls.vars["super"] if cls else None
    return cls.parent.member(it, holder.vars["this"], name) if isinstance(cls, Cls) and isinstance(cls.parent, Cls) and holder else Unknown()


@expression("subscript_expression")
def subscript(it, node, scope):
    value, index = (it.evaluate(node.child_by_field_name(field), scope) for field in ("object", "index"))
    if not isinstance(index, Value):
        return it.member(value, text_of(index) if type(value) is Obj else index, node)
    if type(index) is Alternatives:
        return either(*(it.member(value, option, node) for option in index.options if isinstance(option, (str, int))))
    return it.items_of(value) if type(value) is Arr else Unknown(why=getattr(index, "why", ""))


# calls
@expression("call_expression")
def call(it, node, scope):
    children = node.children
    callee, written = children[0], children[-1]
    kind, owner, name, function = callee.type, None, None, None
    if kind == "import":
        return import_call(it, it.evaluate(written.named_children[0], scope), scope) if written.named_children else Unknown()
    if kind == "member_expression":
        parts = callee.children
        name = parts[-1].text.decode()
        if parts[0].type == "super":
            return it.call(super_member(it, name, scope), UNDEFINED, arguments_of(it, written, scope), node)
        owner = it.evaluate(parts[0], scope)
    elif kind == "subscript_expression":
        owner, name = it.evaluate(callee.child_by_field_name("object"), scope), it.evaluate(callee.child_by_field_name("index"), scope)
    elif kind != "super":
        function = it.evaluate(callee, scope)
    values = arguments_of(it, written, scope)
    it.generics = [Type(child, scope, {}) for child in children[1].named_children] if len(children) > 2 and children[1].type == "type_arguments" else []
    it.entering = it.tail == node.id
    try:
        if kind == "super":
            return super_call(it, values, scope, node)
        if name is None:
            return it.call(function, UNDEFINED, values, node)
        if isinstance(name, Value):
            return it.each([lambda option=option: it.invoke(owner, option, values, node) for option in options(name) if isinstance(option, str)]) if type(name) is Alternatives else it.call_unknown(values)
        return it.invoke(owner, name, values, node)
    finally:
        it.entering = False


def arguments_of(it, written: Any, scope: Scope) -> list:
    values: list = []
    for child in written.named_children if written is not None and written.type == "arguments" else ():
        if child.type == "spread_element":
            value = it.evaluate(child.named_children[0], scope)
            values.extend(it.items(value) or ([Unknown()] if type(value) is not Arr or value.open else []))
        elif child.type != "comment":
            values.append(it.evaluate(child, scope))
    return values


@expression("new_expression")
def new(it, node, scope):
    made = it.evaluate(node.child_by_field_name("constructor"), scope)
    values = arguments_of(it, node.child_by_field_name("arguments"), scope)
    return made.new(it, values, node) if isinstance(made, Value) else it.call_unknown(values)


@expression("arrow_function", "function_expression", "function", "generator_function")
def function(it, node, scope):
    made, named = Fn(node, scope), None if node.type == "arrow_function" else node.child_by_field_name("name")
    if named is not None:
        made.name, made.scope = named.text.decode(), it.inner(scope)
        made.scope.vars[made.name] = made
    return made


@expression("class")
def class_(it, node, scope):
    return make_class(it, node, scope)


# operators
@expression("parenthesized_expression", "non_null_expression")
def inner(it, node, scope):
    return it.evaluate(node.named_children[-1], scope)


@expression("await_expression")
def awaited(it, node, scope):
    """What is waited for comes from elsewhere: while a request is answered there may be nothing."""
    value = it.evaluate(node.named_children[-1], scope)
    if it.exchange is not None and type(value) is Obj and value.cls is None and value.depth:
        value.props = {name: uncertain(it, member) for name, member in value.props.items()}
    if it.exchange is not None and type(value) is Arr and not value.items:
        value.open = True
    return either(value, UNDEFINED) if it.exchange is not None and type(value) in (Obj, Arr) else value


@expression("as_expression", "satisfies_expression", "type_assertion")
def cast(it, node, scope):
    first, last = node.named_children[0], node.named_children[-1]
    if node.type == "type_assertion":
        first, last = last, first.named_children[0]
    value = it.evaluate(first, scope)
    return value if last == first or last.text in (b"const", b"any", b"unknown") else typed(it, value, Type(last, scope, {}))


@expression("sequence_expression")
def sequence(it, node, scope):
    return [it.evaluate(child, scope) for child in node.named_children][-1]


@expression("ternary_expression")
def ternary(it, node, scope):
    condition, first, second = it.fields(node, "condition", "consequence", "alternative")
    test = it.evaluate(condition, scope)
    known = truth(test)
    return it.choice([lambda: it.evaluate(first, scope), lambda: it.evaluate(second, scope)], absence(test)) if known is None else it.evaluate(first if known else second, scope)


@expression("unary_expression")
def unary(it, node, scope):
    operator, value = node.children[0].type, it.evaluate(node.children[-1], scope)
    if operator == "!":
        known = truth(value)
        if isinstance(value, ArrayTest):
            value.of.evident("array")
        return not known if known is not None else Test(*reversed(absence(value)))
    if operator == "typeof":
        return TypeOf(value) if isinstance(value, Value) else TYPE_NAMES[type(value)]
    if operator in "+-" and isinstance(value, (int, float)):
        return -value if operator == "-" else value
    if operator in "+-" and hasattr(value, "evident"):
        value.evident("number")
    return UNDEFINED if operator in ("void", "delete") else Unknown(it.types.NUMBER)


class TypeOf(Unknown):
    """typeof of something that is not known."""
    __slots__ = ("of",)

    def __init__(self, of: Any):
        super().__init__()
        self.of = of


@expression("update_expression")
def update(it, node, scope):
    target = node.child_by_field_name("argument")
    value = it.evaluate(target, scope)
    assign(it, target, value + (1 if node.child_by_field_name("operator").type == "++" else -1) if isinstance(value, (int, float)) and it.depth == 0 else Unknown(it.types.NUMBER), scope)
    return value


@expression("assignment_expression")
def assignment(it, node, scope):
    left, right = it.fields(node, "left", "right")
    value = it.evaluate(right, scope)
    if type(value) is Fn and value.comment is None:
        value.comment, value.name = node.parent, value.name or left.text.decode().rpartition(".")[2]
    assign(it, left, value, scope)
    return value


@expression("augmented_assignment_expression", "binary_expression")
def binary(it, node, scope):
    written, operator, right = it.fields(node, "left", "operator", "right")
    operator, left = operator.type, it.evaluate(written, scope)
    augmented = node.type != "binary_expression"
    result = calculated(it, operator[:-1] if augmented else operator, left, lambda: it.evaluate(right, scope))
    if augmented:
        assign(it, written, result, scope)
    return result


def calculated(it, operator: str, left: Any, right: Callable) -> Any:
    if operator in ("||", "&&", "??"):
        return logical(it, operator, left, right)
    other = right()
    if operator == "+":
        return either(*(add(it, one, two) for one in options(left) for two in options(other)))
    if operator in ("===", "==", "!==", "!="):
        return compared(it, left, other, operator[0] == "!")
    if operator == "instanceof":
        return instance_of(left, other)
    if operator == "in":
        if isinstance(left, str) and hasattr(other, "part"):
            return absent(other.part(left), True)
        return left in other.props if type(other) is Obj and not other.open and isinstance(left, str) else Unknown()
    if operator in ORDER:
        return ORDER[operator](left, other) if isinstance(left, (int, float, str)) and type(left) is type(other) else left if operator[0] == ">" and isinstance(left, Test) and other in (0, 1) else Test()
    try:
        return ARITHMETIC[operator](left, other)
    except (KeyError, TypeError, ArithmeticError, ValueError):
        return Unknown(it.types.NUMBER)


def logical(it, operator: str, left: Any, right: Callable) -> Any:
    known = truth(left) if operator != "??" else (left is not UNDEFINED and left is not None if not isinstance(left, Value) or left.truth is not None else None)
    if known is not None:
        return right() if known == (operator == "&&") else left
    other: Any = UNDEFINED

    def evaluate_right() -> None:
        nonlocal other
        other = right()
    if it.exchange is not None:
        it.fork([evaluate_right, lambda: None], (absence(left)[0 if operator == "&&" else 1], NONE))
    else:
        other = right() if isinstance(left, Test) else it.choice([right])
    if operator != "&&" and hasattr(left, "defaulted"):
        left.defaulted(other)
        return joined(operator, left, other, left if type(other) not in (Obj, Arr) or not (other.props if type(other) is Obj else other.items) else either(other, left))
    return joined(operator, left, other, either(*(option for option in options(left) if operator == "&&" or truth(option) is not False), *options(other)))


def joined(operator: str, left: Any, other: Any, otherwise: Any) -> Any:
    """The value of a || b, a && b or a ?? b, which knows what is missing when it is true or false."""
    if not (isinstance(left, Test) or isinstance(other, Test) or operator == "&&" and hasattr(left, "key")):
        return otherwise
    (left_true, left_false), (right_true, right_false) = absence(left), absence(other)
    return Test(left_true | right_true, NONE) if operator == "||" else Test(frozenset(fact for fact in right_true if len(fact) > 2 and fact[:2] in left_false), left_false | right_false) if operator == "&&" else Test()


def compared(it, left: Any, right: Any, negated: bool) -> Any:
    if isinstance(left, TypeOf) or isinstance(right, TypeOf):
        return type_compared(left, right, negated)
    if not isinstance(left, Value) and not isinstance(right, Value):
        return (left == right and (type(left) is type(right) or isinstance(left, (int, float)) and isinstance(right, (int, float)))) != negated
    for value, other in ((left, right), (right, left)):
        if hasattr(value, "key") and (other is UNDEFINED or other is None or other == ""):
            return absent(value, negated)
        if isinstance(value, Test) and other == 0 and type(other) is int:
            return value if negated else Test(value.when_false, value.when_true)
        if type(value) is Unknown and isinstance(other, str) and it.exchange:
            it.exchange.compared(other)
    nothing = [value is UNDEFINED or value is None for value in (left, right)]
    if any(nothing) and all(not isinstance(value, Value) or value.truth is not None for value in (left, right)):
        return all(nothing) != negated
    return Test()


def absent(value: Any, negated: bool) -> Test:
    """The test whether an input is missing, or whether it is not."""
    keys = frozenset([value.key])
    return Test(NONE, keys) if negated else Test(keys, NONE)


def type_compared(left: Any, right: Any, negated: bool) -> Any:
    """typeof x === 'string': an input that is compared so has that type, and is missing otherwise."""
    of, name = (left.of, right) if isinstance(left, TypeOf) else (right.of, left)
    if of is UNDEFINED:
        return (name == "undefined") != negated
    if type(of) in (Obj, Arr, Fn, Native, Cls):
        return (("function" if type(of) in (Fn, Native, Cls) else "object") == name) != negated
    if not hasattr(of, "key"):
        return Test()
    if name in ("string", "number", "boolean") and negated:
        of.evident(name)
    return absent(of, negated if name == "undefined" else not negated)


def instance_of(left: Any, right: Any) -> Any:
    if type(left) is Obj and isinstance(left.cls, Cls):
        known = left.cls.is_a(right)
        return Unknown() if known is None else known
    return Test() if isinstance(left, Value) and left.truth is not False else False

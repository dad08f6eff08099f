"""Expressions."""
from __future__ import annotations

import math
import re
from typing import Any, Callable

from senior_backend.routes.builtins import ArrayTest
from senior_backend.routes.interpreter import Scope
from senior_backend.routes.modules import Import, import_call, resolved
from senior_backend.routes.statements import assign, bind, make_class, property_name, super_call, typed
from senior_backend.routes.types import Type
from senior_backend.routes.values import UNDEFINED, Alternatives, Arr, Cls, Fn, Getter, Native, Obj, Test, Unknown, Value, either, options, truth

EXPRESSIONS: dict[str, Callable] = {}
ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|[\s\S]))")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
TYPE_NAMES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "object"}
NONE = frozenset()


def expression(*kinds: str) -> Callable:
    def register(work: Callable) -> Callable:
        EXPRESSIONS.update(dict.fromkeys(kinds, work))
        return work
    return register


# literals
@expression("string")
def string(it, node, scope):
    text = node.text.decode("utf-8", "replace")[1:-1]
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
            text = part.text.decode("utf-8", "replace")
            found = [add(it, start, unescaped(text) if part.type == "escape_sequence" else text) for start in found]
    return either(*found)


def add(it, left: Any, right: Any) -> Any:
    """The sum or the joined text of two values; how much of a text is known stays with it."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left + right
    if isinstance(left, Value) or isinstance(right, Value):
        text = next((value for value in (left, right) if isinstance(value, Value)), None)
        return Unknown(it.types.STRING, getattr(text, "why", "")) if isinstance(left, str) or isinstance(right, str) or hasattr(left, "key") or hasattr(right, "key") else Unknown()
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


@expression("true", "false", "null", "undefined")
def constant(it, node, scope):
    return {"true": True, "false": False, "null": None, "undefined": UNDEFINED}[node.type]


@expression("regex")
def regex(it, node, scope):
    pattern, flags = node.child_by_field_name("pattern"), node.child_by_field_name("flags")
    return Obj({"source": pattern.text.decode("utf-8", "replace"), "flags": flags.text.decode() if flags else ""}, cls=it.builtins.REGEXP, open=True)


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
    props = made.props
    for child in node.named_children:
        kind = child.type
        if kind == "pair":
            parts = child.children
            name, written = property_name(it, parts[0], scope), parts[-1]
            value = it.evaluate(written, scope)
            if type(value) is Fn and value.comment is None:
                value.comment, value.name = child, value.name or str(name)
            if name is Unknown:
                made.open = True
            else:
                props[name if isinstance(name, str) else text_of(name)] = value
        elif kind == "shorthand_property_identifier":
            props[child.text.decode()] = identifier(it, child, scope)
        elif kind == "method_definition":
            name = property_name(it, child.child_by_field_name("name"), scope)
            function = Fn(child, scope, name if isinstance(name, str) else "", made)
            function.comment = child
            props[name] = Getter(function) if any(word.type == "get" for word in child.children) else function
        elif kind == "spread_element":
            spread(it, made, it.evaluate(child.named_children[0], scope))
    return made


def spread(it, made: Obj, value: Any) -> None:
    if type(value) is Obj:
        made.props.update({name: value.get(it, name, None) if type(member) is Getter else member for name, member in value.props.items()})
        made.open |= value.open
        made.cls = made.cls
    elif hasattr(value, "spread"):
        value.spread(it, made)
    elif type(value) is Alternatives:
        for option in value.options:
            inner = Obj(open=True)
            spread(it, inner, option)
            made.props.update({name: either(made.props.get(name, UNDEFINED), member) for name, member in inner.props.items()})
            made.open |= option is not UNDEFINED and option is not None and inner.open
    elif value is not UNDEFINED and value is not None and value is not False:
        made.open = True
        if type(value) is Unknown and value.type:
            made.props.update({name: Unknown(type_) for name, type_ in it.types.members(value.type).items()})


# names
@expression("identifier", "shorthand_property_identifier", "type_identifier")
def identifier(it, node, scope):
    name = node.text.decode()
    holder = scope.holder(name)
    if holder is None:
        found = it.globals.vars.get(name)
        return found if found is not None else Unknown(why=name)
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
    if owner.type == "super":
        return super_member(it, name, scope)
    value = it.evaluate(owner, scope)
    return value.get(it, name, node) if isinstance(value, Value) else it.builtins.member(it, value, name)


def super_member(it, name: str, scope: Scope) -> Any:
    cls = scope.holder("super").vars["super"]
    holder = scope.holder("this")
    return cls.parent.member(it, holder.vars["this"], name) if isinstance(cls, Cls) and isinstance(cls.parent, Cls) and holder else Unknown()


@expression("subscript_expression")
def subscript(it, node, scope):
    value = it.evaluate(node.child_by_field_name("object"), scope)
    index = it.evaluate(node.child_by_field_name("index"), scope)
    if isinstance(index, Value):
        return either(*(it.member(value, option, node) for option in options(index) if isinstance(option, (str, int)))) if type(index) is Alternatives else it.items_of(value) if type(value) is Arr else Unknown(why=getattr(index, "why", ""))
    return it.member(value, text_of(index) if type(value) is Obj else index, node)


# calls
@expression("call_expression")
def call(it, node, scope):
    children = node.children
    callee, written = children[0], children[-1]
    kind = callee.type
    if kind == "import":
        return import_call(it, it.evaluate(written.named_children[0], scope), scope) if written.named_children else Unknown()
    owner = name = None
    if kind == "member_expression":
        parts = callee.children
        inner, name = parts[0], parts[-1].text.decode()
        owner = it.evaluate(inner, scope) if inner.type != "super" else None
        if owner is None and inner.type == "super":
            return it.call(super_member(it, name, scope), UNDEFINED, arguments_of(it, written, scope), node)
    elif kind == "subscript_expression":
        owner, name = it.evaluate(callee.child_by_field_name("object"), scope), it.evaluate(callee.child_by_field_name("index"), scope)
    elif kind != "super":
        function = it.evaluate(callee, scope)
    values = arguments_of(it, written, scope)
    it.generics = [Type(child, scope, {}) for child in children[1].named_children] if len(children) > 2 and children[1].type == "type_arguments" else []
    if it.tail == node.id:
        it.entering = True
    try:
        if kind == "super":
            return super_call(it, values, scope, node)
        if name is None:
            return function.call(it, UNDEFINED, values, node) if isinstance(function, Value) else it.call_unknown(values)
        if isinstance(name, Value):
            return it.each([lambda option=option: it.invoke(owner, option, values, node) for option in options(name) if isinstance(option, str)]) if type(name) is Alternatives else it.call_unknown(values)
        return owner.invoke(it, name, values, node) if isinstance(owner, Value) else it.builtins.invoke(it, owner, name, values, node)
    finally:
        it.entering = False


def arguments_of(it, written: Any, scope: Scope) -> list:
    values: list = []
    if written is None or written.type == "template_string":
        return values
    for child in written.named_children:
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
    holder = None
    made = Fn(node, scope)
    if node.type != "arrow_function":
        named = node.child_by_field_name("name")
        made.name = named.text.decode() if named else ""
        if made.name and (holder := it.inner(scope)):
            holder.vars[made.name] = made
            made.scope = holder
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
    return either(value, UNDEFINED) if it.exchange is not None and type(value) in (Obj, Arr) else value


@expression("as_expression", "satisfies_expression", "type_assertion")
def cast(it, node, scope):
    first, last = node.named_children[0], node.named_children[-1]
    if node.type == "type_assertion":
        return typed(it, it.evaluate(last, scope), Type(first.named_children[0], scope, {}))
    value = it.evaluate(first, scope)
    return typed(it, value, Type(last, scope, {})) if last is not first and last.text != b"const" and last.text != b"any" and last.text != b"unknown" else value


@expression("sequence_expression")
def sequence(it, node, scope):
    return [it.evaluate(child, scope) for child in node.named_children][-1]


@expression("ternary_expression")
def ternary(it, node, scope):
    condition, first, second = it.fields(node, "condition", "consequence", "alternative")
    test = it.evaluate(condition, scope)
    known = truth(test)
    if known is not None:
        return it.evaluate(first if known else second, scope)
    return it.choice([lambda: it.evaluate(first, scope), lambda: it.evaluate(second, scope)], missing(test))


def missing(test: Any) -> tuple[frozenset, frozenset]:
    """The inputs that are absent when a condition holds, and when it does not."""
    if isinstance(test, Test):
        return test.when_true, test.when_false
    return NONE, frozenset([test.key]) if hasattr(test, "key") else NONE


@expression("unary_expression")
def unary(it, node, scope):
    operator, operand = node.children[0].type, node.children[-1]
    value = it.evaluate(operand, scope)
    if operator == "!":
        known = truth(value)
        if isinstance(value, ArrayTest):
            value.of.evident("array")
        return not known if known is not None else Test(*reversed(missing(value)))
    if operator == "typeof":
        return TypeOf(value) if isinstance(value, Value) else TYPE_NAMES[type(value)]
    if operator in "+-":
        if isinstance(value, (int, float)):
            return -value if operator == "-" else value
        if hasattr(value, "evident"):
            value.evident("number")
        return Unknown(it.types.NUMBER)
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
    changed = value + (1 if node.child_by_field_name("operator").type == "++" else -1) if isinstance(value, (int, float)) and it.depth == 0 else Unknown(it.types.NUMBER)
    assign(it, target, changed, scope)
    return value


@expression("assignment_expression")
def assignment(it, node, scope):
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    value = it.evaluate(right, scope)
    if type(value) is Fn and value.comment is None:
        value.comment = node.parent
        value.name = value.name or left.text.decode("utf-8", "replace").rpartition(".")[2]
    assign(it, left, value, scope)
    return value


@expression("augmented_assignment_expression")
def augmented(it, node, scope):
    left, operator = node.child_by_field_name("left"), node.child_by_field_name("operator").type[:-1]
    value = it.evaluate(left, scope)
    other = it.evaluate(node.child_by_field_name("right"), scope)
    result = logical(it, operator, value, lambda: other) if operator in ("||", "&&", "??") else add(it, value, other) if operator == "+" else calculated(it, operator, value, other)
    assign(it, left, result, scope)
    return result


@expression("binary_expression")
def binary(it, node, scope):
    left, operator, right = it.fields(node, "left", "operator", "right")
    operator, left = operator.type, it.evaluate(left, scope)
    if operator in ("||", "&&", "??"):
        return logical(it, operator, left, lambda: it.evaluate(right, scope))
    other = it.evaluate(right, scope)
    if operator == "+":
        return either(*(add(it, one, two) for one in options(left) for two in options(other)))
    if operator in ("===", "==", "!==", "!="):
        return compared(it, left, other, operator[0] == "!")
    if operator == "instanceof":
        return instance_of(left, other)
    if operator == "in":
        return left in other.props if type(other) is Obj and not other.open and isinstance(left, str) else Unknown()
    return calculated(it, operator, left, other)


def calculated(it, operator: str, left: Any, right: Any) -> Any:
    if operator in ("<", ">", "<=", ">=") and isinstance(left, (int, float, str)) and type(left) is type(right):
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator]
    if operator in "-*/%" and isinstance(left, (int, float)) and isinstance(right, (int, float)):
        try:
            return {"-": left - right, "*": left * right}[operator] if operator in "-*" else (left / right if operator == "/" else math.fmod(left, right))
        except (ZeroDivisionError, OverflowError, ValueError):
            return Unknown(it.types.NUMBER)
    if operator in (">", ">=") and isinstance(left, Test) and right in (0, 1):
        return left             # more than none
    return Test() if operator in ("<", ">", "<=", ">=") else Unknown(it.types.NUMBER)


def logical(it, operator: str, left: Any, right: Callable) -> Any:
    known = (left is not UNDEFINED and left is not None if not isinstance(left, Value) or left is UNDEFINED or left.truth is not None else None) if operator == "??" else truth(left)
    if known is not None:
        return right() if known == (operator == "&&") else left
    if operator == "??" and hasattr(left, "defaulted") or operator == "||" and hasattr(left, "defaulted"):
        other = right() if it.exchange is None else it.choice([right, lambda: left])
        left.defaulted(other)
        return joined(operator, left, other, left if type(other) not in (Obj, Arr) else either(*(option for option in options(other)), left))
    other: Any = UNDEFINED

    def evaluate_right() -> None:
        nonlocal other
        other = right()
    if it.exchange is None:
        other = it.choice([right, lambda: left]) if not isinstance(left, Test) else right()
    else:
        it.fork([evaluate_right, lambda: None], (missing(left)[0 if operator == "&&" else 1], NONE))
    return joined(operator, left, other, None)


def joined(operator: str, left: Any, other: Any, otherwise: Any) -> Any:
    """The value of a || b, a && b or a ?? b, which knows what is missing when it is true or false."""
    (left_true, left_false), (right_true, right_false) = missing(left), missing(other)
    if isinstance(left, Test) or isinstance(other, Test) or operator == "&&" and hasattr(left, "key"):
        if operator == "||":
            return Test(left_true | right_true, NONE)
        return Test(NONE, left_false | right_false) if operator == "&&" else Test()
    if operator == "||" and hasattr(left, "key") and hasattr(other, "key"):
        return either(left, other)
    return otherwise if otherwise is not None else either(*(option for option in options(left) if operator == "&&" or truth(option) is not False), *options(other))


def compared(it, left: Any, right: Any, negated: bool) -> Any:
    if isinstance(left, TypeOf) or isinstance(right, TypeOf):
        return type_compared(left, right, negated)
    if not isinstance(left, Value) and not isinstance(right, Value):
        return (left == right and type(left) is type(right) or left == right and isinstance(left, (int, float)) and isinstance(right, (int, float))) != negated
    for value, other in ((left, right), (right, left)):
        if hasattr(value, "key") and (other is UNDEFINED or other is None or other == ""):
            absent = frozenset([value.key])
            return Test(NONE, absent) if negated else Test(absent, NONE)
        if isinstance(value, Test) and other == 0 and not isinstance(other, (bool, Value)):
            return value if negated else Test(value.when_false, value.when_true)
        if type(value) is Unknown and value.type is None and isinstance(other, str) and hasattr(value, "why") and it.exchange:
            it.exchange.compared(other)
    if left is UNDEFINED and right is UNDEFINED:
        return not negated
    if {left is UNDEFINED or left is None, right is UNDEFINED or right is None} == {True, False} and all(not isinstance(value, Value) or value.truth is not None for value in (left, right)):
        return negated
    return Test()


def type_compared(left: Any, right: Any, negated: bool) -> Any:
    """typeof x === 'string': an input that is compared so has that type, and is missing otherwise."""
    of, name = (left.of, right) if isinstance(left, TypeOf) else (right.of, left)
    if of is UNDEFINED:
        return (name == "undefined") != negated
    if type(of) in (Obj, Arr, Fn, Native, Cls):
        return (("function" if type(of) in (Fn, Native, Cls) else "object") == name) != negated
    if not hasattr(of, "key"):
        return Test()
    absent = frozenset([of.key])
    if name == "undefined":
        return Test(NONE, absent) if negated else Test(absent, NONE)
    if name in ("string", "number", "boolean") and negated:
        of.evident(name)
    return Test(absent, NONE) if negated else Test(NONE, absent)


def instance_of(left: Any, right: Any) -> Any:
    if type(left) is Obj and isinstance(left.cls, Cls):
        known = left.cls.is_a(right)
        return Unknown() if known is None else known
    return Test() if isinstance(left, Value) and left.truth is not False else False

"""Statements, functions, classes and patterns."""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.routes.interpreter import BREAK, CONTINUE, LONGEST_LOOP, RETURN, THROW, Scope, Thrown
from senior_backend.routes.modules import bind_import, export_names
from senior_backend.routes.types import Type
from senior_backend.routes.values import UNDEFINED, Alternatives, Arr, Cls, Fn, Getter, Obj, Unknown, Value, absence, either, truth

STATEMENTS: dict[str, Callable] = {}
HOISTED: dict[str, Callable] = {}
MEMBER_WORDS = ("accessibility_modifier", "readonly", "override_modifier")


def registering(table: dict[str, Callable]) -> Callable:
    """A decorator that puts a function into a table, under the kinds of nodes that it is about."""
    def decorator(*kinds: str) -> Callable:
        def register(work: Callable) -> Callable:
            table.update(dict.fromkeys(kinds, work))
            return work
        return register
    return decorator


statement, hoisted = registering(STATEMENTS), registering(HOISTED)


def name_of(node: Any) -> str:
    found = node.child_by_field_name("name")
    return found.text.decode() if found else ""


# declarations that count before the statements run
@hoisted("function_declaration", "generator_function_declaration")
def hoist_function(it, node, scope):
    function = scope.vars[name_of(node)] = Fn(node, scope, name_of(node))
    function.comment = node.parent if node.parent.type == "export_statement" else node


@hoisted("function_signature")
def hoist_signature(it, node, scope):
    scope.vars.setdefault(name_of(node), Unknown(Type(node, scope, {}) if node.child_by_field_name("return_type") else None))


@hoisted("interface_declaration", "type_alias_declaration")
def hoist_type(it, node, scope):
    scope.vars.setdefault("type " + name_of(node), []).append(node)


@hoisted("enum_declaration")
def hoist_enum(it, node, scope):
    made = scope.vars[name_of(node)] = Obj()
    number = 0
    for member in node.child_by_field_name("body").named_children:
        if member.type == "enum_assignment":
            number = it.evaluate(member.child_by_field_name("value"), scope)
        if member.type != "comment":
            made.props[property_name(it, member.child_by_field_name("name") or member, scope)] = number
            number = number + 1 if isinstance(number, int) else 0


@hoisted("export_statement", "ambient_declaration")
def hoist_exported(it, node, scope):
    for child in node.named_children:
        if child.type in HOISTED:
            HOISTED[child.type](it, child, scope)


hoisted("import_statement")(bind_import)
statement("export_statement")(export_names)


# statements
@statement("expression_statement")
def expression(it, node, scope):
    inner = node.named_children[0]
    if inner.type == "internal_module":
        return it.run(inner.child_by_field_name("body").named_children, it.inner(scope))
    it.evaluate(inner, scope)


@statement("lexical_declaration", "variable_declaration")
def declaration(it, node, scope):
    for declarator in node.named_children:
        if declarator.type != "variable_declarator":
            continue
        target, written, annotation = it.fields(declarator, "name", "value", "type")
        value = it.evaluate(written, scope) if written else UNDEFINED
        type_ = Type(annotation.named_children[0], scope, {}) if annotation else None
        if target.type == "identifier":
            declare(it, target.text.decode(), value, type_, declarator, scope)
        else:
            bind(it, target, typed(it, value, type_) if type_ else value, scope)


def declare(it, name: str, value: Any, type_: Type | None, declarator: Any, scope: Scope) -> None:
    of_module = scope.parent is it.globals
    if type(value) is Fn and value.comment is None:
        value.name, value.comment, value.type = value.name or name, declarator.parent, type_
    elif type_:
        value = typed(it, value, type_)
    if hasattr(value, "named"):
        value = value.named(it, name, declarator)
    elif of_module:
        fillable(value, type_)
    if of_module and declarator.parent.children[0].type != "const":
        it.variables.add((id(scope), name))
    scope.vars[name] = value


def fillable(value: Any, type_: Type | None = None) -> None:
    """An empty collection of a module or an object is there to be filled."""
    for member in value.props.values() if type(value) is Obj and value.cls is None else ():
        if type(member) is Arr and not member.items:
            member.open = True
    if type(value) in (Arr, Obj) and not (value.items if type(value) is Arr else value.props or value.cls):
        value.open, value.type = True, type_


def typed(it, value: Any, type_: Type) -> Any:
    """A value of which the source says the type."""
    if value is UNDEFINED or type(value) is Unknown and value.type is None:
        return Unknown(type_)
    if hasattr(value, "typed"):
        value.typed(it, type_)
    if type(value) is Obj and value.type is None and value.cls is None:
        value.type = type_
    return value


@statement("statement_block")
def block(it, node, scope):
    return it.run(node.named_children, it.inner(scope))


@statement("return_statement")
def returns(it, node, scope):
    found = [child for child in node.named_children if child.type != "comment"]
    value = it.result(found[0], scope) if found else UNDEFINED
    it.returns[-1].append(value)
    if it.exchange:
        it.exchange.leave(it, value)
    return RETURN


@statement("throw_statement")
def throws(it, node, scope):
    it.throw(it.evaluate(node.named_children[0], scope))


@statement("break_statement", "continue_statement")
def leaves(it, node, scope):
    return node.type.partition("_")[0]


@statement("if_statement")
def if_(it, node, scope):
    condition, first, second = it.fields(node, "condition", "consequence", "alternative")
    test = it.evaluate(condition, scope)
    known = truth(test)
    if known is not None:
        chosen = first if known else second
        return it.execute(chosen, scope) if chosen else None
    if it.exchange is not None and (found := splittable(condition, scope)):
        return it.fork([lambda option=option: with_option(it, node, scope, *found, option) for option in found[0].vars[found[1]].options])
    return it.fork([lambda: it.execute(first, scope), lambda: it.execute(second, scope) if second else None], absence(test))


def splittable(condition: Any, scope: Scope) -> tuple[Scope, str] | None:
    """The variable of a condition that stands for one of several known objects: where it is held, and its name."""
    for node in condition.named_children:
        if node.type == "identifier" and (holder := scope.holder(name := node.text.decode())) and type(value := holder.vars[name]) is Alternatives and all(type(option) is Obj for option in value.options):
            return holder, name
        if node.type in ("member_expression", "unary_expression", "binary_expression") and (found := splittable(node, scope)):
            return found
    return None


def with_option(it, node: Any, scope: Scope, holder: Scope, name: str, option: Any) -> str | None:
    whole, holder.vars[name] = holder.vars[name], option
    try:
        return if_(it, node, scope)
    finally:
        holder.vars[name] = whole


@statement("else_clause", "labeled_statement", "finally_clause")
def last_child(it, node, scope):
    return it.execute(node.named_children[-1], scope)


@statement("switch_statement")
def switch(it, node, scope):
    value = it.evaluate(node.child_by_field_name("value"), scope)
    cases = [case for case in node.child_by_field_name("body").named_children if case.type.startswith("switch_")]
    tests = [it.evaluate(case.child_by_field_name("value"), scope) if case.type == "switch_case" else None for case in cases]
    default, inner = next((index for index, case in enumerate(cases) if case.type == "switch_default"), None), it.inner(scope)

    def body(index: int) -> str | None:
        for case in cases[index:]:
            done = it.run(case.children_by_field_name("body"), inner)
            if done:
                return None if done == BREAK else done
        return None
    if not isinstance(value, Value) and not any(isinstance(test, Value) for test in tests):
        found = next((index for index, test in enumerate(tests) if index != default and test == value), default)
        return body(found) if found is not None else None
    branches = [lambda index=index: body(index) for index, case in enumerate(cases) if case.children_by_field_name("body") or index == len(cases) - 1]
    return it.fork(branches if default is not None else [*branches, lambda: None])


def known_turns(value: Any, of: bool) -> list | None:
    """What a loop goes through, as far as that is known for sure."""
    if isinstance(value, str) and of:
        return list(value)
    if type(value) not in (Arr, Obj) or value.open:
        return None
    return value.items if type(value) is Arr and of else [str(index) for index in range(len(value.items))] if type(value) is Arr else list(value.props) if not of else None


@statement("for_in_statement")
def for_in(it, node, scope):
    left, operator, right, body, kind = it.fields(node, "left", "operator", "right", "body", "kind")
    value, of = it.evaluate(right, scope), operator.text == b"of"
    known = known_turns(value, of)

    def turn(item: Any) -> str | None:
        inner = it.inner(scope)
        bind(it, left, item, inner, declares=kind is not None)
        return it.execute(body, inner)
    if known is None:
        it.fork([lambda: turn(it.items_of(value) if of else Unknown()), lambda: None])
    for item in (known or ())[:LONGEST_LOOP]:
        done = turn(item)
        if done not in (None, CONTINUE):
            return None if done == BREAK else done
    return None


@statement("for_statement")
def for_(it, node, scope):
    inner = it.inner(scope)
    start, condition, step, body = it.fields(node, "initializer", "condition", "increment", "body")
    if start:
        it.execute(start, inner) if start.type in STATEMENTS else it.evaluate(start, inner)
    test: Any = True
    for _ in range(LONGEST_LOOP):
        test = it.evaluate(condition, inner) if condition is not None and condition.type != "empty_statement" else Unknown()
        if truth(test) is not True:
            break
        done = it.execute(body, it.inner(inner))
        if done not in (None, CONTINUE):
            return None if done == BREAK else done
        if step:
            it.evaluate(step, inner)
    if truth(test) is None:
        it.fork([lambda: it.execute(body, it.inner(inner)), lambda: None])
    return None


@statement("while_statement", "do_statement")
def while_(it, node, scope):
    condition, body = it.fields(node, "condition", "body")
    if truth(it.evaluate(condition, scope)) is not False or node.type == "do_statement":
        it.fork([lambda: it.execute(body, scope), lambda: None])
    return None


@statement("try_statement")
def try_(it, node, scope):
    body, handler, finalizer = it.fields(node, "body", "handler", "finalizer")
    if not handler:
        done = it.execute(body, scope)
        return it.execute(finalizer, scope) or done if finalizer else done
    caught: list = []
    passed, unknown, exchange = it.passed_on, it.unknown_calls, it.exchange
    start = exchange and exchange.state
    it.catchers.append(caught)
    try:
        done = it.execute(body, scope)
    except Thrown as thrown:
        caught.append(thrown.value)
        done = THROW
    finally:
        it.catchers.pop()
    # a middleware that only passes on sees what is known to be thrown further down; anything else may fail in ways that are not known
    values = distinct(caught) + ([Unknown()] if it.passed_on == passed or it.unknown_calls > unknown else [])
    end = exchange and exchange.state
    if exchange:
        exchange.state = start
    handled = it.fork([lambda value=value: catch(it, handler, value, scope) for value in values]) if values else None
    if exchange:
        exchange.state = end if handled else exchange.join([end, exchange.state]) if done is None else exchange.state
    done = (handled if values else THROW) if done == THROW else None if values and handled is None else done
    if done == THROW:
        raise Thrown(it.catchers[-1].pop() if it.catchers[-1] else Unknown())
    return it.execute(finalizer, scope) or done if finalizer else done


def distinct(values: list) -> list:
    """One of each kind of error."""
    found: dict = {}
    for value in values:
        found.setdefault((id(value.cls), str(value.props.get("status")), str(value.props.get("statusCode"))) if type(value) is Obj else type(value), value)
    return list(found.values())


def catch(it, handler: Any, value: Any, scope: Scope) -> str | None:
    inner = it.inner(scope)
    parameter, body = it.fields(handler, "parameter", "body")
    if parameter:
        bind(it, parameter, value, inner)
    return it.run(body.named_children, inner)


@statement("class_declaration", "abstract_class_declaration")
def class_declaration(it, node, scope):
    scope.vars[name_of(node)] = make_class(it, node, scope)


# functions
class Signature:
    """What a call of a function needs of its node, looked up once. parameters: (pattern, node of the default, node of the type, whether it becomes a member)."""
    __slots__ = ("arrow", "parameters", "body", "statements", "returned")

    def __init__(self, node: Any):
        self.arrow = node.type == "arrow_function"
        written, returned = node.child_by_field_name("parameters"), node.child_by_field_name("return_type")
        listed = [child for child in written.named_children if child.type != "comment"] if written else [single] if (single := node.child_by_field_name("parameter")) else []
        self.parameters = [parameter for parameter in map(self.parameter, listed) if parameter[0].type != "this"]
        self.body = node.child_by_field_name("body")
        self.statements = self.body.named_children if self.body is not None and self.body.type == "statement_block" else None
        self.returned = returned.named_children[0] if returned is not None and returned.named_children else None

    def parameter(self, node: Any) -> tuple:
        annotation = node.child_by_field_name("type")
        return (node.child_by_field_name("pattern") or node, node.child_by_field_name("value"), annotation.named_children[0] if annotation is not None else None, any(child.type in MEMBER_WORDS for child in node.children))


def enter(it, function: Fn, this: Any, arguments: list, scope: Scope) -> Any:
    """The value of a call whose scope has been made."""
    signature = it.signatures.get(function.node.id)
    if signature is None:
        signature = it.signatures[function.node.id] = Signature(function.node)
    if not signature.arrow:
        scope.vars.update({"this": this, "arguments": Arr(list(arguments), open=True), "super": function.home})
    for index, parameter in enumerate(signature.parameters):
        bind_parameter(it, index, parameter, arguments, scope, function)
    if signature.body is None:
        return Unknown()
    if signature.statements is None:
        value = it.result(signature.body, scope) if signature.body.type != "undefined" else Unknown()
        if it.exchange:
            it.exchange.leave(it, value)
    else:
        done = it.run(signature.statements, scope)
        if done is None and it.exchange:
            it.exchange.leave(it, UNDEFINED)
        values = it.returns[-1]
        value = either(*values, *([] if done == RETURN else [UNDEFINED])) if values else UNDEFINED
    return typed(it, value, Type(signature.returned, scope, {})) if signature.returned is not None and type(value) is Unknown else value


def bind_parameter(it, index: int, parameter: tuple, arguments: list, scope: Scope, function: Fn) -> None:
    pattern, default, annotation, member = parameter
    if pattern.type == "rest_pattern":
        bind(it, pattern.named_children[0], Arr(arguments[index:], open=not arguments), scope)
        return
    value = arguments[index] if index < len(arguments) else UNDEFINED if default is not None or arguments else Unknown()
    if annotation is not None:
        type_ = Type(annotation, scope, {})
        value = injected(it, type_, scope) if function.name == "constructor" and not arguments and default is None else value if index >= len(arguments) > 0 else typed(it, value if arguments else Unknown(), type_)
    if default is not None:
        value = with_default(it, value, default, scope)
    bind(it, pattern, value, scope)
    if member and function.name == "constructor":
        function.this.set(it, pattern.text.decode(), value)


def injected(it, type_: Type, scope: Scope) -> Any:
    """What a constructor gets when a container calls it: an instance of the class that the parameter is declared to be."""
    name, _ = it.types.parts(type_)
    declared = it.types.declared(scope, name) if name else None
    if isinstance(declared, Cls) and declared.scope is not None and not any(call.home is declared for call in it.calls):
        return it.construct(declared, [], None)
    return Unknown(type_)


def with_default(it, value: Any, default: Any, scope: Scope) -> Any:
    if value is UNDEFINED:
        return it.evaluate(default, scope)
    if type(value) is Unknown and value.type is None or type(value) is Alternatives and UNDEFINED in value.options:
        return either(it.evaluate(default, scope), *([value] if type(value) is Unknown else (option for option in value.options if option is not UNDEFINED)))
    if hasattr(value, "defaulted"):
        value.defaulted(it.evaluate(default, scope))
    return value


# patterns
def bind(it, target: Any, value: Any, scope: Scope, declares: bool = True) -> None:
    kind = target.type
    if kind in ("identifier", "shorthand_property_identifier_pattern") and declares:
        scope.vars[target.text.decode()] = value
    elif kind in ("assignment_pattern", "object_assignment_pattern"):
        bind(it, target.child_by_field_name("left"), with_default(it, value, target.child_by_field_name("right"), scope), scope, declares)
    elif kind == "object_pattern":
        bind_object(it, target, value, scope, declares)
    elif kind == "array_pattern":
        bind_array(it, target, value, scope, declares)
    elif not declares:
        assign(it, target, value, scope)


def bind_object(it, target: Any, value: Any, scope: Scope, declares: bool) -> None:
    taken: list = []
    for child in target.named_children:
        if child.type == "rest_pattern":
            bind(it, child.named_children[0], rest_of(value, taken), scope, declares)
        elif child.type != "comment":
            key = child.child_by_field_name("key" if child.type == "pair_pattern" else "left") or child
            name = property_name(it, key, scope)
            taken.append(name)
            bind(it, child.child_by_field_name("value") or child, it.member(value, name, child), scope, declares)


def rest_of(value: Any, taken: list) -> Any:
    if type(value) is Obj:
        made = Obj({name: member for name, member in value.props.items() if name not in taken}, open=value.open)
        made.inputs = value.inputs
        return made
    return value if hasattr(value, "key") else Unknown()


def bind_array(it, target: Any, value: Any, scope: Scope, declares: bool) -> None:
    index = 0
    for child in target.children:
        if child.type == ",":
            index += 1
        elif child.type == "rest_pattern":
            bind(it, child.named_children[0], Arr(value.items[index:] if type(value) is Arr else [], type(value) is not Arr or value.open), scope, declares)
        elif child.is_named:
            bind(it, child, it.member(value, index, child) if type(value) is Arr else it.items_of(value), scope, declares)


def property_name(it, node: Any, scope: Scope) -> Any:
    if node.type == "computed_property_name":
        value = it.evaluate(node.named_children[0], scope)
        return value if isinstance(value, (str, int)) else Unknown
    return it.evaluate(node, scope) if node.type == "string" else node.text.decode()


def assign(it, target: Any, value: Any, scope: Scope) -> None:
    kind = target.type
    if kind in ("identifier", "shorthand_property_identifier_pattern"):
        name = target.text.decode()
        holder = scope.holder(name)
        if holder is None or holder.parent is None:
            scope.vars[name] = value
        else:
            holder.vars[name] = either(holder.vars[name], value) if it.depth > holder.depth else value
    elif kind in ("member_expression", "subscript_expression"):
        owner = it.evaluate(target.child_by_field_name("object"), scope)
        part = target.child_by_field_name("property") or target.child_by_field_name("index")
        set_member(it, owner, part.text.decode() if kind == "member_expression" else it.evaluate(part, scope), value)
    elif kind in ("object_pattern", "array_pattern"):
        bind(it, target, value, scope, declares=False)
    elif kind in ("non_null_expression", "parenthesized_expression", "as_expression"):
        assign(it, target.named_children[0], value, scope)


def set_member(it, owner: Any, name: Any, value: Any) -> None:
    if type(owner) is Arr and isinstance(name, int) and name == len(owner.items) and it.depth <= owner.depth:
        owner.items.append(value)
    elif type(owner) is Arr or isinstance(name, Value) and type(owner) is Obj:
        owner.open = True
    elif isinstance(owner, Value) and not isinstance(name, Value):
        owner.set(it, name, value)


# classes
def make_class(it, node: Any, scope: Scope) -> Cls:
    parent = None
    for child in node.named_children:
        clause = child.named_children[0] if child.type == "class_heritage" else None
        if clause is not None and clause.type != "implements_clause":
            parent = it.evaluate(clause.child_by_field_name("value") if clause.type == "extends_clause" else clause, scope)
    made, inner = Cls(name_of(node), parent, scope), it.inner(scope)
    if made.name:
        inner.vars[made.name] = made
    for member in node.child_by_field_name("body").named_children:
        add_member(it, made, member, inner)
    return made


def add_member(it, made: Cls, member: Any, scope: Scope) -> None:
    words = {child.type for child in member.children if not child.is_named}
    inner = it.inner(scope)
    inner.vars["this"] = made
    if member.type == "class_static_block":
        it.run(member.child_by_field_name("body").named_children, inner)
        return
    if member.type not in ("method_definition", "public_field_definition"):
        return
    name = property_name(it, member.child_by_field_name("name"), scope)
    if member.type == "public_field_definition":
        if "static" in words:
            written = member.child_by_field_name("value")
            made.statics[name] = it.evaluate(written, inner) if written else UNDEFINED
        else:
            made.fields.append((name, member))
        return
    function = Fn(member, scope, name if isinstance(name, str) else "", made if "static" in words else None, made)
    function.comment = member
    if "static" in words:
        made.statics[name] = function
    elif name == "constructor":
        made.constructor = function
    elif "set" not in words:
        made.members[name] = Getter(function) if "get" in words else function


def construct(it, cls: Cls, made: Obj, arguments: list, node: Any) -> None:
    """Fields and constructor of a class, for an instance that may be one of a subclass."""
    if cls.constructor is None or cls.parent is None:
        if cls.parent is not None:
            construct_parent(it, cls, made, arguments, node)
        fields(it, cls, made)
    if cls.constructor is not None:
        it.call(cls.constructor.bound(made, cls) if type(cls.constructor) is Fn else cls.constructor, made, arguments, node)


def construct_parent(it, cls: Cls, made: Obj, arguments: list, node: Any) -> None:
    if isinstance(cls.parent, Cls):
        construct(it, cls.parent, made, arguments, node)
    else:
        made.open = True


def fields(it, cls: Cls, made: Obj) -> None:
    scope = Scope(cls.scope, it.depth, cls.scope.module) if cls.fields else None
    for name, member in cls.fields:
        scope.vars.update(this=made, super=cls)
        written, annotation = member.child_by_field_name("value"), member.child_by_field_name("type")
        type_ = Type(annotation.named_children[0], cls.scope, {}) if annotation else None
        value = it.evaluate(written, scope) if written else UNDEFINED
        if type(value) is Fn:
            value.comment, value.name, value.type = value.comment or member, value.name or name, value.type or type_
        elif type_ and (written is None or type(value) is Unknown):
            value = typed(it, value, type_)
        else:
            fillable(value, type_)
        made.props[name] = value


def super_call(it, arguments: list, scope: Scope, node: Any) -> Any:
    cls, this = scope.holder("super"), scope.holder("this")
    if cls and this and isinstance(cls.vars["super"], Cls) and isinstance(this.vars["this"], Obj):
        construct_parent(it, cls.vars["super"], this.vars["this"], arguments, node)
        fields(it, cls.vars["super"], this.vars["this"])
    return UNDEFINED

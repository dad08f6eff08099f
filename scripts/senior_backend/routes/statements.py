"""Statements, functions, classes and patterns."""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.routes.interpreter import BREAK, CONTINUE, LONGEST_LOOP, RETURN, THROW, Scope, Thrown
from senior_backend.routes.modules import Import, bind_import, export_names
from senior_backend.routes.types import Type
from senior_backend.routes.values import UNDEFINED, Alternatives, Arr, Cls, Fn, Getter, Obj, Test, Unknown, Value, either, truth

STATEMENTS: dict[str, Callable] = {}
HOISTED: dict[str, Callable] = {}


def statement(*kinds: str, table: dict = STATEMENTS) -> Callable:
    def register(work: Callable) -> Callable:
        table.update(dict.fromkeys(kinds, work))
        return work
    return register


def name_of(node: Any) -> str:
    found = node.child_by_field_name("name")
    return found.text.decode() if found else ""


# declarations that count before the statements run
@statement("function_declaration", "generator_function_declaration", table=HOISTED)
def hoist_function(it, node, scope):
    function = Fn(node, scope, name_of(node))
    function.comment = node
    scope.vars[function.name] = function


@statement("function_signature", table=HOISTED)
def hoist_signature(it, node, scope):
    returned = node.child_by_field_name("return_type")
    scope.vars.setdefault(name_of(node), Unknown(Type(node, scope, {})) if returned else Unknown())


@statement("interface_declaration", "type_alias_declaration", table=HOISTED)
def hoist_type(it, node, scope):
    scope.vars.setdefault("type " + name_of(node), []).append(node)


@statement("enum_declaration", table=HOISTED)
def hoist_enum(it, node, scope):
    made, number = Obj(), 0
    for member in node.child_by_field_name("body").named_children:
        if member.type == "enum_assignment":
            number = it.evaluate(member.child_by_field_name("value"), scope)
            made.props[property_name(it, member.child_by_field_name("name"), scope)] = number
        elif member.type != "comment":
            made.props[property_name(it, member, scope)] = number
        number = number + 1 if isinstance(number, int) else 0
    scope.vars[name_of(node)] = made


@statement("export_statement", "ambient_declaration", table=HOISTED)
def hoist_exported(it, node, scope):
    for child in node.named_children:
        if child.type in HOISTED:
            HOISTED[child.type](it, child, scope)
            if child.type.endswith("function_declaration"):
                scope.vars[name_of(child)].comment = node


@statement("import_statement", table=HOISTED)
def hoist_import(it, node, scope):
    bind_import(it, node, scope)


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
    if type(value) is Fn and value.comment is None:
        value.name, value.comment = value.name or name, declarator.parent
        value.type = type_
    elif type_:
        value = typed(it, value, type_)
    if hasattr(value, "named"):
        value = value.named(it, name, type_, declarator)
    elif scope.parent is it.globals:
        fillable(value, type_)
    if scope.parent is it.globals and declarator.parent.children[0].type != "const":
        it.variables.add((id(scope), name))
    scope.vars[name] = value


def fillable(value: Any, type_: Type | None = None) -> None:
    """An empty collection of a module or an object is there to be filled."""
    if type(value) is Obj:
        for member in value.props.values() if value.cls is None else ():
            if type(member) is Arr and not member.items:
                member.open = True
    if type(value) in (Arr, Obj) and not (value.items if type(value) is Arr else value.props or value.cls):
        value.open, value.type = True, type_


def typed(it, value: Any, type_: Type) -> Any:
    """A value of which the source says the type."""
    if value is UNDEFINED or type(value) is Unknown and value.type is None:
        return Unknown(type_)
    if hasattr(value, "typed"):
        value.typed(type_)
    return value


@statement("statement_block")
def block(it, node, scope):
    return it.run(node.named_children, it.inner(scope))


@statement("return_statement")
def returns(it, node, scope):
    found = node.named_children
    value = it.result(found[0], scope) if found and found[0].type != "comment" else UNDEFINED
    it.returns[-1].append(value)
    if it.exchange:
        it.exchange.leave(it, value)
    return RETURN


@statement("throw_statement")
def throws(it, node, scope):
    it.throw(it.evaluate(node.named_children[0], scope))


@statement("break_statement")
def breaks(it, node, scope):
    return BREAK


@statement("continue_statement")
def continues(it, node, scope):
    return CONTINUE


@statement("if_statement")
def if_(it, node, scope):
    condition, first, second = it.fields(node, "condition", "consequence", "alternative")
    test = it.evaluate(condition, scope)
    known = truth(test)
    if known is not None:
        chosen = first if known else second
        return it.execute(chosen, scope) if chosen else None
    return it.fork([lambda: it.execute(first, scope), lambda: it.execute(second, scope) if second else None], missing_in(test))


def missing_in(test: Any) -> tuple[frozenset, frozenset]:
    """The inputs that are absent when a condition holds, and when it does not."""
    if isinstance(test, Test):
        return test.when_true, test.when_false
    return frozenset(), frozenset([test.key]) if hasattr(test, "key") else frozenset()


@statement("else_clause", "labeled_statement", "finally_clause")
def last_child(it, node, scope):
    return it.execute(node.named_children[-1], scope)


@statement("switch_statement")
def switch(it, node, scope):
    value = it.evaluate(node.child_by_field_name("value"), scope)
    cases = [case for case in node.child_by_field_name("body").named_children if case.type.startswith("switch_")]
    tests = [it.evaluate(case.child_by_field_name("value"), scope) if case.type == "switch_case" else None for case in cases]
    inner = it.inner(scope)

    def body(index: int) -> str | None:
        for case in cases[index:]:
            done = it.run(case.children_by_field_name("body"), inner)
            if done:
                return None if done == BREAK else done
        return None
    if not isinstance(value, Value) and not any(isinstance(test, Value) for test in tests):
        found = next((index for index, test in enumerate(tests) if cases[index].type == "switch_case" and test == value), None)
        found = found if found is not None else next((index for index, case in enumerate(cases) if case.type == "switch_default"), None)
        return body(found) if found is not None else None
    branches = [lambda index=index: body(index) for index, case in enumerate(cases) if case.children_by_field_name("body") or index == len(cases) - 1]
    exhaustive = any(case.type == "switch_default" for case in cases)
    return it.fork(branches + [] if exhaustive else branches + [lambda: None])


def turns(it, done: str | None) -> bool:
    """Whether a loop goes on."""
    return done in (None, CONTINUE)


@statement("for_in_statement")
def for_in(it, node, scope):
    value = it.evaluate(node.child_by_field_name("right"), scope)
    operator = node.child_by_field_name("operator")
    left, body = node.child_by_field_name("left"), node.child_by_field_name("body")
    if operator.text == b"of":
        known = value.items if type(value) is Arr and not value.open else list(value) if isinstance(value, str) else None
    else:
        known = list(value.props) if type(value) is Obj and not value.open else [str(index) for index in range(len(value.items))] if type(value) is Arr and not value.open else None

    def turn(item: Any) -> str | None:
        inner = it.inner(scope)
        bind(it, left, item, inner, declares=node.child_by_field_name("kind") is not None)
        return it.execute(body, inner)
    if known is None:
        done = it.fork([lambda: turn(it.items_of(value) if operator.text == b"of" else Unknown()), lambda: None])
        return None
    for item in known[:LONGEST_LOOP]:
        done = turn(item)
        if not turns(it, done):
            return None if done == BREAK else done
    return None


@statement("for_statement")
def for_(it, node, scope):
    inner = it.inner(scope)
    start, condition, step, body = (node.child_by_field_name(field) for field in ("initializer", "condition", "increment", "body"))
    if start:
        it.execute(start, inner) if start.type in STATEMENTS else it.evaluate(start, inner)
    for _ in range(LONGEST_LOOP):
        test = condition_of(it, condition, inner)
        if truth(test) is not True:
            break
        done = it.execute(body, it.inner(inner))
        if not turns(it, done):
            return None if done == BREAK else done
        if step:
            it.evaluate(step, inner)
    else:
        return None
    if truth(test) is None:
        it.fork([lambda: it.execute(body, it.inner(inner)), lambda: None])
    return None


def condition_of(it, node: Any, scope: Scope) -> Any:
    if node is None or node.type in (";", "empty_statement"):
        return Unknown()
    return it.evaluate(node.named_children[0] if node.type == "expression_statement" else node, scope)


@statement("while_statement", "do_statement")
def while_(it, node, scope):
    test = it.evaluate(node.child_by_field_name("condition"), scope)
    if truth(test) is not False or node.type == "do_statement":
        it.fork([lambda: it.execute(node.child_by_field_name("body"), scope), lambda: None])
    return None


@statement("try_statement")
def try_(it, node, scope):
    body, handler, finalizer = it.fields(node, "body", "handler", "finalizer")
    caught: list = []
    passed, unknown = it.passed_on, it.unknown_calls
    start = it.exchange and it.exchange.state
    if handler:
        it.catchers.append(caught)
    try:
        done = it.execute(body, scope)
    except Thrown as thrown:
        if not handler:
            raise
        caught.append(thrown.value)
        done = THROW
    finally:
        if handler:
            it.catchers.pop()
    if handler:
        # a middleware that only passes on sees what is known to be thrown further down; anything else may fail in ways that are not known
        values = distinct(caught) + ([Unknown()] if it.passed_on == passed or it.unknown_calls > unknown else [])
        end = it.exchange and it.exchange.state
        if it.exchange:
            it.exchange.state = start
        handled = it.fork([lambda value=value: catch(it, handler, value, scope) for value in values]) if values else None
        if it.exchange:
            it.exchange.state = end if handled else it.exchange.join([end, it.exchange.state]) if done is None else it.exchange.state
        done = (handled if values else THROW) if done == THROW else None if values and handled is None else done
        if done == THROW:
            raise Thrown(it.catchers[-1].pop() if it.catchers[-1] else Unknown())
    if finalizer:
        done = it.execute(finalizer, scope) or done
    return done


def distinct(values: list) -> list:
    """One of each kind of error."""
    found: dict = {}
    for value in values:
        found.setdefault((id(value.cls), *((key, prop) for key, prop in value.props.items() if key in ("status", "statusCode"))) if type(value) is Obj else type(value), value)
    return list(found.values())


def catch(it, handler: Any, value: Any, scope: Scope) -> str | None:
    inner = it.inner(scope)
    parameter = handler.child_by_field_name("parameter")
    if parameter:
        bind(it, parameter, value, inner)
    return it.run(handler.child_by_field_name("body").named_children, inner)


@statement("class_declaration", "abstract_class_declaration")
def class_declaration(it, node, scope):
    scope.vars[name_of(node)] = make_class(it, node, scope)


@statement("export_statement")
def export(it, node, scope):
    export_names(it, node, scope)


# functions
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
        value = it.result(signature.body, scope)
        if it.exchange:
            it.exchange.leave(it, value)
    else:
        done = it.run(signature.statements, scope)
        if done is None and it.exchange:
            it.exchange.leave(it, UNDEFINED)
        values = it.returns[-1]
        value = either(*values, *([] if done == RETURN else [UNDEFINED])) if values else UNDEFINED
    return typed(it, value, Type(signature.returned, scope, {})) if signature.returned is not None and type(value) is Unknown else value


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
        return (node.child_by_field_name("pattern") or node, node.child_by_field_name("value"), annotation.named_children[0] if annotation is not None else None,
                any(child.type in ("accessibility_modifier", "readonly", "override_modifier") for child in node.children))


def bind_parameter(it, index: int, parameter: tuple, arguments: list, scope: Scope, function: Fn) -> None:
    pattern, default, annotation, member = parameter
    if pattern.type == "rest_pattern":
        bind(it, pattern.named_children[0], Arr(arguments[index:], open=not arguments), scope)
        return
    value = arguments[index] if index < len(arguments) else UNDEFINED if default is not None or arguments else Unknown()
    if annotation is not None:
        type_ = Type(annotation, scope, {})
        value = injected(it, type_, scope) if function.name == "constructor" and not arguments and default is None else typed(it, value if index < len(arguments) else Unknown(), type_)
    if default is not None:
        value = with_default(it, value, default, scope)
    if pattern.type == "identifier":
        scope.vars[pattern.text.decode()] = value
    else:
        bind(it, pattern, value, scope)
    if member and function.name == "constructor":
        function.this.set(it, pattern.text.decode(), value)


def injected(it, type_: Type, scope: Scope) -> Any:
    """What a constructor gets when a container calls it: an instance of the class that the parameter is declared to be."""
    declared = it.types.declared(scope, it.types.parts(type_)[0]) if it.types.parts(type_)[0] else None
    if isinstance(declared, Cls) and declared.scope is not None and not any(call.home is declared for call in it.calls):
        return it.construct(declared, [], None)
    return Unknown(type_)


def with_default(it, value: Any, default: Any, scope: Scope) -> Any:
    if value is UNDEFINED:
        return it.evaluate(default, scope)
    if type(value) is Unknown and value.type is None:
        return either(it.evaluate(default, scope), value)
    if type(value) is Alternatives and UNDEFINED in value.options:
        return either(*(option for option in value.options if option is not UNDEFINED), it.evaluate(default, scope))
    if hasattr(value, "defaulted"):
        value.defaulted(it.evaluate(default, scope))
    return value


# patterns
def bind(it, target: Any, value: Any, scope: Scope, declares: bool = True) -> None:
    kind = target.type
    if kind in ("identifier", "shorthand_property_identifier_pattern", "type_identifier"):
        name = target.text.decode()
        if declares:
            scope.vars[name] = value
        else:
            assign(it, target, value, scope)
    elif kind == "assignment_pattern":
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
        if child.type == "pair_pattern":
            name = property_name(it, child.child_by_field_name("key"), scope)
            bind(it, child.child_by_field_name("value"), it.member(value, name, child), scope, declares)
        elif child.type == "shorthand_property_identifier_pattern":
            name = child.text.decode()
            bind(it, child, it.member(value, name, child), scope, declares)
        elif child.type == "object_assignment_pattern":
            left = child.child_by_field_name("left")
            name = left.text.decode()
            bind(it, left, with_default(it, it.member(value, name, child), child.child_by_field_name("right"), scope), scope, declares)
        elif child.type == "rest_pattern":
            bind(it, child.named_children[0], rest_of(value, taken), scope, declares)
            continue
        else:
            continue
        taken.append(name)


def rest_of(value: Any, taken: list) -> Any:
    if type(value) is Obj:
        return Obj({name: member for name, member in value.props.items() if name not in taken}, open=value.open)
    return value.rest(taken) if hasattr(value, "rest") else Unknown()


def bind_array(it, target: Any, value: Any, scope: Scope, declares: bool) -> None:
    index = 0
    for child in target.children:
        if child.type == ",":
            index += 1
        elif child.type == "rest_pattern":
            items = value.items[index:] if type(value) is Arr else []
            bind(it, child.named_children[0], Arr(list(items), open=type(value) is not Arr or value.open), scope, declares)
        elif child.is_named:
            bind(it, child, it.member(value, index, child) if type(value) is Arr else it.items_of(value), scope, declares)


def property_name(it, node: Any, scope: Scope) -> Any:
    if node.type == "computed_property_name":
        value = it.evaluate(node.named_children[0], scope)
        return value if isinstance(value, (str, int)) else Unknown
    if node.type == "string":
        return it.evaluate(node, scope)
    return node.text.decode()


def assign(it, target: Any, value: Any, scope: Scope) -> None:
    kind = target.type
    if kind == "identifier":
        name = target.text.decode()
        holder = scope.holder(name)
        if holder is None or holder.parent is None:
            scope.vars[name] = value
        else:
            holder.vars[name] = either(holder.vars[name], value) if it.depth > holder.depth else value
    elif kind in ("member_expression", "subscript_expression"):
        owner = it.evaluate(target.child_by_field_name("object"), scope)
        part = target.child_by_field_name("property") or target.child_by_field_name("index")
        name = part.text.decode() if kind == "member_expression" else it.evaluate(part, scope)
        set_member(it, owner, name, value)
    elif kind in ("object_pattern", "array_pattern"):
        bind(it, target, value, scope, declares=False)
    elif kind in ("non_null_expression", "parenthesized_expression", "as_expression"):
        assign(it, target.named_children[0], value, scope)


def set_member(it, owner: Any, name: Any, value: Any) -> None:
    if type(owner) is Arr:
        if isinstance(name, (int, float)) and int(name) == len(owner.items) and it.depth <= owner.depth:
            owner.items.append(value)
        else:
            owner.open = True
    elif isinstance(name, Value):
        if type(owner) is Obj:
            owner.open = True
    elif isinstance(owner, Value):
        owner.set(it, name, value)


# classes
def make_class(it, node: Any, scope: Scope) -> Cls:
    parent = None
    for child in node.named_children:
        if child.type == "class_heritage":
            clause = child.named_children[0]
            written = clause.child_by_field_name("value") if clause.type == "extends_clause" else clause
            parent = it.evaluate(written, scope) if written and written.type != "implements_clause" else None
    made = Cls(name_of(node), parent, scope)
    inner = it.inner(scope)
    if made.name:
        inner.vars[made.name] = made
    for member in node.child_by_field_name("body").named_children:
        add_member(it, made, member, inner)
    return made


def add_member(it, made: Cls, member: Any, scope: Scope) -> None:
    words = {child.type for child in member.children if not child.is_named}
    if member.type == "method_definition":
        name = property_name(it, member.child_by_field_name("name"), scope)
        function = Fn(member, scope, name if isinstance(name, str) else "", home=made)
        function.comment = member
        if "static" in words:
            made.statics[name] = Fn(member, scope, function.name, made, made)
        elif name == "constructor":
            made.constructor = function
        elif "set" not in words:
            made.members[name] = Getter(function) if "get" in words else function
    elif member.type in ("public_field_definition", "field_definition"):
        name = property_name(it, member.child_by_field_name("name") or member.child_by_field_name("property"), scope)
        if "static" in words:
            inner = it.inner(scope)
            inner.vars["this"] = made
            written = member.child_by_field_name("value")
            made.statics[name] = it.evaluate(written, inner) if written else UNDEFINED
        else:
            made.fields.append((name, member))
    elif member.type == "class_static_block":
        inner = it.inner(scope)
        inner.vars["this"] = made
        it.run(member.child_by_field_name("body").named_children, inner)


def construct(it, cls: Cls, made: Obj, arguments: list, node: Any) -> None:
    """Fields and constructor of a class, for an instance that may be one of a subclass."""
    if cls.constructor is None or cls.parent is None:
        if cls.parent is not None:
            construct_parent(it, cls, made, arguments, node)
        fields(it, cls, made)
    if cls.constructor is not None:
        it.call(Fn(cls.constructor.node, cls.constructor.scope, "constructor", made, cls) if type(cls.constructor) is Fn else cls.constructor, made, arguments, node)


def construct_parent(it, cls: Cls, made: Obj, arguments: list, node: Any) -> None:
    if isinstance(cls.parent, Cls):
        construct(it, cls.parent, made, arguments, node)
    else:
        made.open = True


def fields(it, cls: Cls, made: Obj) -> None:
    if not cls.fields:
        return
    scope = Scope(cls.scope, it.depth, cls.scope.module)
    scope.vars.update(this=made, super=cls)
    for name, member in cls.fields:
        written, annotation = member.child_by_field_name("value"), member.child_by_field_name("type")
        type_ = Type(annotation.named_children[0], cls.scope, {}) if annotation else None
        value = it.evaluate(written, scope) if written else UNDEFINED
        if type(value) is Fn:
            value.comment, value.name = value.comment or member, value.name or name
            value.type = value.type or type_
        elif type_ and (written is None or type(value) is Unknown):
            value = typed(it, value, type_) if written else Unknown(type_)
        else:
            fillable(value, type_)
        made.props[name] = value


def super_call(it, arguments: list, scope: Scope, node: Any) -> Any:
    cls, this = scope.holder("super").vars["super"], scope.holder("this").vars["this"]
    if isinstance(cls, Cls) and isinstance(this, Obj):
        construct_parent(it, cls, this, arguments, node)
        fields(it, cls, this)
    return UNDEFINED

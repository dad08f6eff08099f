"""Modules of the sources: what they import and export, each run once and when it is first needed."""
from __future__ import annotations

from typing import Any

from senior_backend.routes.interpreter import STARTING_STEPS, Exhausted, Interpreter, Scope, Thrown
from senior_backend.routes.values import UNDEFINED, Native, Obj, Unknown, Value


class Import:
    """A name that an import binds; followed when it is first read."""
    __slots__ = ("specifier", "name")

    def __init__(self, specifier: str, name: str):
        self.specifier, self.name = specifier, name         # name "*": the whole module


class Namespace(Value):
    """A module as one object."""
    __slots__ = ("module",)

    def __init__(self, module: Module):
        self.module = module

    def get(self, it, name, node):
        return self.module.export(it, name)

    def spread(self, it, made):
        made.props.update({name: self.module.export(it, name) for name in self.module.names(it)})


class Module:
    """A file of the sources that is interpreted."""

    def __init__(self, file: Any, it: Interpreter):
        self.file, self.name, self.state = file, file.name, ""
        self.scope = Scope(it.globals, 0, self)
        self.exports: dict[str, Any] = {}           # name -> (scope, name in it), Import, or a value
        self.stars: list[str] = []
        self.commonjs = Obj({}, open=False)
        self.holder = Obj({"exports": self.commonjs})
        self.scope.vars.update({
            "module": self.holder, "exports": self.commonjs, "__dirname": "/" + file.name.rpartition("/")[0], "__filename": "/" + file.name,
            "require": Native(lambda it, this, arguments, node: required(it, self, arguments[0] if arguments else None), {"main": Unknown(), "resolve": Native(lambda it, this, arguments, node: Unknown())})})

    def run(self, it: Interpreter) -> None:
        if self.state:
            return
        self.state = "running"
        kept = it.module, it.steps, it.depth, it.exchange, it.calls, it.catchers
        it.module, it.steps, it.depth, it.exchange, it.calls, it.catchers = self, STARTING_STEPS, 0, None, [], [[]]
        nodes, scope = self.file.tree.root_node.named_children, self.scope
        try:
            for node in nodes:
                if node.type in it.hoisted:
                    it.hoisted[node.type](it, node, scope)
            for node in nodes:
                self.statement(it, node)
        finally:
            it.module, it.steps, it.depth, it.exchange, it.calls, it.catchers = kept
            self.state = "done"

    def statement(self, it: Interpreter, node: Any) -> None:
        calls = it.calls[:]
        try:
            it.execute(node, self.scope)
        except Thrown:
            pass
        except (Exhausted, RecursionError):
            it.tell("too much to follow: what is here is not read to its end", (self.name, node.start_point[0] + 1))
            it.steps = max(it.steps, STARTING_STEPS // 4)
            it.module, it.calls = self, calls

    def is_commonjs(self) -> bool:
        return not self.exports and not self.stars

    def value(self, it: Interpreter) -> Any:
        """What require() gives."""
        self.run(it)
        return self.holder.props["exports"] if self.is_commonjs() else Namespace(self)

    def export(self, it: Interpreter, name: str) -> Any:
        self.run(it)
        if name in self.exports:
            found = self.exports[name]
            if type(found) is tuple:
                value = found[0].vars.get(found[1], UNDEFINED)
                return resolved(it, found[0], found[1], value) if type(value) is Import else value
            return imported(it, self, found) if type(found) is Import else found
        if self.is_commonjs():
            whole = self.holder.props["exports"]
            return whole if name == "default" else it.member(whole, name)
        for specifier in self.stars if name != "default" else ():
            value = imported(it, self, Import(specifier, name))
            if value is not UNDEFINED:
                return value
        return UNDEFINED

    def names(self, it: Interpreter) -> list[str]:
        self.run(it)
        if self.is_commonjs():
            whole = self.holder.props["exports"]
            return list(whole.props) if type(whole) is Obj else []
        found = list(self.exports)
        for specifier in self.stars:
            module = it.sources.module(it, self.file, specifier)
            found += [name for name in module.names(it) if name != "default"] if isinstance(module, Module) and module is not self else []
        return found


def required(it, module: Module, specifier: Any) -> Any:
    if not isinstance(specifier, str):
        return Unknown(why="a module whose name is not known")
    found = it.sources.module(it, module.file, specifier)
    return found.value(it) if isinstance(found, Module) else found


def import_call(it, specifier: Any, scope: Scope) -> Any:
    """import('./x'): awaiting is taken as having."""
    if not isinstance(specifier, str):
        return Unknown()
    found = it.sources.module(it, scope.module.file, specifier)
    return Namespace(found) if isinstance(found, Module) else found


def imported(it, module: Module, wanted: Import) -> Any:
    found = it.sources.module(it, module.file, wanted.specifier)
    if isinstance(found, Module):
        return Namespace(found) if wanted.name == "*" else found.export(it, wanted.name)
    if wanted.name in ("*", "default"):
        return found
    value = it.member(found, wanted.name)
    return Unknown(why=wanted.specifier) if type(value) is Unknown and not value.type or value is UNDEFINED else value


def resolved(it, scope: Scope, name: str, wanted: Import) -> Any:
    """The value of an imported name, kept for the next time unless its module is still running."""
    value = imported(it, scope.module, wanted)
    if value is not UNDEFINED:
        scope.vars[name] = value
    return value


def bind_import(it, node: Any, scope: Scope) -> None:
    source = node.child_by_field_name("source")
    for clause in node.named_children:
        if clause.type == "import_require_clause":
            scope.vars[clause.named_children[0].text.decode()] = Import(it.evaluate(clause.child_by_field_name("source"), scope), "=")
            scope.vars[clause.named_children[0].text.decode()] = required(it, scope.module, it.evaluate(clause.child_by_field_name("source"), scope))
        elif clause.type == "import_clause":
            bind_clause(clause, it.evaluate(source, scope), scope)


def bind_clause(clause: Any, specifier: str, scope: Scope) -> None:
    for child in clause.named_children:
        if child.type == "identifier":
            scope.vars[child.text.decode()] = Import(specifier, "default")
        elif child.type == "namespace_import":
            scope.vars[child.named_children[0].text.decode()] = Import(specifier, "*")
        elif child.type == "named_imports":
            for item in child.named_children:
                if item.type == "import_specifier":
                    name, alias = item.child_by_field_name("name"), item.child_by_field_name("alias")
                    scope.vars[(alias or name).text.decode()] = Import(specifier, name.text.decode().strip("'\""))


def export_names(it, node: Any, scope: Scope) -> None:
    """An export statement: what it declares, lists, or passes on from another module."""
    module, source = scope.module, node.child_by_field_name("source")
    declared, value = node.child_by_field_name("declaration"), node.child_by_field_name("value")
    default = any(child.type == "default" for child in node.children)
    if declared is not None:
        it.execute(declared, scope)
        for name in declared_names(declared):
            module.exports["default" if default else name] = (scope, name)
    elif value is not None:
        found = it.evaluate(value, scope)
        if hasattr(found, "comment") and found.comment is None:
            found.comment = node
        module.exports["default"] = found
    elif any(child.type == "=" for child in node.children):
        module.holder.props["exports"] = it.evaluate(node.named_children[-1], scope)
    else:
        specifier = it.evaluate(source, scope) if source else None
        export_clause(module, node, specifier, scope)


def export_clause(module: Module, node: Any, specifier: str | None, scope: Scope) -> None:
    for child in node.named_children:
        if child.type == "export_clause":
            for item in child.named_children:
                if item.type == "export_specifier":
                    name, alias = item.child_by_field_name("name"), item.child_by_field_name("alias")
                    written = name.text.decode()
                    module.exports[(alias or name).text.decode()] = Import(specifier, written) if specifier is not None else (scope, written)
        elif child.type == "namespace_export":
            module.exports[child.named_children[0].text.decode()] = Import(specifier, "*")
    if specifier is not None and any(child.type == "*" for child in node.children):
        module.stars.append(specifier)


def declared_names(node: Any) -> list[str]:
    if node.type in ("lexical_declaration", "variable_declaration"):
        return [name for declarator in node.named_children if declarator.type == "variable_declarator" for name in pattern_names(declarator.child_by_field_name("name"))]
    name = node.child_by_field_name("name")
    prefix = "type " if node.type in ("interface_declaration", "type_alias_declaration") else ""
    return [prefix + name.text.decode()] if name else []


def pattern_names(node: Any) -> list[str]:
    if node.type in ("identifier", "shorthand_property_identifier_pattern"):
        return [node.text.decode()]
    return [name for child in node.named_children if child.type != "property_identifier" for name in pattern_names(child)]

"""Modules of the sources: what they import and export, each run once and when it is first needed."""
from __future__ import annotations

from typing import Any

from senior_backend.routes.interpreter import STARTING_STEPS, Exhausted, Interpreter, Scope
from senior_backend.routes.values import UNDEFINED, Native, Obj, Unknown, Value


class Import:
    """A name that an import binds; followed when it is first read. name "*": the whole module."""
    __slots__ = ("specifier", "name")

    def __init__(self, specifier: str, name: str):
        self.specifier, self.name = specifier, name


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
    """A file of the sources that is interpreted. exports: name -> (scope, name in it), Import, or a value; stars: modules of which all is exported."""

    def __init__(self, file: Any, it: Interpreter):
        self.file, self.name, self.running = file, file.name, False
        self.scope = Scope(it.globals, 0, self)
        self.exports: dict[str, Any] = {}
        self.stars: list[str] = []
        commonjs, folder = Obj(), file.name.rpartition("/")[0]
        self.holder = Obj({"exports": commonjs})
        require = Native(lambda it, this, a, node: required(it, self, a[0] if a else None), {"main": Unknown()})
        self.scope.vars.update({"module": self.holder, "exports": commonjs, "__dirname": "/" + folder, "__filename": "/" + file.name, "require": require})

    def run(self, it: Interpreter) -> None:
        if self.running:
            return
        self.running = True
        kept = it.module, it.steps, it.depth, it.exchange, it.calls, it.catchers
        it.module, it.steps, it.depth, it.exchange, it.calls, it.catchers = self, STARTING_STEPS, 0, None, [], [[]]
        nodes = self.file.tree.root_node.named_children
        try:
            for node in nodes:
                if node.type in it.hoisted:
                    it.hoisted[node.type](it, node, self.scope)
            for node in nodes:
                self.statement(it, node)
        finally:
            it.module, it.steps, it.depth, it.exchange, it.calls, it.catchers = kept

    def statement(self, it: Interpreter, node: Any) -> None:
        try:
            it.guarded(lambda: it.execute(node, self.scope))
        except (Exhausted, RecursionError):
            it.tell("too much to follow: what is here is not read to its end", (self.name, node.start_point[0] + 1))
            it.steps, it.module, it.calls = max(it.steps, STARTING_STEPS // 4), self, []

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
                return resolved(it, *found, value) if type(value) is Import else value
            return imported(it, self, found) if type(found) is Import else found
        if self.is_commonjs():
            whole = self.holder.props["exports"]
            return whole if name == "default" else it.member(whole, name)
        values = (imported(it, self, Import(specifier, name)) for specifier in self.stars if name != "default")
        return next((value for value in values if value is not UNDEFINED), UNDEFINED)

    def names(self, it: Interpreter) -> list[str]:
        self.run(it)
        if self.is_commonjs():
            whole = self.holder.props["exports"]
            return [*([] if type(whole) is Obj else ["default"]), *(getattr(whole, "props", None) or {})]
        starred = [it.sources.module(it, self.file, specifier) for specifier in self.stars]
        return [*self.exports, *(name for module in starred if isinstance(module, Module) and module is not self for name in module.names(it) if name != "default")]


def required(it, module: Module, specifier: Any) -> Any:
    found = it.sources.module(it, module.file, specifier) if isinstance(specifier, str) else Unknown(why="a module whose name is not known")
    return found.value(it) if isinstance(found, Module) else found


def import_call(it, specifier: Any, scope: Scope) -> Any:
    """import('./x'): awaiting is taken as having."""
    return imported(it, scope.module, Import(specifier, "*")) if isinstance(specifier, str) else Unknown()


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


def text(node: Any) -> str:
    return node.text.decode().strip("'\"")


def bind_import(it, node: Any, scope: Scope) -> None:
    source = node.child_by_field_name("source")
    for clause in node.named_children:
        if clause.type == "import_require_clause":
            scope.vars[text(clause.named_children[0])] = required(it, scope.module, text(clause.child_by_field_name("source")))
        for child in clause.named_children if clause.type == "import_clause" else ():
            if child.type == "identifier":
                scope.vars[text(child)] = Import(text(source), "default")
            elif child.type == "namespace_import":
                scope.vars[text(child.named_children[0])] = Import(text(source), "*")
            else:
                scope.vars.update({local: Import(text(source), name) for name, local in specifiers(child)})


def specifiers(node: Any) -> list[tuple[str, str]]:
    """(name, alias or name) of what an import or export lists."""
    listed = [(child.child_by_field_name("name"), child.child_by_field_name("alias")) for child in node.named_children if child.type in ("import_specifier", "export_specifier")]
    return [(text(name), text(alias or name)) for name, alias in listed]


def export_names(it, node: Any, scope: Scope) -> None:
    """An export statement: what it declares, lists, or passes on from another module."""
    module, source, declared, value = scope.module, *(node.child_by_field_name(name) for name in ("source", "declaration", "value"))
    words = {child.type for child in node.children}
    specifier = text(source) if source else None
    if declared is not None:
        it.execute(declared, scope)
        module.exports.update({"default" if "default" in words else name: (scope, name) for name in declared_names(declared)})
    elif value is not None:
        found = module.exports["default"] = it.evaluate(value, scope)
        if hasattr(found, "comment") and found.comment is None:
            found.comment = node
    elif "=" in words:
        module.holder.props["exports"] = it.evaluate(node.named_children[-1], scope)
    for child in node.named_children if declared is None else ():
        if child.type == "export_clause":
            module.exports.update({local: (scope, name) if specifier is None else Import(specifier, name) for name, local in specifiers(child)})
        elif child.type == "namespace_export":
            module.exports[text(child.named_children[0])] = Import(specifier, "*")
    if specifier is not None and "*" in words:
        module.stars.append(specifier)


def declared_names(node: Any) -> list[str]:
    if node.type in ("lexical_declaration", "variable_declaration"):
        return [name for declarator in node.named_children if declarator.type == "variable_declarator" for name in pattern_names(declarator.child_by_field_name("name"))]
    name, prefix = node.child_by_field_name("name"), "type " if node.type in ("interface_declaration", "type_alias_declaration") else ""
    return [prefix + text(name)] if name else []


def pattern_names(node: Any) -> list[str]:
    if node.type in ("identifier", "shorthand_property_identifier_pattern"):
        return [text(node)]
    return [name for child in node.named_children if child.type != "property_identifier" for name in pattern_names(child)]

"""A document that exists brought up to what the sources say, keeping what a person wrote there; what had to change is drift."""
from __future__ import annotations

import copy
from typing import Any

from senior_backend.openapi.paths import shape
from senior_backend.routes.document import INFERRED, METHODS, each, unmarked
from senior_backend.routes.operations import phrase

TEXTS = frozenset(("title", "summary", "description", "example", "examples", "externalDocs", "xml", "deprecated", "readOnly", "writeOnly", "default", "$comment", "discriminator", "nullable", "x-nullable"))
PERSONAL = ("tags", "summary", "description", "externalDocs", "operationId", "callbacks", "servers")


def merged(old: dict, new: dict, complete: bool) -> tuple[dict, list[str]]:
    """(the document, what differed). new: with its marks; complete: the sources could be read to their end."""
    merger = Merger(copy.deepcopy(old), new, complete)
    merger.paths()
    return unmarked(merger.old), merger.drift


class Merger:
    def __init__(self, old: dict, new: dict, complete: bool):
        self.old, self.new, self.complete = old, new, complete
        self.drift: list[str] = []
        self.where = ""
        self.merging: set[tuple[int, int]] = set()

    def say(self, text: str) -> None:
        line = f"{self.where}: {text}" if self.where else text
        if line not in self.drift:
            self.drift.append(line)

    # paths
    def paths(self) -> None:
        paths = self.old.setdefault("paths", {})
        wanted = {(shape(path), method): (path, operation) for path, method, operation in each(self.new["paths"])}
        known = {(shape(path), method): path for path, method, _ in each(paths)}
        for (form, method), path in known.items():
            self.where = f"{method.upper()} {path}"
            if (form, method) in wanted:
                self.operation(paths[path], method, *wanted[form, method], path)
            elif self.complete:
                self.say("no route was found: the operation is removed")
                del paths[path][method]
            else:
                self.say("no route was found; the operation stays, as not all of the sources could be followed")
        for (form, method), (path, operation) in wanted.items():
            if (form, method) not in known:
                self.where = f"{method.upper()} {path}"
                self.say("the operation is missing")
                home = next((other for other in paths if shape(other) == form), path)
                paths.setdefault(home, {})[method] = renamed(copy.deepcopy(operation), path, home)
                self.adopt(operation)
        for path in [path for path, item in paths.items() if isinstance(item, dict) and not any(name in METHODS or name == "$ref" for name in item)]:
            del paths[path]
        self.where = ""
        self.schemes()
        if self.old.get("x-unresolved") != self.new.get("x-unresolved"):
            self.old.pop("x-unresolved", None)
            if "x-unresolved" in self.new:
                self.old["x-unresolved"] = self.new["x-unresolved"]
            self.say("what could not be followed has changed (x-unresolved)")

    def operation(self, item: dict, method: str, path: str, new: dict, home: str) -> None:
        old, new = item[method], renamed(new, path, home)
        for name in PERSONAL:
            if name in new and name not in old and name != "operationId":
                old[name] = new[name]
                self.say(f"{name} is missing")
        if new.get("deprecated") and not old.get("deprecated"):
            old["deprecated"] = True
            self.say("it is deprecated")
        self.parameters(item, old, new)
        self.body(old, new)
        self.responses(old, new)
        if new.get("security") and not old.get("security", self.old.get("security")):
            old["security"] = new["security"]
            self.say("security is missing")

    def resolved(self, value: Any, root: dict | None = None) -> Any:
        """What references within a document lead to."""
        for _ in range(16):
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                break
            target: Any = root or self.old
            for token in value["$ref"].lstrip("#/").split("/"):
                target = target.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
            value = target
        return value if isinstance(value, (dict, bool)) else {}

    # parameters
    def parameters(self, item: dict, old: dict, new: dict) -> None:
        listed = old.get("parameters", [])
        known = {identity(self.resolved(parameter)): self.resolved(parameter) for parameter in [*item.get("parameters", []), *listed]}
        wanted = {identity(parameter): parameter for parameter in new.get("parameters", [])}
        for key, parameter in wanted.items():
            if key not in known:
                self.say(f"the {key[0]} parameter {parameter['name']} is missing")
                old.setdefault("parameters", []).append(copy.deepcopy(parameter))
                self.adopt(parameter)
                continue
            there = known[key]
            if bool(there.get("required")) != bool(parameter.get("required")) and (parameter.get("required") or not is_inferred(parameter.get("schema"))):
                self.say(f"the {key[0]} parameter {parameter['name']} is {'required' if parameter.get('required') else 'optional'}")
                there.pop("required", None)
                there.update({"required": True} if parameter.get("required") else {})
            self.member(there, "schema", parameter.get("schema", {}), f"the {key[0]} parameter {parameter['name']}")
        for parameter in list(listed):
            key = identity(self.resolved(parameter))
            closed = any(other[0] == key[0] and not is_inferred(parameter.get("schema")) for other, parameter in wanted.items()) or key[0] == "path"
            if key not in wanted and closed:
                self.say(f"nothing reads the {key[0]} parameter {self.resolved(parameter).get('name')}")
                listed.remove(parameter)

    # bodies and responses
    def body(self, old: dict, new: dict) -> None:
        there, wanted = self.resolved(old.get("requestBody")), new.get("requestBody")
        if wanted is None:
            if "requestBody" in old and self.complete:
                self.say("nothing reads the body")
                del old["requestBody"]
        elif "requestBody" not in old:
            self.say("the body is missing")
            old["requestBody"] = copy.deepcopy(wanted)
            self.adopt(wanted)
        else:
            if wanted.get("required") and not there.get("required"):
                self.say("the body is required")
                there["required"] = True
            self.content(there, wanted, "the body")

    def responses(self, old: dict, new: dict) -> None:
        known, wanted = old.setdefault("responses", {}), new["responses"]
        found = {str(status).upper(): status for status in known}
        for status, response in wanted.items():
            if status == "default" and set(wanted) == {"default"} and "description" in response and "content" not in response and known:
                continue            # nothing was seen
            if status.upper() not in found:
                if not f"{status[0]}XX" in found:
                    self.say(f"the response {status} is missing")
                    known[status] = copy.deepcopy(response)
                    self.adopt(response)
                continue
            there = self.resolved(known[found[status.upper()]])
            if not there.get("description"):
                there["description"] = response.get("description") or phrase(status)
            self.content(there, response, f"the response {status}")
        answered = [status for status in wanted if status[0] in "123"]
        for status in [status for status in known if str(status)[0] in "123" and str(status).upper() not in {other.upper() for other in wanted}]:
            if answered and self.complete and str(status)[0] == answered[0][0]:
                self.say(f"nothing answers {status}")
                del known[status]

    def content(self, old: dict, new: dict, what: str) -> None:
        for name, media in new.get("content", {}).items():
            known = old.setdefault("content", {}) if name in old.get("content", {}) or media.get("schema") else {}
            if name not in known and any(isinstance(self.resolved(other), dict) for other in known.values()) and is_inferred(media.get("schema")):
                continue
            if name not in known:
                if media.get("schema"):
                    self.say(f"{what} may be {name}")
                    known[name] = copy.deepcopy(media)
                    self.adopt(media)
            elif "schema" in media:
                self.member(known[name], "schema", media["schema"], what)

    # schemas
    def member(self, holder: dict, name: str, new: Any, what: str) -> None:
        """Bring holder[name], a schema, up to what the sources say."""
        if new in ({}, True, None) or not isinstance(new, dict):
            return
        if name not in holder or holder[name] in ({}, True):
            if not set(new) <= {"type", INFERRED} or not is_inferred(new):
                self.say(f"the schema of {what} is missing")
                holder[name] = copy.deepcopy(new)
                self.adopt(new)
            return
        old, wanted = self.resolved(holder[name]), self.resolved(new, self.new)
        if not isinstance(old, dict) or not isinstance(wanted, dict) or (id(old), id(wanted)) in self.merging:
            return
        self.merging.add((id(old), id(wanted)))
        if not self.alike(old, wanted):
            if "allOf" in old or "oneOf" in old or "anyOf" in old or any(key in wanted for key in ("allOf", "oneOf", "anyOf")):
                if not is_inferred(wanted):
                    self.say(f"the schema of {what} has changed")
                    holder[name] = {**copy.deepcopy(new), **{key: value for key, value in old.items() if key in TEXTS or key.startswith("x-")}}
                    self.adopt(new)
            else:
                self.schema(old, wanted, what)

    def schema(self, old: dict, new: dict, what: str) -> None:
        """Keyword by keyword; what is only inferred adds, and takes nothing away."""
        certain = not is_inferred(new)
        for keyword in [*new, *(old if certain else ())]:
            if keyword in TEXTS or keyword.startswith("x-") or keyword in ("properties", "items"):
                if keyword in new and keyword not in old and keyword in TEXTS:
                    self.say(f"{keyword} of {what} is missing")
                    old[keyword] = new[keyword]
                continue
            if not certain and keyword in old or same(old.get(keyword), new.get(keyword)):
                continue
            if keyword == "required":
                self.required(old, new, what, certain)
            elif keyword in new:
                self.say(f"{keyword} of {what} is {new[keyword]!r}" + (f", not {old[keyword]!r}" if keyword in old else ""))
                old[keyword] = copy.deepcopy(new[keyword])
            else:
                self.say(f"{keyword} of {what} is gone")
                del old[keyword]
        if "items" in new:
            self.member(old, "items", new["items"], f"the items of {what}")
        self.properties(old, new, what, certain)

    def required(self, old: dict, new: dict, what: str, certain: bool) -> None:
        was, now = set(old.get("required", [])), set(new.get("required", []))
        for name in sorted(now - was):
            self.say(f"{name} of {what} is required")
        for name in sorted(was - now) if certain else ():
            self.say(f"{name} of {what} is optional")
        kept = [name for name in old.get("required", []) if name in now or not certain] + [name for name in new.get("required", []) if name not in was]
        old["required"] = kept
        if not kept:
            del old["required"]

    def properties(self, old: dict, new: dict, what: str, certain: bool) -> None:
        for name, member in new.get("properties", {}).items():
            known = old.setdefault("properties", {})
            if name not in known:
                self.say(f"{name} of {what} is missing")
                known[name] = copy.deepcopy(member)
                self.adopt(member)
            else:
                self.member(known, name, member, f"{name} of {what}")
        for name in [name for name in old.get("properties", {}) if name not in new.get("properties", {})] if certain and new.get("type") == "object" else ():
            self.say(f"{name} of {what} is gone")
            del old["properties"][name]

    def alike(self, old: Any, new: Any, depth: int = 0) -> bool:
        """Whether two schemas say the same, annotations and spelling aside."""
        old, new = self.resolved(old), self.resolved(new, self.new)
        if depth > 24 or not isinstance(old, dict) or not isinstance(new, dict):
            return depth > 24 or old == new
        one, two = plain(old), plain(new)
        if one.keys() != two.keys():
            return False
        for keyword, value in one.items():
            other = two[keyword]
            if keyword in ("properties", "patternProperties"):
                if value.keys() != other.keys() or not all(self.alike(value[name], other[name], depth + 1) for name in value):
                    return False
            elif keyword in ("items", "additionalProperties", "not"):
                if not self.alike(value, other, depth + 1):
                    return False
            elif keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
                if len(value) != len(other) or not all(self.alike(*pair, depth + 1) for pair in zip(value, other)):
                    return False
            elif not same(value, other):
                return False
        return True

    # components
    def adopt(self, part: Any) -> None:
        """Take over the components that a new part refers to."""
        schemas = self.new.get("components", {}).get("schemas", {})
        pending = [part]
        while pending:
            node = pending.pop()
            if isinstance(node, dict):
                name = node["$ref"].rpartition("/")[2] if isinstance(node.get("$ref"), str) else ""
                there = self.old.setdefault("components", {}).setdefault("schemas", {}) if name in schemas else {}
                if name in schemas and name not in there:
                    there[name] = copy.deepcopy(schemas[name])
                    pending.append(schemas[name])
                pending.extend(node.values())
            elif isinstance(node, list):
                pending.extend(node)

    def schemes(self) -> None:
        needed = {name for _, _, operation in each(self.old["paths"]) for requirement in operation.get("security") or [] if isinstance(requirement, dict) for name in requirement}
        offered = self.new.get("components", {}).get("securitySchemes", {})
        for name in sorted(needed & offered.keys()):
            self.old.setdefault("components", {}).setdefault("securitySchemes", {}).setdefault(name, copy.deepcopy(offered[name]))


def identity(parameter: Any) -> tuple:
    parameter = parameter if isinstance(parameter, dict) else {}
    name = parameter.get("name")
    return parameter.get("in"), name.lower() if parameter.get("in") == "header" and isinstance(name, str) else name


def renamed(operation: dict, path: str, home: str) -> dict:
    """The operation with the names that the other template has for its path parameters."""
    names = dict(zip(placeholders(path), placeholders(home)))
    if all(name == other for name, other in names.items()):
        return operation
    return {**operation, "parameters": [{**parameter, "name": names.get(parameter["name"], parameter["name"])} if parameter["in"] == "path" else parameter for parameter in operation.get("parameters", [])]}


def placeholders(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def is_inferred(schema: Any) -> bool:
    return not isinstance(schema, dict) or schema.get(INFERRED) is True or not schema


def plain(schema: dict) -> dict:
    """A schema without annotations, const and nullable in one spelling."""
    made = {keyword: value for keyword, value in schema.items() if keyword not in TEXTS and not keyword.startswith("x-")}
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "enum" in made:
        made.pop("type", None)
    return {keyword: value for keyword, value in made.items() if value not in ([], {}) or keyword == "enum"}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)

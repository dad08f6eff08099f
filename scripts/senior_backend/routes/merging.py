"""A document that exists brought up to what the sources say, keeping what a person wrote there; what had to change is drift."""
from __future__ import annotations

import copy
from typing import Any

from senior_backend.openapi.operations import shape
from senior_backend.routes.document import INFERRED, METHODS, each, renamed, unmarked
from senior_backend.routes.operations import phrase

TEXTS = frozenset("title summary description example examples externalDocs xml deprecated readOnly writeOnly default $comment discriminator nullable x-nullable".split())
MISSING = ("tags", "summary", "description", "externalDocs", "callbacks", "servers", "deprecated")
VALUES, MAPS = ("default", "example", "examples", "enum", "const"), ("properties", "patternProperties", "schemas", "paths")
COMPOSED = ("allOf", "anyOf", "oneOf")


def merged(old: dict, new: dict, complete: bool) -> tuple[dict, list[str]]:
    """(the document, what differed). new: with its marks; complete: the sources could be read to their end."""
    merger = Merger(copy.deepcopy(old), lowered(new) if str(old["openapi"]).startswith("3.0") else new, complete)
    merger.document()
    return unmarked(merger.old), merger.drift


class Merger:
    def __init__(self, old: dict, new: dict, complete: bool):
        self.old, self.new, self.complete, self.where = old, new, complete, ""
        self.drift: list[str] = []
        self.met: set[tuple[int, int]] = set()

    def say(self, text: str) -> None:
        line = f"{self.where}: {text}" if self.where else text
        self.drift += [line] if line not in self.drift else []

    def put(self, holder: dict, name: str, part: Any, text: str) -> None:
        """Put a new part in its place, with the components that it refers to."""
        self.say(text)
        holder[name] = copy.deepcopy(part)
        schemas, pending = self.new.get("components", {}).get("schemas", {}), [part]
        while pending:
            node = pending.pop()
            if isinstance(node, dict) and isinstance(node.get("$ref"), str) and (key := node["$ref"].rpartition("/")[2]) in schemas:
                there = self.old.setdefault("components", {}).setdefault("schemas", {})
                pending += [schemas[key]] if key not in there else []
                there.setdefault(key, copy.deepcopy(schemas[key]))
            pending.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())

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

    # operations
    def document(self) -> None:
        paths = self.old.setdefault("paths", {})
        wanted = {(shape(path), method): (path, operation) for path, method, operation in each(self.new["paths"])}
        known = {(shape(path), method): path for path, method, _ in each(paths)}
        for key, path in known.items():
            self.where = f"{key[1].upper()} {path}"
            if key in wanted:
                self.operation(paths[path], paths[path][key[1]], renamed(wanted[key][1], wanted[key][0], path))
            else:
                self.say("no route was found" + ("" if self.complete else "; the operation stays, as not all of the sources could be followed"))
                if self.complete:
                    del paths[path][key[1]]
        for (form, method), (path, operation) in wanted.items():
            if (form, method) not in known:
                self.where, home = f"{method.upper()} {path}", next((other for other in paths if shape(other) == form), path)
                self.put(paths.setdefault(home, {}), method, renamed(operation, path, home), "the operation is missing")
        self.where = ""
        for path in [path for path, item in paths.items() if isinstance(item, dict) and not any(name in METHODS or name == "$ref" for name in item)]:
            del paths[path]
        self.schemes()
        if self.old.get("x-unresolved") != self.new.get("x-unresolved"):
            self.old.pop("x-unresolved", None)
            self.old.update({"x-unresolved": self.new["x-unresolved"]} if "x-unresolved" in self.new else {})
            self.say("what could not be followed has changed (x-unresolved)")

    def schemes(self) -> None:
        needed = {name for _, _, operation in each(self.old["paths"]) for requirement in operation.get("security") or [] if isinstance(requirement, dict) for name in requirement}
        offered = self.new.get("components", {}).get("securitySchemes", {})
        for name in sorted(needed & offered.keys()):
            self.old.setdefault("components", {}).setdefault("securitySchemes", {}).setdefault(name, copy.deepcopy(offered[name]))

    def operation(self, item: dict, old: dict, new: dict) -> None:
        for name in MISSING:
            if name in new and name not in old:
                self.put(old, name, new[name], f"{name} is missing")
        self.parameters(item, old, new)
        self.body(old, new)
        self.responses(old.setdefault("responses", {}), new["responses"])
        if new.get("security") and not old.get("security", self.old.get("security")):
            self.put(old, "security", new["security"], "security is missing")

    def parameters(self, item: dict, old: dict, new: dict) -> None:
        known = {identity(parameter): parameter for parameter in map(self.resolved, [*item.get("parameters", []), *old.get("parameters", [])])}
        wanted = {identity(parameter): parameter for parameter in new.get("parameters", [])}
        for key, parameter in wanted.items():
            what, there, needed = f"the {key[0]} parameter {parameter['name']}", known.get(key), bool(parameter.get("required"))
            if there is None:
                made: dict = {}
                self.put(made, "parameter", parameter, f"{what} is missing")
                old.setdefault("parameters", []).append(made["parameter"])
                continue
            if bool(there.get("required")) != needed and (needed or not inferred(parameter.get("schema"))):
                self.say(f"{what} is {'required' if needed else 'optional'}")
                there.update(required=True) if needed else there.pop("required")
            self.member(there, "schema", parameter.get("schema", {}), what)
        closed = {"path", *(key[0] for key, parameter in wanted.items() if not inferred(parameter.get("schema")))}
        for parameter in list(old.get("parameters", [])):
            key = identity(self.resolved(parameter))
            if key not in wanted and key[0] in closed:
                self.say(f"nothing reads the {key[0]} parameter {key[1]}")
                old["parameters"].remove(parameter)

    def body(self, old: dict, new: dict) -> None:
        there, wanted = self.resolved(old.get("requestBody")), new.get("requestBody")
        if "requestBody" not in old:
            if wanted is not None:
                self.put(old, "requestBody", wanted, "the body is missing")
        elif wanted is None:
            if self.complete:
                self.say("nothing reads the body")
                del old["requestBody"]
        else:
            if wanted.get("required") and not there.get("required"):
                self.put(there, "required", True, "the body is required")
            self.content(there, wanted, "the body")

    def responses(self, old: dict, new: dict) -> None:
        seen = {} if set(new) == {"default"} and "content" not in new["default"] and old else new       # else nothing was seen
        known = {str(status).upper(): status for status in old}
        for status, response in seen.items():
            if status.upper() in known:
                there = self.resolved(old[known[status.upper()]])
                there["description"] = there.get("description") or response.get("description") or phrase(status)
                self.content(there, response, f"the response {status}")
            elif f"{status[0]}XX" not in known:
                self.put(old, status, response, f"the response {status} is missing")
        answered = {status[0] for status in seen if status[0] in "123"}
        for status in [status for status in old if str(status)[0] in answered and str(status).upper() not in {other.upper() for other in seen}] if self.complete else ():
            self.say(f"nothing answers {status}")
            del old[status]

    def content(self, old: dict, new: dict, what: str) -> None:
        known = old.get("content", {})
        for name, media in new.get("content", {}).items():
            schema = media.get("schema")
            if name in known and schema is not None:
                self.member(known[name], "schema", schema, what)
            elif name not in known and schema and not (known and inferred(schema)):
                self.put(old.setdefault("content", {}), name, media, f"{what} may be {name}")

    # schemas
    def member(self, holder: dict, name: str, new: Any, what: str) -> None:
        """Bring holder[name], a schema, up to what the sources say."""
        if not isinstance(new, dict) or not new:
            return
        if holder.get(name) in (None, {}, True):
            if not (inferred(new) and set(new) <= {"type", INFERRED}):
                self.put(holder, name, new, f"the schema of {what} is missing")
            return
        old, wanted = self.resolved(holder[name]), self.resolved(new, self.new)
        if not isinstance(old, dict) or not isinstance(wanted, dict) or (id(old), id(wanted)) in self.met or self.alike(old, wanted):
            return
        self.met.add((id(old), id(wanted)))
        if not any(key in old or key in wanted for key in COMPOSED):
            self.schema(old, wanted, what)
        elif not inferred(wanted):
            self.put(holder, name, {**new, **{key: value for key, value in old.items() if key in TEXTS or key.startswith("x-")}}, f"the schema of {what} has changed")

    def schema(self, old: dict, new: dict, what: str) -> None:
        """Keyword by keyword; what is only inferred adds, and takes nothing away."""
        certain = not inferred(new)
        for keyword in [*new, *(name for name in old if certain and name not in new)]:
            if keyword.startswith("x-") or keyword in ("properties", "items", "required") or keyword in TEXTS and (keyword in old or keyword not in new):
                continue
            if keyword not in new:
                self.say(f"{keyword} of {what} is gone")
                del old[keyword]
            elif keyword not in old or certain and not same(old[keyword], new[keyword]):
                self.put(old, keyword, new[keyword], f"{keyword} of {what} is {new[keyword]!r}" + (f", not {old[keyword]!r}" if keyword in old else ""))
        self.required(old, new, what, certain)
        self.member(old, "items", new.get("items"), f"the items of {what}")
        for name, member in new.get("properties", {}).items():
            if name in old.setdefault("properties", {}):
                self.member(old["properties"], name, member, f"{name} of {what}")
            else:
                self.put(old["properties"], name, member, f"{name} of {what} is missing")
        for name in [name for name in old.get("properties", {}) if name not in new.get("properties", {})] if certain and new.get("type") == "object" else ():
            self.say(f"{name} of {what} is gone")
            del old["properties"][name]

    def required(self, old: dict, new: dict, what: str, certain: bool) -> None:
        was, now = old.get("required", []), new.get("required", [])
        for name in [*(name for name in now if name not in was), *(name for name in was if name not in now and certain)]:
            self.say(f"{name} of {what} is {'required' if name in now else 'optional'}")
        kept = [name for name in was if name in now or not certain] + [name for name in now if name not in was]
        old.update({"required": kept} if kept else {})
        if not kept:
            old.pop("required", None)

    def alike(self, old: Any, new: Any, depth: int = 0) -> bool:
        """Whether two schemas say the same, annotations and spelling aside."""
        old, new = self.resolved(old), self.resolved(new, self.new)
        if depth > 24 or not isinstance(old, dict) or not isinstance(new, dict):
            return depth > 24 or old == new
        one, two = plain(old), plain(new)

        def agree(keyword: str) -> bool:
            value, other = one[keyword], two[keyword]
            if keyword in ("properties", "patternProperties"):
                return value.keys() == other.keys() and all(self.alike(value[name], other[name], depth + 1) for name in value)
            if keyword in (*COMPOSED, "prefixItems"):
                return len(value) == len(other) and all(self.alike(*pair, depth + 1) for pair in zip(value, other))
            return self.alike(value, other, depth + 1) if keyword in ("items", "additionalProperties", "not") else same(value, other)
        return one.keys() == two.keys() and all(map(agree, one))


def lowered(node: Any, names: bool = False) -> Any:
    """A document, or a part of it, in the keywords of OpenAPI 3.0. names: its keys are names."""
    if not isinstance(node, dict):
        return [lowered(item) for item in node] if isinstance(node, list) else node
    made = {key: value if key in VALUES and not names else lowered(value, key in MAPS and not names) for key, value in node.items()}
    if names:
        return made
    if isinstance(kinds := made.get("type"), list):
        del made["type"]
        rest = [kind for kind in kinds if kind != "null"]
        made = {**({"type": rest[0]} if len(rest) == 1 else {"anyOf": [{"type": kind} for kind in rest]}), **made, **({"nullable": True} if len(rest) < len(kinds) else {})}
    elif kinds == "null":
        made = {**made, "enum": [None], "nullable": True}
        del made["type"]
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if isinstance(made.get("examples"), list):
        made["example"] = made.pop("examples")[0]
    for limit in ("minimum", "maximum"):
        exclusive = "exclusive" + limit.capitalize()
        if isinstance(made.get(exclusive), (int, float)) and not isinstance(made[exclusive], bool):
            made.update({limit: made[exclusive], exclusive: True})
    return made


def identity(parameter: Any) -> tuple:
    parameter = parameter if isinstance(parameter, dict) else {}
    name = parameter.get("name")
    return parameter.get("in"), name.lower() if parameter.get("in") == "header" and isinstance(name, str) else name


def inferred(schema: Any) -> bool:
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
    kind, composed = made.get("type"), [keyword for keyword in COMPOSED if isinstance(made.get(keyword), list)]
    if isinstance(kind, str) and composed:          # the type of the whole is that of each part, whether they say it or not
        for keyword in composed:
            made[keyword] = [{"type": kind, **part} if isinstance(part, dict) and not {"$ref", "enum", "const", *COMPOSED} & part.keys() else part for part in made[keyword]]
        if all(isinstance(part, dict) and part.get("type") == kind for keyword in composed for part in made[keyword]):
            del made["type"]
    return {keyword: value for keyword, value in made.items() if value not in ([], {}) or keyword == "enum"}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)

"""Every schema that a document uses: checked, rewritten as JSON Schema 2020-12 in place, its references turned into keys; then discriminators are completed,
and schemas that would have to check themselves on the same value opened."""
from __future__ import annotations

from typing import Any, Iterator

from senior_backend.openapi.document import Dialect, Document
from senior_backend.openapi.model import Schema, kind, quoted
from senior_backend.openapi.references import Dangling, DocumentReport, References, Target, derived_key
from senior_backend.openapi.schema_keywords import ANNOTATIONS, LISTS, MAPS, NOTES, PROBLEMS, SINGLE, TYPES, allow_null, lift_bound, lift_example, lift_items

BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
NULLABLE = frozenset(("nullable", "x-nullable"))
NOT_FOLLOWED = ("$dynamicRef", "$recursiveRef", "$id")
EMPTY_MEANS_ABSENT = frozenset((*NOTES, "format", "properties", "required", "example", "deprecated", "items", "additionalProperties", "enum", "discriminator"))


class SchemaReader:
    """Visits each schema once. Its result is `schemas`, which holds the components and whatever else is referred to."""

    def __init__(self, root: Document, dialect: Dialect, references: References, report: DocumentReport):
        self.root, self.dialect, self.references, self.report = root, dialect, references, report
        self.schemas: dict[str, Schema] = {}
        self.keys: dict[tuple[int, tuple], str] = {}    # (id of a document, tokens) -> key
        self.keys_by_node: dict[int, str] = {}
        self.names: dict[str, str] = {}                 # derived key -> the last segment of what it was derived from
        self.by_reference: dict[tuple[int, str], str | None] = {}
        self.pending: list[tuple[Any, Any, Document]] = []      # (container, key of a schema in it, document)
        self.seen: set[int] = set()
        self.discriminators: list[tuple[dict, Document]] = []
        self.visits = self.keyword_visits()

    def keyword_visits(self) -> dict[str, Any]:
        """What is done with each keyword: called with (schema, keyword, value, document), true when the schema must be rewritten afterwards."""
        visits: dict[str, Any] = {keyword: self.check for keyword in PROBLEMS}
        visits.update(dict.fromkeys(NOTES, self.check_note), type=self.check_type, discriminator=self.note_discriminator)
        visits.update({**dict.fromkeys(SINGLE, self.visit_single), **dict.fromkeys(LISTS, self.visit_list), **dict.fromkeys(MAPS, self.visit_map)})
        visits.update(dict.fromkeys(NOT_FOLLOWED, self.report_unfollowed))
        visits.update(dict.fromkeys(("nullable", "x-nullable", "example", "x-example", *BOUNDS), self.needs_rewriting))
        return visits

    def read_components(self, components: dict) -> None:
        """Take the document's named schemas; a name that only refers to the same name in another file becomes that schema."""
        self.report.stands_for(self.schemas, components)
        homes = self.dialect.components
        for name in components:
            self.keys[id(self.root), (*homes, name)] = name
        for name, schema in components.items():
            alias = self.namesake(name, schema)
            node, document = (alias.node, alias.document) if alias else (schema, self.root)
            if alias:
                self.keys[id(alias.document), alias.tokens] = name
            if type(node) is dict:
                self.keys_by_node.setdefault(id(node), name)
            self.schemas[name] = node
            self.references.named[name] = alias or Target(self.root, (*homes, name), node)
            self.pending.append((self.schemas, name, document))
        self.pending.reverse()
        self.drain()

    def at(self, container: Any, key: Any, document: Document) -> Schema:
        """The schema at container[key], read; anything (True) in place of one that is none."""
        self.pending.append((container, key, document))
        self.drain()
        return container[key]

    def namesake(self, name: str, schema: Any) -> Target | None:
        """What a component stands for when it is nothing but a reference to a schema of the same name in another file."""
        if type(schema) is not dict or len(schema) != 1 or type(schema.get("$ref")) is not str:
            return None
        try:
            target = self.references.resolve(schema["$ref"], self.root)
        except Dangling:
            return None         # told when the schema itself is read
        own = target.tokens[-1] if target.tokens else target.document.path.name.split(".")[0]
        usable = target.document is not self.root and type(target.node) in (dict, bool) and id(target.node) not in self.keys_by_node
        return target if usable and own.casefold() == name.casefold() else None

    # the walk
    def drain(self) -> None:
        pending, seen, lift = self.pending, self.seen, self.lift
        while pending:
            container, key, document = pending.pop()
            schema = container[key]
            if type(schema) is dict:
                if id(schema) not in seen:
                    seen.add(id(schema))
                    lift(schema, document)
            elif schema is not True and schema is not False:
                self.report.error(f"a schema must be a mapping, not {kind(schema)}", container, key)
                container[key] = True

    def lift(self, schema: dict, document: Document) -> None:
        if "$ref" in schema and not self.refer(schema, document):
            return
        visits, later = self.visits, []
        for keyword, value in schema.items():
            visit = visits.get(keyword)
            if visit is not None and visit(schema, keyword, value, document):
                later.append(keyword)
        later.sort(key=NULLABLE.__contains__)       # last: it may move the other keywords
        for keyword in later:
            self.rewrite(schema, keyword, document)

    def refer(self, schema: dict, document: Document) -> bool:
        """Turn $ref into a key; true when the schema has further keywords to read."""
        reference = schema["$ref"]
        key = self.key_of(reference, document, schema)
        if key is None:
            schema.pop("$ref")
            if self.dialect.old_schemas:
                schema.clear()
            return bool(schema)
        self.references.keyed.add(id(schema))
        if len(schema) == 1:
            schema["$ref"] = key
            return False
        if not self.dialect.old_schemas:
            schema["$ref"] = key
            return True
        nullable = schema.get("nullable") is True or schema.get("x-nullable") is True
        ignored = [keyword for keyword in schema if keyword != "$ref" and keyword not in ANNOTATIONS and not keyword.startswith("x-") and not (nullable and keyword == "nullable")]
        if ignored:
            self.report.warn(f"{', '.join(ignored)} beside $ref counts for nothing in OpenAPI {self.dialect.version}", schema, ignored[0], "put the $ref into allOf")
        schema.clear()
        schema["$ref"] = key
        if nullable:
            self.report.warn(f"nullable beside $ref counts for nothing in OpenAPI {self.dialect.version}; it is read as meant: null is allowed", schema)
            self.move(schema, allow_null(schema, self.report))
        return False

    def move(self, schema: dict, inner: dict | None) -> None:
        if inner is not None:
            self.seen.add(id(inner))
            self.references.moved[id(schema)] = inner

    def rewrite(self, schema: dict, keyword: str, document: Document) -> None:
        value = schema[keyword]
        if keyword in BOUNDS:
            lift_bound(schema, keyword, BOUNDS[keyword])
        elif keyword in ("example", "x-example"):
            lift_example(schema, keyword, self.report)
        elif keyword in NULLABLE:
            del schema[keyword]
            if value is True:
                self.move(schema, allow_null(schema, self.report))
        elif keyword == "type" and value == "file":
            schema.update(type="string", format="binary")
        elif keyword == "items" and type(value) is list and value:
            lift_items(schema)
            if "items" in schema:
                self.pending.append((schema, "items", document))
        else:
            del schema[keyword]

    # references
    def key_of(self, reference: Any, document: Document, node: dict) -> str | None:
        """The key of what is referred to; None, with the error told, when it leads nowhere."""
        if type(reference) is not str:
            self.report.error(f"$ref must be text, not {kind(reference)}", node, "$ref")
            return None
        memo = (id(document), reference)
        if memo in self.by_reference and self.by_reference[memo] is not None:
            return self.by_reference[memo]
        try:
            key = self.key_of_target(self.references.resolve(reference, document))
        except Dangling as dangling:
            tell = self.report.error if dangling.refused else self.report.warn
            tell(dangling.message, node, "$ref", dangling.hint)
            return None
        self.by_reference[memo] = key
        return key

    def key_of_target(self, target: Target) -> str:
        place = (id(target.document), target.tokens)
        key = self.keys.get(place) or self.keys_by_node.get(id(target.node) if type(target.node) is dict else 0)
        if key is None:
            if type(target.node) not in (dict, bool):
                raise Dangling(f"the reference leads to {kind(target.node)}: expected a schema")
            key = derived_key(target.document.path, target.document is self.root, target.tokens, self.schemas)
            self.schemas[key] = target.node
            self.references.named[key] = target
            self.names[key] = target.tokens[-1] if target.tokens else key
            if type(target.node) is dict:
                self.keys_by_node[id(target.node)] = key
            self.pending.append((self.schemas, key, target.document))
        self.keys[place] = key
        return key

    # visits of keywords
    def needs_rewriting(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        if keyword in BOUNDS and type(value) is not bool:
            return self.check(schema, keyword, value, document)
        if keyword in NULLABLE and type(value) is not bool:
            self.report.error(f"{keyword} must be true or false, not {kind(value)}", schema, keyword)
        return keyword != "nullable" or self.dialect.old_schemas or self.report_unfollowed(schema, keyword, value, document)

    def check(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        problem = PROBLEMS[keyword](value)
        if not problem:
            return False
        if value is None and keyword in EMPTY_MEANS_ABSENT:
            return True
        if keyword == "required" and type(value) is bool:
            self.report.warn("required: true inside a property counts for nothing", schema, keyword, "list the property under required of the schema that has it")
        elif keyword == "examples" and self.dialect.old_schemas:
            return True
        elif keyword == "enum" and value == []:
            self.report.warn("an empty enum allows no value at all", schema, keyword, "name the values, or leave enum out")
            return False
        else:
            self.report.error(f"{keyword} {problem}", schema, keyword)
        return True

    def check_type(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        if type(value) is str and value in TYPES:
            return False
        if value == "file" and self.dialect.swagger:
            return True
        if type(value) is list and None in value:
            schema["type"] = value = ["null" if name is None else name for name in value]
        return self.check(schema, keyword, value, document)

    def check_note(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        if type(value) is not str and value is not None:
            self.report.warn(f"{keyword} must be text, not {kind(value)}: it is left out", schema, keyword)
        return type(value) is not str

    def visit_single(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        if value is None:
            return True
        if keyword == "items" and type(value) is list:
            self.visit_list(schema, keyword, value, document)
            return True
        self.pending.append((schema, keyword, document))
        return False

    def visit_list(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        if type(value) is not list:
            self.report.error(f"{keyword} must be a list of schemas, not {kind(value)}", schema, keyword)
            return True
        self.pending.extend([(value, index, document) for index in range(len(value))])
        return not value

    def visit_map(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        if type(value) is not dict:
            if value is not None:
                self.report.error(f"{keyword} must be a mapping of schemas, not {kind(value)}", schema, keyword)
            return True
        self.pending.extend([(value, name, document) for name in value])
        return False

    def note_discriminator(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        self.discriminators.append((schema, document))
        return False

    def report_unfollowed(self, schema: dict, keyword: str, value: Any, document: Document) -> bool:
        self.report.warn(f"{keyword} is not followed: it counts for nothing here", schema, keyword)
        return True


ALTERNATIVES = ("allOf", "anyOf", "oneOf")
BRANCHES = ("not", "if", "then", "else")
CHOICES = ("oneOf", "anyOf", "discriminator")


def complete_discriminators(reader: SchemaReader) -> None:
    """For every discriminator that was met: {"propertyName", "mapping": {value: key}}; unusable ones are left out and told."""
    completed: dict[int, dict] = {}         # by id: an alias of YAML may give one discriminator to several schemas
    while reader.discriminators:
        schema, document = reader.discriminators.pop()
        if id(schema["discriminator"] if "discriminator" in schema else None) in completed:
            continue
        holder = schema if "discriminator" in schema else reader.references.moved.get(id(schema), schema)
        complete(reader, holder, schema, document)
        if type(holder.get("discriminator")) is dict:
            completed[id(holder["discriminator"])] = holder["discriminator"]
        reader.drain()


def complete(reader: SchemaReader, holder: dict, schema: dict, document: Document) -> None:
    written = holder.get("discriminator")
    given = {"propertyName": written} if type(written) is str else written
    if type(given) is not dict or type(given.get("propertyName")) is not str:
        problem = f"a discriminator must be a mapping with propertyName, not {kind(written)}" if type(given) is not dict else "a discriminator must name its propertyName"
        reader.report.error(problem, schema, "discriminator")
        del holder["discriminator"]
        return
    if "defaultMapping" in given:
        reader.report.warn("defaultMapping of a discriminator is left out", given, "defaultMapping")
    mapping = explicit(reader, given, document)
    named = set(mapping.values())
    for branch in [*listed(holder, "oneOf"), *listed(holder, "anyOf")]:
        key = branch.get("$ref") if type(branch) is dict else None
        if key is not None and key not in named:
            mapping.setdefault(reader.names.get(key, key), key)
    name = given["propertyName"]
    given.clear()
    given.update(propertyName=name, mapping=mapping)
    holder["discriminator"] = given if given is written else reader.report.stands_for(given, schema)


def listed(schema: dict, keyword: str) -> list:
    value = schema.get(keyword)
    return value if type(value) is list else []


def explicit(reader: SchemaReader, discriminator: dict, document: Document) -> dict[str, str]:
    """The mapping as written, its values as keys."""
    written: Any = discriminator.get("mapping")
    if type(written) is not dict:
        if written is not None:
            reader.report.error(f"mapping must be a mapping of values to schemas, not {kind(written)}", discriminator, "mapping")
        return {}
    for value, target in list(written.items()):
        key = key_of(reader, target, document)
        if key is None:
            reader.report.warn(f"the mapping of {quoted(value)} leads to no schema: it is left out", written, value)
            del written[value]
        else:
            written[value] = key
    return written


def key_of(reader: SchemaReader, target: Any, document: Document) -> str | None:
    """The key of a mapping's target: the name of a component, a reference or a file."""
    if type(target) is not str:
        return None
    if (id(document), (*reader.dialect.components, target)) in reader.keys:
        return reader.keys[id(document), (*reader.dialect.components, target)]
    for reference in (target, f"#/{'/'.join(reader.dialect.components)}/{target}"):
        try:
            return reader.key_of_target(reader.references.resolve(reference, document))
        except Dangling:
            continue
    return None


def open_circles(schemas: dict[str, Schema], report: DocumentReport) -> None:
    refuse_endless_chains(schemas, report)
    for key in list(schemas):
        open_polymorphism(key, schemas, report)
    for node, key in back_references(schemas):
        report.warn(f"'{key}' is part of itself here: this part counts for nothing", node, "$ref")
        del node["$ref"]


def refuse_endless_chains(schemas: dict[str, Schema], report: DocumentReport) -> None:
    """References that lead to nothing but references, and back."""
    sound: set[str] = set()
    for start in schemas:
        key, passed = start, set()
        while key not in sound and key not in passed and type(schemas[key]) is dict and "$ref" in schemas[key]:
            passed.add(key)
            key = schemas[key]["$ref"]
        if key in passed:
            report.error("the references lead in a circle", schemas[key], "$ref")
            del schemas[key]["$ref"]
        sound |= passed


def open_polymorphism(key: str, schemas: dict[str, Schema], report: DocumentReport) -> None:
    """A base that lists its children under oneOf, and children that have the base under allOf: they get the base without the list."""
    base = schemas[key]
    if type(base) is not dict or not ("oneOf" in base or "anyOf" in base):
        return
    children = [child["$ref"] for keyword in ("oneOf", "anyOf") for child in base.get(keyword, ()) if type(child) is dict and "$ref" in child]
    nodes = inheriting(key, children, schemas)
    if not nodes:
        return
    common = {keyword: value for keyword, value in base.items() if keyword not in CHOICES}
    if all(keyword in ANNOTATIONS or keyword.startswith("x-") for keyword in common):
        for node in nodes:
            del node["$ref"]
        return
    name = f"{key}Base"
    while name in schemas:
        name += "_"
    schemas[name] = report.stands_for(common, base)
    for node in nodes:
        node["$ref"] = name


def inheriting(key: str, children: list[str], schemas: dict[str, Schema]) -> list[dict]:
    """The references to `key` that the children reach through allOf and references alone."""
    found, seen, pending = [], {key}, list(children)
    while pending:
        child = pending.pop(0)
        if child in seen:
            continue
        seen.add(child)
        for node in references_of(schemas[child], ("allOf",), ()):
            if node["$ref"] == key:
                found.append(node)
            else:
                pending.append(node["$ref"])
    return found


def references_of(schema: Schema, lists: tuple = ALTERNATIVES, single: tuple = BRANCHES) -> Iterator[dict]:
    """The references in a schema that apply to the same value as the schema itself."""
    pending = [schema]
    while pending:
        node = pending.pop()
        if type(node) is not dict:
            continue
        if "$ref" in node:
            yield node
        for keyword in lists:
            pending.extend(node.get(keyword, ()))
        for keyword in single:
            if keyword in node:
                pending.append(node[keyword])
        if single and "dependentSchemas" in node:
            pending.extend(node["dependentSchemas"].values())


def back_references(schemas: dict[str, Schema]) -> list[tuple[dict, str]]:
    """The references that close a circle, by a walk over the graph of keys."""
    found: list[tuple[dict, str]] = []
    open_keys: set[str] = set()
    done: set[str] = set()
    for start in schemas:
        walk = [(start, references_of(schemas[start]))] if start not in done else []
        open_keys.update(key for key, _ in walk)
        while walk:
            key, edges = walk[-1]
            node = next(edges, None)
            if node is None:
                walk.pop()
                open_keys.discard(key)
                done.add(key)
            elif node["$ref"] in open_keys:
                found.append((node, node["$ref"]))
            elif node["$ref"] not in done:
                open_keys.add(node["$ref"])
                walk.append((node["$ref"], references_of(schemas[node["$ref"]])))
    return found

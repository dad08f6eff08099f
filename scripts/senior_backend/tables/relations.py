"""What an API needs to know of tables and views: columns with their JSON schemas, the key that addresses a row, what is indexed, what refers to what, what may be done."""
from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterator

from senior_backend.migrate.analyze.schema import COLUMN, ForeignKey, Index, Schema as Tables, Table
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.tables.checks import narrowed
from senior_backend.tables.kinds import Kind, Kinds, Schema, limited

TSVECTOR_TRIGGER = re.compile(r"tsvector_update_trigger(?:_column)?\('((?:[^']|'')+)'")
READ_KINDS = {"view": "view", "materialized_view": "materialized view", "foreign_table": "foreign table"}
SECRET_WORDS = frozenset("password passwords passwd pwd passphrase passcode secret secrets credential credentials salt crypt bcrypt cvv cvc".split())
SECRET_ENDS = frozenset("token tokens hash digest otp".split())
SECRET_VALUES = frozenset("key value secret token data".split())         # of a table of secrets: api_keys.value
SECRET_KEYS = frozenset("api private secret access auth encryption signing master".split())
SECRET_TYPES = ("text", "padded", "bytea", "json", "sureJson", "array(text)", "array(bytea)")
COUNTERS = frozenset(("version", "lock_version", "row_version", "revision", "optlock", "opt_lock"))
STAMPS = frozenset("updated_at modified_at changed_at last_update last_updated last_updated_at last_modified last_modified_at modified updated date_modified modified_date update_time updated_on".split())


@dataclasses.dataclass
class Rights:
    """What the role of the URL may do with a relation. columns: name -> (read, insert, update)."""
    usable: bool = True
    delete: bool = True
    columns: dict[str, tuple[bool, bool, bool]] | None = None

    def of(self, column: str) -> tuple[bool, bool, bool]:
        return self.columns.get(column, (False, False, False)) if self.columns is not None else (True, True, True)


@dataclasses.dataclass
class Column:
    """schema: of a value that is there; defaulted: the database finds a value where none is given; computed: nobody but the database writes it."""
    name: str
    kind: Kind
    schema: Schema
    nullable: bool
    defaulted: bool
    computed: bool
    comment: str
    secret: bool
    read: bool
    insert: bool
    update: bool

    @property
    def shown(self) -> bool:
        return self.read and not self.secret

    @property
    def required(self) -> bool:
        return not (self.nullable or self.defaulted)


@dataclasses.dataclass
class Relation:
    """sort, equal: columns that an index sorts or finds by; version: the column that tells whether a row has changed; reason: why rows are only read, "" when they
    are not; constraints: name -> columns of what may be violated; parent: other tables inherit from it."""
    id: Id
    columns: dict[str, Column]
    comment: str
    rights: Rights
    key: list[str] = dataclasses.field(default_factory=list)
    foreign_keys: list[ForeignKey] = dataclasses.field(default_factory=list)
    constraints: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    indexes: list[Index] = dataclasses.field(default_factory=list)
    sort: list[str] = dataclasses.field(default_factory=list)
    equal: list[str] = dataclasses.field(default_factory=list)
    version: str = ""
    reason: str = ""
    parent: bool = False
    partitioned: bool = False

    @property
    def table(self) -> str:
        return ".".join(self.id.name)

    @property
    def written(self) -> list[Column]:
        """The columns that clients may set; the one that tells versions apart is the server's."""
        return [one for one in self.columns.values() if not one.computed and (one.insert or one.update) and one.name != self.version]

    @property
    def replaced(self) -> list[Column]:
        return [one for one in self.written if one.update and one.name not in self.key]

    @property
    def can_create(self) -> bool:
        return not self.reason and all(one.insert for one in self.columns.values() if one.required and not one.computed) and any(one.insert for one in self.columns.values())

    @property
    def can_update(self) -> bool:
        return not self.reason and bool(self.replaced)

    @property
    def can_replace(self) -> bool:
        return self.can_update and all(one.update for one in self.written if one.required and one.name not in self.key)

    @property
    def can_delete(self) -> bool:
        return not self.reason and self.rights.delete

    @property
    def joined(self) -> tuple[ForeignKey, ForeignKey] | None:
        """The two foreign keys that together are the key of a join table."""
        parts = [one for one in self.foreign_keys if set(one.columns) <= set(self.key)]
        if len(parts) == 2 and sorted(parts[0].columns + parts[1].columns) == sorted(self.key):
            return parts[0], parts[1]
        return None

    def serves(self, columns: list[str]) -> bool:
        return any(index.serves(columns) for index in self.indexes)


class Reading:
    """The relations of a catalogue. warnings: (relation, what a person has to know about it)."""

    def __init__(self, catalogue: Catalogue, rights: dict[tuple[str, ...], Rights] | None, kinds: Kinds, hidden: set[str], revealed: set[str]):
        self.catalogue, self.rights, self.kinds, self.hidden, self.revealed = catalogue, rights, kinds, hidden, revealed
        self.tables = Tables(catalogue)
        self.parents = {Id("table", fact.id.name[2:]) for fact in catalogue.of_kind("inheritance")}
        self.warnings: list[tuple[Id, str]] = []
        self.used: set[str] = set()         # of hidden and revealed: what met a column

    def warn(self, identity: Id, message: str) -> None:
        self.warnings.append((identity, f"{'.'.join(identity.name)}: {message}"))

    def candidates(self) -> Iterator[Fact]:
        """What may become a resource: partitions are their table's."""
        parts = {fact.id.name for fact in self.catalogue.of_kind("partition")}
        found = (fact for fact in self.catalogue.of_kind("table", *READ_KINDS) if fact.id.name not in parts)
        return iter(sorted(found, key=lambda fact: fact.id.name))

    def relation(self, fact: Fact) -> Relation | None:
        """None, with a warning, when the role may not read it or nothing is known of its columns."""
        identity = fact.id
        rights = (self.rights.get(identity.name, Rights(False, False, {})) if self.rights is not None else Rights())
        columns = {one.name: one for one in self.columns(fact, rights)}
        if not rights.usable or not any(one.read for one in columns.values()):
            self.warn(identity, "left out: the role may not read it" if columns else "left out: its columns are not known" if identity.kind != "table" else "left out: it has no column")
            return None
        found = Relation(identity, columns, self.comment(identity.kind, *identity.name), rights)
        self.tell_columns(found)
        self.fill(found)
        return found

    def fill(self, found: Relation) -> None:
        table = self.tables.tables.get(found.id)
        found.indexes = table.indexes if table else self.view_indexes(found.id)
        primary = table.primary if table else []
        found.key = self.usable_key(found, primary) or next((key for key in self.unique_keys(found) if key != primary and self.usable_key(found, key)), [])
        if table:
            found.foreign_keys = sorted(table.foreign_keys, key=lambda one: [list(found.columns).index(name) for name in one.columns])
            found.constraints = {index.name: [name for name in index.columns if name] for index in table.indexes if index.unique}
            found.constraints |= {one.name: one.columns for one in table.foreign_keys}
        for column in (found.columns[name] for name in found.key):
            default = self.catalogue.get(Id("default", (*found.id.name, column.name)))
            if column.kind.group == "text" and default and default.attributes["expression"].startswith("''"):
                column.defaulted = False            # an empty text addresses nothing
        found.parent, found.partitioned = found.id in self.parents, "partitioned" in self.catalogue[found.id].attributes
        self.narrow(found)
        self.index(found)
        found.reason = self.reason(found, primary)
        if not found.reason:
            found.version = self.version(found)

    def reason(self, found: Relation, primary: list[str]) -> str:
        if found.id.kind in READ_KINDS:
            return f"a {READ_KINDS[found.id.kind]} is only read"
        if found.key:
            return ""
        why = "no primary key" if not primary else f"a primary key ({', '.join(primary)}) that cannot be shown or written in a path"
        self.warn(found.id, f"{why} and no other unique columns: a list to read, without addresses for its rows")
        return why

    # --- columns
    def columns(self, fact: Fact, rights: Rights) -> Iterator[Column]:
        if fact.id.kind in ("view", "materialized_view"):
            facts = [(one[0], {"type": one[1]}) for one in fact.attributes.get("columns", []) if isinstance(one, list)]
        else:
            facts = [(one.id.name[2], one.attributes) for one in self.catalogue.parts(fact.id, "column")]
        kept = {found for one in self.catalogue.parts(fact.id, "trigger") for found in TSVECTOR_TRIGGER.findall(one.attributes["definition"])}
        for name, attributes in facts:
            kind = self.kinds.of(attributes["type"])
            always = bool(attributes.get("identity", {}).get("always") or "generated" in attributes or name in kept)
            default = self.catalogue.get(Id("default", (*fact.id.name, name)))
            defaulted = kind.defaulted or always or "identity" in attributes or default is not None
            nullable = not (kind.never_null or attributes.get("not_null"))
            if not nullable and kind.codec == "json":
                kind = dataclasses.replace(kind, codec="sureJson")
            yield Column(name, kind, kind.schema, nullable, defaulted, always, self.comment("column", *fact.id.name, name), self.secret(fact.id, name, kind), *rights.of(name))

    def secret(self, identity: Id, name: str, kind: Kind) -> bool:
        asked = self.asked_of(identity, name)
        return asked if asked is not None else looks_secret(name, identity.name[1]) and kind.codec in SECRET_TYPES

    def asked_of(self, identity: Id, name: str) -> bool | None:
        for wanted, answer in ((self.hidden, True), (self.revealed, False)):
            for spelled in {f"{identity.name[1]}.{name}", f"{'.'.join(identity.name)}.{name}"} & wanted:
                self.used.add(spelled)
                return answer
        return None

    def comment(self, *name: str) -> str:
        fact = self.catalogue.get(Id("comment", name))
        return fact.attributes["text"] if fact else ""

    def tell_columns(self, found: Relation) -> None:
        secret = [one for one in found.columns.values() if one.secret and one.read]
        if secret:
            names = ", ".join(one.name for one in secret)
            self.warn(found.id, f"{names} {'look' if len(secret) > 1 else 'looks'} secret: left out of all answers, filters and orders (--show {found.id.name[1]}.{secret[0].name} shows it)")
        for state, what in (("read", "read"), ("insert", "set"), ("update", "change")):
            lacking = [one.name for one in found.columns.values() if not getattr(one, state)]
            if found.id.kind == "table" and lacking and len(lacking) < len(found.columns):
                self.warn(found.id, f"the role may not {what} {', '.join(lacking)}")

    # --- keys and indexes
    def usable_key(self, found: Relation, names: list[str]) -> list[str]:
        columns = [found.columns.get(name) for name in names]
        return names if columns and all(one and one.shown and one.kind.group for one in columns) else []

    def unique_keys(self, found: Relation) -> list[list[str]]:
        """Other columns that tell rows apart: a whole unique index without nulls."""
        sure = found.id.kind == "materialized_view"         # whose columns do not say that they are never null
        keys = [[name for name in index.columns if name] for index in sorted(found.indexes, key=lambda index: (len(index.keys), index.name))
                if index.unique and index.valid and not index.predicate and None not in index.columns]
        return [key for key in keys if all(name in found.columns and (sure or not found.columns[name].nullable) for name in key)]

    def view_indexes(self, identity: Id) -> list[Index]:
        table = Table(self.catalogue[identity], {})
        for fact in self.catalogue.parts(identity, "index"):
            self.tables._index(table, fact, False)
        return table.indexes

    def index(self, found: Relation) -> None:
        """An order needs the whole of a B-tree with nulls where they are by default; equality whatever finds a value."""
        for index in found.indexes:
            name = index.columns[0]
            column = found.columns.get(name) if name else None
            if not column or not column.shown or not column.kind.group or not index.leads_with(column.name):
                continue
            rest = index.keys[0][COLUMN.match(index.keys[0]).end():].strip()
            if index.method == "btree" and not index.predicate and rest in ("", "DESC") and name not in found.sort:
                found.sort.append(name)
            if name not in found.equal and "COLLATE" not in rest and (index.method in ("btree", "hash") or not rest):
                found.equal.append(name)
        if found.key and found.key[0] not in found.sort:
            found.sort.append(found.key[0])
        order = list(found.columns)
        found.sort.sort(key=order.index)
        found.equal.sort(key=order.index)

    # --- checks and versions
    def narrow(self, found: Relation) -> None:
        kinds = {name: one.kind for name, one in found.columns.items()}
        for fact in self.catalogue.parts(found.id, "constraint"):
            if fact.attributes["type"] == "c":
                found.constraints.setdefault(fact.id.name[2], [])
                for name, limits in narrowed(fact.attributes["definition"], kinds):
                    column = found.columns[name]
                    column.schema = limited(self.kinds.resolved(column.schema), limits)
                    found.constraints[fact.id.name[2]].append(name)

    def version(self, found: Relation) -> str:
        """A counter, or a time of change, that is part of no key and precise enough."""
        unique = {name for names in self.unique_keys(found) for name in names} | set(found.key)
        free = {"_".join(split_words(one.name)): one for one in found.columns.values() if one.shown and one.update and not one.computed and one.name not in unique}
        counters = [one.name for words, one in free.items() if words in COUNTERS and one.kind.is_whole and not one.nullable and one.defaulted]
        stamps = [one.name for words, one in free.items() if words in STAMPS and one.kind.codec in ("timestamp", "timestamptz") and self.precise(found, one.name)]
        return next(iter(counters + stamps), "")

    def precise(self, found: Relation, name: str) -> bool:
        digits = re.search(r"\((\d)\)", self.catalogue[Id("column", (*found.id.name, name))].attributes["type"])
        return not digits or int(digits[1]) >= 3


def split_words(name: str) -> list[str]:
    """
    >>> split_words("resetPasswordToken"), split_words("API_key")
    (['reset', 'password', 'token'], ['api', 'key'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def looks_secret(name: str, table: str = "") -> bool:
    """
    >>> [looks_secret(name) for name in ("password_digest", "apiKey", "commit_hash", "hashtag", "key", "token_count")]
    [True, True, True, False, False, False]
    >>> looks_secret("value", "api_keys"), looks_secret("name", "api_keys"), looks_secret("value", "settings")
    (True, False, False)
    """
    words = split_words(name)
    if "".join(words) in SECRET_VALUES and table and looks_secret(table):
        return True
    return bool(words) and (bool(SECRET_WORDS & set(words)) or words[0] in ("encrypted", "crypted", "hashed", "pass") or words[-1] in SECRET_ENDS
                            or words[-1] in ("key", "keys") and bool(SECRET_KEYS & set(words[:-1])))

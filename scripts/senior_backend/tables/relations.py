"""What an API needs to know of tables and views: columns with their JSON schemas, the key that addresses a row, what is indexed, what refers to what, what may be done."""
from __future__ import annotations

import dataclasses
import re
from typing import Iterator

from senior_backend.migrate.analyze.schema import COLUMN, ForeignKey, Index, Schema as Tables, Table
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident
from senior_backend.tables.checks import narrowed
from senior_backend.tables.kinds import Kind, Kinds, Schema, limited

READ_ONLY = ("view", "materialized_view", "foreign_table")
TSVECTOR_TRIGGER = re.compile(r"tsvector_update_trigger(?:_column)?\('((?:[^']|'')+)'")
SECRET_WORDS = frozenset("password passwords passwd pwd passphrase passcode secret secrets credential credentials salt crypt bcrypt cvv cvc".split())
SECRET_ENDS = frozenset("token tokens hash digest otp".split())
SECRET_KEYS = frozenset("api private secret access auth encryption signing master".split())
SECRET_VALUES = frozenset("key value secret token data".split())         # of a table of secrets: api_keys.value
SECRET_CODECS = ("text", "padded", "bytea", "json", "sureJson", "array(text)", "array(bytea)")
COUNTERS = frozenset("version lock_version row_version revision optlock opt_lock".split())
STAMPS = frozenset("updated_at modified_at changed_at last_update last_updated last_updated_at last_modified last_modified_at modified updated date_modified modified_date update_time updated_on".split())


@dataclasses.dataclass
class Rights:
    """What a role may do with a relation. columns: name -> (read, insert, update, use the sequence of its default); None for all; whole: it may read what is no column of its own too."""
    usable: bool = True
    delete: bool = True
    whole: bool = True
    columns: dict[str, tuple[bool, ...]] | None = None


@dataclasses.dataclass
class Column:
    """schema: of a value that is there; defaulted: the database finds a value where none is given; computed: nobody but the database writes it; read, insert, update, count: whether the role may (count: use the sequence that numbers it)."""
    name: str
    kind: Kind
    schema: Schema
    nullable: bool
    defaulted: bool
    computed: bool
    comment: str
    secret: bool
    read: bool = True
    insert: bool = True
    update: bool = True
    count: bool = True

    @property
    def shown(self) -> bool:
        return self.read and not self.secret

    @property
    def required(self) -> bool:
        return not (self.nullable or self.defaulted)


@dataclasses.dataclass
class Relation:
    """sort, equal: columns that an index sorts or finds by; version: the column that tells whether a row has changed; readable: rows are only read;
    constraints: name -> columns of what may be violated; parent: other tables inherit from it; placed: each row has a place on the disk that the role may see."""
    id: Id
    columns: dict[str, Column]
    comment: str
    deletable: bool
    key: list[str] = dataclasses.field(default_factory=list)
    foreign_keys: list[ForeignKey] = dataclasses.field(default_factory=list)
    constraints: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    indexes: list[Index] = dataclasses.field(default_factory=list)
    sort: list[str] = dataclasses.field(default_factory=list)
    equal: list[str] = dataclasses.field(default_factory=list)
    version: str = ""
    only_read: bool = False
    parent: bool = False
    placed: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.id.name)

    @property
    def shown(self) -> list[Column]:
        return [one for one in self.columns.values() if one.shown]

    @property
    def created(self) -> list[Column]:
        """What clients may set when a row is made; the version is the server's."""
        return [one for one in self.columns.values() if one.insert and not one.computed and one.name != self.version]

    @property
    def changed(self) -> list[Column]:
        return [one for one in self.columns.values() if one.update and not one.computed and one.name != self.version and one.name not in self.key]

    def may(self, action: str) -> bool:
        """Whether rows can be had or changed this way: list, get, create, replace, patch, delete."""
        if action in ("list", "get"):
            return action == "list" or bool(self.key)
        if self.only_read or action == "delete":
            return not self.only_read and self.deletable
        columns, needed = (self.created, "insert") if action == "create" else (self.changed, "update")
        whole = all(getattr(one, needed) for one in self.columns.values() if one.required and not one.computed and one.name not in self.key * (action == "replace"))
        return bool(columns or action == "create" and all(one.insert for one in self.columns.values())) and (whole or action == "patch")

    @property
    def joined(self) -> tuple[ForeignKey, ForeignKey] | None:
        """The two foreign keys that together are the key of a join table."""
        parts = [one for one in self.foreign_keys if set(one.columns) <= set(self.key)]
        return (parts[0], parts[1]) if len(parts) == 2 and sorted(parts[0].columns + parts[1].columns) == sorted(self.key) else None


class Reading:
    """The relations of a catalogue. warnings: (relation, what a person has to know about it); used: of hidden and revealed, what met a column."""

    def __init__(self, catalogue: Catalogue, rights: dict[tuple[str, ...], Rights] | None, kinds: Kinds, hidden: set[str], revealed: set[str]):
        self.catalogue, self.rights, self.kinds, self.hidden, self.revealed = catalogue, rights, kinds, hidden, revealed
        self.tables = Tables(catalogue)
        self.parents = {Id("table", fact.id.name[2:]) for fact in catalogue.of_kind("inheritance")}
        self.warnings: list[tuple[Id, str]] = []
        self.used: set[str] = set()

    def warn(self, identity: Id, message: str) -> None:
        self.warnings.append((identity, f"{'.'.join(identity.name)}: {message}"))

    def candidates(self) -> list[Fact]:
        """What may become a resource: partitions are their table's."""
        parts = {fact.id.name for fact in self.catalogue.of_kind("partition")}
        return sorted((fact for fact in self.catalogue.of_kind("table", *READ_ONLY) if fact.id.name not in parts), key=lambda fact: fact.id.name)

    def relation(self, fact: Fact) -> Relation | None:
        """None, with a warning, when the role may not read it or nothing is known of its columns."""
        rights = self.rights.get(fact.id.name, Rights(False)) if self.rights is not None else Rights()
        found = Relation(fact.id, {one.name: one for one in self.columns(fact, rights)}, self.comment(*fact.id), rights.delete)
        if not rights.usable or not any(one.read for one in found.columns.values()):
            self.warn(fact.id, "left out: the role may not read it" if found.columns else "left out: no column of it is known")
            return None
        self.tell_columns(found)
        table = self.tables.tables.get(fact.id)
        if table:
            order = list(found.columns)
            found.foreign_keys = sorted((one for one in table.foreign_keys if all(found.columns[name].read for name in one.columns)), key=lambda one: [order.index(name) for name in one.columns])
            found.constraints = {index.name: [name for name in index.columns if name] for index in table.indexes if index.unique} | {one.name: one.columns for one in table.foreign_keys}
        found.indexes = table.indexes if table else self.view_indexes(fact)
        found.parent = fact.id in self.parents
        found.placed = fact.id.kind == "table" and not found.parent and "partitioned" not in fact.attributes and rights.whole
        self.address(found, table.primary if table else [])
        self.narrow(found)
        self.index(found)
        found.version = "" if found.only_read else self.version(found)
        return found

    # --- columns
    def columns(self, fact: Fact, rights: Rights) -> Iterator[Column]:
        facts = [(one.id.name[2], one.attributes) for one in self.catalogue.parts(fact.id, "column")]
        facts += [(one[0], {"type": one[1]}) for one in fact.attributes.get("columns", []) if isinstance(one, list)]
        kept = {name for one in self.catalogue.parts(fact.id, "trigger") for name in TSVECTOR_TRIGGER.findall(one.attributes["definition"])}
        for name, attributes in facts:
            kind = self.kinds.of(attributes["type"])
            computed = bool(attributes.get("identity", {}).get("always") or "generated" in attributes or name in kept)
            defaulted = kind.defaulted or computed or "identity" in attributes or Id("default", (*fact.id.name, name)) in self.catalogue
            nullable = not (kind.never_null or attributes.get("not_null"))
            may = rights.columns.get(name, (False,) * 3) if rights.columns is not None else ()
            if not nullable and kind.codec == "json":
                kind = dataclasses.replace(kind, codec="sureJson")
            yield Column(name, kind, kind.schema, nullable, defaulted and all(may[3:]), computed, self.comment("column", (*fact.id.name, name)), self.secret(fact.id, name, kind), *may)

    def secret(self, identity: Id, name: str, kind: Kind) -> bool:
        for asked, answer in ((self.hidden, True), (self.revealed, False)):
            if met := {f"{identity.name[1]}.{name}", f"{'.'.join(identity.name)}.{name}"} & asked:
                self.used |= met
                return answer
        return looks_secret(name, identity.name[1]) and kind.codec in SECRET_CODECS

    def comment(self, kind: str, name: tuple[str, ...]) -> str:
        fact = self.catalogue.get(Id("comment", (kind, *name)))
        return fact.attributes["text"] if fact else ""

    def tell_columns(self, found: Relation) -> None:
        names = [one.name for one in found.columns.values() if one.secret and one.read]
        if names:
            self.warn(found.id, f"{', '.join(names)} {'look' if len(names) > 1 else 'looks'} secret: left out of all answers, filters and orders (--show {found.id.name[1]}.{names[0]} shows it)")
        for state, what in (("read", "read"), ("insert", "set"), ("update", "change")):
            lacking = [one.name for one in found.columns.values() if not getattr(one, state)]
            if found.id.kind == "table" and 0 < len(lacking) < len(found.columns):
                self.warn(found.id, f"the role may not {what} {', '.join(lacking)}")
        for one in found.columns.values():
            if one.insert and not one.count:
                self.warn(found.id, f"the role may not use the sequence that numbers {one.name}: new rows must bring it (GRANT USAGE ON ALL SEQUENCES IN SCHEMA {ident(found.id.name[0])} lets the database number them)")

    # --- keys and indexes
    def address(self, found: Relation, primary: list[str]) -> None:
        """The key, and whether rows can be changed."""
        keys = [key for key in (primary, *self.unique_keys(found)) if key and all(found.columns[name].shown and found.columns[name].kind.group for name in key)]
        found.key = keys[0] if keys else []
        for column in (found.columns[name] for name in found.key):
            default = self.catalogue.get(Id("default", (*found.id.name, column.name)))
            if column.kind.group == "text" and default and default.attributes["expression"].startswith("''"):
                column.defaulted = False            # an empty text addresses nothing
        found.only_read = found.id.kind in READ_ONLY or not found.key
        if not found.key and found.id.kind == "table":
            why = f"a primary key ({', '.join(primary)}) that cannot be shown or written in a path" if primary else "no primary key"
            self.warn(found.id, f"{why} and no other unique columns: a list to read, without addresses for its rows")

    def unique_keys(self, found: Relation) -> list[list[str]]:
        """Columns that tell rows apart: a whole unique index without nulls. The columns of a materialized view do not say whether they hold nulls."""
        indexes = sorted((one for one in found.indexes if one.unique and one.valid and not one.predicate and None not in one.columns), key=lambda one: (len(one.keys), one.name))
        sure = found.id.kind == "materialized_view"
        return [one.columns for one in indexes if all(name in found.columns and (sure or not found.columns[name].nullable) for name in one.columns)]

    def view_indexes(self, fact: Fact) -> list[Index]:
        table = Table(fact, {})
        for one in self.catalogue.parts(fact.id, "index"):
            self.tables._index(table, one, False)
        return table.indexes

    def index(self, found: Relation) -> None:
        """An order needs the whole of a B-tree with nulls where they are by default; equality whatever finds a value."""
        sort, equal = set(found.key[:1]), set()
        for index in found.indexes:
            name = index.columns[0]
            column = found.columns.get(name or "")
            if column and column.shown and column.kind.group and index.leads_with(name):
                rest = index.keys[0][COLUMN.match(index.keys[0]).end():].strip()
                if index.method == "btree" and not index.predicate and rest in ("", "DESC"):
                    sort.add(name)
                if "COLLATE" not in rest and (index.method in ("btree", "hash") or not rest):
                    equal.add(name)
        found.sort, found.equal = ([name for name in found.columns if name in chosen] for chosen in (sort, equal))

    # --- checks and versions
    def narrow(self, found: Relation) -> None:
        kinds = {name: one.kind for name, one in found.columns.items()}
        for fact in self.catalogue.parts(found.id, "constraint"):
            for name, limits in narrowed(fact.attributes["definition"], kinds) if fact.attributes["type"] == "c" else ():
                column = found.columns[name]
                column.schema = limited(self.kinds.resolved(column.schema), limits)
                found.constraints.setdefault(fact.id.name[2], []).append(name)

    def version(self, found: Relation) -> str:
        """A counter, or a time of change, that is part of no key and precise enough."""
        unique = {name for names in self.unique_keys(found) for name in names} | set(found.key)
        free = {"_".join(split_words(one.name)): one for one in found.shown if one.update and not one.computed and one.name not in unique}
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

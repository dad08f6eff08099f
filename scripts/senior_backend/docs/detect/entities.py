"""Tables that TypeScript and JavaScript declare: Drizzle's tables, TypeORM's entities, what Knex migrations create. Read by their words, brackets counted."""

from __future__ import annotations

import re
from typing import Iterator

from senior_backend.docs.detect.code import Source, arguments

WORDS = ("Table(", "@Entity(", "schema.table(")                 # of files in which tables are declared or changed
DRIZZLE = re.compile(r"\b(?:const|let|var)\s+(\w+)\s*=\s*(?:(?:pg|mysql|sqlite)Table|\w+\.table)\s*(\()")
ENTITY = re.compile(r"@Entity\s*(\()")
MEMBER = re.compile(r"@(\w+)\s*(\()")
CHANGED = re.compile(r"\.(createTable|createTableIfNotExists|alterTable|table|dropTable|dropTableIfExists|renameTable)\s*(\()")
KEY_COLUMNS = {"PrimaryGeneratedColumn": "", "PrimaryColumn": "", "ObjectIdColumn": ""}
COLUMNS = {**KEY_COLUMNS, "Column": "", "CreateDateColumn": "timestamp", "UpdateDateColumn": "timestamp", "DeleteDateColumn": "timestamp", "VersionColumn": "integer"}
NO_COLUMNS = {  # methods of a builder that make none
    "primary", "unique", "index", "foreign", "dropForeign", "dropIndex", "dropUnique", "dropPrimary", "comment", "engine", "charset", "collate",
    "inherits", "setNullable", "dropNullable", "check", "raw", "table", "references", "inTable",
}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def option(text: str, name: str) -> str:
    """The value of a member of an options object, without quotes; empty when it is not there."""
    found = re.search(rf"\b{name}\s*:\s*(?:(['\"`])(.*?)\1|([\w.]+))", text)
    return (found[2] or found[3] or "") if found else ""


class Declared:
    """A table as it was declared: columns are (name, type, may be null, part of the key), links (columns, what they refer to, its columns, place)."""

    def __init__(self, one: Source, name: str, source: str, offset: int):
        self.name, self.source, (self.file, self.line) = name, source, one.place(offset)
        self.columns: list[tuple[str, str, bool, bool]] = []
        self.links: list[tuple[list[str], str, list[str], int]] = []


def declared(sources: dict[str, Source]) -> Iterator[Declared]:
    """All tables, their links with the names of tables and columns in the database."""
    files = [one for one in sources.values() if one.service.language == "node" and one.has(*WORDS)]
    for read in (drizzle, typeorm, knex):
        yield from read(files)


def drizzle(files: list[Source]) -> Iterator[Declared]:
    made: dict[str, tuple[Declared, dict[str, str]]] = {}
    waiting: list[tuple[Declared, str, str, str, int]] = []
    for one, found in ((one, found) for one in files if one.has("drizzle-orm") for found in DRIZZLE.finditer(one.code)):
        given, _ = arguments(one.code, found.start(2))
        name = one.literal(given[0]) if len(given) > 1 else None
        if not name:
            continue
        table = Declared(one, name, "drizzle", found.start())
        names: dict[str, str] = {}
        inner = one.code.find("{", *given[1])
        for begin, end in arguments(one.code, inner)[0] if inner >= 0 else ():
            member = re.match(r"\s*['\"]?(\w+)['\"]?\s*:\s*(\w+)\s*\(\s*(?:(['\"`])(.*?)\3)?", one.text[begin:end], re.S)
            if not member:
                continue
            text = one.text[begin:end]
            names[member[1]] = column = member[4] or member[1]
            key = ".primaryKey(" in text
            table.columns.append((column, member[2], not key and ".notNull(" not in text and not re.search(r"serial", member[2], re.I), key))
            if link := re.search(r"\.references\(\s*\(\s*\)\s*(?::[^=]+)?=>\s*(\w+)\.(\w+)", text):
                waiting.append((table, column, link[1], link[2], one.lines.of(begin + link.start())))
        for keys in re.findall(r"primaryKey\s*\(\s*\{[^}]*columns\s*:\s*\[([^\]]*)\]", one.text[slice(*given[2])]) if len(given) > 2 else ():
            wanted = {names.get(key) for key in re.findall(r"\.(\w+)", keys)}
            table.columns = [(column, kind, null and column not in wanted, key or column in wanted) for column, kind, null, key in table.columns]
        made[found[1]] = table, names
    for table, column, target, other, line in waiting:
        if target in made:
            table.links.append(([column], made[target][0].name, [made[target][1].get(other, other)], line))
    yield from (table for table, _ in made.values())


def typeorm(files: list[Source]) -> Iterator[Declared]:
    made: dict[str, Declared] = {}
    waiting: list[tuple[Declared, str, str, str, bool, int]] = []
    for one, found in ((one, found) for one in files if one.has("typeorm") for found in ENTITY.finditer(one.code)):
        given, end = arguments(one.code, found.start(1))
        head = re.compile(r"[^{]*?\bclass\s+(\w+)[^{]*").match(one.code, end)
        if not head:
            continue
        text = one.text[slice(*given[0])] if given else ""
        table = made[head[1]] = Declared(one, (one.literal(given[0]) if given else "") or option(text, "name") or snake(head[1]), "typeorm", found.start())
        _, close = arguments(one.code, head.end())
        place = head.end() + 1
        while member := MEMBER.search(one.code, place, close):
            parts: dict[str, str] = {}
            place = member.start()
            while decorator := re.compile(r"\s*@(\w+)\s*(\()").match(one.code, place):
                ended = arguments(one.code, decorator.start(2))[1]
                parts[decorator[1]], place = one.text[decorator.start(2) + 1 : ended - 1], ended
            field = re.compile(r"\s*(?:(?:public|private|protected|readonly|declare)\s+)*(\w+)\s*([?!]?)\s*(?::\s*([^;=\n]+))?").match(one.text, place)
            if not field:
                continue
            place, kind = field.end(), next((name for name in COLUMNS if name in parts), "")
            if kind:
                options = parts[kind]
                first = re.match(r"\s*['\"](\w[\w ]*)['\"]", options)
                type_ = (first[1] if first else "") or option(options, "type") or COLUMNS[kind] or (field[3] or "").strip()
                table.columns.append((option(options, "name") or field[1], type_, option(options, "nullable") == "true", kind in KEY_COLUMNS))
            elif link := next((parts[name] for name in ("ManyToOne", "OneToOne") if name in parts), None):
                target = re.search(r"=>\s*(\w+)", link)
                if target and ("ManyToOne" in parts or "JoinColumn" in parts):
                    joined, null = parts.get("JoinColumn", ""), option(link, "nullable") != "false"
                    waiting.append((table, option(joined, "name") or f"{field[1]}Id", target[1], option(joined, "referencedColumnName"), null, one.lines.of(member.start())))
    for table, name, target, other, null, line in waiting:
        if target in made:
            keys = [column for column, _, _, key in made[target].columns if key]
            if name not in [column for column, *_ in table.columns]:
                table.columns.append((name, next((kind for column, kind, *_ in made[target].columns if column in keys), ""), null, False))
            table.links.append(([name], made[target].name, [other] if other else keys, line))
    yield from made.values()


def knex(files: list[Source]) -> Iterator[Declared]:
    """What the migrations give one after the other: only their way forward, in the order of their names."""
    made: dict[str, Declared] = {}
    for one in sorted((one for one in files if one.has("knex", "Knex")), key=lambda one: one.path):
        back = re.search(r"\bdown\b\s*(?:=|:|\()", one.code)
        forward = re.search(r"\bup\b\s*(?:=|:|\()", one.code)
        end = back.start() if back and forward and forward.start() < back.start() else len(one.code)
        for found in CHANGED.finditer(one.code, forward.start() if forward else 0, end):
            given, _ = arguments(one.code, found.start(2))
            name = one.literal(given[0]) if given else None
            builder = re.match(r"\s*(?:async\s+)?(?:function\s*\w*\s*)?\(?\s*(\w+)", one.text[slice(*given[1])]) if name and len(given) > 1 else None
            if name and found[1].startswith("dropTable"):
                made.pop(name, None)
            elif name and found[1] == "renameTable" and name in made and (new := one.literal(given[1])):
                made[new] = made.pop(name)
                made[new].name = new
            elif builder and (name in made or found[1].startswith("create")):
                table = made.setdefault(name, Declared(one, name, "knex", found.start()))
                for statement in re.compile(rf"(?<![\w.]){builder[1]}\s*(?=\.)").finditer(one.code, *given[1]):
                    column_of(one, table, statement.end())
    yield from made.values()


def column_of(one: Source, table: Declared, start: int) -> None:
    """The column that a statement of a Knex builder makes: t.uuid('a').notNullable().references('id').inTable('b')."""
    calls, place = [], start
    while called := re.compile(r"\s*\.(\w+)\s*(\()").match(one.code, place):
        given, place = arguments(one.code, called.start(2))
        calls.append((called[1], [one.literal(span) for span in given], one.text[called.start(2) + 1 : place - 1]))
    if not calls:
        return
    (kind, first, text), rest = calls[0], {name: (literals, words) for name, literals, words in calls[1:]}
    if kind == "timestamps":
        table.columns += [("created_at", "timestamp", False, False), ("updated_at", "timestamp", False, False)]
    elif kind in ("dropColumn", "dropColumns", "dropTimestamps"):
        gone = {"created_at", "updated_at"} if kind == "dropTimestamps" else set(re.findall(r"['\"`](\w+)['\"`]", text))
        table.columns = [column for column in table.columns if column[0] not in gone]
        table.links = [link for link in table.links if not gone & set(link[0])]
    elif kind == "renameColumn":
        old, new = (*first, None, None)[:2]
        table.columns = [(new or name if name == old else name, *rest_) for name, *rest_ in table.columns]
    elif kind == "primary":
        keys = set(re.findall(r"['\"`](\w+)['\"`]", text))
        table.columns = [(name, type_, null and name not in keys, key or name in keys) for name, type_, null, key in table.columns]
    elif kind not in NO_COLUMNS and kind not in rest:
        name = first[0] if first and first[0] else "id" if "ncrements" in kind else ""
        if name:
            key = "primary" in rest or "ncrements" in kind
            table.columns = [column for column in table.columns if column[0] != name]        # .alter()
            table.columns.append((name, kind if kind != "specificType" else (first[1] if len(first) > 1 else "") or "", not key and "notNullable" not in rest, key))
    if "references" in rest or kind == "foreign":
        columns = [name for name in first if name] if kind == "foreign" else [table.columns[-1][0]] if table.columns else []
        target = (rest.get("references", ([], ""))[0] or [None])[0] or ""
        other, _, referred = target.rpartition(".")
        other = (rest.get("inTable", ([], ""))[0] or [None])[0] or other
        if columns and other:
            table.links.append((columns, other, [referred], one.lines.of(start)))

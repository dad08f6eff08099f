"""--from-db's database or schema file as a catalogue, with what the role may do there; and the tables that were chosen."""
from __future__ import annotations

import contextlib
import dataclasses
import difflib
import fnmatch
import pathlib
from typing import Iterable

from senior_backend.console import CommandError
from senior_backend.migrate import sources
from senior_backend.postgres import connection
from senior_backend.postgres.model import Catalogue, Fact
from senior_backend.tables.relations import Rights

RIGHTS = """select n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'DELETE'), has_table_privilege(c.oid, 'SELECT'), (
    select json_object_agg(a.attname, json_build_array(has_column_privilege(c.oid, a.attnum, 'SELECT'), has_column_privilege(c.oid, a.attnum, 'INSERT'), has_column_privilege(c.oid, a.attnum, 'UPDATE'),
      not exists (select from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass join pg_class s on s.oid = d.refobjid
        where f.adrelid = c.oid and f.adnum = a.attnum and case when s.relkind = 'S' then not has_sequence_privilege(s.oid, 'USAGE') else false end)))
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""


@dataclasses.dataclass
class Source:
    """rights: by schema and name, None for files; title: what the API is called after; notes: about a file."""
    catalogue: Catalogue
    rights: dict[tuple[str, ...], Rights] | None
    title: str
    notes: list[str]


def read(place: str) -> Source:
    """CommandError exit 4 for a server that cannot be reached, 2 for a file that cannot be read or makes nothing."""
    with contextlib.ExitStack() as stack:
        workshop = stack.enter_context(sources.Workshop(None))
        if not sources.is_connection(place):
            side = sources.read(place, None, workshop, 0)
            return Source(side.catalogue, None, pathlib.Path(place).stem, side.notes)
        session = stack.enter_context(contextlib.closing(connection.connect(place)))
        catalogue = sources.read(place, session, workshop, 0).catalogue
        rows = session.execute(RIGHTS).fetchall()
        rights = {(schema, name): Rights(*may, {column: tuple(one) for column, one in (columns or {}).items()}) for schema, name, *may, columns in rows}
        return Source(catalogue, rights, session.info.dbname, [])


def chosen(candidates: Iterable[Fact], tables: list[str], exclude: list[str], schemas: list[str], place: str) -> list[Fact]:
    """The tables and views that the flags name. CommandError exit 2 for a name or pattern that nothing bears, and when nothing is left."""
    every = list(candidates)
    present = {fact.id.name[0] for fact in every}
    for schema in schemas:
        if schema not in present:
            raise CommandError(f"{place}: the schema {schema} has no table", f"schemas with tables: {', '.join(sorted(present)) or 'none'}", identifier="NOTHING_UNDERSTOOD")
    wanted = [fact for fact in every if any(names(fact, pattern, schemas) for pattern in tables)] if tables else [fact for fact in every if fact.id.name[0] in schemas]
    left = [fact for fact in wanted if not any(names(fact, pattern, schemas) for pattern in exclude)]
    for flag, patterns in (("--tables", tables), ("--exclude", exclude)):
        for pattern in patterns:
            if not any(names(fact, pattern, schemas) for fact in every):
                close = difflib.get_close_matches(pattern, [spelled for fact in every for spelled in (fact.id.name[1], ".".join(fact.id.name))], 3)
                raise CommandError(f"{place}: {flag} {pattern}: there is no such table", f"did you mean {', '.join(close)}?" if close else "names are as psql's \\d shows them; * stands for any text",
                                   identifier="NO_SUCH_TABLE")
    if not left:
        raise CommandError(f"{place}: there is no table to make an API of in the {'schema' if len(schemas) == 1 else 'schemas'} {', '.join(schemas)}" if not tables else f"{place}: --exclude leaves no table",
                           f"schemas with tables: {', '.join(sorted(present)) or 'none'}; choose one with --schema", identifier="NOTHING_UNDERSTOOD")
    return left


def names(fact: Fact, pattern: str, schemas: list[str]) -> bool:
    """Whether a flag's text means a table: its name in one of the schemas, or schema.name."""
    schema, name = fact.id.name
    spelled = [f"{schema}.{name}", *([name] if schema in schemas else [])]
    return pattern in spelled or any(mark in pattern for mark in "*?[") and any(fnmatch.fnmatchcase(one, pattern) for one in spelled)

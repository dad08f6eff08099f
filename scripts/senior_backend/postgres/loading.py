"""SQL files through a scratch server: run, with the failing statement found, and read back as a catalogue that is kept for the next time."""
from __future__ import annotations

import contextlib
import itertools
import pathlib
import re
from typing import TYPE_CHECKING, Callable, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import binaries, cache, connection, live
from senior_backend.postgres.cluster import LOADER
from senior_backend.postgres.model import Catalogue
from senior_backend.postgres.scratch import Server
from senior_backend.postgres.sql_files import Script, Statement
from senior_backend.postgres.treatment import Task, Treated, treat

if TYPE_CHECKING:
    import psycopg

BATCH = 500
SETTINGS = {"check_function_bodies": "off", "client_min_messages": "error", "statement_timeout": "300s"}
UNDEFINED = ("42P01", "42703", "42704", "42883", "3F000")           # table, column, object, function, schema
MISSING_EXTENSION = re.compile(r'extension "([^"]+)" is not available|could not open extension control file ".*/([^/"]+)\.control"')
HINTS = {
    "42501": "the scratch server runs what comes from files without a superuser's rights; for a schema that needs them name a server with --shadow URL",
    "57014": "the statement ran for 300 s; remove what computes from the file, or name a faster server with --shadow URL",
    "42P07": "one name, two things: rename one of them, or remove the second statement",
}
CONTRIB = frozenset("""adminpack amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance file_fdw fuzzystrmatch hstore insert_username intagg intarray isn lo
ltree moddatetime pageinspect pg_buffercache pg_freespacemap pg_prewarm pg_stat_statements pg_trgm pg_visibility pg_walinspect pgcrypto pgrowlocks pgstattuple postgres_fdw refint seg sslinfo
tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp xml2""".split())
# extension -> Debian's package postgresql-NN-..., where the names differ
PACKAGES = {"vector": "pgvector", "postgis": "postgis-3", "postgis_raster": "postgis-3", "postgis_topology": "postgis-3", "postgis_tiger_geocoder": "postgis-3", "pg_cron": "cron",
            "pg_partman": "partman", "pg_repack": "repack", "pg_similarity": "similarity", "plpython3u": "plpython3"}


def catalogue_of(script: Script, obtain: Callable[[], Server], program: binaries.Binaries | None, allow_empty: bool = False) -> Catalogue:
    """What a script makes, read through the scratch server, or as it was read before.

    obtain: gives the server when it is needed; program: what our own server would be started from (binaries.find), None for --shadow, whose answer is not kept.
    CommandError exit 2 for a statement that fails (file:line), and for a script that makes nothing unless allow_empty.
    """
    name = cache.key(program.text, str(program.folder), extensions(program), [statement.text for statement in script.statements], script.dump) if program else ""
    found = cache.catalogue(name, script.source) if program else None
    if found is None:
        found = through_server(script, obtain())
        if program:
            cache.keep(name, found)
    if not allow_empty and not made_something(found):
        raise CommandError(f"{script.source}: nothing was understood: {len(script.statements)} statements make no object", "give a file with CREATE statements of PostgreSQL (pg_dump -s writes one)",
                           identifier="NOTHING_UNDERSTOOD")
    return found


def extensions(program: binaries.Binaries) -> int:
    """When extensions were last installed or removed for an installation, as far as its folders say."""
    places = [program.folder.parent / "share" / "postgresql" / "extension", program.folder.parent / "share" / "extension", pathlib.Path(f"/usr/share/postgresql/{program.major}/extension")]
    return max((place.stat().st_mtime_ns for place in places if place.is_dir()), default=0)


def through_server(script: Script, server: Server) -> Catalogue:
    with server.database() as database:
        treated = load(server, script, database)
        with contextlib.closing(connection.connect(server.loader_url(database))) as session:
            catalogue = live.read(session, script.source)
    catalogue.stated = frozenset(treated.stated)
    script.notes += treated.notes
    return catalogue


def made_something(catalogue: Catalogue) -> bool:
    """Whether it holds more than an empty database does."""
    return any(identity.kind not in ("schema", "extension", "comment", "grant") or not {"public", "plpgsql"}.intersection(identity.name) for identity in catalogue.facts)


def load(server: Server, script: Script, database: str) -> Treated:
    """Run a script in an empty database of the server. CommandError exit 2 with file:line and the server's own words for a statement that fails."""
    treated = treat(script.statements)
    with server.lock:
        server.ensure_roles(treated.created | (treated.named if script.dump and server.own else set()))
        try:
            with running(server, database, treated.tasks) as runner:
                runner.batches(treated.tasks)
        except dependencies.require("psycopg").Error:           # says that something in a batch failed, not what
            server.renew(database)
            with running(server, database, treated.tasks) as runner:
                treated.notes += runner.one_by_one(treated.tasks, script.files > 1)
    return treated


@contextlib.contextmanager
def running(server: Server, database: str, tasks: list[Task]) -> Iterator[Runner]:
    with contextlib.closing(connection.connect(server.loader_url(database), **SETTINGS)) as session:
        yield Runner(server, session)
        if session.info.transaction_status.name != "IDLE":
            raise CommandError(f"{tasks[-1].statement.file}: ends within a transaction: a BEGIN has no COMMIT", "end the transaction in the file, or remove its BEGIN", identifier="SQL_ERROR")


class Runner:
    """Runs tasks on one session, with a superuser's rights for those that need them."""

    def __init__(self, server: Server, session: psycopg.Connection):
        self.server, self.session = server, session
        self.psycopg = dependencies.require("psycopg")

    def batches(self, tasks: list[Task]) -> None:
        """As few round trips as possible."""
        for (elevated, alone), group in itertools.groupby(tasks, key=lambda task: (task.elevated and self.server.own, task.alone)):
            if elevated or alone:
                with self.rights(elevated):
                    for task in group:
                        self.single(task)
            else:
                while batch := list(itertools.islice(group, BATCH)):
                    self.session.execute("\n;\n".join(task.sql for task in batch))

    def one_by_one(self, tasks: list[Task], any_order: bool) -> list[str]:
        """any_order: files of a folder may need each other in another order than that of their names; gives notes about what had to wait."""
        waiting, failures, notes = tasks, {}, []
        while waiting:
            left = []
            for task in waiting:
                try:
                    with self.rights(task.elevated and self.server.own):
                        self.single(task)
                except self.psycopg.Error as error:
                    if not any_order or error.sqlstate not in UNDEFINED or self.session.info.transaction_status.name != "IDLE":
                        raise failed(task.statement, error, self.server) from None
                    left.append(task)
                    failures[id(task)] = error
            if len(left) == len(waiting):
                raise failed(left[0].statement, failures[id(left[0])], self.server)
            notes += [f"{task.statement.place}: run after what it needs" for task in waiting if id(task) in failures and task not in left]
            waiting = left
        return notes

    def single(self, task: Task) -> None:
        """One statement: with parameters, even none, the protocol takes no second one."""
        if task.library and self.server.own:
            check_library(self.session, *task.library)
        self.session.execute(task.sql.replace("%", "%%"), ())
        if task.alone and self.server.own and task.statement.text[:2].lower() == "do":
            self.server.adopt_roles()

    def rights(self, elevated: bool) -> contextlib.AbstractContextManager[None]:
        return self.server.superusers(LOADER) if elevated else contextlib.nullcontext()


def check_library(session: psycopg.Connection, kind: str, name: str) -> None:
    """A function of the server's own code only where everybody may call it; a wrapper's validator, which runs at once, only where it is such code."""
    allowed = """SELECT EXISTS (SELECT FROM pg_proc WHERE prolang = 12 AND prosrc = %s AND oid < 16384 AND (proacl IS NULL OR has_function_privilege('public', oid, 'EXECUTE')))"""
    native = "SELECT NOT EXISTS (SELECT FROM pg_proc JOIN pg_language l ON l.oid = prolang WHERE pg_proc.oid = to_regproc(%s) AND lanname NOT IN ('c', 'internal'))"
    if name and not session.execute(allowed if kind == "internal" else native, [name]).fetchone()[0]:
        raise dependencies.require("psycopg").errors.InsufficientPrivilege(f"{name} is not called with the rights of a superuser")


def failed(statement: Statement, error: psycopg.Error, server: Server) -> CommandError:
    """What a person is told about a statement that failed: file:line and the server's words."""
    says = error.diag
    if says.sqlstate is None and server.lost():
        return CommandError(f"{statement.place}: the connection to {server.name} broke: {str(error).strip()}", "try again; see the server's log", ExitCode.ENVIRONMENT, "CONNECTION")
    line = statement.line + (statement.text[:int(says.statement_position) - 1].count("\n") if says.statement_position else 0)
    message = (says.message_primary or str(error)).strip() + (f" ({says.message_detail})" if says.message_detail else "")
    missing = MISSING_EXTENSION.search(message)
    if missing:
        return CommandError(f"{statement.file}:{line}: {server.name} (PostgreSQL {server.text}) lacks the extension {missing[1]}", extension_hint(missing[1], server), ExitCode.ENVIRONMENT,
                            "EXTENSION_MISSING", {"extension": missing[1]})
    hint = says.message_hint or HINTS.get(says.sqlstate or "", f"PostgreSQL {server.text} refuses this statement; correct it, or try it with psql")
    return CommandError(f"{statement.file}:{line}: {message}", hint, identifier="SQL_ERROR", data={"sqlstate": says.sqlstate})


def extension_hint(name: str, server: Server) -> str:
    """How to get an extension for the server that lacks it."""
    major = server.version // 10000
    package = "postgresql-contrib" if name in CONTRIB else f"postgresql-{major}-{PACKAGES.get(name, name.replace('_', '-'))}"
    if not server.own:
        return f"install it on that server (Debian, Ubuntu: apt-get install {package})"
    if server.program and server.program.wheel:
        return f"the pip package has no extensions but vector; install PostgreSQL itself (Debian, Ubuntu: apt-get install postgresql {package.replace(str(major), 'NN')}), or use --shadow URL"
    return f"install it for the PostgreSQL in {server.program.folder if server.program else 'use'} (Debian, Ubuntu: apt-get install {package}), or use --shadow URL of a server that has it"

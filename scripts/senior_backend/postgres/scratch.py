"""A server for trying things out: a throwaway one started here, or the one that --shadow names.

    with scratch.server() as server, server.database() as name:
        connection.connect(server.url(name))
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Iterable, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import binaries, cluster, connection, keeper, quote
from senior_backend.postgres.cluster import ADMINISTRATOR, LOADER

PREFIX, DATABASE_PREFIX = "senior-backend-pg-", "senior_backend_"
START_SECONDS, STALE_SECONDS, ATTEMPTS = 60, 60, 3
SOCKET_PATH_BYTES = 100             # macOS allows 103, Linux 107


class Server:
    """A running server. version: server_version_num; own: started here, from program, so that roles and rights are ours to set; name: what people call it."""

    def __init__(self, address: dict[str, Any] | str, name: str, program: binaries.Binaries | None = None):
        self.address, self.name, self.program, self.own = address, name, program, program is not None
        self.lock = threading.RLock()           # held while a script runs: its statements must not meet the rights that another one's were given
        self.left: list[str] = []           # databases of our server that are to be dropped: dropping at once would wait 0.1 s for the last connection to end
        self.admin = connection.connect(self.url("template1") if self.own else str(address))
        self.version = self.admin.info.server_version
        self.text = self.admin.execute("SHOW server_version").fetchone()[0].split(" ")[0]

    def url(self, database: str) -> str:
        """For our own statements: as superuser on our server, as the user of --shadow on that."""
        return self.url_as(ADMINISTRATOR, database)

    def loader_url(self, database: str) -> str:
        """For statements that others wrote: as the owner of the databases, who is no superuser of our server."""
        return self.url_as(LOADER, database)

    def url_as(self, role: str, database: str) -> str:
        if isinstance(self.address, str):
            return connection.with_database(self.address, database)
        return dependencies.require("psycopg").conninfo.make_conninfo("", user=role, dbname=database, **self.address)

    @contextlib.contextmanager
    def database(self, template: str | None = None, locale: str = "") -> Iterator[str]:
        """The name of a new database, empty or a copy of template (to which nobody may be connected); dropped afterwards. locale: as CREATE DATABASE takes it."""
        name = f"{DATABASE_PREFIX}{secrets.token_hex(8)}"
        self.drop_left()
        self.create(name, template, locale)
        try:
            yield name
        finally:
            self.left.append(name)
            if not self.own:
                self.drop_left()

    def create(self, name: str, template: str | None = None, locale: str = "") -> None:
        owner = f" OWNER {LOADER}" if self.own else ""
        try:
            self.admin.execute(f"CREATE DATABASE {name} TEMPLATE {quote.ident(template or 'template0')}{owner}{self.file_copy()}{locale}")
        except dependencies.require("psycopg").Error as error:
            raise CommandError(f"no database can be created on {self.name}: {str(error).strip()}", "--shadow needs a user with CREATEDB, on a server that nothing depends on", ExitCode.ENVIRONMENT,
                               "SHADOW_REFUSED") from None

    def renew(self, name: str) -> None:
        """Make a database of ours empty again."""
        self.drop(name)
        self.create(name)

    def drop_left(self) -> None:
        while self.left and not self.admin.closed:
            self.drop(self.left.pop())

    def drop(self, name: str) -> None:
        statement = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        try:
            self.admin.execute(statement)
        except dependencies.require("psycopg").errors.ObjectInUse:            # a subscription keeps its database
            with contextlib.closing(connection.connect(self.url(name))) as session:
                for subscription, in session.execute("SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()").fetchall():
                    for change in ("DISABLE", "SET (slot_name = NONE)"):
                        session.execute(f"ALTER SUBSCRIPTION {quote.ident(subscription)} {change}")
                    session.execute(f"DROP SUBSCRIPTION {quote.ident(subscription)}")
            self.admin.execute(statement)

    def file_copy(self) -> str:
        """Copying files is faster than logging pages where nothing is synced to disk; PostgreSQL 15 made the other way its default."""
        return " STRATEGY file_copy" if self.own and self.version >= 150000 else ""

    def ensure_roles(self, names: Iterable[str]) -> None:
        """Make missing roles, as names that own nothing and cannot log in, on our own server; exit 4 names those that a --shadow server lacks."""
        present = {row[0] for row in self.admin.execute("SELECT rolname FROM pg_roles")} | {"public"}
        missing = sorted(set(names) - present)
        if missing and not self.own:
            raise CommandError(f"{self.name} lacks the roles {quote.listed(missing)}", f"create them there: CREATE ROLE {quote.ident(missing[0])};", ExitCode.ENVIRONMENT, "SHADOW_REFUSED")
        for name in missing:
            if name.startswith("pg_"):
                raise CommandError(f"the role {name} is not on the scratch server", "roles named pg_... are the server's own; those that reach files or programs are not there",
                                   ExitCode.ENVIRONMENT, "ROLE_MISSING")
            self.admin.execute(f"CREATE ROLE {quote.ident(name)}; GRANT {quote.ident(name)} TO {LOADER} WITH ADMIN OPTION")


    def adopt_roles(self) -> None:
        """Make the loader a member of the roles that a statement of its own has made."""
        mine = "SELECT rolname FROM pg_roles WHERE oid >= 16384 AND NOT rolsuper AND NOT pg_has_role(%s, oid, 'USAGE')"
        for name, in self.admin.execute(mine, [LOADER]).fetchall():
            self.admin.execute(f"GRANT {quote.ident(name)} TO {LOADER} WITH ADMIN OPTION")

    def lost(self) -> bool:
        """Whether the server does not answer any more."""
        try:
            self.admin.execute("SELECT 1")
        except dependencies.require("psycopg").OperationalError:
            return True
        return False


@contextlib.contextmanager
def server(shadow_url: str | None = None, like: int = 0, program: binaries.Binaries | None = None) -> Iterator[Server]:
    """The server of --shadow, or a throwaway one from the programs on this machine: of the major version of `like` (server_version_num) where there is a choice.

    CommandError exit 4 when there is none or it does not start.
    """
    if shadow_url:
        found = Server(shadow_url, connection.masked(shadow_url))
        with contextlib.closing(found.admin):
            yield found
        return
    program = program or binaries.find(like)
    with started(program) as address:
        found = Server(address, "the scratch server", program)
        with contextlib.closing(found.admin):
            yield found


@contextlib.contextmanager
def started(program: binaries.Binaries) -> Iterator[dict[str, Any]]:
    """Connection parameters (host, port, password) of a throwaway server, which ends with the block or with this process, whichever is first."""
    places = cluster.temporary_places(memory=cluster.in_reach(program))
    sweep(places)
    for place in (places * ATTEMPTS)[:ATTEMPTS]:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        try:
            folder.chmod(0o711 if cluster.identity() else 0o700)
            reachable = cluster.within_reach(program, folder)
            address = {"password": cluster.new_data(program, reachable, folder), **listening(folder)}
            watcher = start(reachable, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            problem = wait_until_ready(watcher, folder)
            if not problem:
                yield address
                return
        finally:
            watcher.stdin.close()
            watcher.wait()
    raise CommandError(f"the scratch server ({program.folder}, {program.text}) does not start: {problem}", "see that this PostgreSQL installation works, or name a server with --shadow URL",
                       ExitCode.ENVIRONMENT, "NO_SCRATCH_SERVER")


def listening(folder: pathlib.Path) -> dict[str, Any]:
    """Tell the new server where to listen: a socket in its own closed folder, or a free port of 127.0.0.1 where there are none or the path is too long."""
    data = folder / "data"
    if os.name != "nt" and len(os.fsencode(data)) + len("/.s.PGSQL.5432") <= SOCKET_PATH_BYTES:
        place, lines = {"host": str(data), "port": 5432}, f"unix_socket_directories = '{data}'\nport = 5432\n"
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        place, lines = {"host": "127.0.0.1", "port": port}, f"unix_socket_directories = ''\nlisten_addresses = '127.0.0.1'\nport = {port}\n"
    with open(data / "postgresql.conf", "a", encoding="utf-8") as settings:
        settings.write(lines)
    return place


def start(program: binaries.Binaries, folder: pathlib.Path) -> subprocess.Popen:
    """The process that keeps the server while its stdin is open."""
    base = [program.program("pg_ctl"), "-D", str(folder / "data"), "-s", "-W"]
    order = {"start": [*base, "-l", str(folder / "data" / "log"), "start"], "stop": [*base, "-m", "immediate", "stop"], "identity": cluster.identity()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    watcher = subprocess.Popen([sys.executable, "-I", "-S", keeper.__file__, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                               env=environment, start_new_session=True)
    watcher.stdin.write(json.dumps(order) + "\n")
    watcher.stdin.flush()
    return watcher


def wait_until_ready(watcher: subprocess.Popen, folder: pathlib.Path) -> str:
    """Empty when the server takes connections, else what its log says."""
    data, deadline = folder / "data", time.monotonic() + START_SECONDS
    log = ""
    while time.monotonic() < deadline and watcher.poll() is None:
        with contextlib.suppress(OSError):
            log = (data / "log").read_text(encoding="utf-8", errors="replace").strip()
        with contextlib.suppress(OSError):
            if (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").rstrip().endswith("ready"):
                return ""
        if "FATAL" in log:
            break
        time.sleep(0.003)
    return log[-500:] or "it said nothing"


def sweep(places: Iterable[pathlib.Path]) -> None:
    """Remove what runs left whose keeper was killed too; a server without its folder ends by itself within a minute."""
    for folder in (folder for place in places for folder in place.glob(PREFIX + "*")):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if (os.name == "nt" or about.st_uid == os.geteuid()) and about.st_mtime < time.time() - STALE_SECONDS:
                held = keeper.lock(folder / "keeper")
                if held:
                    held.close()
                    shutil.rmtree(folder, ignore_errors=True)

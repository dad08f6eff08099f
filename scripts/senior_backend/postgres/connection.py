"""Connections to a Postgres server, and what a person is told when there is none.

A URL is whatever libpq takes: postgres:// and postgresql:// URIs, "host=... dbname=..." strings, and PG* variables for what they leave out.
"""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from senior_backend import dependencies
from senior_backend.console import VERSION, CommandError, ExitCode

if TYPE_CHECKING:
    import psycopg

OLDEST = 130000
CONNECT_TIMEOUT_SECONDS = 10
USERINFO = re.compile(r"(?<=://)([^:@/?]*):(.*)@", re.DOTALL)           # up to the last @: passwords with unescaped @, / and ? are hidden too
PARAMETER = re.compile(r"((?:^|[?&\s])(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^&\s]+)", re.IGNORECASE | re.DOTALL)
# what libpq and the server say -> the next step; the first that is found
HINTS = (
    (r"could not translate host name|name or service not known|nodename nor servname|failed to resolve|name resolution", "check the host name in the URL"),
    (r"connection refused|no such file or directory|is the server running", "check host and port, and that the server runs and listens there (pg_isready)"),
    (r"password authentication failed|no password supplied|authentication failed|scram", "check user and password: in the URL (special characters percent-encoded), PGPASSWORD, or ~/.pgpass"),
    (r'database ".*" does not exist', "check the database name at the end of the URL; psql -l lists what the server has"),
    (r'role ".*" does not exist', "check the user name in the URL"),
    (r"no pg_hba\.conf entry", "the server does not let this user in from this host (pg_hba.conf); it may ask for TLS: add ?sslmode=require"),
    (r"received invalid response|expected authentication request|unexpected response|lost synchronization", "this is no PostgreSQL server; check host and port"),
    (r"certificate|ssl|tls", "set sslmode (disable, prefer, require, verify-full) and sslrootcert in the URL as the server needs it"),
    (r"timeout expired|timed out", "no answer in time: check host, port and firewall; connect_timeout=SECONDS in the URL waits longer"),
    (r"too many clients|too many connections|remaining connection slots", "the server has no free connection: close some, or try again later"),
    (r"starting up|shutting down|recovery", "the server is not ready; try again in a moment"),
    (r"server closed the connection", "the other side hung up: check that host and port are those of a PostgreSQL server, and its log"),
)


def masked(url: str) -> str:
    """The URL as it may be shown: no password, wherever it stands.

    >>> masked("postgres://bob:s3cret@db.example/shop?sslmode=require")
    'postgres://bob:***@db.example/shop?sslmode=require'
    >>> masked("postgresql://db/shop?user=bob&password=s3cret"), masked("host=db password='a b' dbname=shop")
    ('postgresql://db/shop?user=bob&password=***', 'host=db password=*** dbname=shop')
    """
    return PARAMETER.sub(r"\1***", USERINFO.sub(r"\1:***@", url)) or "the server of the PG* variables"


def connect(url: str, **settings: Any) -> psycopg.Connection:
    """An autocommit connection to a PostgreSQL >= 13. settings: server parameters of the session (statement_timeout="5s").

    CommandError: exit 2 for a URL that cannot be read, exit 4 for a server that cannot be reached, refuses, or is no PostgreSQL >= 13.
    """
    psycopg = dependencies.require("psycopg")
    options = {"application_name": "senior-backend", "client_encoding": "UTF8", "connect_timeout": CONNECT_TIMEOUT_SECONDS}
    given = parameters(url)
    try:
        connection = psycopg.connect(url, autocommit=True, **{name: value for name, value in options.items() if name not in given})
    except psycopg.Error as error:
        raise unreachable(url, given, str(error)) from None
    try:
        greet(connection, url, settings)
    except BaseException:
        connection.close()
        raise
    return connection


def parameters(url: str) -> dict[str, Any]:
    """What the connection string says, by libpq's names."""
    psycopg = dependencies.require("psycopg")
    try:
        return psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        reason = "" if masked(url) != url else f": {str(error).strip()}"         # libpq repeats parts of the string, which may hold the password
        raise CommandError(f"{masked(url)} cannot be read as a connection string{reason}",
                           "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters in user and password percent-encoded", identifier="CONNECTION_STRING") from None


def with_database(url: str, database: str) -> str:
    """The same server and user, another database."""
    return dependencies.require("psycopg").conninfo.make_conninfo(url, dbname=database)


def greet(connection: psycopg.Connection, url: str, settings: dict[str, Any]) -> None:
    """Set the session's parameters and see in the same round trip what the server is."""
    psycopg = dependencies.require("psycopg")
    calls = "".join(", set_config(%s, %s, false)" for _ in settings)
    values = [text for name, value in settings.items() for text in (name, str(value))]
    try:
        product = connection.execute(f"SELECT version(){calls}", values).fetchone()[0]
    except psycopg.Error as error:
        raise CommandError(f"{masked(url)} refuses to set up the session: {str(error).strip()}", "connect to the PostgreSQL server itself, as a user who may read the catalogs",
                           ExitCode.ENVIRONMENT, "CONNECTION") from None
    if not product.startswith("PostgreSQL") or connection.info.server_version < OLDEST:
        raise CommandError(f"{masked(url)} is {product.split(' on ')[0].split(',')[0]}", f"senior-backend {VERSION} works with PostgreSQL {OLDEST // 10000} and newer", ExitCode.ENVIRONMENT,
                           "SERVER_UNSUPPORTED")


def unreachable(url: str, given: dict[str, Any], message: str) -> CommandError:
    text = masked(" ".join(message.split()))
    raw = (USERINFO.search(url) or ("", "", ""))[2]
    for secret in sorted({str(given.get("password") or ""), str(given.get("sslpassword") or ""), raw, *re.split("[@/?#:]", raw)} - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)         # libpq takes the rest of an unescaped password for a host or port
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, text, re.IGNORECASE)), "check the URL, and the server's log")
    if re.search("[@/?#:]", raw):
        hint = "percent-encode the special characters of the password (@ is %40, / is %2F, : is %3A, ? is %3F, # is %23)"
    return CommandError(f"cannot connect to {masked(url)}: {text}", hint, ExitCode.ENVIRONMENT, "CONNECTION")


def told(error: Any) -> str:
    """The server's words without its DETAIL, which quotes rows, and without the value in a message about one."""
    primary = error.diag.message_primary or " ".join(str(error).split())
    if (error.sqlstate or "").startswith("22"):
        primary = re.sub(r'(?<=: )".*"$|(?<=^value )".*"(?= is )', '"..."', primary, flags=re.DOTALL)
    return primary + (f" (hint: {error.diag.message_hint})" if error.diag.message_hint else "") + f" [{error.sqlstate}]"

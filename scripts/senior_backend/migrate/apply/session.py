"""The session that migrates: one server connection of its own, and the lock that keeps other runs out."""
from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError, Console, ExitCode
from senior_backend.postgres import connection as connections

if TYPE_CHECKING:
    import psycopg

LOCK_KEY = 0x5E_B1_0C_4D_16_7A_7E           # any constant: pg_advisory_lock keys are per database
WAIT_SECONDS, FIRST_POLL, LAST_POLL = 60, 0.02, 1.0
LOCK_TIMEOUT = "5s"
# a killed client's server process ends soon, instead of working on for nobody with the lock in its hands
SETTINGS = {"lock_timeout": LOCK_TIMEOUT, "idle_in_transaction_session_timeout": "0", "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
CHECK_CONNECTION = ("client_connection_check_interval", "2s")       # PostgreSQL 14, not on every platform
PROGRESS = """
select a.pid, a.application_name, coalesce(a.state, ''), extract(epoch from now() - coalesce(a.query_start, a.backend_start))::int, p.phase, p.relid::regclass::text,
       case when p.blocks_total > 0 then 100 * p.blocks_done / p.blocks_total when p.tuples_total > 0 then 100 * p.tuples_done / p.tuples_total end
from pg_stat_activity a left join pg_stat_progress_create_index p using (pid)"""
HOLDER = f"""{PROGRESS} join pg_locks l using (pid)
where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.database = (select oid from pg_database where datname = current_database()) and (l.classid::bigint << 32 | l.objid::bigint) = %s"""


@contextlib.contextmanager
def opened(url: str, console: Console) -> Iterator[psycopg.Connection]:
    """A connection that may write, is nobody else's, and holds the lock. CommandError exit 3 behind a transaction pooler and on a standby, exit 4 when another run keeps the lock."""
    with contextlib.closing(connections.connect(url, **SETTINGS)) as session:
        session.prepare_threshold = None
        refuse_standby(session, url)
        refuse_pooler(session, url)
        with contextlib.suppress(dependencies.require("psycopg").Error):
            session.execute("select set_config(%s, %s, false)", CHECK_CONNECTION)
        take_lock(session, console)
        yield session


def refuse_standby(session: psycopg.Connection, url: str) -> None:
    standby, read_only = session.execute("select pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool").fetchone()
    if standby or read_only:
        reason = "is a standby: it can only be read" if standby else "is set to read only (default_transaction_read_only)"
        raise CommandError(f"{connections.masked(url)} {reason}", "migrate on the primary server", ExitCode.REFUSED, "READ_ONLY")


def refuse_pooler(session: psycopg.Connection, url: str) -> None:
    """Between transactions a pooler may hand the server process to somebody else: session locks, settings and CONCURRENTLY do not survive that.

    While a second connection is in a transaction, it has a process of its own; a first one that got its process, or gets another one than before, has none.
    A proxy that invents the process number of its greeting is asked more often: it may have many processes to hand out.
    """
    first = server_process(session)
    rounds = 2 if session.info.backend_pid == first else 12
    try:
        other = connections.connect(url)
    except CommandError:         # no second connection is to be had: what one can see
        shared = any(server_process(session) != first for _ in range(rounds))
    else:
        other.prepare_threshold = None
        with contextlib.closing(other):
            shared = any(met(session, other, first, 1 + number % 3) for number in range(rounds))
    if shared:
        raise CommandError(f"{connections.masked(url)} is a pooler that shares server processes between transactions: locks and settings of a session do not hold there",
                           "give the address of the PostgreSQL server itself, or a pool in session mode", ExitCode.REFUSED, "POOLER")


def met(session: psycopg.Connection, other: psycopg.Connection, first: int, times: int) -> bool:
    """times: varied, since a pool that hands out its processes in turn would otherwise keep step. A pool of one process is found before it makes the session wait for the other."""
    other.execute("begin")
    shared = server_process(other) == first or any(server_process(session) != first for _ in range(times))
    other.execute("rollback")
    return shared


def server_process(session: psycopg.Connection) -> int:
    return session.execute("select pg_backend_pid()").fetchone()[0]


def take_lock(session: psycopg.Connection, console: Console) -> None:
    """Wait for the lock up to WAIT_SECONDS, saying who has it and how far it is."""
    deadline, told, pause = time.monotonic() + WAIT_SECONDS, "", FIRST_POLL
    while not session.execute("select pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()[0]:
        holder = session.execute(HOLDER, [LOCK_KEY]).fetchone()
        words = described(holder) if holder else told
        if time.monotonic() > deadline:
            raise CommandError(f"another migration has the lock on this database: {words}",
                               "run this again when it is done; when its client is gone and you do not want its work: "
                               f"SELECT pg_terminate_backend({holder[0] if holder else 'pid'})", ExitCode.ENVIRONMENT, "LOCKED")
        if words != told and pause > 10 * FIRST_POLL:         # what lasts a moment is not worth a line
            console.progress(f"waiting for another migration: {words}")
            told = words
        time.sleep(pause)
        pause = min(LAST_POLL, 1.5 * pause)


def described(row: tuple[Any, ...]) -> str:
    """A server process in words: no text of its query, since that may hold data."""
    pid, application, state, seconds, phase, table, percent = row
    build = f", building an index on {table}: {phase}{f' {percent} %' if percent is not None else ''}" if phase else ""
    return f"pid {pid}{f' ({application})' if application else ''}, {state or 'state unknown'}{'' if build else f' for {seconds} s'}{build}"


@contextlib.contextmanager
def watched(url: str, pid: int, console: Console, what: str) -> Iterator[None]:
    """While the block runs: from the second second on, say on stderr how far an index build is and who is waited for."""
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(url, pid, console, what, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=2)


def watch(url: str, pid: int, console: Console, what: str, done: threading.Event) -> None:
    if done.wait(1.0):
        return
    psycopg = dependencies.require("psycopg")
    try:
        with contextlib.closing(connections.connect(url, statement_timeout="2s")) as observer:
            told = ""
            while not done.is_set():
                words = waiting(observer, pid)
                if words and words != told:
                    console.progress(f"  {what}: {words}")
                told = words or told
                done.wait(1.0)
    except (CommandError, psycopg.Error):
        console.detail(f"  {what}: progress cannot be read")


def waiting(observer: psycopg.Connection, pid: int) -> str:
    """What the server process is at: its index build, or those that keep it waiting."""
    blockers = observer.execute(f"{PROGRESS} where pid = any(pg_blocking_pids(%s))", [pid]).fetchall()
    if blockers:
        return "waits for a lock of " + "; ".join(map(described, blockers))
    row = observer.execute(f"{PROGRESS} where pid = %s and p.pid is not null", [pid]).fetchone()
    return described(row).partition(", building ")[2] if row else ""

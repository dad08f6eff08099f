"""Several statements in one round trip, the result of each as soon as it is there: the reader works while the server does."""
from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend import dependencies

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult


def results(connection: psycopg.Connection[Any], statements: str) -> Iterator[PGresult]:
    """The results that have rows, in order. connection: not in the middle of anything; statements: separated by semicolons, without parameters. psycopg.Error as usual."""
    psycopg = dependencies.require("psycopg")
    server = connection.pgconn
    server.send_query(statements.encode(connection.info.encoding))
    while server.flush():
        readable, _, _ = select.select([server.socket], [server.socket], [])
        if readable:
            server.consume_input()
    failed = None
    while (result := next_result(server)) is not None:
        if result.status == psycopg.pq.ExecStatus.TUPLES_OK and not failed:
            yield result
        elif result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            failed = failed or result
    if failed:
        raise psycopg.errors.error_from_result(failed, connection.info.encoding)


def next_result(server: Any) -> PGresult | None:
    while server.is_busy():
        select.select([server.socket], [], [])
        server.consume_input()
    return server.get_result()

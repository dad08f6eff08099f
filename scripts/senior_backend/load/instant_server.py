"""A server that answers every request at once, to measure load generators with. Runs as a process of its own: prints its port, ends with its input."""

from __future__ import annotations

import selectors
import socket
import sys

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


def serve() -> None:
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        print(listener.getsockname()[1], flush=True)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    accept(listener, selector)
                elif key.fd == sys.stdin.fileno():
                    return
                else:
                    answer(key.fileobj, selector)


def accept(listener: socket.socket, selector: selectors.BaseSelector) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(connection, selectors.EVENT_READ)


def answer(connection: socket.socket, selector: selectors.BaseSelector) -> None:
    """One answer for each end of a head; requests of the calibration have no body."""
    try:
        data = connection.recv(65536)
        if data:
            connection.sendall(ANSWER * data.count(b"\r\n\r\n"))
            return
    except OSError:
        pass
    selector.unregister(connection)
    connection.close()


if __name__ == "__main__":
    serve()

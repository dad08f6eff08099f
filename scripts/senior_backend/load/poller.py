"""Which sockets are ready: epoll where there is one, the standard library's selectors elsewhere; sleeps to the microsecond."""

from __future__ import annotations

import select
import selectors
import time

READABLE, WRITABLE = 1, 4  # EPOLLIN and EPOLLOUT
EVENTS_PER_POLL = 1024


class EpollPoller:
    """Level-triggered epoll. poll() gives (file descriptor, events) pairs, at once or after whole milliseconds."""

    def __init__(self):
        self.epoll = select.epoll()
        self.watch, self.change, self.forget = self.epoll.register, self.epoll.modify, self.epoll.unregister
        self.poll = self.epoll.poll
        self.close = self.epoll.close

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Like poll(), but its limit is exact: epoll counts in milliseconds, select() on its descriptor in microseconds."""
        if seconds > 0:
            select.select([self.epoll], [], [], seconds)
        return self.poll(0, EVENTS_PER_POLL)


class SelectorPoller:
    """The same over selectors.DefaultSelector (kqueue, select)."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.forget, self.close = self.selector.unregister, self.selector.close

    def watch(self, descriptor: int, events: int) -> None:
        self.selector.register(descriptor, selector_events(events))

    def change(self, descriptor: int, events: int) -> None:
        self.selector.modify(descriptor, selector_events(events))

    def poll(self, seconds: float, limit: int = EVENTS_PER_POLL) -> list[tuple[int, int]]:
        if not self.selector.get_map():
            time.sleep(max(0.0, seconds))  # select() of Windows refuses to wait for nothing
            return []
        return [(key.fd, READABLE if events & selectors.EVENT_READ else WRITABLE) for key, events in self.selector.select(seconds)]

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        return self.poll(max(0.0, seconds))


def selector_events(events: int) -> int:
    return (selectors.EVENT_READ if events & READABLE else 0) | (selectors.EVENT_WRITE if events & WRITABLE else 0)


def new_poller() -> EpollPoller | SelectorPoller:
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()

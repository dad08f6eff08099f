"""One line on stderr that tells how a run goes, only where a person watches."""

from __future__ import annotations

from senior_backend.console import Console, write
from senior_backend.load.masking import masked_url
from senior_backend.load.measurement import Snapshot


class ProgressLine:
    """Call it with each Snapshot; close() leaves the line behind."""

    def __init__(self, console: Console):
        self.console, self.width = console, 0

    def __call__(self, snapshot: Snapshot) -> None:
        rates = f"{snapshot.rate_per_s:,.0f} requests/s  p99 {snapshot.p99_ms:,.1f} ms  {snapshot.failed:,} errors"
        self.show(f"{snapshot.seconds:.0f} of {snapshot.total_s:g} s  {rates}  {masked_url(snapshot.target)}")

    def show(self, text: str) -> None:
        shown = text[:110]
        write(self.console.err, "\r" + shown.ljust(self.width))
        self.width = len(shown)

    def close(self) -> None:
        if self.width:
            write(self.console.err, "\n")
            self.width = 0


def progress_line(console: Console) -> ProgressLine | None:
    """A progress line when stderr is a terminal."""
    return ProgressLine(console) if getattr(console.err, "isatty", lambda: False)() else None

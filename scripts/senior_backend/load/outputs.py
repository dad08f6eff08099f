"""The files that a run leaves behind: the whole report as JSON, and a page."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from senior_backend.console import STATUS, VERSION, CommandError, ExitCode, Outcome
from senior_backend.load import report
from senior_backend.load.measurement import Measurement
from senior_backend.load.options import TOOL


def check_writable(path: str | None) -> None:
    """Fail before the load, not after it."""
    if path is None:
        return
    place = pathlib.Path(path).absolute()
    if not place.parent.is_dir():
        raise cannot_write(path, f"there is no folder {place.parent}")
    if place.is_dir() or not os.access(place if place.exists() else place.parent, os.W_OK):
        raise cannot_write(path, "it is a folder" if place.is_dir() else "no permission")


def cannot_write(path: str, reason: str) -> CommandError:
    return CommandError(f"{path} cannot be written: {reason}", "give a path in an existing folder that you may write to", ExitCode.UNUSABLE, "OUTPUT")


def write_text(path: str, text: str) -> None:
    try:
        pathlib.Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror}", "the load has been sent; run again with another path", ExitCode.ENVIRONMENT, "OUTPUT"
        ) from error


def whole_report(outcome: Outcome, measurements: list[Measurement]) -> dict[str, Any]:
    """What --json prints, and every second of the run."""
    results = [{**result, "timeline": report.timeline(measurement)} for result, measurement in zip(outcome.data["results"], measurements)]
    return {"tool": TOOL, "version": VERSION, "status": STATUS.get(outcome.code, "error"), "exit_code": int(outcome.code), **outcome.data, "results": results}


def write_report(path: str, outcome: Outcome, measurements: list[Measurement]) -> None:
    write_text(path, json.dumps(whole_report(outcome, measurements), indent=2) + "\n")

"""The only file that prints: results on stdout, people's messages on stderr, and every way a command can end.

A command is a function `command(arguments, console) -> Outcome`; `run` turns its outcome, an expected failure (CommandError),
Ctrl-C or a bug into output and an exit code, in this one place.
"""
from __future__ import annotations

import argparse
import dataclasses
import enum
import json
import os
import re
import sys
import tempfile
import traceback
from typing import Any, Callable, TextIO

VERSION = "0.1.0"


class ExitCode(enum.IntEnum):
    """What the exit codes of all five commands mean."""
    DONE = 0
    FOUND = 1
    UNUSABLE = 2
    REFUSED = 3
    ENVIRONMENT = 4
    BUG = 70
    INTERRUPTED = 130


STATUS = {ExitCode.DONE: "success", ExitCode.FOUND: "findings", ExitCode.REFUSED: "refused"}


# what a terminal would obey instead of showing it, in texts that come from documents
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class CommandError(Exception):
    """An expected failure: what is wrong (with its place), what to do next, and the exit code that says whose turn it is.

    message: one or more lines; hint: the next step; code: an ExitCode; identifier: stable UPPER_CASE name for machines;
    data: further top-level keys of the JSON object.
    """

    def __init__(self, message: str, hint: str = "", code: ExitCode = ExitCode.UNUSABLE, identifier: str = "", data: dict | None = None):
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code
        self.identifier = identifier or {ExitCode.ENVIRONMENT: "ENVIRONMENT", ExitCode.REFUSED: "REFUSED"}.get(code, "UNUSABLE_INPUT")
        self.data = data or {}


@dataclasses.dataclass
class Outcome:
    """What a command gives back: the keys of its JSON object and the lines a person reads instead."""
    data: dict[str, Any]
    lines: list[str]
    code: ExitCode = ExitCode.DONE


@dataclasses.dataclass
class Console:
    """The streams of one run. Tests pass their own."""
    out: TextIO
    err: TextIO
    verbose: bool = False

    def progress(self, text: str) -> None:
        """A line for people, on stderr."""
        write(self.err, text + "\n")

    def detail(self, text: str) -> None:
        """A line for people who asked for --verbose."""
        if self.verbose:
            self.progress(text)


def write(stream: TextIO, text: str) -> None:
    """Write text whatever the stream's encoding can hold; what it cannot, and control characters, become escapes."""
    text = CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
    stream.flush()


class ArgumentParser(argparse.ArgumentParser):
    """argparse whose errors are CommandErrors, so that --json holds for them too."""

    def error(self, message: str):
        raise CommandError(f"{self.prog}: {message}", f"see: python scripts/{self.prog} --help", identifier="USAGE")


def argument_parser(tool: str, summary: str, examples: list[str], exit_codes: dict[int, str]) -> ArgumentParser:
    """A parser with what all commands share: examples and exit codes in --help, --version, --json, -v."""
    epilog = "examples:\n" + "".join(f"  {line}\n" for line in examples)
    epilog += "\nexit codes:\n" + "".join(f"  {code:<4} {meaning}\n" for code, meaning in exit_codes.items())
    parser = ArgumentParser(prog=f"{tool}.py", description=summary, epilog=epilog, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"{tool} {VERSION}")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    return parser


def run(tool: str, parser: ArgumentParser, command: Callable[[argparse.Namespace, Console], Outcome], argv: list[str] | None = None, console: Console | None = None) -> int:
    """Parse argv, run the command, print what came of it; gives the exit code. Never raises but SystemExit from --help and --version."""
    argv = sys.argv[1:] if argv is None else argv
    console = console or Console(*standard_streams())
    as_json = "--json" in argv
    try:
        try:
            arguments = parser.parse_args(argv)
            console.verbose = arguments.verbose
            return report(tool, command(arguments, console), console, as_json)
        except CommandError as error:
            return report_error(tool, error, console, as_json)
        except KeyboardInterrupt:
            return report_error(tool, CommandError("interrupted", "", ExitCode.INTERRUPTED, "INTERRUPTED"), console, as_json)
        except BrokenPipeError:
            raise
        except Exception:
            return report_error(tool, bug(tool), console, as_json)
    except BrokenPipeError:         # the reader (head, less) has gone: nobody is left to tell, and the work is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), console.out.fileno())
        return int(ExitCode.DONE)


def standard_streams() -> tuple[TextIO, TextIO]:
    """stdout and stderr, or the null device where the caller closed them."""
    return tuple(stream if stream is not None else open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))


def report(tool: str, outcome: Outcome, console: Console, as_json: bool) -> int:
    code = outcome.code
    if as_json:
        head = {"tool": tool, "version": VERSION, "status": STATUS.get(code, "error"), "exit_code": int(code)}
        write(console.out, json.dumps({**head, **outcome.data}, indent=2) + "\n")
    else:
        write(console.out, "".join(line + "\n" for line in outcome.lines))
    return int(code)


def report_error(tool: str, error: CommandError, console: Console, as_json: bool) -> int:
    status = STATUS.get(error.code, "error")
    if as_json:
        failure = {"code": error.identifier, "message": error.message, "hint": error.hint}
        write(console.out, json.dumps({"tool": tool, "version": VERSION, "status": status, "exit_code": int(error.code), "error": failure, **error.data}, indent=2) + "\n")
    write(console.err, f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
    return int(error.code)


def bug(tool: str) -> CommandError:
    """The current exception as our bug, its traceback kept in a file of its own."""
    kind, value = sys.exc_info()[:2]
    try:
        with tempfile.NamedTemporaryFile("w", prefix=f"{tool}-", suffix=".log", delete=False, encoding="utf-8") as log:
            traceback.print_exc(file=log)
        hint = f"the traceback is in {log.name}; please report it"
    except OSError:
        hint = "please report it"
    return CommandError(f"{tool} failed: {kind.__name__ if kind else 'unknown'}: {value}", hint, ExitCode.BUG, "BUG")

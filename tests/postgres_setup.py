"""A PostgreSQL for the tests: what is on the machine; else Debian's packages where we may install them; else the pip wheel."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time

from senior_backend.postgres import binaries, keeper

WAIT_SECONDS = 600


def program(which: str | int, cache: pathlib.Path) -> binaries.Binaries | None:
    """which: "local", an installation with contrib extensions (installed when we are root on Debian), or the major version of a wheel; None when there is none."""
    found = list(binaries.installations())
    if which != "local":
        return next((one for one in found if one.wheel and one.major == which), None)
    if not any(not one.wheel for one in found) and os.name != "nt" and os.geteuid() == 0 and shutil.which("apt-get"):
        install(cache)
        found = list(binaries.installations())
    return next((one for one in found if not one.wheel), None)


def install(cache: pathlib.Path) -> None:
    """Debian's PostgreSQL and hypopg; one test process at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + WAIT_SECONDS
    while (held := keeper.lock(cache / "apt.lock")) is None and time.monotonic() < deadline:
        time.sleep(1)
    try:
        for packages in (["postgresql", "postgresql-contrib"], hypopg_packages()):
            subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL, capture_output=True)
    finally:
        if held:
            held.close()


def hypopg_packages() -> list[str]:
    listed = subprocess.run(["apt-cache", "pkgnames", "postgresql-"], capture_output=True, text=True).stdout.split()
    return [name for name in listed if name.endswith("-hypopg")]

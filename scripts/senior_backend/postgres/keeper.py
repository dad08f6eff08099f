"""Keeps one throwaway Postgres server: starts it, and ends and removes it when its owner is done or gone.

Run as a process of its own by scratch.py: `python -I -S keeper.py FOLDER` with a JSON object {"start": [...], "stop": [...], "identity": {...}} as the first line of
stdin. The owner holds the other end of stdin open: when that closes, however the owner ended (also by SIGKILL), the server is stopped and FOLDER removed.
FOLDER/keeper is locked while this process lives, so that later runs can tell leftovers from servers in use. Imports nothing of the package.
"""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

STOP_SECONDS = 10


def lock(path: pathlib.Path) -> object | None:
    """An open file that holds the lock of path until it is closed; None when another process holds it."""
    stream = open(path, "a+b")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return None
    return stream


def keep(folder: pathlib.Path) -> int:
    """The server's whole life; gives the exit code of its start."""
    held = lock(folder / "keeper")
    order = json.loads(sys.stdin.readline())
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **order["identity"]}
    started = subprocess.run(order["start"], **options).returncode
    if started == 0:
        sys.stdin.read()
        subprocess.run(order["stop"], **options)
    wait_for_end(folder / "data" / "postmaster.pid")
    held.close()
    shutil.rmtree(folder, ignore_errors=True)
    return started


def wait_for_end(pid_file: pathlib.Path) -> None:
    """A postmaster removes its file when it has ended; one that does not is left without its folder, which ends it within a minute."""
    deadline = time.monotonic() + STOP_SECONDS
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(keep(pathlib.Path(sys.argv[1])))

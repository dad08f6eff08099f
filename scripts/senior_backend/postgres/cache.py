"""What may be kept between runs: below the user's cache folder, readable by the user alone, bounded in size."""
from __future__ import annotations

import os
import pathlib
import shutil
import tempfile


def folder(name: str) -> pathlib.Path | None:
    """The user's own folder for one purpose, made when missing; None where there is no safe place for one.

    Safe: owned by the user, closed to others, so that nobody else can put something there that we would trust.
    """
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    try:
        path = (pathlib.Path(base) if base and pathlib.Path(base).is_absolute() else pathlib.Path.home() / ".cache") / "senior-backend" / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name != "nt":
            for one, closed in ((path.parent, 0o022), (path, 0o077)):
                about = one.stat()
                if about.st_uid != os.geteuid() or about.st_mode & closed:
                    return None
        return path
    except (OSError, RuntimeError):
        return None


def write(path: pathlib.Path, data: bytes, most: int) -> None:
    """Put a file in place at once, and keep at most `most` bytes in its folder; what cannot be written is not kept."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(name, path)
    except OSError:
        return
    trim(path.parent, most)


def read(path: pathlib.Path) -> bytes | None:
    """The file's bytes, its age renewed; None when there is none."""
    try:
        data = path.read_bytes()
        os.utime(path)
        return data
    except OSError:
        return None


def trim(place: pathlib.Path, most: int) -> None:
    """Remove the entries that were used longest ago until the rest fits."""
    entries = []
    for path in place.iterdir():
        try:
            entries.append((path.stat().st_mtime, size(path), path))
        except OSError:             # removed by another run
            continue
    total = sum(entry[1] for entry in entries)
    for _, bytes_, path in sorted(entries, key=lambda entry: entry[0]):
        if total <= most:
            return
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        total -= bytes_


def size(path: pathlib.Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size

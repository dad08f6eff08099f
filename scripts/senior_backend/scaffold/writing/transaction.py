"""All or nothing for a set of files: everything is staged first, then renamed into place; a failure on the way puts back what was there."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import stat
import tempfile
import time

from senior_backend.console import CommandError, ExitCode

STAGING = ".senior-backend-"        # prefix of the folder beside the targets, on their file system
ABANDONED_S = 600                   # a staging folder older than this was left by a run that was killed


@dataclasses.dataclass
class Change:
    """One file to be: data None removes it. before: its content when the change was planned, None when it was not there."""
    path: pathlib.Path
    data: bytes | None
    before: bytes | None


class ChangedMeanwhile(Exception):
    """Another program wrote a file between planning and renaming."""


def apply(folder: pathlib.Path, changes: list[Change]) -> None:
    """Make the changes under folder in their order, or none of them; CommandError CANNOT_WRITE says why not."""
    for change in changes:
        refuse_protected(change.path)
    created: list[pathlib.Path] = []
    try:
        for parent in dict.fromkeys([folder, *(change.path.parent for change in changes if change.data is not None)]):
            created += make_folders(parent)
        stage_and_rename(folder, changes)
    except BaseException as error:
        for path in reversed(created):
            with contextlib.suppress(OSError):
                path.rmdir()
        if isinstance(error, ChangedMeanwhile):
            raise CommandError(f"{error} was changed by another program during this run; nothing was written", "run it again", ExitCode.ENVIRONMENT, "CANNOT_WRITE") from error
        if isinstance(error, OSError):
            raise cannot_write(pathlib.Path(error.filename or folder), error) from error
        raise


def stage_and_rename(folder: pathlib.Path, changes: list[Change]) -> None:
    remove_abandoned(folder)
    staging = pathlib.Path(tempfile.mkdtemp(prefix=STAGING, suffix=".tmp", dir=folder))
    done: list[Change] = []
    try:
        staged = [stage(staging / str(number), change) for number, change in enumerate(changes)]
        for change, ready in zip(changes, staged):
            if read(change.path) != change.before and not any(change.path == earlier.path for earlier in done):
                raise ChangedMeanwhile(change.path)
            done.append(change)
            change.path.unlink() if ready is None else os.replace(ready, change.path)
    except BaseException:
        put_back(staging, done)
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def stage(path: pathlib.Path, change: Change) -> pathlib.Path | None:
    if change.data is None:
        return None
    with path.open("wb") as file:
        file.write(change.data)
        file.flush()
        os.fsync(file.fileno())
    if change.before is not None:
        path.chmod(stat.S_IMODE(change.path.stat().st_mode))
    return path


def put_back(staging: pathlib.Path, done: list[Change]) -> None:
    """Undo renames, the last first."""
    for number, change in enumerate(reversed(done)):
        if change.before is None:
            change.path.unlink(missing_ok=True)
        elif read(change.path) != change.before:
            os.replace(stage(staging / f"back-{number}", Change(change.path, change.before, change.data)), change.path)


def read(path: pathlib.Path) -> bytes | None:
    """Content of a file, None when there is none; CommandError when something else stands there or it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise CommandError(f"{path} is a symbolic link to a file that does not exist", f"remove it: rm {path}", ExitCode.ENVIRONMENT, "CANNOT_WRITE") from None
        return None
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", "expected a readable file there, or nothing", ExitCode.ENVIRONMENT, "CANNOT_READ") from error


def refuse_protected(path: pathlib.Path) -> None:
    """Renaming over a link would cut it, renaming over a read-only file would override its owner's wish."""
    if path.is_symlink():
        raise CommandError(f"{path} is a symbolic link and would have to be changed; nothing was written", "replace the link by a file, or choose another folder", ExitCode.ENVIRONMENT, "CANNOT_WRITE")
    if path.exists() and not (path.stat().st_mode & 0o222 and os.access(path, os.W_OK)):
        raise CommandError(f"{path} is read-only and would have to be changed; nothing was written", f"make it writable: chmod u+w {path}", ExitCode.ENVIRONMENT, "CANNOT_WRITE")


def make_folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """Create the folder and its missing parents; gives the created ones, parents first."""
    created = []
    for path in (*reversed(folder.parents), folder):
        try:
            if not path.exists():
                path.mkdir()
                created.append(path)
            elif not path.is_dir():
                raise NotADirectoryError(20, "a file stands where a folder is needed", str(path))
        except OSError as error:
            raise cannot_write(path, error) from error
    return created


def remove_abandoned(folder: pathlib.Path) -> None:
    for path in folder.glob(f"{STAGING}*.tmp"):
        if path.is_dir() and not path.is_symlink() and time.time() - path.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(path, ignore_errors=True)


def cannot_write(path: pathlib.Path, error: OSError) -> CommandError:
    return CommandError(f"cannot write {path}: {error.strerror or error}; nothing was written", "free space, change the folder's permissions, or choose another folder",
                        ExitCode.ENVIRONMENT, "CANNOT_WRITE")

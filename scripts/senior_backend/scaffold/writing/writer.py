"""Generated files and people's files on disk: what is new, unchanged, edited or theirs; and all of it written at once or not at all."""
from __future__ import annotations

import codecs
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import stat
import tempfile
import time
import unicodedata

from senior_backend.console import CommandError, ExitCode
from senior_backend.scaffold.plan import OwnedBlock, OwnedFile
from senior_backend.scaffold.writing.bindings import Bindings, Unfinished, exported_names

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


NAME = ".senior-backend.json"
ABOUT = "Kept by senior-backend's api_scaffolder to tell files that were edited by hand from files that were not. Commit it."


@dataclasses.dataclass
class Owned:
    """A file that belongs to a person: the exports ever asked of it that it still has, and the digest of the text written last when it has just these, else ''."""
    digest: str
    names: list[str]


@dataclasses.dataclass
class Manifest:
    """generated: file -> digest of the text written last. pending: digests of a run that was cut off while it put its files in place."""
    generated: dict[str, str] = dataclasses.field(default_factory=dict)
    owned: dict[str, Owned] = dataclasses.field(default_factory=dict)
    pending: dict[str, str] = dataclasses.field(default_factory=dict)
    damaged: bool = False

    def wrote(self, name: str, data: bytes) -> bool:
        """Is this the text that was written last, and not edited since?"""
        return digest(data) in (self.generated.get(name), self.pending.get(name))

    def text(self) -> bytes:
        content = {"about": ABOUT, "generated": self.generated, "owned": {name: dataclasses.asdict(record) for name, record in self.owned.items()}}
        if self.pending:
            content["pending"] = self.pending
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def read_manifest(data: bytes | None) -> Manifest:
    """The manifest of an output folder; an empty one when there is none, marked as damaged when it cannot be read."""
    if data is None:
        return Manifest()
    try:
        content = json.loads(data)
        owned = {str(name): Owned(str(record["digest"]), [str(known) for known in record["names"]]) for name, record in content["owned"].items()}
        return Manifest(dict(content["generated"]), owned, dict(content.get("pending", {})))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Manifest(damaged=True)


def digest(data: bytes) -> str:
    """SHA-256 of a text, the same for both kinds of line end (git may change them on checkout)."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


LINE_WIDTH = 120


def new_text(file: OwnedFile) -> str:
    """The whole file when it is created."""
    parts = [file.header, import_lines(file.blocks, set()), *(block.text for block in file.blocks)]
    return "\n".join(part for part in parts if part)


def appended(data: bytes, blocks: list[OwnedBlock], taken: set[str]) -> bytes:
    """A person's file with blocks (and the imports whose names are not taken yet) behind its last byte, in the line ends that it uses."""
    text = "\n".join(part for part in (import_lines(blocks, taken), *(block.text for block in blocks)) if part)
    line_end = b"\r\n" if data.count(b"\r\n") * 2 > data.count(b"\n") else b"\n"
    separator = b"\n" if data.endswith(b"\n") or not data else b"\n\n"
    return data + (separator + text.encode()).replace(b"\n", line_end)


def import_lines(blocks: list[OwnedBlock], taken: set[str]) -> str:
    """One import declaration per module, for names that the module does not have yet."""
    modules: dict[str, set[str]] = {}
    for block in blocks:
        for module, names in block.imports.items():
            modules.setdefault(module, set()).update(name for name in names if name.removeprefix("type ") not in taken)
    return "".join(import_line(module, sorted(names, key=import_order)) for module, names in sorted(modules.items()) if names)


def import_order(name: str) -> tuple[str, str]:
    """By name, whether it is a type or not; the names themselves decide between `Route` and `route`."""
    return name.removeprefix("type ").lower(), name


def import_line(module: str, names: list[str]) -> str:
    """
    >>> import_line("./types.ts", ["type Pet", "type User"])
    "import type { Pet, User } from './types.ts';\\n"
    """
    keyword = "import"
    if all(name.startswith("type ") for name in names):
        keyword, names = "import type", [name.removeprefix("type ") for name in names]
    line = f"{keyword} {{ {', '.join(names)} }} from '{module}';\n"
    return line if len(line) <= LINE_WIDTH else f"{keyword} {{\n" + "".join(f"  {name},\n" for name in names) + f"}} from '{module}';\n"


def read_person_file(path: pathlib.Path, data: bytes) -> tuple[Bindings, set[str]]:
    """Bindings and exported names of a person's file; CommandError when nothing can be appended to it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CommandError(f"{path} is not UTF-8 (its byte order mark says UTF-16)", "save it as UTF-8 and run again")
    try:
        return exported_names(path, data.decode("utf-8", "replace").removeprefix("\ufeff"))
    except Unfinished as unfinished:
        raise CommandError(f"{path} ends inside {unfinished}; nothing can be appended to it", "finish what is open in that file and run again") from unfinished


SAFE_NAME = re.compile(r"(?!\.\.?\Z)(?!(?i:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z))[^\x00-\x1f<>:\"/\\|?*]{0,199}[^\x00-\x1f<>:\"/\\|?*. ]\Z")
IMPORT = re.compile(r"""from\s*['"]\./([^'"/]+)['"]""")
LISTED = 20


@dataclasses.dataclass
class WriteResult:
    """File names are relative to the output folder. Under --check nothing was written and drift says what would be."""
    written: list[str] = dataclasses.field(default_factory=list)
    unchanged: list[str] = dataclasses.field(default_factory=list)
    removed: list[str] = dataclasses.field(default_factory=list)
    appended: dict[str, list[str]] = dataclasses.field(default_factory=dict)               # a person's file -> names of the added exports
    conflicts: list[dict[str, str]] = dataclasses.field(default_factory=list)              # {file, problem[, new]}: for a person to decide
    drift: list[dict[str, str]] = dataclasses.field(default_factory=list)                  # {file, problem}
    removed_handlers: list[dict[str, str]] = dataclasses.field(default_factory=list)       # {file, handler}: still in the file, no longer in the document

    @property
    def needs_attention(self) -> bool:
        return bool(self.conflicts or self.drift)

    def as_json(self) -> dict:
        return dataclasses.asdict(self)

    def lines(self, folder: str) -> list[str]:
        """What a person has to know besides that all went well; folder ends with a slash."""
        said = [f"Added to {folder}{name}: {', '.join(exports[:LISTED])}{' ...' if len(exports) > LISTED else ''}" for name, exports in self.appended.items()]
        said += [f"Removed {folder}{name} (no longer generated)" for name in self.removed]
        said += [f"No longer in the document: {gone['handler']} in {folder}{gone['file']} (yours to delete)" for gone in self.removed_handlers]
        said = [*said[:LISTED], f"... and {len(said) - LISTED} more (--json lists all)"] if len(said) > LISTED else said
        problems = [f"{folder}{found['file']}: {found['problem']}" for found in (*self.conflicts, *self.drift)]
        return said + problems[:LISTED] + ([f"... and {len(problems) - LISTED} more (--json lists all)"] if len(problems) > LISTED else [])


class Writer:
    """One run over one output folder. check: write nothing, say what differs. force: overwrite generated files that a person edited."""

    def __init__(self, output: pathlib.Path, check: bool = False, force: bool = False):
        self.folder, self.check, self.force = pathlib.Path(output).resolve(), check, force
        self.result, self.changes = WriteResult(), []

    def write(self, generated: dict[str, str], owned: dict[str, OwnedFile], complete: bool = True) -> WriteResult:
        """Bring the folder to what the document gives. complete False: other files that were generated before are left alone.

        Raises CommandError when a name would leave the folder or a file cannot be written; nothing is written then.
        """
        check_names([*generated, *owned])
        if self.folder.exists() and not self.folder.is_dir():
            raise CommandError(f"{self.folder} is a file; expected a folder to write to", "choose another folder: --output DIR")
        place = self.folder / NAME
        before = read(place)
        old = read_manifest(before)
        new = Manifest()
        self.plan_generated(generated, old, new)
        self.plan_left_over(owned, old, new, complete)
        self.plan_owned(owned, old, new, complete)
        if old.damaged:
            self.differs(NAME, "cannot be read; generated files that differ were taken as edited by hand" if not self.check else "cannot be read")
        if not self.check:
            self.commit(place, before, old, new)
        return self.result

    def plan_generated(self, generated: dict[str, str], old: Manifest, new: Manifest) -> None:
        waiting = [(name, text.encode()) for name, text in sorted(generated.items())]
        for name, data in waiting:
            present = read(self.folder / name)
            new.generated[name] = digest(data)
            if present is not None and digest(present) == digest(data):
                self.result.unchanged.append(name)
            elif present is None or self.force or old.wrote(name, present):
                self.change(name, data, present, "is missing" if present is None else "is out of date" if old.wrote(name, present) else "was edited by hand")
            else:
                self.plan_conflict(name, data, old, new, waiting)

    def plan_conflict(self, name: str, data: bytes, old: Manifest, new: Manifest, waiting: list[tuple[str, bytes]]) -> None:
        """A file that is not to be overwritten: its new text waits beside it."""
        beside = f"{name}.new"
        del new.generated[name]
        if name in old.generated:
            new.generated[name] = old.generated[name]
        problem = "was edited by hand" if name in old.generated else "was there before and is not from this tool"
        if self.check:
            new.generated[beside] = digest(data)
            self.differs(name, problem)
        else:
            waiting.append((beside, data))
            self.result.conflicts.append({"file": name, "problem": f"{problem}; the new text is in {beside} (merge the two, or run with --force)", "new": beside})

    def plan_left_over(self, owned: dict[str, OwnedFile], old: Manifest, new: Manifest, complete: bool) -> None:
        """Files that an earlier run generated and this one does not."""
        left = sorted(name for name in old.generated.keys() - new.generated.keys() - owned.keys() if is_safe(name))
        imported = self.imported([*owned, *old.owned]) if left else set()
        for name in left:
            present = read(self.folder / name)
            if present is None:
                continue
            if not complete or name in imported or not name.endswith((".ts", ".new")):           # a document that was generated may be the source now
                new.generated[name] = old.generated[name]
            elif self.force or old.wrote(name, present):
                self.change(name, None, present, "is no longer generated")
            else:
                new.generated[name] = old.generated[name]
                self.differs(name, "is no longer generated, but was edited by hand: move your lines and delete it")

    def imported(self, names: list[str]) -> set[str]:
        """The files of the folder that these import, directly or through one another."""
        found: set[str] = set()
        while names:
            text = read(self.folder / name) or b"" if is_safe(name := names.pop()) else b""
            fresh = set(IMPORT.findall(text.decode("utf-8", "replace"))) - found
            found |= fresh
            names += fresh
        return found

    def plan_owned(self, owned: dict[str, OwnedFile], old: Manifest, new: Manifest, complete: bool) -> None:
        if not complete:
            new.owned = {**old.owned}
            return
        known = {name for name in old.owned if is_safe(name)}
        for name in sorted(owned.keys() | known):
            file = owned.get(name, OwnedFile("", []))
            present = read(self.folder / name)
            if present is not None:
                new.owned[name] = self.plan_person_file(name, file, old.owned.get(name, Owned("", [])), present)
            elif name in owned:
                data = new_text(file).encode()
                self.change(name, data, None, "is missing")
                new.owned[name] = Owned(digest(data), sorted(block.name for block in file.blocks))

    def plan_person_file(self, name: str, file: OwnedFile, record: Owned, present: bytes) -> Owned:
        """What happens to a person's file that is there; gives its new record."""
        wanted = {block.name for block in file.blocks}
        if not wanted and not record.names or record.digest == digest(present) and wanted <= set(record.names):
            exported, data = set(record.names), present
        else:
            exported, data = self.plan_append(name, file, present)
        gone = sorted(exported.intersection(record.names) - wanted)
        self.result.removed_handlers += [{"file": name, "handler": handler} for handler in gone]
        names = sorted({*gone, *(wanted & exported)})
        if data is not present:
            return Owned(digest(data), names)
        self.result.unchanged.append(name)
        return record if names == record.names else Owned("", names)

    def plan_append(self, name: str, file: OwnedFile, present: bytes) -> tuple[set[str], bytes]:
        """The file's exports afterwards, and its content."""
        bindings, exported = read_person_file(self.folder / name, present)
        missing = [block for block in file.blocks if block.name not in exported]
        hidden = [block.name for block in missing if block.name in bindings.local]
        for each in hidden:
            self.differs(name, f"declares {each} without exporting it: the routes need `export {{ {each} }}`")
        missing = [block for block in missing if block.name not in hidden]
        if not missing:
            return exported, present
        data = appended(present, missing, bindings.local | bindings.types)
        names = [block.name for block in missing]
        self.change(name, data, present, f"lacks {', '.join(names)}", report_written=False)
        if not self.check:
            self.result.appended[name] = names
        return exported | set(names), data

    def change(self, name: str, data: bytes | None, before: bytes | None, problem: str, report_written: bool = True) -> None:
        if self.check:
            self.result.drift.append({"file": name, "problem": problem})
            return
        self.changes.append(Change(self.folder / name, data, before))
        if report_written:
            (self.result.removed if data is None else self.result.written).append(name)

    def differs(self, name: str, problem: str) -> None:
        (self.result.drift if self.check else self.result.conflicts).append({"file": name, "problem": problem})

    def commit(self, place: pathlib.Path, before: bytes | None, old: Manifest, new: Manifest) -> None:
        """Rename all into place. The first rename notes what is coming, so that a run after a killed one knows whose texts it finds."""
        final = new.text()
        if not self.changes and before == final:
            return
        coming = Manifest({**new.generated, **old.generated}, {**old.owned, **new.owned}, {**old.pending, **new.generated})
        notice = [Change(place, coming.text(), before)] if self.changes else []
        apply(self.folder, [*notice, *self.changes, Change(place, final, before)])


def is_safe(name: str) -> bool:
    """A plain file name on every operating system: no folder, drive, device or stream in it."""
    return bool(SAFE_NAME.match(name))


def check_names(names: list[str]) -> None:
    """CommandError when a name would leave the output folder, or two names are one on a file system that folds case."""
    seen: dict[str, str] = {unicodedata.normalize("NFC", NAME).casefold(): NAME}
    for name in names:
        if not is_safe(name):
            raise CommandError(f"refused to write {name!r}: it is not a plain file name below the output folder", "rename the tag that it comes from", identifier="UNSAFE_FILE_NAME")
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise CommandError(f"{name!r} and {seen[folded]!r} would be one file where case does not matter", "rename one of the tags that they come from", identifier="FILE_NAME_COLLISION")
        seen[folded] = name

"""Writes the output: generated files are replaced unless a person edited them, a person's files are created once and then only appended to."""
from __future__ import annotations

import dataclasses
import pathlib
import re
import unicodedata

from senior_backend.console import CommandError
from senior_backend.scaffold.writing import manifest as manifests
from senior_backend.scaffold.writing.manifest import Manifest, Owned, digest
from senior_backend.scaffold.writing.owned import appended, new_text, read_person_file
from senior_backend.scaffold.plan import OwnedFile
from senior_backend.scaffold.writing.transaction import Change, apply, read

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
        place = self.folder / manifests.NAME
        before = read(place)
        old = manifests.read_manifest(before)
        new = Manifest()
        self.plan_generated(generated, old, new)
        self.plan_left_over(owned, old, new, complete)
        self.plan_owned(owned, old, new, complete)
        if old.damaged:
            self.differs(manifests.NAME, "cannot be read; generated files that differ were taken as edited by hand" if not self.check else "cannot be read")
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
    seen: dict[str, str] = {unicodedata.normalize("NFC", manifests.NAME).casefold(): manifests.NAME}
    for name in names:
        if not is_safe(name):
            raise CommandError(f"refused to write {name!r}: it is not a plain file name below the output folder", "rename the tag that it comes from", identifier="UNSAFE_FILE_NAME")
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise CommandError(f"{name!r} and {seen[folded]!r} would be one file where case does not matter", "rename one of the tags that they come from", identifier="FILE_NAME_COLLISION")
        seen[folded] = name

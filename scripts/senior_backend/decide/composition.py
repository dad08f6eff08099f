"""Which specialist skills are really installed, and what this bundle does itself for the others."""
from __future__ import annotations

import json
import pathlib
from typing import Any, Iterator

from senior_backend.decide.decision import ASSETS
from senior_backend.decide.profiles import BUNDLE

# below the project's folder and below the home folder: where agents look for skills
SKILL_FOLDERS = (".claude/skills", ".agents/skills", ".codex/skills", ".gemini/skills")
PLUGIN_PATTERNS = ("cache/*/*/skills", "cache/*/*/*/skills", "marketplaces/*/skills", "marketplaces/*/*/skills", "marketplaces/*/plugins/*/skills")


def homes() -> list[pathlib.Path]:
    try:
        return [pathlib.Path.cwd(), pathlib.Path.home()]
    except RuntimeError:                # no home folder is known
        return [pathlib.Path.cwd()]


def places() -> Iterator[pathlib.Path]:
    """The folders that hold skills, those of plugins included, and the one that this bundle itself is installed in."""
    for home in homes():
        yield from (home / folder for folder in SKILL_FOLDERS)
    for pattern in PLUGIN_PATTERNS:
        yield from sorted((homes()[-1] / ".claude/plugins").glob(pattern))
    if (BUNDLE.parent.name, BUNDLE.parent.parent.name) in {tuple(reversed(folder.split("/"))) for folder in SKILL_FOLDERS}:
        yield BUNDLE.parent


def report() -> list[dict[str, Any]]:
    """[{concern, order, skills, installed: {skill: its folder}, here}] in the order in which specialists are asked."""
    folders = list(places())
    found = []
    for row in json.loads((ASSETS / "composition.json").read_text(encoding="utf-8")):
        installed = {name: str(folder / name) for name in row["skills"] for folder in reversed(folders) if (folder / name / "SKILL.md").is_file()}
        found.append({"concern": row["concern"], "order": row["order"], "skills": row["skills"], "installed": installed, "here": row["here"]})
    return found


def lines(found: list[dict[str, Any]]) -> list[str]:
    return [f"{row['order']:2}. {row['concern']}: " + (", ".join(f"{name} ({folder})" for name, folder in row["installed"].items())
                                                       or f"{' or '.join(row['skills'])} not installed; here: {row['here']}") for row in found]

"""Profiles: read from JSON, held to profiles/profile.schema.json, the first format lifted to the second. A profile is data; nothing in it is run."""
from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from typing import Any, Iterator

from senior_backend.console import CommandError
from senior_backend.decide import inputs
from senior_backend.decide.inputs import INPUTS, LANGUAGES, TIERS
from senior_backend.decide.rules import SETS, BudgetRule, Fit, Rule, fits_of_constraints, gates_of, stated_fits, target_fits

BUNDLE = pathlib.Path(__file__).resolve().parents[3]
ASSETS, BUILT_IN = BUNDLE / "assets" / "decide", BUNDLE / "profiles"
SCHEMA = BUILT_IN / "profile.schema.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """One profile in the form the engine works with. stacks: picks by language ("" for all); text: the file's, for the lines of messages."""
    name: str
    version: str
    description: str
    format: int
    path: pathlib.Path
    reviewed: str
    constraints: dict[str, Any]
    thresholds: dict[str, Any]
    stacks: dict[str, list[dict[str, Any]]]
    anti: list[dict[str, str]]
    approvers: dict[str, list[str]]
    references: list[dict[str, str]]
    gates: tuple[Rule | BudgetRule, ...]
    fits: tuple[Fit, ...]
    text: str

    def place(self, *pointer: str | int) -> str:
        return f"{self.path}:{inputs.line_of(self.text, pointer)}"


def load(folder: str | None = None) -> list[Profile]:
    """The built-in profiles and those of a folder, by name. Raises CommandError INPUT_FILE or PROFILE naming every fault with file, line and key."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    paths = profile_paths(BUILT_IN) + (profile_paths(pathlib.Path(folder)) if folder is not None else [])
    faults: list[str] = []
    profiles = [profile for path in paths if (profile := read(path, schema, faults)) is not None]
    known: dict[str, Profile] = {}
    for profile in profiles:
        other = known.setdefault(profile.name, profile)
        if other is not profile:
            faults.append(f'{profile.place("profile_name")}: profile_name "{profile.name}" is taken: {other.place("profile_name")}')
    if faults:
        raise CommandError("\n".join(faults), "mend the places named; profiles/profile.schema.json says what a profile may hold", identifier="PROFILE")
    return sorted(profiles, key=lambda profile: profile.name)


def profile_paths(folder: pathlib.Path) -> list[pathlib.Path]:
    if not folder.is_dir():
        raise CommandError(f"--profiles-dir {folder}: there is no such folder", "give a folder that holds profiles (*.json)", identifier="INPUT_FILE")
    paths = sorted(path for path in folder.glob("*.json") if path.name != SCHEMA.name)
    if not paths:
        raise CommandError(f"--profiles-dir {folder}: no profile (*.json) in it", "copy profiles/node-express.json into it and change that", identifier="INPUT_FILE")
    return paths


def read(path: pathlib.Path, schema: dict[str, Any], faults: list[str]) -> Profile | None:
    """The profile of a file, or None when it breaks the schema, with each fault told."""
    data, text = inputs.read_object(path, "the profile")
    form = "v2" if "format" in data else "v1"
    found = list(inputs.violations(data, schema["$defs"][form], schema)) or list(misfits(data) if form == "v2" else ())
    for pointer, problem in found:
        faults.append(f"{path}:{inputs.line_of(text, pointer)}: {'.'.join(map(str, pointer)) or 'profile'}: {problem}")
    if found:
        return None
    return from_v2(path, data, text) if form == "v2" else from_v1(path, data, text, faults)


def misfits(data: dict[str, Any]) -> Iterator[tuple[inputs.Pointer, str]]:
    """(pointer, what is wrong) for each rule of a profile that does not suit its input: a range for a choice, values for a number, values that the input does not take."""
    rules = [(("fits", index), fit) for index, fit in enumerate(data["fits"])]
    rules += [((key, index, "when"), pick["when"]) for key, picks in data.items() if key.startswith("stack") for index, pick in enumerate(picks) if "when" in pick]
    for pointer, rule in rules:
        one = INPUTS[rule["input"]]
        allowed = one.choices or ((True, False) if one.kind == "flag" else ())
        if bool(allowed) != ("values" in rule) or bool(allowed) == ("min" in rule or "max" in rule):
            yield pointer, f"{one.name} takes {'values' if allowed else 'min, max or both'}"
        for index, value in enumerate(rule.get("values", ()) if allowed else ()):
            if value not in allowed:
                yield (*pointer, "values", index), f"expected {one.expected}, found {inputs.shown(value)}{inputs.suggestion(value, one.choices)}"


def from_v2(path: pathlib.Path, data: dict[str, Any], text: str) -> Profile:
    stacks = {key.removeprefix("stack").removeprefix("_"): picks for key, picks in data.items() if key.startswith("stack")}
    constraints, thresholds = data["constraints"], data["success_thresholds"]
    return Profile(data["profile_name"], data["version"], data["description"], 2, path, data["reviewed"], constraints, thresholds, stacks, data["anti_recommendations"],
                   data["named_approver_chain"], data["canon_references"], tuple(gates_of(constraints, thresholds)),
                   (*stated_fits(data["fits"], data["profile_name"]), *target_fits(thresholds)), text)


def from_v1(path: pathlib.Path, data: dict[str, Any], text: str, faults: list[str]) -> Profile:
    """A profile in the first format: what it demands is what it is good at, its stack names its languages, its approvers approve everything."""
    stacks = {key.removeprefix("stack").removeprefix("_"): picks_of(value) for key, value in data.items() if key == "stack" or key.startswith("stack_")}
    constraints = {**data["constraints"], "languages": languages_of(data, stacks)}
    for name, key in SETS.items():
        values, allowed = constraints.get(key) or [], INPUTS[name].choices
        values = ["-".join(value.lower().replace("_", " ").split()) for value in ([values] if isinstance(values, str) else values)]
        constraints[key] = [] if "any" in values else values
        faults += [f"{path}:{inputs.line_of(text, ('constraints', key))}: constraints.{key}: expected {', '.join(allowed)} or any, found "
                   f'"{value}"{inputs.suggestion(value, allowed)}' for value in constraints[key] if value not in allowed]
    uptime = data["success_thresholds"]["uptime_target"]
    thresholds = {**data["success_thresholds"], "uptime_target": round(uptime * 100, 6) if 0 < uptime <= 1 else uptime}          # a fraction, or percent
    anti = [{"avoid": entry, "instead": ""} for entry in data.get("anti_recommendations", [])]
    references = [{"title": title, "url": ""} for title in data.get("canon_references", [])]
    return Profile(data["profile_name"], str(data.get("version", "")), data.get("description", ""), 1, path, "", constraints, thresholds, stacks, anti,
                   {"every action": data.get("named_approver_chain", [])}, references, tuple(gates_of(constraints, thresholds)),
                   (*fits_of_constraints(constraints), *target_fits(thresholds)), text)


def languages_of(data: dict[str, Any], stacks: dict[str, Any]) -> list[str]:
    """The languages after which stacks are named, else the one that `stack` itself states as a word of its own."""
    named = [name for name in stacks if name in LANGUAGES]
    stack = data.get("stack")
    words = re.findall(r"[a-z]+", str(stack.get("language", "")).lower()) if isinstance(stack, dict) else []
    return named or [word for word in words if word in LANGUAGES]


def picks_of(stack: dict[str, Any] | list[Any]) -> list[dict[str, Any]]:
    pairs = stack.items() if isinstance(stack, dict) else (("pick", entry) for entry in stack)
    return [{"concern": key, "pick": value if isinstance(value, str) else ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value)} for key, value in pairs]


def tier_index(profile: Profile) -> int:
    """The tier up to which the profile was reviewed, as its place in TIERS; the last when it names none."""
    return TIERS.index(profile.constraints.get("data_sensitivity_tier_max") or TIERS[-1])

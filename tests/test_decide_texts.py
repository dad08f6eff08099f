"""Codes, flags and questions in the texts are those of the engine, and the agent works as the contract says."""
from __future__ import annotations

import json
import pathlib
import re

from senior_backend.decide import inputs, kills
from senior_backend.decide.kills import KILLS

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUESTIONS = (ROOT / "references/forcing_questions.md").read_text(encoding="utf-8")
MAP = (ROOT / "references/composition_map.md").read_text(encoding="utf-8")
AGENT = (ROOT / "agents/engineering/cs-backend-engineer.md").read_text(encoding="utf-8")
COMMAND = (ROOT / "commands/backend-review.md").read_text(encoding="utf-8")
PARTS = re.findall(r"^## (\d)\. (.+)\n\n((?:(?!^## ).*\n)+)", QUESTIONS, re.MULTILINE)


def test_the_seven_questions_are_the_engines():
    assert [int(number) for number, _, _ in PARTS] == list(range(1, 8)) == [question.number for question in inputs.QUESTIONS]
    for question, (_, ask, body) in zip(inputs.QUESTIONS, PARTS):
        assert ask == question.ask and f"- **Recommended**: {question.recommended}.\n" in body
        flags = set(re.findall(r"`(--[\w-]+)`", re.search(r"- \*\*Flags\*\*: (.+)", body)[1]))
        assert flags == {one.flag for one in inputs.INPUTS.values() if one.question == question.number}
        said = re.search(r"- \*\*Kill criterion\*\*: ((?:.|\n(?!- ))+)", body)[1]
        assert tuple(re.findall(r"`([A-Z_]+)`", said)) == question.kills
        assert re.search(r"- \*\*Why\*\*: .{60}", body) and len(re.findall(r"\]\(https://", re.search(r"- \*\*Sources\*\*: ((?:.|\n(?!\n))+)", body)[1])) >= 1


def test_codes_and_questions_agree():
    claimed = {code for question in inputs.QUESTIONS for code in question.kills}
    assert claimed == {kill.code for kill in KILLS}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+|TIE)`", QUESTIONS)) == {*kills.REFUSALS, kills.TIE, kills.UNSTATED}
    for text in (str(kills.MICROSERVICES_TEAM), str(kills.EVENT_TEAM), "216", "43.2"):
        assert text in QUESTIONS
    for kill in KILLS:
        assert kill.inputs and all(name in inputs.INPUTS for name in kill.inputs)


def test_required_and_open_inputs_are_told():
    head = QUESTIONS.split("## 1.")[0]
    for one in inputs.INPUTS.values():
        assert not one.required or f"`{one.flag}`" in head.split("MISSING_INPUT")[1].split("\n\n")[0], one.name


def test_the_map_is_the_engines():
    rows = json.loads((ROOT / "assets/decide/composition.json").read_text(encoding="utf-8"))
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in MAP.splitlines() if re.match(r"\| \d", line)]
    assert told == [[str(row["order"]), row["concern"], ", ".join(f"`{name}`" for name in row["skills"]), row["here"]] for row in rows]
    names = {name for row in rows for name in row["skills"]}
    assert names == {"api-design-reviewer", "database-designer", "database-schema-designer", "migration-architect", "slo-architect", "observability-designer", "ci-cd-pipeline-builder", "senior-security", "adversarial-reviewer",
                     "ra-qm-team", "karpathy-coder", "grill-me", "dependency-auditor", "api-test-suite-builder", "chaos-engineering", "feature-flags-architect"}
    for row in rows:
        for path in re.findall(r"\b(?:references|scripts)/[\w./]+\w", row["here"]):
            assert (ROOT / path).exists(), path


def test_the_agent_and_the_command_grill():
    for needed in ("one question a turn", "at most 200 words", "references/forcing_questions.md", "scripts/backend_decision_engine.py", "--answers backend-answers.json", "the SLO first"):
        assert needed in AGENT, needed
    assert "context: fork" in COMMAND and "agent: cs:cs-backend-engineer" in COMMAND and "backend-answers.json" in COMMAND and "200 words" in COMMAND

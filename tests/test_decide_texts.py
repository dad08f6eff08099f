"""Codes, flags and questions in the texts are those of the engine, and the agent works as the contract says."""
from __future__ import annotations

import json
import pathlib
import re

from senior_backend.decide import inputs, rules

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUESTIONS, MAP, AGENT, COMMAND = ((ROOT / name).read_text(encoding="utf-8") for name in (
    "references/forcing_questions.md", "references/composition_map.md", "agents/engineering/cs-backend-engineer.md", "commands/backend-review.md"))
PARTS = re.findall(r"^## (\d)\. (.+)\n\n((?:(?!## ).*\n)+)", QUESTIONS, re.MULTILINE)
SKILLS = {"api-design-reviewer", "database-designer", "database-schema-designer", "migration-architect", "slo-architect", "observability-designer", "ci-cd-pipeline-builder",
          "senior-security", "adversarial-reviewer",
          "ra-qm-team", "karpathy-coder", "grill-me", "dependency-auditor", "api-test-suite-builder", "chaos-engineering", "feature-flags-architect"}


def point(body: str, name: str) -> str:
    """One point of a question, its further lines included."""
    return re.search(rf"^- \*\*{name}\*\*: ((?:.+\n)(?:  .+\n)*)", body, re.MULTILINE)[1].strip()


def test_the_seven_questions_are_the_engines():
    assert [int(number) for number, _, _ in PARTS] == list(range(1, 8)) == list(inputs.QUESTIONS)
    for question, (_, ask, body) in zip(inputs.QUESTIONS, PARTS):
        assert ask == inputs.QUESTIONS[question] and len(point(body, "Recommended")) > 20
        assert set(re.findall(r"`(--[\w-]+)`", point(body, "Flags"))) == {one.flag for one in inputs.INPUTS.values() if one.question == question}
        assert tuple(re.findall(r"`([A-Z_]+)`", point(body, "Kill criterion"))) == tuple(kill.code for kill in rules.KILLS if kill.question == question)
        assert len(point(body, "Why")) > 60 and re.search(r"\[[^]]+\]\(https://[^)]+\)", point(body, "Sources"))


def test_codes_and_thresholds_are_the_engines():
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+|TIE)`", QUESTIONS)) == {*rules.REFUSALS, rules.TIE, rules.UNSTATED}
    bodies = {ask: body for _, ask, body in PARTS}
    assert f"fewer than {rules.EVENT_TEAM} engineers" in bodies[inputs.QUESTIONS[3]] and f"without {rules.MICROSERVICES_TEAM} engineers" in bodies[inputs.QUESTIONS[5]]
    for slo, minutes in re.findall(r"(\d+(?:\.\d+)?) %(?: leaves)? (\d+(?:\.\d+)?)", point(bodies[inputs.QUESTIONS[7]], "Why")):
        assert inputs.budget_micro(float(slo), inputs.DEFAULT_WINDOW) == inputs.micro(float(minutes))


def test_required_inputs_are_told_at_the_head():
    told = re.findall(r"`(--[\w-]+)`", re.search(r"`MISSING_INPUT`\): ((?:.|\n)+?)\. Without", QUESTIONS)[1])
    assert told == [one.flag for one in inputs.INPUTS.values() if one.required]


def test_the_map_is_the_engines():
    rows = json.loads((ROOT / "assets/decide/composition.json").read_text(encoding="utf-8"))
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in MAP.splitlines() if re.match(r"\| \d", line)]
    assert told == [[str(row["order"]), row["concern"], ", ".join(f"`{name}`" for name in row["skills"]), row["here"]] for row in rows]
    assert {name for row in rows for name in row["skills"]} == SKILLS
    paths = [path for row in rows for path in re.findall(r"references/\w+\.md", row["here"])]
    assert paths and all((ROOT / path).exists() for path in paths)


def test_the_agent_and_the_command_grill():
    for needed in ("one question a turn", "at most 200 words", "references/forcing_questions.md", "references/composition_map.md", "scripts/backend_decision_engine.py",
                   "--answers backend-answers.json", "the SLO first"):
        assert needed in AGENT, needed
    assert "context: fork" in COMMAND and "agent: cs:cs-backend-engineer" in COMMAND and "backend-answers.json" in COMMAND and "200 words" in COMMAND

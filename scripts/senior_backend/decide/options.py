"""The options of backend_decision_engine."""
from __future__ import annotations

import argparse

from senior_backend import console
from senior_backend.decide.inputs import INPUTS, Input

TOOL = "backend_decision_engine"
SEED = ("python scripts/backend_decision_engine.py --team-size 8 --qps-p99 50 --read-write-ratio 20 --tenancy shared-multi-tenant --data-sensitivity pii "
        "--pattern modular-monolith --language-preference typescript")
EXAMPLES = [
    SEED,
    "python scripts/backend_decision_engine.py --answers answers.json --output json",
    "python scripts/backend_decision_engine.py --answers answers.json --adr docs/adr/0007-backend.md --measured load.json",
    "python scripts/backend_decision_engine.py --answers answers.json --what-if team-size=12,16,25,40 --since decision.json",
    "python scripts/backend_decision_engine.py --answers many.jsonl --json-lines",
    "python scripts/backend_decision_engine.py --profiles-dir our-profiles --check-profiles",
]
EXIT_CODES = {
    0: "a profile is recommended, or provisionally so; a list or a clean check was asked for",
    1: "--check-profiles found something",
    2: "the arguments, an answer or a file cannot be used",
    3: "refused or a tie: a human must decide (missing answers, a kill criterion, no profile that fits)",
    4: "a file cannot be written",
    70: "a fault of this program",
    130: "interrupted",
}
GROUPS = ("the arithmetic only", "question 1: traffic", "question 2: tenancy", "question 3: interaction", "question 4: data", "question 5: cut, team and language",
          "question 6: loss and recovery", "question 7: objective")


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(TOOL, "Decide a backend's architecture from seven answers: deterministic, every number with its source, never approved by itself.", EXAMPLES,
                                   EXIT_CODES)
    groups = {number: made.add_argument_group(title) for number, title in enumerate(GROUPS) if number}
    groups[0] = made.add_argument_group(GROUPS[0])
    for one in INPUTS.values():
        groups[one.question].add_argument(one.flag, metavar=metavar(one),
                                          help=one.help + (" (required)" if one.required else "") + (": " + ", ".join(one.choices) if one.choices else ""))
    add_files(made.add_argument_group("answers and figures from files"))
    add_output(made.add_argument_group("output"))
    add_others(made.add_argument_group("instead of a decision"))
    return made


def metavar(one: Input) -> str:
    return {"integer": "N", "number": "X", "choice": "WHICH", "flag": "true|false", "text": "NAME", "list": "PERCENT,..."}[one.kind]


def add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--answers", metavar="FILE", help="a JSON object of answers; its keys are the flags with underscores; flags count more")
    group.add_argument("--json-lines", action="store_true", help="--answers holds one object per line; one outcome per line is printed")
    group.add_argument("--measured", metavar="LOAD.json", help="report of api_load_tester.py --output, measured on one instance")
    group.add_argument("--profiles-dir", metavar="DIR", help="further profiles beside the four built-in ones")
    group.add_argument("--as-of", metavar="DATE", help="the day (YYYY-MM-DD) on which support of the stack's picks is judged (default: the latest review of a profile)")


def add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--output", choices=["markdown", "json"], help="json is the same as --json (default: markdown)")
    group.add_argument("--adr", metavar="FILE", help="also write an architecture decision record (MADR, status proposed); nothing is written when nothing is recommended")
    group.add_argument("--what-if", action="append", default=[], metavar="INPUT=A,B,...", help="a table of the outcomes with these values; may be given several times")
    group.add_argument("--since", metavar="OLD.json", help="say what has changed since an older decision's JSON")


def add_others(titled: argparse._ArgumentGroup) -> None:
    group = titled.add_mutually_exclusive_group()
    group.add_argument("--sample", action="store_true", help="decide with a full set of sample answers")
    group.add_argument("--list-profiles", action="store_true", help="the loaded profiles and what they are for")
    group.add_argument("--check-profiles", action="store_true", help="contradictions, dominated and unreachable profiles, picks past their support")
    group.add_argument("--composition", action="store_true", help="which specialist skills are installed, and what this bundle does for the others")

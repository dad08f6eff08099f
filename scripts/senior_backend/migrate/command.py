"""database_migration_tool: which part of it answers."""
from __future__ import annotations

import argparse
import importlib

from senior_backend import console
from senior_backend.console import Console, Outcome
from senior_backend.migrate.options import TOOL, mode_of, parser


def main(argv: list[str] | None = None) -> int:
    return console.run(TOOL, parser(), answer, argv)


def answer(arguments: argparse.Namespace, out: Console) -> Outcome:
    mode = mode_of(arguments)
    module = importlib.import_module(f"senior_backend.migrate.{'compare' if mode == 'compare' else mode + '.command'}")
    return module.run(arguments, out)

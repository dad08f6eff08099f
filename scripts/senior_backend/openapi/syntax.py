"""What the JSON and the YAML reader have in common: their limits and how they refuse a text."""
from __future__ import annotations

DEPTH_LIMIT = 200           # levels; the deepest document met has 110, and readers further on use the stack
NODE_LIMIT = 3_000_000      # values; a value takes about 100 bytes, and 500 MB must do


class SyntaxProblem(Exception):
    """A text cannot be read. line counts from 1."""

    def __init__(self, message: str, line: int = 1, hint: str = ""):
        super().__init__(message)
        self.message, self.line, self.hint = message, line, hint

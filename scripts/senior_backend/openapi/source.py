"""What every part of the reader works with, and how it takes apart the mappings of a document."""
from __future__ import annotations

import dataclasses
from typing import Any, Iterator

from senior_backend.openapi.document import Dialect, Document
from senior_backend.openapi.model import MISSING, kind
from senior_backend.openapi.references import Dangling, DocumentReport, References, Target
from senior_backend.openapi.schemas import SchemaReader


@dataclasses.dataclass(slots=True)
class Source:
    """A document being read. Its methods tell what is wrong and give the harmless value instead."""
    root: Document
    dialect: Dialect
    references: References
    schemas: SchemaReader
    report: DocumentReport

    def mapping(self, node: dict, key: str) -> dict:
        """node[key] when it is a mapping, {} when it is absent."""
        value = node.get(key)
        if type(value) is dict:
            return value
        if value is not None:
            self.report.error(f"{key} must be a mapping, not {kind(value)}", node, key)
        return {}

    def entries(self, node: dict, key: str) -> Iterator[tuple[str, Any]]:
        """The entries of the mapping node[key], where extensions (x-...) may stand between them."""
        return ((name, value) for name, value in self.mapping(node, key).items() if name[:2].lower() != "x-")

    def sequence(self, node: dict, key: str) -> list:
        value = node.get(key)
        if type(value) is list:
            return value
        if value is not None:
            self.report.error(f"{key} must be a list, not {kind(value)}", node, key)
        return []

    def text(self, node: dict, key: str) -> str:
        """node[key] as text; what is none is left out with a warning."""
        value = node.get(key)
        if type(value) is str:
            return value
        if type(value) in (int, float):
            return str(value)
        if value is not None:
            self.report.warn(f"{key} must be text, not {kind(value)}: it is left out", node, key)
        return ""

    def switch(self, node: dict, key: str, default: bool = False) -> bool:
        value = node.get(key)
        if type(value) is bool:
            return value
        if value is not None:
            self.report.error(f"{key} must be true or false, not {kind(value)}", node, key)
        return default

    def dangling(self, problem: Dangling, node: Any, vital: bool, spare: bool) -> None:
        """Tell of a reference that leads nowhere: an error when it was refused or nothing harmless can stand for its target."""
        harmless = not vital and (not problem.refused or spare and problem.absent)
        tell = self.report.warn if harmless else self.report.error
        tell(problem.message, node, "$ref", problem.hint)

    def target(self, container: Any, key: Any, document: Document, what: str, vital: bool = False, spare: bool = False) -> Target | None:
        """What the entry is after its references: a mapping, or None with the problem told.

        vital: the document is unusable without it; spare: it only adds to what is answered, a missing file above the folder does no harm.
        """
        node = container[key]
        try:
            target = self.references.follow(node, document)
        except Dangling as dangling:
            self.dangling(dangling, node, vital, spare)
            return None
        if type(target.node) is dict:
            return target
        self.report.error(f"{what} must be a mapping, not {kind(target.node)}", container, key)
        return None

    def example(self, node: dict, document: Document) -> Any:
        """`example`, or the value of the first of `examples`; MISSING when there is none."""
        if "example" in node:
            return node["example"]
        examples = node.get("examples")
        for name in examples if type(examples) is dict else ():
            target = self.target(examples, name, document, "an example")
            if target is not None and "value" in target.node:
                return target.node["value"]
        return MISSING

"""What is read from the sources of a server: its operations, and the places where reading came to an end."""
from __future__ import annotations

import dataclasses


@dataclasses.dataclass(slots=True)
class Route:
    """One operation that the sources serve."""
    method: str                        # lower case
    path: str                          # OpenAPI template: "/users/{id}"
    file: str                          # where it is registered, relative to the folder, "/" between
    line: int                          # from 1
    operation: dict                    # OpenAPI operation object


@dataclasses.dataclass(slots=True)
class Unresolved:
    """A place that could not be followed: what is there is not in the operations, or only in part."""
    file: str
    line: int
    message: str
    blocks: bool = False               # routes may be missing because of it

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"

    def as_json(self) -> dict:
        return {"file": self.file, "line": self.line, "message": self.message}


@dataclasses.dataclass(slots=True)
class Found:
    operations: list[Route]
    unresolved: list[Unresolved]
    files: list[str]                   # what was read, relative to the folder, sorted
    schemas: dict                      # components of the document
    security: dict                     # name -> security scheme
    package: dict                      # package.json
    name: str                          # of the folder
    about: dict                        # what the sources say of the document itself: info, servers, tags
    kept: list                         # schemas that belong to the document whether an operation refers to them or not
    annotations: list                  # (what an @openapi block says, (file, line))

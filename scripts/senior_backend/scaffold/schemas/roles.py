"""How a schema stands to the one around it."""
from __future__ import annotations

import enum


class Role(enum.Enum):
    """How a schema stands to the one around it."""
    WHOLE = "a schema of its own"
    PART = "one of the schemas of an allOf: what its members hide is dropped by the whole"
    BRANCH = "an alternative, perhaps beside other keywords"

"""A schema understood once: its TypeScript type and its zod expression, which agree for the compiler; and how a schema stands to the one around it."""
from __future__ import annotations

import dataclasses
import enum

LINE_LENGTH = 100


class Rank(enum.IntEnum):
    """How strongly a type expression holds together."""
    ATOM = 0
    INTERSECTION = 1
    UNION = 2


@dataclasses.dataclass(slots=True)
class Shape:
    """Texts are written as if they stood at the start of a line; `nested` moves them inwards."""
    type: str
    zod: str
    rank: Rank = Rank.ATOM
    deferred: bool = False                 # zod names a validator that is declared later: it must not be evaluated at once
    exact: bool = True                     # False: zod cannot say it, the interpreter must
    members: frozenset[str] | None = None  # names of the members, when the type is `{ ... }` without index signature
    bases: tuple[str, ...] = ()            # interfaces that the component's interface extends
    body: str = ""                         # `{ ... }` of the interface when it differs from `type`
    meta: str = ""                         # what zod only notes: the argument of meta()

    @property
    def braced(self) -> bool:
        """Whether the type is one `{ ... }`, as an interface needs it."""
        return self.rank is Rank.ATOM and self.type.startswith("{") and self.type.endswith("}")


    @property
    def noted(self) -> str:
        """The zod expression where it stands for this schema alone."""
        return f"{self.zod}.meta({self.meta})" if self.meta else self.zod


UNKNOWN = Shape("unknown", "z.unknown()")
NEVER = Shape("never", "z.never()")
NULL = Shape("null", "z.null()")


def nested(text: str) -> str:
    return text.replace("\n", "\n  ") if "\n" in text else text


def atom(shape: Shape) -> str:
    """The type where only one term may stand."""
    return f"({shape.type})" if shape.rank else shape.type


def call(function: str, arguments: list[str], before: str = "[", after: str = "]") -> str:
    """`z.union([a, b])`, broken over lines when it is long."""
    flat = f"{function}({before}{', '.join(arguments)}{after})"
    if len(flat) <= LINE_LENGTH and "\n" not in flat or len(arguments) < 2:
        return flat
    return f"{function}({before}\n" + "".join(f"  {nested(argument)},\n" for argument in arguments) + f"{after})"


def union_type(shapes: list[Shape]) -> tuple[str, Rank]:
    """`A | B` without repetitions; unknown takes in all others."""
    texts = list(dict.fromkeys(shape.type for shape in shapes if shape.type != "never"))
    if not texts or "unknown" in texts:
        return ("unknown" if texts else "never"), Rank.ATOM
    if len(texts) == 1:
        return texts[0], next(shape.rank for shape in shapes if shape.type == texts[0])
    flat = " | ".join(texts)
    if len(flat) <= LINE_LENGTH or "\n" in flat and len(texts) <= 2:
        return flat, Rank.UNION
    return "".join(f"\n  | {nested(text)}" for text in texts), Rank.UNION


def intersection_type(shapes: list[Shape]) -> tuple[str, Rank]:
    """`A & B`, without the terms that say nothing."""
    kept = {shape.type: shape for shape in shapes if shape.type != "unknown"}
    if "never" in kept or not kept:
        return ("never" if kept else "unknown"), Rank.ATOM
    if len(kept) == 1:
        only = next(iter(kept.values()))
        return only.type, only.rank
    return " & ".join(f"({shape.type})" if shape.rank == Rank.UNION else shape.type for shape in kept.values()), Rank.INTERSECTION


def union(shapes: list[Shape], function: str = "z.union") -> Shape:
    """One of the shapes; null becomes `.nullable()`."""
    rest = [shape for shape in shapes if shape.zod != "z.null()"]
    if not rest:
        return NULL if shapes else NEVER
    text, rank = union_type(shapes)
    zods = list(dict.fromkeys(shape.noted for shape in rest)) if function == "z.union" else [shape.noted for shape in rest]
    zod = zods[0] if len(zods) == 1 else call(function, zods)
    return Shape(text, zod + ".nullable()" if len(rest) < len(shapes) else zod, rank, any(shape.deferred for shape in shapes), all(shape.exact for shape in shapes))


def checked(shape: Shape, checks: list[str]) -> Shape:
    """The shape with further checks."""
    if not checks:
        return shape
    return dataclasses.replace(shape, zod=call(f"{shape.zod}.check", checks, "", ""))


class Role(enum.Enum):
    """How a schema stands to the one around it."""
    WHOLE = "a schema of its own"
    PART = "one of the schemas of an allOf: what its members hide is dropped by the whole"
    BRANCH = "an alternative, perhaps beside other keywords"

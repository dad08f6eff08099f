"""Which module makes, drops and changes each kind. The order breaks ties: of two statements that could come next, the earlier kind is made first and dropped last."""
from __future__ import annotations

from senior_backend.migrate.kinds import columns, constraints, indexes, sequences, tables
from senior_backend.migrate.steps import Kind

KINDS: dict[str, Kind] = {
    "sequence": sequences.KIND,
    "table": tables.KIND,
    "partition": tables.PARTITION,
    "inheritance": tables.INHERITANCE,
    "column": columns.KIND,
    "default": columns.DEFAULT,
    "sequence_owner": sequences.OWNER,
    "constraint": constraints.KIND,
    "index": indexes.KIND,
    "index_partition": indexes.PARTITION,
}
RANKS = {kind: place for place, kind in enumerate(KINDS)}

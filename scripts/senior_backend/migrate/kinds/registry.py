"""Which module makes, drops and changes each kind. The order breaks ties: of two statements that could come next, the earlier kind is made first and dropped last."""
from __future__ import annotations

from senior_backend.migrate.kinds import columns, constraints, indexes, operators, schemas, sequences, tables, textsearch, types
from senior_backend.migrate.steps import Kind

KINDS: dict[str, Kind] = {
    "schema": schemas.SCHEMA,
    "extension": schemas.EXTENSION,
    "language": schemas.LANGUAGE,
    "collation": schemas.COLLATION,
    "conversion": schemas.CONVERSION,
    "access_method": schemas.ACCESS_METHOD,
    "base_type": types.BASE_TYPE,
    "enum": types.ENUM,
    "domain": types.DOMAIN,
    "domain_constraint": types.DOMAIN_CONSTRAINT,
    "composite_type": types.COMPOSITE_TYPE,
    "attribute": types.ATTRIBUTE,
    "range_type": types.RANGE_TYPE,
    "operator": operators.OPERATOR,
    "operator_family": operators.FAMILY,
    "operator_class": operators.CLASS,
    "cast": schemas.CAST,
    "transform": schemas.TRANSFORM,
    "aggregate": operators.AGGREGATE,
    "ts_parser": textsearch.PARSER,
    "ts_template": textsearch.TEMPLATE,
    "ts_dictionary": textsearch.DICTIONARY,
    "ts_config": textsearch.CONFIG,
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
    "statistics": schemas.STATISTICS,
}
RANKS = {kind: place for place, kind in enumerate(KINDS)}

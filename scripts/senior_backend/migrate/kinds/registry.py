"""How each kind is made, dropped and changed, by the names that the queries give them."""
from __future__ import annotations

from senior_backend.migrate.kinds import code, columns, constraints, database, inheriting, privileges, sequences, tables, types
from senior_backend.migrate.steps import Kind

# breaks ties: of two statements that could come next, the earlier kind is made first and dropped last
ORDER = """schema extension language collation conversion access_method base_type enum domain domain_constraint composite_type attribute range_type function
procedure operator operator_family operator_class cast transform aggregate ts_parser ts_template ts_dictionary ts_config fdw server user_mapping
sequence table foreign_table partition inheritance column default sequence_owner constraint index index_partition statistics view materialized_view
rule trigger trigger_state policy publication publication_table publication_schema subscription grant comment security_label event_trigger
default_privilege""".split()
RANKS = {kind: place for place, kind in enumerate(ORDER)}
MADE: dict[str, Kind] = {}
for module in (code, columns, constraints, database, inheriting, privileges, sequences, tables, types):
    MADE |= module.KINDS
KINDS = {kind: privileges.owned(MADE[kind]) for kind in ORDER}

-- what a live server counted; each part is one SELECT, whose rows are taken as JSON. Nothing here reads a table's rows.
-- part server
select current_setting('server_version_num')::int as version, pg_is_in_recovery() as standby, d.datname as database,
  extract(epoch from now() - s.stats_reset) as statistics_age, age(d.datfrozenxid) as transaction_age, mxid_age(d.datminmxid) as multixact_age,
  (select count(*) from pg_stat_replication) as replicas, (select count(*) from pg_stat_activity where backend_type = 'client backend') as clients,
  (select count(*) from pg_prepared_xacts) as prepared, s.temp_bytes, s.deadlocks
from pg_database d join pg_stat_database s on s.datid = d.oid where d.datname = current_database()
-- part settings
select name, setting, unit, source from pg_settings where name in ('max_connections', 'superuser_reserved_connections', 'shared_buffers', 'work_mem', 'fsync',
    'full_page_writes', 'autovacuum', 'track_counts',
  'autovacuum_vacuum_threshold', 'autovacuum_vacuum_scale_factor', 'autovacuum_analyze_threshold', 'autovacuum_analyze_scale_factor', 'autovacuum_freeze_max_age',
    'autovacuum_multixact_freeze_max_age',
  'idle_in_transaction_session_timeout', 'random_page_cost', 'block_size', 'max_wal_size', 'checkpoint_timeout', 'password_encryption', 'zero_damaged_pages', 'synchronous_commit')
-- part checkpoints
-- if version >= 170000
select num_timed as timed, num_requested as requested, extract(epoch from now() - stats_reset) as age from pg_stat_checkpointer
-- end if
-- if version < 170000
select checkpoints_timed as timed, checkpoints_req as requested, extract(epoch from now() - stats_reset) as age from pg_stat_bgwriter
-- end if
-- part tables
select n.nspname as schema, c.relname as name, c.reltuples as estimate, c.relpages as pages, age(c.relfrozenxid) as transaction_age, c.reloptions as options,
    s.n_live_tup as live, s.n_dead_tup as dead,
  s.n_tup_ins as inserted, s.n_tup_upd as updated, s.n_mod_since_analyze as modified, s.seq_scan, s.seq_tup_read as seq_rows, s.idx_scan,
  greatest(s.last_vacuum, s.last_autovacuum)::text as vacuumed, greatest(s.last_analyze, s.last_autoanalyze) is not null as analyzed,
  extract(epoch from now() - greatest(s.last_analyze, s.last_autoanalyze)) as analyze_age
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_user_tables s on s.relid = c.oid
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
-- part sizes
select n.nspname as schema, c.relname as name, c.relkind = 'i' as index, case when c.relkind = 'i' or heap = 0 then heap else pg_table_size(c.oid) end as bytes,
  case c.relkind when 'i' then 0 else heap end as heap_bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral (select pg_relation_size(c.oid) as heap offset 0) s
where c.relkind in ('r', 'i') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
-- part indexes
select schemaname as schema, indexrelname as name, idx_scan as scans
-- if version >= 160000
  , last_idx_scan::text as last
-- end if
from pg_stat_user_indexes
-- part sequences
select schemaname as schema, sequencename as name, data_type::text as type, last_value, start_value, min_value, max_value, increment_by, cycle,
    has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT,USAGE') as readable
from pg_sequences where not cycle and (last_value is not null or not has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT,USAGE'))
-- part widths
select s.schemaname as schema, s.tablename as name, sum((1 - s.null_frac) * s.avg_width) as width, count(*) as columns, max(s.avg_width) as widest,
  (array_agg(s.attname::text order by s.avg_width desc))[1] as widest_column, bool_or(s.null_frac > 0) as nulls
from pg_stats s join pg_namespace n on n.nspname = s.schemaname join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
where not s.inherited and c.relkind = 'r' and c.relpages >= 128 and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' group by 1, 2

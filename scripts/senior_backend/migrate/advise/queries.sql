-- what the advice asks of the target; each part is one SELECT. The counters come from functions, which anyone may call, not from the views on them. Values of columns are read only as far as pg_stats shows them to this role.
-- part relations
with recursive roots(relation, root) as (
  select c.oid, c.oid from pg_class c where c.relkind in ('r', 'p', 'm') and not c.relispartition
  union all select i.inhrelid, r.root from roots r join pg_inherits i on i.inhparent = r.relation join pg_class c on c.oid = i.inhrelid where c.relispartition)
select c.oid::bigint as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, rn.nspname as root_schema, rc.relname as root_name,
  case when c.relkind = 'p' then 0 else pg_relation_size(c.oid) / current_setting('block_size')::int end as pages, c.reltuples as rows, c.relpages as pages_then, c.relallvisible as visible,
  pg_stat_get_tuples_inserted(c.oid) as inserted, pg_stat_get_tuples_updated(c.oid) as updated, pg_stat_get_tuples_hot_updated(c.oid) as hot, pg_stat_get_tuples_deleted(c.oid) as deleted
from roots r join pg_class c on c.oid = r.relation join pg_namespace n on n.oid = c.relnamespace join pg_class rc on rc.oid = r.root join pg_namespace rn on rn.oid = rc.relnamespace
where c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
-- part indexes
select i.indexrelid::bigint as oid, i.indrelid::bigint as table, n.nspname as schema, c.relname as name, pg_relation_size(c.oid) / current_setting('block_size')::int as pages, c.reltuples as rows,
  i.indisvalid as valid, i.indisunique as unique, i.indpred is not null as partial, (select a.amname from pg_am a where a.oid = c.relam) as method, (select array_agg(coalesce(a.attname, '') order by place) from unnest(i.indkey) with ordinality k(number, place)
    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number where place <= i.indnkeyatts) as columns
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('i', 'I') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
-- part server
select d.datcollate as collate, d.datctype as ctype, pg_stat_get_db_blocks_hit(d.oid) as hits, pg_stat_get_db_blocks_fetched(d.oid) as fetched,
  (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'hypopg') as hypopg,
  (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm') as trigrams, exists (select from pg_available_extensions where name = 'pg_trgm') as trigrams_possible
from pg_database d where d.datname = current_database()
-- part settings
select name, setting from pg_settings where name ~ '^(enable_|seq_page_cost|random_page_cost|cpu_|effective_cache_size|work_mem|hash_mem_multiplier|from_collapse_limit|join_collapse_limit|geqo|constraint_exclusion|default_text_search_config)'
-- part unusable
select i.indexrelid::regclass::text as index, i.indrelid::regclass::text as table, not i.indisvalid as invalid, p.pid as builder, p.phase, coalesce(w.pid, o.pid) as pid, coalesce(w.xact_start, o.xact_start)::text as since
from pg_index i join pg_class c on c.oid = i.indexrelid left join pg_stat_progress_create_index p on p.index_relid = i.indexrelid
  left join pg_stat_activity w on w.pid = p.current_locker_pid
  left join lateral (select a.pid, a.xact_start from pg_stat_activity a where a.backend_xid is not null and age(a.backend_xid) >= age(i.xmin) order by age(a.backend_xid) desc limit 1) o on i.indisvalid
where c.relkind = 'i' and (not i.indisvalid or i.indcheckxmin and not pg_is_in_recovery() and age(i.xmin) <= age((pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295)::text::xid))
-- part activity
select distinct query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ~* '^\s*(/\*.*\*/\s*)?(select|with|update|delete)\M' limit 200
-- part columns
select a.attrelid::bigint as oid, a.attnum as number, a.attname as name, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as type, a.attnotnull as not_null, t.typcategory as category, coalesce(s.inherited, false) as inherited,
  s.null_frac as nulls, s.avg_width as width, s.n_distinct as distinct, s.most_common_vals::text as raw_values, s.most_common_freqs as shares, s.histogram_bounds::text as raw_bounds, s.correlation,
  s.most_common_elems::text as raw_elements, s.most_common_elem_freqs as element_shares, s.elem_count_histogram as element_counts, s.most_common_vals::text::text[] as values, s.histogram_bounds::text::text[] as bounds,
  s.most_common_elems::text::text[] as elements
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid
  left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
where a.attnum > 0 and not a.attisdropped and a.attrelid = any(%s::bigint[]::oid[])
order by 1, 2, 6
-- part furnish
insert into pg_statistic
select a.attrelid, a.attnum, %(inherited)s, %(nulls)s, %(width)s, %(distinct)s, k[1], k[2], k[3], k[4], k[5], o[1], o[2], o[3], o[4], o[5], l[1], l[2], l[3], l[4], l[5],
  %(shares)s::float4[], null, array[%(correlation)s::float4], %(element_shares)s::float4[], %(element_counts)s::float4[],
  case when k[1] > 0 then array_in(%(raw_values)s::text::cstring, a.atttypid, a.atttypmod) end, case when k[2] > 0 then array_in(%(raw_bounds)s::text::cstring, a.atttypid, a.atttypmod) end, null,
  case when k[4] > 0 then array_in(%(raw_elements)s::text::cstring, element, -1) end, null
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = t.typbasetype,
  lateral (select coalesce(b.oid, t.oid) as base, case when coalesce(b.oid, t.oid) = 'tsvector'::regtype then 'text'::regtype::oid else coalesce(b.typelem, t.typelem) end as element) types,
  lateral (select max(m.amopopr) filter (where m.amopstrategy = 3 and what = base) as equal, max(m.amopopr) filter (where m.amopstrategy = 1 and what = base) as less,
      max(m.amopopr) filter (where m.amopstrategy = 3 and what = element) as alike
    from unnest(array[base, element]) what
      cross join lateral (select c.opcfamily, c.opcintype from pg_opclass c join pg_type w on w.oid = what
        where c.opcmethod = (select oid from pg_am where amname = 'btree') and c.opcdefault and (c.opcintype = what
          or exists (select from pg_cast x where x.castsource = what and x.casttarget = c.opcintype and x.castmethod = 'b' and x.castcontext = 'i')
          or c.opcintype = case when w.typtype = 'e' then 'anyenum' when w.typcategory = 'A' then 'anyarray' when w.typtype = 'r' then 'anyrange' when w.typtype = 'c' then 'record' end::regtype)
        order by c.opcintype = what desc limit 1) c
      join pg_amop m on m.amopfamily = c.opcfamily and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype) operators,
  lateral (select array_agg(case when there then kind else 0 end order by kind) as k, array_agg(case when there then operator else 0 end order by kind) as o,
      array_agg(case when there then a.attcollation else 0 end order by kind) as l
    from (values (1, %(raw_values)s::text is not null and equal is not null, equal), (2, %(raw_bounds)s::text is not null and less is not null, less),
      (3, %(correlation)s::float4 is not null and less is not null, less), (4, %(raw_elements)s::text is not null and alike is not null, alike),
      (5, %(element_counts)s::float4[] is not null and alike is not null, alike)) slot(kind, there, operator)) slots
where a.attrelid = to_regclass(%(relation)s) and a.attname = %(name)s
-- part children
with recursive family(top, oid) as (select c.oid, c.oid from pg_class c where c.relname like 'senior\_backend\_candidate\_%'
  union all select f.top, i.inhrelid from family f join pg_inherits i on i.inhparent = f.oid)
select t.relname, c.relname, c.oid::bigint, n.nspname, r.relname, pg_relation_filepath(c.oid)
from family f join pg_class t on t.oid = f.top join pg_class c on c.oid = f.oid join pg_index i on i.indexrelid = c.oid join pg_class r on r.oid = i.indrelid
  join pg_namespace n on n.oid = r.relnamespace
-- part expression
with source as (select histogram_bounds::text::{type}[] as bounds, most_common_vals::text::{type}[] as vals, most_common_freqs as shares from pg_stats
    where schemaname = %(schema)s and tablename = %(table)s and attname = %(name)s),
  sample as (select {expression} as value, weight from (select v as {column}, 1.0 as weight from source, unnest(bounds) v union all select v, 100 * f from source, unnest(vals, shares) m(v, f)) one)
select count(*), count(distinct value), coalesce(sum(weight) filter (where value is null) / nullif(sum(weight), 0), 0), coalesce(avg(pg_column_size(value)), 8)::int from sample
-- part spelled
select array(select pg_get_indexdef(i.indexrelid, n, true) from generate_series(1, %s) n order by n), pg_get_expr(i.indpred, i.indrelid, true) from pg_index i where i.indexrelid = %s

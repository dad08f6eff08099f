-- indexes of tables and materialized views that belong to no constraint; then which index is part of a partitioned one (constraints' indexes too)
with indexes as not materialized (
  select i.*, c.relname, n.nspname, c.reltablespace, c.reloptions, t.relname as table_name, t.relkind as table_kind, o.conname
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_constraint o on o.conindid = i.indexrelid and o.contype in ('p', 'u', 'x')
  where t.relkind in ('r', 'p', 'm') and t.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = i.indrelid and e.objsubid = 0 and e.deptype = 'e')
)
select 'index' as kind, array[nspname, relname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object(
    'definition', pg_get_indexdef(indexrelid), 'table', table_name, 'unique', nullif(indisunique, false),
    'tablespace', (select spcname from pg_tablespace s where s.oid = reltablespace),
    'options', (select jsonb_agg(o) from unnest(reloptions) o), 'statistics', (select jsonb_object_agg(a.attnum, a.attstattarget) from pg_attribute a where a.attrelid = indexrelid and a.attstattarget >= 0),
    'invalid', nullif(not indisvalid and table_kind <> 'p', false),
    'clustered', nullif(indisclustered, false), 'replica_identity', nullif(indisreplident, false)
  )) as attributes,
  case table_kind when 'm' then 'materialized_view' else 'table' end as parent_kind, array[nspname, table_name]::text[] as parent_name,
  null::int as position, 'pg_class'::regclass::oid as class, indexrelid as object, 0 as sub, null::json as extra
from indexes where conname is null
union all
select 'index_partition', array[x.nspname, x.relname]::text[], jsonb_build_object('of', array[p.nspname, p.relname]),
  case when x.conname is null then 'index' else 'constraint' end,
  case when x.conname is null then array[x.nspname, x.relname] else array[x.nspname, x.table_name, x.conname] end::text[], null, null, null, null,
  json_build_array(case when p.conname is null then json_build_array('index', array[p.nspname, p.relname]) else json_build_array('constraint', array[p.nspname, p.table_name, p.conname]) end)
from indexes x join pg_inherits h on h.inhrelid = x.indexrelid join indexes p on p.indexrelid = h.inhparent

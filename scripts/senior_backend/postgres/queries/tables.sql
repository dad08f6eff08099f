-- tables, partitioned tables and partitions; then what ties a table to its parents
with tables as not materialized (
  select c.oid, c.relkind, n.nspname, c.relname, c.relpersistence, c.relam, c.reloptions, c.reltoastrelid, c.reltablespace, c.relowner, c.reloftype, c.relreplident,
    c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relpartbound
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 and e.deptype = 'e')
)
select 'table' as kind, array[t.nspname, t.relname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object(
    'owner', pg_get_userbyid(t.relowner),
    'persistence', nullif(t.relpersistence, 'p'),
    'partitioned', case when t.relkind = 'p' then pg_get_partkeydef(t.oid) end,
    'key_types', case when t.relkind = 'p' then (select jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)) from pg_partitioned_table p, unnest(p.partattrs) k
      join pg_attribute a on a.attnum = k where p.partrelid = t.oid and a.attrelid = t.oid and k > 0) end,
    'inherited', case when not t.relispartition and t.oid in (select inhrelid from pg_inherits) then (select jsonb_agg(a.attname order by a.attname) from pg_attribute a
      where a.attrelid = t.oid and a.attinhcount > 0 and not a.attislocal and not a.attisdropped) end,
    'method', (select amname from pg_am a where a.oid = t.relam and a.amname <> 'heap'),
    'options', (select jsonb_agg(o) from unnest(t.reloptions || (select array_agg('toast.' || x) from pg_class toast, unnest(toast.reloptions) x where toast.oid = t.reltoastrelid)) o),
    'tablespace', (select spcname from pg_tablespace s where s.oid = t.reltablespace),
    'of', (select format_type(ty.oid, null) from pg_type ty where ty.oid = t.reloftype),
    'replica_identity', case t.relreplident when 'f' then 'full' when 'n' then 'nothing' end,
    'row_security', nullif(t.relrowsecurity, false), 'force_row_security', nullif(t.relforcerowsecurity, false)
  )) as attributes,
  null::text as parent_kind, null::text[] as parent_name, null::int as position, 'pg_class'::regclass::oid as class, t.oid as object, 0 as sub, null::json as extra
from tables t
union all
select case when t.relispartition then 'partition' else 'inheritance' end,
  array[t.nspname, t.relname]::text[] || case when t.relispartition then '{}' else array[pn.nspname, p.relname]::text[] end,
  case when t.relispartition then jsonb_build_object('of', array[pn.nspname, p.relname], 'bound', pg_get_expr(t.relpartbound, t.oid)) else jsonb_build_object('position', i.inhseqno) end,
  'table', array[t.nspname, t.relname]::text[], i.inhseqno, null, null, null, json_build_array(json_build_array('table', array[pn.nspname, p.relname]))
from tables t join pg_inherits i on i.inhrelid = t.oid join pg_class p on p.oid = i.inhparent join pg_namespace pn on pn.oid = p.relnamespace

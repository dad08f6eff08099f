-- columns of tables and foreign tables, and their defaults (the expression of a generated column is the column's own)
with columns as not materialized (
  select c.relkind, c.relispartition, n.nspname, c.relname, a.*, t.typcollation, t.typstorage, d.oid as default_oid, pg_get_expr(d.adbin, d.adrelid) as expression
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 and e.deptype = 'e')
)
select 'column' as kind, array[nspname, relname, attname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object(
    'type', format_type(atttypid, atttypmod),
    'collation', case when attcollation <> typcollation then
      (select quote_ident(cn.nspname) || '.' || quote_ident(co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = attcollation) end,
    'not_null', nullif(attnotnull, false),
-- if version >= 180000
    'not_null_name', (select nullif(o.conname, left(relname || '_' || attname || '_not_null', 63)) from pg_constraint o where o.conrelid = attrelid and o.contype = 'n' and o.conkey = array[attnum]),
    'not_null_no_inherit', (select nullif(o.connoinherit, false) from pg_constraint o where o.conrelid = attrelid and o.contype = 'n' and o.conkey = array[attnum]),
    'not_null_not_valid', (select nullif(not o.convalidated, false) from pg_constraint o where o.conrelid = attrelid and o.contype = 'n' and o.conkey = array[attnum]),
-- end if
    'identity', case when attidentity <> '' then (select jsonb_build_object('always', attidentity = 'a', 'sequence', array[sn.nspname, s.relname], 'start', q.seqstart, 'increment', q.seqincrement,
        'minimum', q.seqmin, 'maximum', q.seqmax, 'cache', q.seqcache, 'cycle', q.seqcycle, 'persistence', s.relpersistence)
      from pg_depend i join pg_sequence q on q.seqrelid = i.objid join pg_class s on s.oid = q.seqrelid join pg_namespace sn on sn.oid = s.relnamespace
      where i.refclassid = 'pg_class'::regclass and i.refobjid = attrelid and i.refobjsubid = attnum and i.classid = 'pg_class'::regclass and i.deptype = 'i') end,
    'generated', nullif(attgenerated, ''), 'expression', case when attgenerated <> '' then expression end,
    'storage', case when attstorage <> typstorage then case attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'x' then 'EXTENDED' else 'MAIN' end end,
-- if version >= 140000
    'compression', case attcompression when 'p' then 'pglz' when 'l' then 'lz4' end,
-- end if
    'statistics', case when attstattarget >= 0 then attstattarget end,
    'options', (select jsonb_agg(o) from unnest(attoptions) o), 'fdw_options', attfdwoptions,
    'inherited', nullif(attinhcount > 0 and not attislocal and not relispartition, false)
  )) as attributes,
  case relkind when 'f' then 'foreign_table' else 'table' end as parent_kind, array[nspname, relname]::text[] as parent_name,
  attnum::int as position, 'pg_class'::regclass::oid as class, attrelid as object, attnum::int as sub,
  case when attinhcount > 0 then (select json_agg(json_build_array('column', array[pn.nspname, p.relname, attname])) from pg_inherits i join pg_class p on p.oid = i.inhparent
    join pg_namespace pn on pn.oid = p.relnamespace join pg_attribute pa on pa.attrelid = p.oid and pa.attname = columns.attname where i.inhrelid = columns.attrelid) end as extra
from columns
union all
select 'default', array[nspname, relname, attname]::text[], jsonb_build_object('expression', expression),
  'column', array[nspname, relname, attname]::text[], null, 'pg_attrdef'::regclass, default_oid, 0, null
from columns where default_oid is not null and attgenerated = ''

-- sequences but those of identity columns, and which column each belongs to
with sequences as not materialized (
  select c.oid, n.nspname, c.relname, c.relowner, c.relpersistence, s.*, o.refobjid, o.refobjsubid
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_depend o on o.classid = 'pg_class'::regclass and o.objid = c.oid and o.objsubid = 0 and o.refclassid = 'pg_class'::regclass and o.deptype in ('a', 'i')
  where c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and o.deptype is distinct from 'i'
    and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 and e.deptype = 'e')
)
select 'sequence' as kind, array[nspname, relname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(relowner), 'persistence', nullif(relpersistence, 'p'), 'type', format_type(seqtypid, null), 'start', seqstart, 'increment', seqincrement,
    'minimum', seqmin, 'maximum', seqmax, 'cache', seqcache, 'cycle', seqcycle)) as attributes,
  null::text as parent_kind, null::text[] as parent_name, null::int as position, 'pg_class'::regclass::oid as class, oid as object, 0 as sub, null::json as extra
from sequences
union all
select 'sequence_owner', array[s.nspname, s.relname]::text[], jsonb_build_object('column', array[n.nspname, t.relname, a.attname]),
  'sequence', array[s.nspname, s.relname]::text[], null, null, null, null, json_build_array(json_build_array('column', array[n.nspname, t.relname, a.attname]))
from sequences s join pg_class t on t.oid = s.refobjid join pg_namespace n on n.oid = t.relnamespace join pg_attribute a on a.attrelid = t.oid and a.attnum = s.refobjsubid

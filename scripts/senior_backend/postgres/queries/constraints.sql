-- primary keys, unique, foreign keys, checks and exclusions of tables; what a table merely inherits is left to the parent
select 'constraint' as kind, array[n.nspname, c.relname, o.conname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object(
    'type', o.contype, 'definition', pg_get_constraintdef(o.oid),
    'columns', case when o.contype in ('p', 'u') then (select jsonb_agg(a.attname order by k.place) from unnest(o.conkey) with ordinality k(number, place)
      join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.number) end,
    'references', case when o.contype = 'f' then (select array[fn.nspname, f.relname] from pg_class f join pg_namespace fn on fn.oid = f.relnamespace where f.oid = o.confrelid) end,
    'tablespace', (select s.spcname from pg_class ic join pg_tablespace s on s.oid = ic.reltablespace where ic.oid = i.indexrelid),
    'clustered', nullif(i.indisclustered, false), 'replica_identity', nullif(i.indisreplident, false)
  )) as attributes,
  case c.relkind when 'f' then 'foreign_table' else 'table' end as parent_kind, array[n.nspname, c.relname]::text[] as parent_name,
  null::int as position, 'pg_constraint'::regclass::oid as class, o.oid as object, 0 as sub
from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
  left join pg_index i on i.indexrelid = o.conindid and o.contype in ('p', 'u', 'x')
where o.contype in ('c', 'f', 'p', 'u', 'x') and c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and (o.conislocal or o.contype in ('p', 'u', 'x')) and not (o.contype = 'f' and o.conparentid <> 0)
  and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 and e.deptype = 'e')

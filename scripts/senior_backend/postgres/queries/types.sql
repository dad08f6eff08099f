-- enums, domains and their checks, composite types and their attributes, range types, base types
with members as materialized (select objid from pg_depend where deptype = 'e' and classid = 'pg_type'::regclass),
types as materialized (
  select t.*, nspname::text as space, array[nspname, typname]::text[] as name, jsonb_build_object('owner', pg_get_userbyid(typowner)) as owned
  from pg_type t join pg_namespace n on n.oid = typnamespace left join pg_class r on r.oid = typrelid
  where nspname !~ '^pg_' and nspname <> 'information_schema' and t.oid not in (select objid from members) and (typtype in ('e', 'd', 'r') or typtype = 'c' and relkind = 'c'
    or typtype = 'p' and not typisdefined or typtype = 'b' and not exists (select from pg_type e where e.typarray = t.oid)))
select 'enum' as kind, name, owned || jsonb_build_object('labels', coalesce((select jsonb_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid), '[]')) as attributes,
  null::text as parent_kind, null::text[] as parent_name, 0 as position, 'pg_type'::regclass::oid as class, oid as object, 0 as sub, null::jsonb as extra
from types t where typtype = 'e'
union all
select 'domain', name, jsonb_strip_nulls(owned || jsonb_build_object('type', format_type(t.typbasetype, t.typtypmod), 'not_null', t.typnotnull,
    'collation', (select quote_ident(nspname) || '.' || quote_ident(collname) from pg_collation c join pg_namespace n on n.oid = collnamespace where c.oid = t.typcollation and c.oid <> b.typcollation),
    'default', coalesce(pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), t.typdefault))),
  null, null, 0, 'pg_type'::regclass, t.oid, 0, null
from types t join pg_type b on b.oid = t.typbasetype where t.typtype = 'd'
union all
select 'domain_constraint', name || conname::text, jsonb_build_object('definition', pg_get_constraintdef(c.oid)), 'domain', name, 0, 'pg_constraint'::regclass, c.oid, 0, null
from types t join pg_constraint c on contypid = t.oid where contype = 'c'
union all
select 'composite_type', name, owned || jsonb_build_object('order', coalesce((select jsonb_agg(attname order by attnum) from pg_attribute where attrelid = t.typrelid and attnum > 0 and not attisdropped), '[]')),
  null, null, 0, 'pg_type'::regclass, t.oid, 0, null
from types t where typtype = 'c'
union all
select 'attribute', name || attname::text, jsonb_strip_nulls(jsonb_build_object('type', format_type(atttypid, atttypmod), 'collation', case when attcollation <> b.typcollation then
    (select quote_ident(nspname) || '.' || quote_ident(collname) from pg_collation c join pg_namespace n on n.oid = collnamespace where c.oid = attcollation) end)),
  'composite_type', name, attnum, 'pg_class'::regclass, attrelid, attnum, null
from types t join pg_attribute on attrelid = t.typrelid join pg_type b on b.oid = atttypid where t.typtype = 'c' and attnum > 0 and not attisdropped
union all
select 'range_type', name, jsonb_strip_nulls(owned || jsonb_build_object('subtype', format_type(rngsubtype, null), 'multirange', (select typname from pg_type where oid = (to_jsonb(r) ->> 'rngmultitypid')::oid),
    'opclass', case when not opcdefault then quote_ident(o.nspname) || '.' || quote_ident(opcname) end,
    'collation', (select quote_ident(nspname) || '.' || quote_ident(collname) from pg_collation c join pg_namespace n on n.oid = collnamespace where c.oid = rngcollation and c.oid <> b.typcollation),
    'canonical', nullif(rngcanonical, 0)::regproc, 'subtype_diff', nullif(rngsubdiff, 0)::regproc)),
  null, null, 0, 'pg_type'::regclass, t.oid, 0, null
from types t join pg_range r on rngtypid = t.oid join pg_type b on b.oid = rngsubtype join pg_opclass c on c.oid = rngsubopc join pg_namespace o on o.oid = opcnamespace
union all
select 'base_type', name, owned || case when typisdefined then jsonb_strip_nulls(jsonb_build_object('input', typinput::regproc, 'output', typoutput::regproc, 'receive', nullif(typreceive, 0)::regproc,
    'send', nullif(typsend, 0)::regproc, 'typmod_in', nullif(typmodin, 0)::regproc, 'typmod_out', nullif(typmodout, 0)::regproc, 'analyze', nullif(typanalyze, 0)::regproc,
    'subscript', nullif(to_jsonb(t) ->> 'typsubscript', '-'), 'length', typlen, 'by_value', typbyval, 'alignment', typalign, 'storage', typstorage, 'category', typcategory,
    'preferred', typispreferred, 'default', typdefault, 'element', case when typelem <> 0 then format_type(typelem, null) end, 'delimiter', typdelim, 'collatable', typcollation <> 0)) else '{"shell": true}' end,
  null, null, 0, 'pg_type'::regclass, oid, 0, null
from types t where typtype in ('b', 'p')

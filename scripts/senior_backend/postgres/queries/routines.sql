-- functions, procedures, event triggers
-- what belongs to an extension, and the functions that come with a range type
with members as materialized (select classid, objid from pg_depend where deptype = 'e' or deptype = 'i' and classid = 'pg_proc'::regclass)
select case p.prokind when 'p' then 'procedure' else 'function' end as kind,
  array[n.nspname, p.proname, oidvectortypes(p.proargtypes)]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object(
    'owner', pg_get_userbyid(p.proowner),
    'definition', rtrim(pg_get_functiondef(p.oid), E'\n'),
    'result', pg_get_function_result(p.oid),
    'names', to_jsonb(p.proargnames), 'modes', to_jsonb(p.proargmodes), 'types', (select jsonb_agg(format_type(t.oid, null) order by t.at) from unnest(p.proallargtypes) with ordinality t(oid, at)),
    'arguments', pg_get_function_arguments(p.oid), 'defaults', p.pronargdefaults, 'window', nullif(p.prokind = 'w', false),
    'polymorphic', (select true where exists (select from unnest(p.proargtypes) t join pg_type on pg_type.oid = t where typtype = 'p')),
    'parsed', case when to_jsonb(p) ->> 'prosqlbody' is not null then true end)) as attributes,
  null as parent_kind, null::text[] as parent_name, 0 as position, 'pg_proc'::regclass::oid as class, p.oid as object, 0 as sub, null::jsonb as extra
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind <> 'a' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ('pg_proc'::regclass, p.oid) not in (select classid, objid from members)
union all
select 'event_trigger', array[evtname]::text[],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(evtowner), 'event', evtevent, 'function', format('%I.%I', n.nspname, p.proname), 'tags', to_jsonb(evttags), 'enabled', evtenabled)),
  null, null, 0, 'pg_event_trigger'::regclass, e.oid, 0, null
from pg_event_trigger e join pg_proc p on p.oid = evtfoid join pg_namespace n on n.oid = p.pronamespace
where ('pg_event_trigger'::regclass, e.oid) not in (select classid, objid from members)

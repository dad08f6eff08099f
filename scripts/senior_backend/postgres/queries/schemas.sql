-- schemas, extensions, languages, access methods, transforms, collations, conversions, extended statistics
with members as materialized (select classid, objid from pg_depend where deptype = 'e'),
spaces as materialized (select oid, nspname::text, nspowner from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
-- the owner that initdb gives to public is left out: it differs by version and by who ran initdb
select 'schema' as kind, array[nspname] as name,
  jsonb_strip_nulls(jsonb_build_object('owner', case when nspname <> 'public' or pg_get_userbyid(nspowner) <> 'pg_database_owner' and nspowner <> 10 then pg_get_userbyid(nspowner) end)) as attributes,
  null::text as parent_kind, null::text[] as parent_name, 0 as position, 'pg_namespace'::regclass::oid as class, oid as object, 0 as sub, null::jsonb as extra
from spaces where ('pg_namespace'::regclass, oid) not in (select classid, objid from members)
union all
-- the version is told where it is not the one that this server would install
select 'extension', array[extname::text], jsonb_strip_nulls(jsonb_build_object('version', nullif(extversion, default_version), 'schema', nspname, 'fixed', nullif(not extrelocatable, false))),
  null, null, 0, 'pg_extension'::regclass, e.oid, 0, null
from pg_extension e join pg_namespace n on n.oid = extnamespace left join pg_available_extensions() a on a.name = extname
union all
select 'language', array[lanname::text],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(lanowner), 'trusted', lanpltrusted, 'handler', nullif(lanplcallfoid, 0)::regproc, 'inline', nullif(laninline, 0)::regproc,
    'validator', nullif(lanvalidator, 0)::regproc)), null, null, 0, 'pg_language'::regclass, oid, 0, null
from pg_language where lanispl and ('pg_language'::regclass, oid) not in (select classid, objid from members)
union all
select 'access_method', array[amname::text], jsonb_build_object('type', amtype, 'handler', amhandler::regproc), null, null, 0, 'pg_am'::regclass, oid, 0, null
from pg_am where oid >= 16384 and ('pg_am'::regclass, oid) not in (select classid, objid from members)
union all
select 'transform', array[format_type(trftype, null), lanname], jsonb_strip_nulls(jsonb_build_object('from', nullif(trffromsql, 0)::regprocedure, 'to', nullif(trftosql, 0)::regprocedure)),
  null, null, 0, 'pg_transform'::regclass, t.oid, 0, null
from pg_transform t join pg_language l on l.oid = trflang where ('pg_transform'::regclass, t.oid) not in (select classid, objid from members)
union all
-- columns that came or were renamed with a version are taken from the row as JSON
select 'collation', array[nspname, collname],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(collowner), 'provider', collprovider, 'deterministic', collisdeterministic, 'collate', nullif(j ->> 'collcollate', ''),
    'ctype', nullif(j ->> 'collctype', ''), 'locale', coalesce(j ->> 'colllocale', j ->> 'colliculocale'), 'rules', j ->> 'collicurules')),
  null, null, 0, 'pg_collation'::regclass, c.oid, 0, null
from pg_collation c join spaces n on n.oid = collnamespace cross join to_jsonb(c) j where ('pg_collation'::regclass, c.oid) not in (select classid, objid from members)
union all
select 'conversion', array[nspname, conname],
  jsonb_build_object('owner', pg_get_userbyid(conowner), 'from', pg_encoding_to_char(conforencoding), 'to', pg_encoding_to_char(contoencoding), 'function', conproc::regproc, 'default', condefault),
  null, null, 0, 'pg_conversion'::regclass, c.oid, 0, null
from pg_conversion c join spaces n on n.oid = connamespace where ('pg_conversion'::regclass, c.oid) not in (select classid, objid from members)
union all
select 'statistics', array[n.nspname, stxname],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(stxowner), 'definition', pg_get_statisticsobjdef(s.oid), 'target', nullif(to_jsonb(s) ->> 'stxstattarget', '-1')::int)),
  case r.relkind when 'f' then 'foreign_table' when 'm' then 'materialized_view' else 'table' end, array[rn.nspname, r.relname], 0, 'pg_statistic_ext'::regclass, s.oid, 0, null
from pg_statistic_ext s join spaces n on n.oid = stxnamespace join pg_class r on r.oid = stxrelid join pg_namespace rn on rn.oid = r.relnamespace
where ('pg_statistic_ext'::regclass, s.oid) not in (select classid, objid from members)

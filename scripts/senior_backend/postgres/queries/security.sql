-- privileges, default privileges, comments, security labels.
-- Rows of parent_kind '@' hang on the fact at their address: it is their parent, and its kind and name, or parent_name where that is given, come before theirs.
with everywhere as (select oid, nspname::text, nspowner, nspacl from pg_namespace where nspname !~ '^pg_(toast|temp)' and nspname <> 'information_schema'),
hosts as (
  select c.*, nspname, case relkind when 'v' then 'view' when 'm' then 'materialized_view' when 'f' then 'foreign_table' when 'S' then 'sequence' when 'i' then 'index' when 'I' then 'index' else 'table' end as host
  from pg_class c join everywhere n on n.oid = relnamespace),
acls(class, object, sub, type, owner, acl, name, system) as (
  select 'pg_class'::regclass, oid, 0, case relkind when 'S' then 's' else 'r' end, relowner, relacl, array[host, nspname, relname], oid < 16384
    from hosts where relacl is not null and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all select 'pg_class'::regclass, attrelid, attnum, 'c', relowner, attacl, array['column', nspname, relname, attname], attrelid < 16384
    from pg_attribute join hosts on oid = attrelid where attacl is not null and attnum > 0 and not attisdropped
  union all select 'pg_proc'::regclass, p.oid, 0, 'f', proowner, proacl, array[case prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, nspname, proname,
    oidvectortypes(proargtypes)], p.oid < 16384 from pg_proc p join everywhere n on n.oid = pronamespace where proacl is not null
  union all select 'pg_namespace'::regclass, oid, 0, 'n', nspowner, nspacl, array['schema', nspname], nspname ~ '^pg_' from everywhere where nspacl is not null
  union all select 'pg_type'::regclass, t.oid, 0, 'T', typowner, typacl, array['type', nspname, typname], t.oid < 16384 from pg_type t join everywhere n on n.oid = typnamespace where typacl is not null
  union all select 'pg_language'::regclass, oid, 0, 'l', lanowner, lanacl, array['language', lanname], oid < 16384 from pg_language where lanacl is not null
  union all select 'pg_foreign_data_wrapper'::regclass, oid, 0, 'F', fdwowner, fdwacl, array['fdw', fdwname], false from pg_foreign_data_wrapper where fdwacl is not null
  union all select 'pg_foreign_server'::regclass, oid, 0, 'S', srvowner, srvacl, array['server', srvname], false from pg_foreign_server where srvacl is not null),
given as (
  select x.*, refobjid as extension, system or refobjid is not null as given, coalesce(
    case when system or refobjid is not null then (select initprivs from pg_init_privs i where i.classoid = x.class and i.objoid = x.object and i.objsubid = x.sub) end, acldefault(type::"char", owner)) as base
  from acls x left join pg_depend on classid = class and objid = object and deptype = 'e'
  union all select 'pg_default_acl'::regclass, d.oid, 0, defaclobjtype::text, defaclrole, defaclacl, array[pg_get_userbyid(defaclrole), coalesce(nspname, ''), defaclobjtype]::text[], false, null, null,
    case when nspname is null then acldefault(case defaclobjtype when 'S' then 's' else defaclobjtype end, defaclrole) end
  from pg_default_acl d left join pg_namespace n on n.oid = defaclnamespace),
entries as (
  select class, object, sub, side, called as grantee, min(place) as place, jsonb_agg(entry order by entry) as list
  from given cross join lateral (select 'held' as side, * from aclexplode(acl) with ordinality h(grantor, grantee, privilege_type, is_grantable, place) union all select 'base', *, 0 from aclexplode(base)) a
    cross join lateral (select case grantee when owner then '' when 0 then 'public' else pg_get_userbyid(grantee) end as called) c
    cross join lateral (select jsonb_build_array(case grantor when owner then '' else pg_get_userbyid(grantor) end, called, privilege_type, is_grantable) as entry) e
  group by 1, 2, 3, 4, 5),
privileges as (
  select g.*, grantee, h.place, coalesce(h.list, '[]') as entries, coalesce(b.list, '[]') as defaults
  from (select * from entries where side = 'held') h full join (select * from entries where side = 'base') b using (class, object, sub, grantee) join given g using (class, object, sub)
  where h.list is distinct from b.list),
identities as materialized (select objid, refobjid, refobjsubid from pg_depend where classid = 'pg_class'::regclass and refclassid = classid and deptype = 'i' and refobjsubid > 0)

select 'grant' as kind, array[grantee]::text[] as name, '@' as parent_kind, case when given or sub > 0 or refobjid is not null then p.name end as parent_name, place as rank,
  case when given then 'pg_extension'::regclass else class end as class, case when given then extension else coalesce(refobjid, object) end as object,
  case when given then 0 else coalesce(refobjsubid, sub) end as sub, entries, case when given then defaults end as base, null::json as needs
from privileges p left join identities on class = 'pg_class'::regclass and objid = object where class <> 'pg_default_acl'::regclass
union all
select 'default_privilege', p.name || grantee::text, null, null, place, null, null, null, entries, null, case when p.name[2] <> '' then json_build_array(json_build_array('schema', array[p.name[2]])) end
from privileges p where class = 'pg_default_acl'::regclass

select kind, name, '@' as parent_kind, text, label, case when o.oid is null then d.classoid else o.tableoid end as class, coalesce(o.oid, refobjid, objoid) as object, coalesce(refobjsubid, objsubid) as sub,
  case when objsubid > 0 then (select array[case relkind when 'c' then 'attribute' else 'column' end, nspname, relname, attname]::text[] from pg_attribute where attrelid = objoid and attnum = objsubid)
    when host in ('index', 'sequence') then array[host, nspname, relname] end as parent_name
from (select 'comment' as kind, '{}'::text[] as name, classoid, objoid, objsubid, description as text, null as label from pg_description
    union all select 'security_label', array[provider], classoid, objoid, objsubid, null, label from pg_seclabel) d
  left join hosts r on classoid = 'pg_class'::regclass and r.oid = objoid
  left join identities on host = 'sequence' and objid = r.oid left join pg_constraint o on host = 'index' and conindid = r.oid and contype in ('p', 'u', 'x')
where (objoid >= 16384 or label is not null or classoid = 'pg_namespace'::regclass and objoid = (select oid from everywhere where nspname = 'public'))
  and (classoid <> 'pg_subscription'::regclass or exists (select from pg_subscription s where s.oid = objoid and subdbid = (select oid from pg_database where datname = current_database())))

-- policies, privileges, default privileges, comments, security labels.
-- Rows of parent_kind '@' hang on the fact at their address: it is their parent, and its kind and name, or parent_name where that is given, come before theirs.
with members as materialized (select classid, objid, refobjid from pg_depend where deptype = 'e'),
relations as (
  select c.oid, c.relname::text, c.relkind, n.nspname::text,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' when 'f' then 'foreign_table' when 'S' then 'sequence' when 'i' then 'index' when 'I' then 'index' else 'table' end as kind
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^pg_(toast|temp)' and n.nspname <> 'information_schema'),
acls(class, object, sub, type, owner, acl, name, system) as (
  select 'pg_class'::regclass, c.oid, 0, case c.relkind when 'S' then 's' else 'r' end, relowner, relacl, array[kind, nspname, r.relname], c.oid < 16384
    from pg_class c join relations r using (oid) where relacl is not null and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all select 'pg_class'::regclass, attrelid, attnum, 'c', relowner, attacl, array['column', nspname, r.relname, attname], attrelid < 16384
    from pg_attribute a join relations r on r.oid = attrelid join pg_class c on c.oid = attrelid where attacl is not null and attnum > 0 and not attisdropped
  union all select 'pg_proc'::regclass, p.oid, 0, 'f', proowner, proacl,
      array[case prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, nspname, proname, oidvectortypes(proargtypes)]::text[], p.oid < 16384
    from pg_proc p join pg_namespace n on n.oid = pronamespace where proacl is not null and nspname <> 'information_schema'
  union all select 'pg_namespace'::regclass, oid, 0, 'n', nspowner, nspacl, array['schema', nspname]::text[], nspname ~ '^pg_'
    from pg_namespace where nspacl is not null and nspname !~ '^pg_(toast|temp)' and nspname <> 'information_schema'
  union all select 'pg_type'::regclass, t.oid, 0, 'T', typowner, typacl, array['type', nspname, typname]::text[], t.oid < 16384
    from pg_type t join pg_namespace n on n.oid = typnamespace where typacl is not null and nspname <> 'information_schema'
  union all select 'pg_language'::regclass, oid, 0, 'l', lanowner, lanacl, array['language', lanname]::text[], oid < 16384 from pg_language where lanacl is not null
  union all select 'pg_foreign_data_wrapper'::regclass, oid, 0, 'F', fdwowner, fdwacl, array['fdw', fdwname]::text[], false from pg_foreign_data_wrapper where fdwacl is not null
  union all select 'pg_foreign_server'::regclass, oid, 0, 'S', srvowner, srvacl, array['server', srvname]::text[], false from pg_foreign_server where srvacl is not null),
identities as materialized (select objid, refobjid, refobjsubid from pg_depend where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and deptype = 'i' and refobjsubid > 0),
given as (
  select x.*, m.refobjid as extension, x.system or m.refobjid is not null as given, coalesce(
    case when x.system or m.refobjid is not null then (select initprivs from pg_init_privs i where i.classoid = x.class and i.objoid = x.object and i.objsubid = x.sub) end,
    acldefault(x.type::"char", x.owner)) as base
  from acls x left join members m on m.classid = x.class and m.objid = x.object
  union all select 'pg_default_acl'::regclass, d.oid, 0, defaclobjtype::text, defaclrole, defaclacl, array[pg_get_userbyid(defaclrole), coalesce(nspname, ''), defaclobjtype]::text[], false, null, null,
    case when nspname is null then acldefault(case defaclobjtype when 'S' then 's' else defaclobjtype end, defaclrole) end
  from pg_default_acl d left join pg_namespace n on n.oid = defaclnamespace),
entries as (
  select class, object, sub, side, case grantee when owner then '' when 0 then 'public' else pg_get_userbyid(grantee) end as grantee, min(place) as place,
    jsonb_agg(entry order by entry) as list
  from given cross join lateral (select 'held' as side, * from aclexplode(acl) with ordinality h(grantor, grantee, privilege_type, is_grantable, place)
      union all select 'base', *, 0 from aclexplode(base)) a
    cross join lateral (select jsonb_build_array(case grantor when owner then '' else pg_get_userbyid(grantor) end, case grantee when owner then '' when 0 then 'public' else pg_get_userbyid(grantee) end,
      privilege_type, is_grantable) as entry) e
  group by 1, 2, 3, 4, 5),
privileges as (
  select g.*, grantee, h.place, coalesce(h.list, '[]') as entries, coalesce(b.list, '[]') as defaults
  from (select * from entries where side = 'held') h full join (select * from entries where side = 'base') b using (class, object, sub, grantee) join given g using (class, object, sub)
  where h.list is distinct from b.list)
select 'policy' as kind, array[nspname, relname, polname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object('command', polcmd, 'permissive', polpermissive,
    'roles', (select jsonb_agg(role order by role) from (select case oid when 0 then 'public' else pg_get_userbyid(oid) end as role from unnest(polroles) oid) r),
    'using', pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid))) as attributes,
  'table' as parent_kind, array[nspname, relname] as parent_name, 0 as position, 'pg_policy'::regclass::oid as class, p.oid as object, 0 as sub, null::jsonb as extra
from pg_policy p join relations r on r.oid = polrelid
where ('pg_policy'::regclass, p.oid) not in (select classid, objid from members)
union all
select 'grant', array[grantee]::text[], jsonb_build_object('entries', entries) || case when given then jsonb_build_object('base', defaults) else '{}' end,
  '@', case when given or sub > 0 or refobjid is not null then name end, place, case when given then 'pg_extension'::regclass else class end,
  case when given then extension else coalesce(refobjid, object) end, case when given then 0 else coalesce(refobjsubid, sub) end, null
from privileges left join identities on class = 'pg_class'::regclass and objid = object where class <> 'pg_default_acl'::regclass
union all
select 'default_privilege', name || grantee::text, jsonb_build_object('entries', entries), null, null, place, null, null, 0,
  case when name[2] <> '' then jsonb_build_array(jsonb_build_array('schema', jsonb_build_array(name[2]))) end
from privileges where class = 'pg_default_acl'::regclass
union all
select 'comment', '{}', jsonb_build_object('text', description), '@', case when objsubid > 0 then (select array[case relkind when 'c' then 'attribute' else 'column' end, nspname, relname, attname] from pg_attribute a where a.attrelid = objoid and a.attnum = objsubid) when kind in ('index', 'sequence') then array[kind, nspname, relname] end, 0,
  case when o.oid is null then d.classoid else 'pg_constraint'::regclass end, coalesce(o.oid, refobjid, objoid), coalesce(refobjsubid, objsubid), null
from pg_description d left join relations r on d.classoid = 'pg_class'::regclass and r.oid = objoid
  left join identities on kind = 'sequence' and objid = r.oid left join pg_constraint o on kind = 'index' and o.conindid = r.oid and contype in ('p', 'u', 'x')
where (objoid >= 16384 or d.classoid = 'pg_namespace'::regclass and objoid = (select oid from pg_namespace where nspname = 'public')) and (d.classoid, objoid) not in (select classid, objid from members)
  and (d.classoid <> 'pg_subscription'::regclass or exists (select from pg_subscription s where s.oid = objoid and subdbid = (select oid from pg_database where datname = current_database())))
union all
select 'security_label', array[provider], jsonb_build_object('label', label), '@', (select array[case relkind when 'c' then 'attribute' else 'column' end, nspname, relname, attname] from pg_attribute a where a.attrelid = objoid and a.attnum = objsubid and objsubid > 0), 0, classoid, objoid, objsubid, null
from pg_seclabel d left join relations r on classoid = 'pg_class'::regclass and r.oid = objoid
where (classoid, objoid) not in (select classid, objid from members)

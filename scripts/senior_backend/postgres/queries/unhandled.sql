-- what no fact stands for, by name; large objects are data
select 'unhandled' as kind, array[format('operator family %I.%I USING %I, to which members were added', nspname, opfname, amname)] as name, '{}'::jsonb as attributes,
  null as parent_kind, null::text[] as parent_name, 0 as position, null::oid as class, null::oid as object, 0 as sub
from pg_opfamily f join pg_namespace n on n.oid = opfnamespace join pg_am a on a.oid = opfmethod
where f.oid < 16384 and exists (select from pg_amop o join pg_depend d on d.classid = 'pg_amop'::regclass and d.objid = o.oid
  where o.oid >= 16384 and amopfamily = f.oid and d.refclassid = 'pg_opfamily'::regclass
    and not exists (select from pg_depend e where e.classid = 'pg_operator'::regclass and e.objid = amopopr and e.deptype = 'e'))
-- if no superuser
union all
select 'unhandled', array[format('subscription %I, which only a superuser can read', subname)], '{}', null, null, 0, null, null, 0
from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())
union all
select 'unhandled', array[format('user mapping for %I on server %I, whose options only its owners can read', usename, s.srvname)], '{}', null, null, 0, null, null, 0
from pg_user_mappings m join pg_foreign_server s on s.oid = srvid where umoptions is null and not pg_has_role(srvowner, 'USAGE')
-- end if

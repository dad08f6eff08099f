-- routines, event triggers, views, rules, triggers, policies

-- but the functions that come with a range type
select case prokind when 'p' then 'procedure' else 'function' end as kind, array[space, proname, oidvectortypes(proargtypes)] as name, p.tableoid as class, p.oid as object,
  pg_get_userbyid(proowner) as owner, rtrim(pg_get_functiondef(p.oid), E'\n') as definition, pg_get_function_result(p.oid) as result, proargnames as names, proargmodes as modes,
  (select jsonb_agg(format_type(t, null) order by place) from unnest(proallargtypes) with ordinality a(t, place)) as types, pg_get_function_arguments(p.oid) as arguments, pronargdefaults as defaults,
  nullif(prokind = 'w', false) as window, (select true where exists (select from unnest(proargtypes) t join pg_type on pg_type.oid = t where typtype = 'p')) as polymorphic,
  case when to_jsonb(p) ->> 'prosqlbody' is not null then true end as parsed
from pg_proc p join spaces s on s.oid = pronamespace
where prokind <> 'a' and not exists (select from pg_depend where classid = p.tableoid and objid = p.oid and deptype = 'i')

select 'event_trigger' as kind, array[evtname] as name, e.tableoid as class, e.oid as object, pg_get_userbyid(evtowner) as owner, evtevent as event, format('%I.%I', nspname, proname) as function,
  evttags as tags, evtenabled as enabled
from pg_event_trigger e join pg_proc p on p.oid = evtfoid join pg_namespace n on n.oid = pronamespace

select host as kind, path as name, class, oid as object, pg_get_userbyid(relowner) as owner, rtrim(pg_get_viewdef(oid), ';') as definition, reloptions as options,
  (select jsonb_agg(jsonb_build_array(attname, format_type(atttypid, atttypmod), nullif(attcollation, 0)::regcollation) order by attnum) from pg_attribute
    where attrelid = r.oid and attnum > 0 and not attisdropped) as columns,
  case relkind when 'm' then relispopulated end as populated, tablespace, method,
  case relkind when 'm' then (select jsonb_object_agg(attname, jsonb_build_object('storage', case when attstorage <> typstorage then attstorage end,
      'usual_storage', case when attstorage <> typstorage then typstorage end, 'compression', nullif(to_jsonb(a) ->> 'attcompression', ''), 'statistics', nullif(attstattarget, -1), 'options', attoptions))
    from pg_attribute a join pg_type t on t.oid = atttypid
    where attrelid = r.oid and attnum > 0 and not attisdropped
      and (attstorage <> typstorage or coalesce(to_jsonb(a) ->> 'attcompression', '') <> '' or coalesce(attstattarget, -1) <> -1 or attoptions is not null)) end as settings
from relations r where relkind in ('v', 'm')

select 'rule' as kind, path || rulename::text as name, w.tableoid as class, w.oid as object, r.oid as belongs, host as parent_kind, path as parent_name, rtrim(pg_get_ruledef(w.oid), ';') as definition,
  ev_enabled as enabled
from pg_rewrite w join relations r on r.oid = ev_class where rulename <> '_RETURN'

select 'trigger' as kind, path || tgname::text as name, t.tableoid as class, t.oid as object, host as parent_kind, path as parent_name, pg_get_triggerdef(t.oid) as definition, tgenabled as enabled,
  tgconstraint <> 0 as constraint
from pg_trigger t join relations r on r.oid = tgrelid where not tgisinternal and tgparentid = 0

-- of triggers on partitions, where they are not their parents'
select 'trigger_state' as kind, r.path || t.tgname::text as name, 'trigger' as parent_kind, u.path || p.tgname::text as parent_name, t.tgenabled as enabled, p.tgenabled as inherited,
  json_build_array(json_build_array(r.host, r.path), json_build_array('partition', r.path)) as needs
from pg_trigger t join relations r on r.oid = t.tgrelid join pg_trigger p on p.oid = t.tgparentid join relations u on u.oid = p.tgrelid
where not p.tgisinternal and t.tgenabled <> p.tgenabled

select 'policy' as kind, path || polname::text as name, p.tableoid as class, p.oid as object, 'table' as parent_kind, path as parent_name, polcmd as command, polpermissive as permissive,
  (select jsonb_agg(role order by role) from (select case oid when 0 then 'public' else pg_get_userbyid(oid) end as role from unnest(polroles) oid) r) as roles,
  pg_get_expr(polqual, polrelid) as using, pg_get_expr(polwithcheck, polrelid) as check
from pg_policy p join relations r on r.oid = polrelid

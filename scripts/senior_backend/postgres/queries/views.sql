-- views, materialized views, rules, triggers, and the states of triggers on partitions that differ from their parent's
with members as materialized (select classid, objid from pg_depend where deptype = 'e'),
relations as (
  select c.oid, c.relname, c.relkind, n.nspname, c.relowner, c.reloptions, c.relispopulated, c.reltablespace, c.relam,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' when 'f' then 'foreign_table' else 'table' end as kind
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
select r.kind, array[r.nspname, r.relname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object(
    'owner', pg_get_userbyid(r.relowner), 'definition', rtrim(pg_get_viewdef(r.oid), ';'), 'options', to_jsonb(r.reloptions),
    'columns', (select jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attcollation <> 0 then (select format('%I.%I', nspname, collname) from pg_collation l join pg_namespace on pg_namespace.oid = collnamespace where l.oid = a.attcollation) end) order by attnum)
      from pg_attribute a where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped))
  || case when r.relkind = 'm' then jsonb_build_object(
    'populated', r.relispopulated, 'tablespace', (select spcname from pg_tablespace where oid = r.reltablespace), 'method', (select nullif(amname, 'heap') from pg_am where oid = r.relam),
    'settings', (select jsonb_object_agg(attname, jsonb_strip_nulls(jsonb_build_object(
        'storage', case when attstorage <> typstorage then attstorage end, 'usual_storage', case when attstorage <> typstorage then typstorage end, 'compression', nullif(to_jsonb(a) ->> 'attcompression', ''),
        'statistics', nullif(attstattarget, -1), 'options', to_jsonb(attoptions))))
      from pg_attribute a join pg_type t on t.oid = atttypid
      where attrelid = r.oid and attnum > 0 and not attisdropped
        and (attstorage <> typstorage or coalesce(to_jsonb(a) ->> 'attcompression', '') <> '' or coalesce(attstattarget, -1) <> -1 or attoptions is not null)))
    else '{}' end) as attributes,
  null as parent_kind, null::text[] as parent_name, 0 as position, 'pg_class'::regclass::oid as class, r.oid as object, 0 as sub, null::jsonb as extra
from relations r where r.relkind in ('v', 'm') and ('pg_class'::regclass, r.oid) not in (select classid, objid from members)
union all
select 'rule', array[r.nspname, r.relname, w.rulename]::text[], jsonb_build_object('definition', rtrim(pg_get_ruledef(w.oid), ';'), 'enabled', w.ev_enabled),
  r.kind, array[r.nspname, r.relname]::text[], 0, 'pg_rewrite'::regclass, w.oid, 0, null
from pg_rewrite w join relations r on r.oid = w.ev_class
where w.rulename <> '_RETURN' and ('pg_rewrite'::regclass, w.oid) not in (select classid, objid from members) and ('pg_class'::regclass, r.oid) not in (select classid, objid from members)
union all
select 'trigger', array[r.nspname, r.relname, t.tgname]::text[],
  jsonb_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled, 'constraint', t.tgconstraint <> 0),
  r.kind, array[r.nspname, r.relname]::text[], 0, 'pg_trigger'::regclass, t.oid, 0, null
from pg_trigger t join relations r on r.oid = t.tgrelid
where not t.tgisinternal and t.tgparentid = 0 and ('pg_trigger'::regclass, t.oid) not in (select classid, objid from members)
union all
select 'trigger_state', array[r.nspname, r.relname, t.tgname]::text[], jsonb_build_object('enabled', t.tgenabled, 'inherited', p.tgenabled),
  'trigger', array[u.nspname, u.relname, p.tgname]::text[], 0, null, null, 0,
  jsonb_build_array(jsonb_build_array(r.kind, jsonb_build_array(r.nspname, r.relname)), jsonb_build_array('partition', jsonb_build_array(r.nspname, r.relname)))
from pg_trigger t join relations r on r.oid = t.tgrelid join pg_trigger p on p.oid = t.tgparentid join relations u on u.oid = p.tgrelid
where not p.tgisinternal and t.tgenabled <> p.tgenabled
union all
select 'default', array[r.nspname, r.relname, attname]::text[], jsonb_build_object('expression', pg_get_expr(adbin, adrelid)), r.kind, array[r.nspname, r.relname]::text[], attnum, 'pg_attrdef'::regclass, d.oid, 0, null
from pg_attrdef d join relations r on r.oid = adrelid and relkind = 'v' join pg_attribute on attrelid = adrelid and attnum = adnum
where ('pg_class'::regclass, r.oid) not in (select classid, objid from members)

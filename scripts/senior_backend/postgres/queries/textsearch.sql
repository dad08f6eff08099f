-- text search parsers, templates, dictionaries, configurations
with members as materialized (select classid, objid from pg_depend where deptype = 'e'),
spaces as materialized (select oid, nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
select 'ts_parser' as kind, array[nspname, prsname] as name,
  jsonb_strip_nulls(jsonb_build_object('start', prsstart::regproc, 'gettoken', prstoken::regproc, 'end', prsend::regproc, 'headline', nullif(prsheadline, 0)::regproc, 'lextypes', prslextype::regproc)) as attributes,
  null::text as parent_kind, null::text[] as parent_name, 0 as position, 'pg_ts_parser'::regclass::oid as class, p.oid as object, 0 as sub, null::jsonb as extra
from pg_ts_parser p join spaces n on n.oid = prsnamespace where ('pg_ts_parser'::regclass, p.oid) not in (select classid, objid from members)
union all
select 'ts_template', array[nspname, tmplname], jsonb_strip_nulls(jsonb_build_object('init', nullif(tmplinit, 0)::regproc, 'lexize', tmpllexize::regproc)), null, null, 0, 'pg_ts_template'::regclass, t.oid, 0, null
from pg_ts_template t join spaces n on n.oid = tmplnamespace where ('pg_ts_template'::regclass, t.oid) not in (select classid, objid from members)
union all
select 'ts_dictionary', array[n.nspname, dictname],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(dictowner), 'template', quote_ident(tn.nspname) || '.' || quote_ident(tmplname), 'options', dictinitoption)),
  null, null, 0, 'pg_ts_dict'::regclass, d.oid, 0, null
from pg_ts_dict d join spaces n on n.oid = dictnamespace join pg_ts_template t on t.oid = dicttemplate join pg_namespace tn on tn.oid = tmplnamespace
where ('pg_ts_dict'::regclass, d.oid) not in (select classid, objid from members)
union all
select 'ts_config', array[n.nspname, cfgname],
  jsonb_build_object('owner', pg_get_userbyid(cfgowner), 'parser', quote_ident(pn.nspname) || '.' || quote_ident(prsname), 'mappings', coalesce((
    select jsonb_object_agg(token, dictionaries) from (
      select t.alias as token, jsonb_agg(mapdict::regdictionary order by mapseqno) as dictionaries
      from pg_ts_config_map join ts_token_type(cfgparser) t on tokid = maptokentype where mapcfg = c.oid group by t.alias) m), '{}')),
  null, null, 0, 'pg_ts_config'::regclass, c.oid, 0, null
from pg_ts_config c join spaces n on n.oid = cfgnamespace join pg_ts_parser p on p.oid = cfgparser join pg_namespace pn on pn.oid = prsnamespace
where ('pg_ts_config'::regclass, c.oid) not in (select classid, objid from members)

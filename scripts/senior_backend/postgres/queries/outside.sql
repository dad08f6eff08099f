-- what reaches out of the database: foreign data, publications. An option that holds a secret is kept as {"secret": its SHA-256}, never as text.
with members as materialized (select classid, objid from pg_depend where deptype = 'e'),
tables as (
  select c.oid, n.nspname::text, c.relname::text, c.relkind, c.relowner, c.relispartition, c.relpartbound,
    not exists (select from members m where m.classid = 'pg_class'::regclass and m.objid = c.oid) as own
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
select 'fdw' as kind, array[fdwname]::text[] as name,
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(fdwowner), 'handler', nullif(fdwhandler, 0)::regproc, 'validator', nullif(fdwvalidator, 0)::regproc, 'options', (select jsonb_object_agg(option_name, case when option_name ~* 'pass|secret|token|key|credential|pwd' and option_name not in ('sslkey', 'passfile', 'password_required')
      then jsonb_build_object('secret', encode(sha256(convert_to(option_value, 'UTF8')), 'hex')) else to_jsonb(option_value) end) from pg_options_to_table(fdwoptions)))) as attributes,
  null as parent_kind, null::text[] as parent_name, 0 as position, 'pg_foreign_data_wrapper'::regclass::oid as class, oid as object, 0 as sub, null::jsonb as extra
from pg_foreign_data_wrapper where ('pg_foreign_data_wrapper'::regclass, oid) not in (select classid, objid from members)
union all
select 'server', array[srvname]::text[],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(srvowner), 'wrapper', fdwname, 'type', srvtype, 'version', srvversion, 'options', (select jsonb_object_agg(option_name, case when option_name ~* 'pass|secret|token|key|credential|pwd' and option_name not in ('sslkey', 'passfile', 'password_required')
      then jsonb_build_object('secret', encode(sha256(convert_to(option_value, 'UTF8')), 'hex')) else to_jsonb(option_value) end) from pg_options_to_table(srvoptions)))),
  null, null, 0, 'pg_foreign_server'::regclass, s.oid, 0, null
from pg_foreign_server s join pg_foreign_data_wrapper f on f.oid = srvfdw where ('pg_foreign_server'::regclass, s.oid) not in (select classid, objid from members)
union all
select 'user_mapping', array[srvname, usename]::text[], jsonb_strip_nulls(jsonb_build_object('options', (select jsonb_object_agg(option_name, case when option_name ~* 'pass|secret|token|key|credential|pwd' and option_name not in ('sslkey', 'passfile', 'password_required')
      then jsonb_build_object('secret', encode(sha256(convert_to(option_value, 'UTF8')), 'hex')) else to_jsonb(option_value) end) from pg_options_to_table(umoptions)))),
  null, null, 0, 'pg_user_mapping'::regclass, umid, 0, null
from pg_user_mappings
union all
select 'foreign_table', array[nspname, relname],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(relowner), 'server', srvname, 'options', (select jsonb_object_agg(option_name, case when option_name ~* 'pass|secret|token|key|credential|pwd' and option_name not in ('sslkey', 'passfile', 'password_required')
      then jsonb_build_object('secret', encode(sha256(convert_to(option_value, 'UTF8')), 'hex')) else to_jsonb(option_value) end) from pg_options_to_table(ftoptions)))), null, null, 0, 'pg_class'::regclass, t.oid, 0, null
from tables t join pg_foreign_table f on ftrelid = t.oid join pg_foreign_server s on s.oid = ftserver where own
union all
select case when t.relispartition then 'partition' else 'inheritance' end, array[t.nspname, t.relname] || case when t.relispartition then '{}' else array[p.nspname, p.relname] end,
  case when t.relispartition then jsonb_build_object('of', array[p.nspname, p.relname], 'bound', pg_get_expr(t.relpartbound, t.oid)) else jsonb_build_object('position', inhseqno) end,
  'foreign_table', array[t.nspname, t.relname], inhseqno, null, null, null, jsonb_build_array(jsonb_build_array(case p.relkind when 'f' then 'foreign_table' else 'table' end, array[p.nspname, p.relname]))
from tables t join pg_inherits i on i.inhrelid = t.oid join tables p on p.oid = i.inhparent where t.relkind = 'f' and t.own
union all
select 'publication', array[pubname]::text[],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(pubowner), 'all_tables', nullif(puballtables, false), 'via_root', nullif(pubviaroot, false),
    'generated', case when to_jsonb(p) ->> 'pubgencols' in ('s', 'true') then true end,
    'publish', concat_ws(', ', case when pubinsert then 'insert' end, case when pubupdate then 'update' end, case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end))),
  null, null, 0, 'pg_publication'::regclass, oid, 0, null
from pg_publication p where ('pg_publication'::regclass, oid) not in (select classid, objid from members)
union all
select 'publication_table', array[pubname, nspname, relname]::text[], jsonb_strip_nulls(jsonb_build_object(
-- if version >= 150000
    'where', pg_get_expr(prqual, prrelid), 'columns', (select jsonb_agg(attname order by attnum) from pg_attribute where attrelid = prrelid and attnum = any (prattrs)),
-- end if
    'kind', case when relkind = 'f' then 'foreign' end)),
  'publication', array[pubname]::text[], 0, 'pg_publication_rel'::regclass, r.oid, 0, null
from pg_publication_rel r join pg_publication p on p.oid = prpubid join tables t on t.oid = prrelid
-- if version >= 150000
union all
select 'publication_schema', array[pubname, nspname]::text[], '{}', 'publication', array[pubname]::text[], 0, 'pg_publication_namespace'::regclass, r.oid, 0, null
from pg_publication_namespace r join pg_publication p on p.oid = pnpubid join pg_namespace n on n.oid = pnnspid
-- end if
-- if superuser
union all
select 'subscription', array[subname]::text[],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(subowner), 'publications', to_jsonb(subpublications), 'slot', subslotname,
    'connection', case when subconninfo ~* 'passw|://[^@/]*:[^@]*@' then jsonb_build_object('secret', encode(sha256(convert_to(subconninfo, 'UTF8')), 'hex')) else to_jsonb(subconninfo) end,
    'options', jsonb_strip_nulls(jsonb_build_object('synchronous_commit', nullif(subsynccommit, 'off'), 'binary', nullif(j ->> 'subbinary', 'false'),
      'streaming', case j ->> 'substream' when 'true' then 'on' when 't' then 'on' when 'p' then 'parallel' end, 'two_phase', case when j ->> 'subtwophasestate' <> 'd' then 'on' end,
      'disable_on_error', nullif(j ->> 'subdisableonerr', 'false'), 'password_required', nullif(j ->> 'subpasswordrequired', 'true'), 'run_as_owner', nullif(j ->> 'subrunasowner', 'false'),
      'origin', nullif(j ->> 'suborigin', 'any'), 'failover', nullif(j ->> 'subfailover', 'false'))))),
  null, null, 0, 'pg_subscription'::regclass, s.oid, 0, null
from pg_subscription s cross join to_jsonb(s) j where subdbid = (select oid from pg_database where datname = current_database())
-- end if

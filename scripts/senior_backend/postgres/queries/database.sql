-- schemas, extensions, languages and what else is of the whole database; what reaches out of it: foreign data, publications, subscriptions
-- an option that holds a secret is kept as {"secret": its SHA-256}, never as text
with given(class, object, options) as (
  select tableoid, oid, fdwoptions from pg_foreign_data_wrapper union all select tableoid, oid, srvoptions from pg_foreign_server union all select 0, umid, umoptions from pg_user_mappings
  union all select 'pg_class'::regclass, ftrelid, ftoptions from pg_foreign_table),
told as (
  select class, object, jsonb_object_agg(option_name, case when option_name ~* 'pass|secret|token|key|credential|pwd' and option_name not in ('sslkey', 'passfile', 'password_required')
    then jsonb_build_object('secret', encode(sha256(convert_to(option_value, 'UTF8')), 'hex')) else to_jsonb(option_value) end) as options
  from given cross join pg_options_to_table(options) group by 1, 2)

-- the owner that initdb gives to public is left out: it differs by version and by who ran initdb
select 'schema' as kind, array[space] as name, 'pg_namespace'::regclass as class, oid as object,
  case when space <> 'public' or pg_get_userbyid(nspowner) <> 'pg_database_owner' and nspowner <> 10 then pg_get_userbyid(nspowner) end as owner
from spaces

-- the version is told where it is not the one that this server would install
select 'extension' as kind, array[extname] as name, e.tableoid as class, e.oid as object, nullif(extversion, default_version) as version, nspname as schema, nullif(not extrelocatable, false) as fixed
from pg_extension e join pg_namespace n on n.oid = extnamespace left join pg_available_extensions() a on a.name = extname

select 'language' as kind, array[lanname] as name, tableoid as class, oid as object, pg_get_userbyid(lanowner) as owner, lanpltrusted as trusted, nullif(lanplcallfoid, 0)::regproc as handler,
  nullif(laninline, 0)::regproc as inline, nullif(lanvalidator, 0)::regproc as validator
from pg_language where lanispl

select 'access_method' as kind, array[amname] as name, tableoid as class, oid as object, amtype as type, amhandler::regproc as handler from pg_am where oid >= 16384

select 'transform' as kind, array[format_type(trftype, null), lanname] as name, t.tableoid as class, t.oid as object, nullif(trffromsql, 0)::regprocedure as from, nullif(trftosql, 0)::regprocedure as to
from pg_transform t join pg_language l on l.oid = trflang

select 'statistics' as kind, array[space, stxname] as name, s.tableoid as class, s.oid as object, host as parent_kind, path as parent_name, pg_get_userbyid(stxowner) as owner,
  pg_get_statisticsobjdef(s.oid) as definition, nullif(to_jsonb(s) ->> 'stxstattarget', '-1')::int as target
from pg_statistic_ext s join relations r on r.oid = stxrelid

select 'fdw' as kind, array[fdwname] as name, f.tableoid as class, oid as object, pg_get_userbyid(fdwowner) as owner, nullif(fdwhandler, 0)::regproc as handler, nullif(fdwvalidator, 0)::regproc as validator, options
from pg_foreign_data_wrapper f left join told t on t.class = f.tableoid and t.object = oid

select 'server' as kind, array[srvname] as name, s.tableoid as class, s.oid as object, pg_get_userbyid(srvowner) as owner, fdwname as wrapper, srvtype as type, srvversion as version, options
from pg_foreign_server s join pg_foreign_data_wrapper f on f.oid = srvfdw left join told t on t.class = s.tableoid and t.object = s.oid

select 'user_mapping' as kind, array[srvname, usename] as name, 'pg_user_mapping'::regclass as class, umid as object, options from pg_user_mappings left join told t on t.class = 0 and t.object = umid

select 'foreign_table' as kind, path as name, r.class, r.oid as object, pg_get_userbyid(relowner) as owner, srvname as server, options
from relations r join pg_foreign_table on ftrelid = r.oid join pg_foreign_server s on s.oid = ftserver left join told t on t.class = r.class and t.object = r.oid

select 'publication' as kind, array[pubname] as name, tableoid as class, oid as object, pg_get_userbyid(pubowner) as owner, nullif(puballtables, false) as all_tables, nullif(pubviaroot, false) as via_root,
  case when to_jsonb(p) ->> 'pubgencols' in ('s', 'true') then true end as generated,
  concat_ws(', ', case when pubinsert then 'insert' end, case when pubupdate then 'update' end, case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end) as publish
from pg_publication p

select 'publication_table' as kind, array[pubname] || path as name, r.tableoid as class, r.oid as object, 'publication' as parent_kind, array[pubname] as parent_name
-- if version >= 150000
  , pg_get_expr(prqual, prrelid) as where, (select jsonb_agg(attname order by attnum) from pg_attribute where attrelid = prrelid and attnum = any (prattrs)) as columns
-- end if
from pg_publication_rel r join pg_publication p on p.oid = prpubid join relations t on t.oid = prrelid
-- if version >= 150000

select 'publication_schema' as kind, array[pubname, nspname] as name, r.tableoid as class, r.oid as object, 'publication' as parent_kind, array[pubname] as parent_name
from pg_publication_namespace r join pg_publication p on p.oid = pnpubid join pg_namespace n on n.oid = pnnspid
-- end if
-- if superuser

select 'subscription' as kind, array[subname] as name, s.tableoid as class, s.oid as object, pg_get_userbyid(subowner) as owner, subpublications as publications, subslotname as slot,
  case when subconninfo ~* 'passw|://[^@/]*:[^@]*@' then jsonb_build_object('secret', encode(sha256(convert_to(subconninfo, 'UTF8')), 'hex')) else to_jsonb(subconninfo) end as connection,
  jsonb_build_object('synchronous_commit', nullif(subsynccommit, 'off'), 'binary', nullif(j ->> 'subbinary', 'false'),
    'streaming', case j ->> 'substream' when 'true' then 'on' when 't' then 'on' when 'p' then 'parallel' end, 'two_phase', case when j ->> 'subtwophasestate' <> 'd' then 'on' end,
    'disable_on_error', nullif(j ->> 'subdisableonerr', 'false'), 'password_required', nullif(j ->> 'subpasswordrequired', 'true'), 'run_as_owner', nullif(j ->> 'subrunasowner', 'false'),
    'origin', nullif(j ->> 'suborigin', 'any'), 'failover', nullif(j ->> 'subfailover', 'false')) as options
from pg_subscription s cross join to_jsonb(s) j where subdbid = (select oid from pg_database where datname = current_database())
-- end if
-- if no superuser

select 'unhandled' as kind, array[format('subscription %I, which only a superuser can read', subname)] as name
from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())

select 'unhandled' as kind, array[format('user mapping for %I on server %I, whose options only its owners can read', usename, s.srvname)] as name
from pg_user_mappings m join pg_foreign_server s on s.oid = srvid where umoptions is null and not pg_has_role(srvowner, 'USAGE')
-- end if

-- tables, partitioned tables, what ties tables to their parents, columns, defaults, constraints, indexes, sequences
with columns as not materialized (
  select a.*, class, relkind, relispartition, host, path, path || attname::text as column_path, typcollation, typstorage, d.oid as default_oid, pg_get_expr(adbin, adrelid) as default_text
  from relations c join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped join pg_type t on t.oid = atttypid left join pg_attrdef d on adrelid = attrelid and adnum = attnum
  where relkind in ('r', 'p', 'f', 'v')),
parts as not materialized (
  select c.oid, path, (select array[space, t.relname, conname]::text[] from pg_constraint join pg_class t on t.oid = conrelid where conindid = c.oid and contype in ('p', 'u', 'x')) as key
  from relations c where relkind in ('i', 'I'))

select 'table' as kind, path as name, class, oid as object, pg_get_userbyid(relowner) as owner, nullif(relpersistence, 'p') as persistence, tablespace, method,
  case relkind when 'p' then pg_get_partkeydef(oid) end as partitioned,
  case relkind when 'p' then (select jsonb_object_agg(attname, format_type(atttypid, atttypmod)) from pg_partitioned_table p cross join unnest(partattrs) k join pg_attribute a on attrelid = partrelid and attnum = k
    where partrelid = t.oid and k > 0) end as key_types,
  case when not relispartition and oid in (select inhrelid from pg_inherits) then (select jsonb_agg(attname order by attname) from pg_attribute
    where attrelid = t.oid and attinhcount > 0 and not attislocal and not attisdropped) end as inherited,
  reloptions || (select array_agg('toast.' || o) from pg_class s cross join unnest(s.reloptions) o where s.oid = t.reltoastrelid) as options,
  case when reloftype <> 0 then format_type(reloftype, null) end as of, case relreplident when 'f' then 'full' when 'n' then 'nothing' end as replica_identity,
  nullif(relrowsecurity, false) as row_security, nullif(relforcerowsecurity, false) as force_row_security
from relations t where relkind in ('r', 'p')

select case when t.relispartition then 'partition' else 'inheritance' end as kind, t.path || case when t.relispartition then '{}' else p.path end as name, t.oid as belongs,
  t.host as parent_kind, t.path as parent_name, inhseqno as rank, json_build_array(json_build_array(p.host, p.path)) as needs,
  case when t.relispartition then p.path end as of, case when t.relispartition then pg_get_expr(t.relpartbound, t.oid) end as bound, case when not t.relispartition then inhseqno end as position
from pg_inherits i join relations t on t.oid = inhrelid join relations p on p.oid = inhparent where t.relkind in ('r', 'p', 'f')

select 'column' as kind, column_path as name, class, attrelid as object, attnum as sub, host as parent_kind, path as parent_name, attnum as rank,
  case when attinhcount > 0 then (select json_agg(json_build_array('column', p.column_path)) from pg_inherits join columns p on p.attrelid = inhparent and p.attname = c.attname where inhrelid = c.attrelid) end as needs,
  format_type(atttypid, atttypmod) as type, case when attcollation <> typcollation then attcollation::regcollation end as collation, nullif(attnotnull, false) as not_null,
-- if version >= 180000
  nullif(conname, left(path[2] || '_' || attname || '_not_null', 63)) as not_null_name, nullif(connoinherit, false) as not_null_no_inherit, nullif(not convalidated, false) as not_null_not_valid,
-- end if
  case when attidentity <> '' then (select jsonb_build_object('always', attidentity = 'a', 'sequence', s.path, 'start', seqstart, 'increment', seqincrement, 'minimum', seqmin, 'maximum', seqmax,
      'cache', seqcache, 'cycle', seqcycle, 'persistence', relpersistence)
    from pg_depend i join pg_sequence q on seqrelid = objid join relations s on s.oid = objid
    where refclassid = c.class and refobjid = attrelid and refobjsubid = attnum and classid = c.class and deptype = 'i') end as identity,
  nullif(attgenerated, '') as generated, case when attgenerated <> '' then default_text end as expression,
  case when attstorage <> typstorage then attstorage end as storage, case when attstorage <> typstorage then typstorage end as usual_storage,
-- if version >= 140000
  nullif(attcompression, '') as compression,
-- end if
  case when attstattarget >= 0 then attstattarget end as statistics, attoptions as options,
  case when attfdwoptions is not null then (select jsonb_object_agg(option_name, option_value) from pg_options_to_table(attfdwoptions)) end as fdw_options,
  nullif(attinhcount > 0 and not attislocal and not relispartition, false) as inherited
from columns c
-- if version >= 180000
  left join pg_constraint on conrelid = attrelid and contype = 'n' and conkey = array[attnum]
-- end if
where relkind <> 'v'

select 'default' as kind, column_path as name, 'pg_attrdef'::regclass as class, default_oid as object, attrelid as belongs, case relkind when 'v' then host else 'column' end as parent_kind,
  case relkind when 'v' then path else column_path end as parent_name, case relkind when 'v' then attnum else 0 end as rank, default_text as expression
from columns where default_oid is not null and attgenerated = ''

-- what a table merely inherits is left to the parent
select 'constraint' as kind, path || conname::text as name, 'pg_constraint'::regclass as class, o.oid as object, conrelid as belongs, host as parent_kind, path as parent_name,
  contype as type, pg_get_constraintdef(o.oid) as definition,
  case when contype in ('p', 'u') then (select jsonb_agg(attname order by place) from unnest(conkey) with ordinality k(number, place) join pg_attribute on attrelid = conrelid and attnum = number) end as columns,
  case contype when 'f' then (select path from relations f where f.oid = confrelid) end as references, (select tablespace from relations x where x.oid = indexrelid) as tablespace,
  nullif(indisclustered, false) as clustered, nullif(indisreplident, false) as replica_identity
from pg_constraint o join relations c on c.oid = conrelid left join pg_index on indexrelid = conindid and contype in ('p', 'u', 'x')
where contype in ('c', 'f', 'p', 'u', 'x') and relkind in ('r', 'p', 'f') and (conislocal or contype in ('p', 'u', 'x')) and not (contype = 'f' and conparentid <> 0)

-- but those of constraints
select 'index' as kind, x.path as name, x.class, indexrelid as object, indrelid as belongs, t.host as parent_kind, t.path as parent_name, pg_get_indexdef(indexrelid) as definition, t.relname as table,
  nullif(indisunique, false) as unique, x.tablespace, x.reloptions as options, (select jsonb_object_agg(attnum, attstattarget) from pg_attribute where attrelid = indexrelid and attstattarget >= 0) as statistics,
  nullif(not indisvalid and t.relkind <> 'p', false) as invalid, nullif(indisclustered, false) as clustered, nullif(indisreplident, false) as replica_identity
from pg_index join relations x on x.oid = indexrelid join relations t on t.oid = indrelid
where t.relkind in ('r', 'p', 'm') and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))

-- which index is part of a partitioned one, constraints' indexes too
select 'index_partition' as kind, x.path as name, (select indrelid from pg_index where indexrelid = x.oid) as belongs, case when x.key is null then 'index' else 'constraint' end as parent_kind,
  coalesce(x.key, x.path) as parent_name, p.path as of, json_build_array(json_build_array(case when p.key is null then 'index' else 'constraint' end, coalesce(p.key, p.path))) as needs
from pg_inherits join parts x on x.oid = inhrelid join parts p on p.oid = inhparent

-- but those of identity columns
select 'sequence' as kind, path as name, class, oid as object, pg_get_userbyid(relowner) as owner, nullif(relpersistence, 'p') as persistence, format_type(seqtypid, null) as type, seqstart as start,
  seqincrement as increment, seqmin as minimum, seqmax as maximum, seqcache as cache, seqcycle as cycle
from pg_sequence join relations c on oid = seqrelid
where not exists (select from pg_depend where classid = class and objid = oid and refclassid = class and deptype = 'i')

select 'sequence_owner' as kind, s.path as name, s.oid as belongs, 'sequence' as parent_kind, s.path as parent_name, t.path || attname::text as column,
  json_build_array(json_build_array('column', t.path || attname::text)) as needs
from pg_depend join relations s on s.oid = objid and s.relkind = 'S' join relations t on t.oid = refobjid join pg_attribute on attrelid = refobjid and attnum = refobjsubid
where classid = s.class and objsubid = 0 and refclassid = s.class and deptype = 'a'

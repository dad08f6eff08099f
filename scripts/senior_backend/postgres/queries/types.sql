-- types, casts, operators, aggregates, collations and conversions, text search
with types as (
  select t.*, 'pg_type'::regclass::oid as class, array[space, typname]::text[] as path, pg_get_userbyid(typowner) as owner
  from pg_type t join spaces s on s.oid = typnamespace left join pg_class r on r.oid = typrelid
  where typtype in ('e', 'd', 'r') or typtype = 'c' and relkind = 'c' or typtype = 'p' and not typisdefined or typtype = 'b' and not exists (select from pg_type e where e.typarray = t.oid)),
names as not materialized (select oid, nspname from pg_namespace),
signs as (select o.oid, 'OPERATOR(' || quote_ident(nspname) || '.' || oprname || ')' as sign from pg_operator o join names n on n.oid = oprnamespace),
members(family, class, entry) as (
  -- of operator families, and the class that each belongs to (0: loose in the family)
  select amopfamily, coalesce(refobjid, 0), jsonb_build_array('operator', amopstrategy, format_type(amoplefttype, null), format_type(amoprighttype, null), amopopr::regoperator,
      (select format('%I.%I', nspname, opfname) from pg_opfamily s join names n on n.oid = opfnamespace where s.oid = amopsortfamily))
  from pg_amop o left join pg_depend on classid = 'pg_amop'::regclass and objid = o.oid and refclassid = 'pg_opclass'::regclass where o.oid >= 16384
  union all
  select amprocfamily, coalesce(refobjid, 0), jsonb_build_array('function', amprocnum, format_type(amproclefttype, null), format_type(amprocrighttype, null), amproc::regprocedure)
  from pg_amproc p left join pg_depend on classid = 'pg_amproc'::regclass and objid = p.oid and refclassid = 'pg_opclass'::regclass where p.oid >= 16384)

select 'enum' as kind, path as name, class, oid as object, owner, coalesce((select jsonb_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid), '[]') as labels
from types t where typtype = 'e'

select 'domain' as kind, path as name, t.class, t.oid as object, owner, format_type(t.typbasetype, t.typtypmod) as type, t.typnotnull as not_null,
  case when t.typcollation <> b.typcollation then t.typcollation::regcollation end as collation, coalesce(pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), t.typdefault) as default
from types t join pg_type b on b.oid = t.typbasetype where t.typtype = 'd'

select 'domain_constraint' as kind, path || conname::text as name, c.tableoid as class, c.oid as object, 'domain' as parent_kind, path as parent_name, pg_get_constraintdef(c.oid) as definition
from pg_constraint c join types t on t.oid = contypid where contype = 'c'

select 'composite_type' as kind, path as name, class, oid as object, owner,
  coalesce((select jsonb_agg(attname order by attnum) from pg_attribute where attrelid = typrelid and attnum > 0 and not attisdropped), '[]') as order
from types where typtype = 'c'

select 'attribute' as kind, path || attname::text as name, 'pg_class'::regclass as class, attrelid as object, attnum as sub, 'composite_type' as parent_kind, path as parent_name, attnum as rank,
  format_type(atttypid, atttypmod) as type, case when attcollation <> b.typcollation then attcollation::regcollation end as collation
from types t join pg_attribute on attrelid = t.typrelid join pg_type b on b.oid = atttypid where t.typtype = 'c' and attnum > 0 and not attisdropped

select 'range_type' as kind, path as name, t.class, t.oid as object, owner, format_type(rngsubtype, null) as subtype, (select typname from pg_type where oid = (to_jsonb(r) ->> 'rngmultitypid')::oid) as multirange,
  case when not opcdefault then format('%I.%I', nspname, opcname) end as subtype_opclass, case when rngcollation <> b.typcollation then rngcollation::regcollation end as collation,
  nullif(rngcanonical, 0)::regproc as canonical, nullif(rngsubdiff, 0)::regproc as subtype_diff
from types t join pg_range r on rngtypid = t.oid join pg_type b on b.oid = rngsubtype join pg_opclass c on c.oid = rngsubopc join names n on n.oid = opcnamespace

-- with input and output functions in C: compared, but never written
select 'base_type' as kind, path as name, class, oid as object, owner, nullif(not typisdefined, false) as shell, case when typisdefined then
    to_jsonb(t) - '{oid,typnamespace,typowner,typrelid,typarray,typacl,class,path,owner}'::text[] || jsonb_build_object('typelem', nullif(typelem, 0)::regtype) end as details
from types t where typtype in ('b', 'p')

-- but those that come with a range type
select 'cast' as kind, array[format_type(castsource, null), format_type(casttarget, null)] as name, tableoid as class, oid as object, castmethod as method, castcontext as context,
  nullif(castfunc, 0)::regprocedure as function
from pg_cast c where oid >= 16384 and not exists (select from pg_depend where classid = c.tableoid and objid = c.oid and deptype = 'i')

select 'operator' as kind, array[space, oprname, coalesce(format_type(nullif(oprleft, 0), null), 'NONE'), coalesce(format_type(nullif(oprright, 0), null), 'NONE')] as name, o.tableoid as class, o.oid as object,
  pg_get_userbyid(oprowner) as owner, oprcode::regproc as function, (select sign from signs where oid = oprcom) as commutator, (select sign from signs where oid = oprnegate) as negator,
  nullif(oprrest, 0)::regproc as restrict, nullif(oprjoin, 0)::regproc as join, nullif(oprcanhash, false) as hashes, nullif(oprcanmerge, false) as merges
from pg_operator o join spaces s on s.oid = oprnamespace where oprcode <> 0

select 'operator_family' as kind, array[space, opfname, amname] as name, f.tableoid as class, f.oid as object, pg_get_userbyid(opfowner) as owner,
  coalesce((select jsonb_agg(entry order by entry) from members where family = f.oid and class = 0), '[]') as members
from pg_opfamily f join spaces s on s.oid = opfnamespace join pg_am a on a.oid = opfmethod

select 'operator_class' as kind, array[space, opcname, amname] as name, c.tableoid as class, c.oid as object, pg_get_userbyid(opcowner) as owner, format('%I.%I', nspname, opfname) as family,
  format_type(opcintype, null) as type, opcdefault as default, case when opckeytype <> 0 then format_type(opckeytype, null) end as storage,
  coalesce((select jsonb_agg(entry order by entry) from members where family = f.oid and class = c.oid), '[]') as members
from pg_opclass c join spaces s on s.oid = opcnamespace join pg_am a on a.oid = opcmethod join pg_opfamily f on f.oid = opcfamily join names n on n.oid = opfnamespace

-- but for arguments and result, what stands between the parentheses of CREATE AGGREGATE
select 'aggregate' as kind, array[space, proname, oidvectortypes(proargtypes)] as name, p.tableoid as class, p.oid as object, pg_get_userbyid(proowner) as owner, pg_get_function_arguments(p.oid) as arguments,
  pg_get_function_result(p.oid) as result, aggtransfn::regproc as sfunc, format_type(aggtranstype, null) as stype, nullif(aggtransspace, 0) as sspace, nullif(aggfinalfn, 0)::regproc as finalfunc,
  nullif(aggfinalextra, false) as finalfunc_extra, modify[strpos('rsw', aggfinalmodify)] as finalfunc_modify, nullif(aggcombinefn, 0)::regproc as combinefunc, nullif(aggserialfn, 0)::regproc as serialfunc,
  nullif(aggdeserialfn, 0)::regproc as deserialfunc, quote_literal(agginitval) as initcond, nullif(aggmtransfn, 0)::regproc as msfunc, nullif(aggminvtransfn, 0)::regproc as minvfunc,
  case when aggmtranstype <> 0 then format_type(aggmtranstype, null) end as mstype, nullif(aggmtransspace, 0) as msspace, nullif(aggmfinalfn, 0)::regproc as mfinalfunc,
  nullif(aggmfinalextra, false) as mfinalfunc_extra, case when aggmfinalfn <> 0 then modify[strpos('rsw', aggmfinalmodify)] end as mfinalfunc_modify, quote_literal(aggminitval) as minitcond,
  (select sign from signs where oid = aggsortop) as sortop, case proparallel when 's' then 'safe' when 'r' then 'restricted' end as parallel, nullif(aggkind = 'h', false) as hypothetical
from pg_aggregate join pg_proc p on p.oid = aggfnoid join spaces s on s.oid = pronamespace cross join (values (array['read_only', 'shareable', 'read_write'])) m(modify)

-- columns that came or were renamed with a version are taken from the row as JSON
select 'collation' as kind, array[space, collname] as name, c.tableoid as class, c.oid as object, pg_get_userbyid(collowner) as owner,
  case collprovider when 'c' then 'libc' when 'i' then 'icu' else 'builtin' end as provider, nullif(collisdeterministic, true) as deterministic,
  case collprovider when 'c' then quote_literal(j ->> 'collcollate') end as lc_collate, case collprovider when 'c' then quote_literal(j ->> 'collctype') end as lc_ctype,
  case when collprovider <> 'c' then quote_literal(coalesce(j ->> 'colllocale', j ->> 'colliculocale', j ->> 'collcollate')) end as locale, quote_literal(j ->> 'collicurules') as rules
from pg_collation c join spaces s on s.oid = collnamespace cross join to_jsonb(c) j

select 'conversion' as kind, array[space, conname] as name, c.tableoid as class, c.oid as object, pg_get_userbyid(conowner) as owner, pg_encoding_to_char(conforencoding) as from,
  pg_encoding_to_char(contoencoding) as to, conproc::regproc as function, condefault as default
from pg_conversion c join spaces s on s.oid = connamespace

select 'ts_parser' as kind, array[space, prsname] as name, p.tableoid as class, p.oid as object, prsstart::regproc as start, prstoken::regproc as gettoken, prsend::regproc as end,
  nullif(prsheadline, 0)::regproc as headline, prslextype::regproc as lextypes
from pg_ts_parser p join spaces s on s.oid = prsnamespace

select 'ts_template' as kind, array[space, tmplname] as name, t.tableoid as class, t.oid as object, nullif(tmplinit, 0)::regproc as init, tmpllexize::regproc as lexize
from pg_ts_template t join spaces s on s.oid = tmplnamespace

select 'ts_dictionary' as kind, array[space, dictname] as name, d.tableoid as class, d.oid as object, pg_get_userbyid(dictowner) as owner, format('%I.%I', nspname, tmplname) as template, dictinitoption as options
from pg_ts_dict d join spaces s on s.oid = dictnamespace join pg_ts_template t on t.oid = dicttemplate join names n on n.oid = tmplnamespace

select 'ts_config' as kind, array[space, cfgname] as name, c.tableoid as class, c.oid as object, pg_get_userbyid(cfgowner) as owner, format('%I.%I', nspname, prsname) as parser,
  coalesce((select jsonb_object_agg(token, dictionaries) from (
    select alias as token, jsonb_agg(mapdict::regdictionary order by mapseqno) as dictionaries from pg_ts_config_map join ts_token_type(cfgparser) t on tokid = maptokentype where mapcfg = c.oid group by alias) m), '{}') as mappings
from pg_ts_config c join spaces s on s.oid = cfgnamespace join pg_ts_parser p on p.oid = cfgparser join names n on n.oid = prsnamespace

-- to families of the system, members may have been added
select 'unhandled' as kind, array[format('operator family %I.%I USING %I, to which members were added', nspname, opfname, amname)] as name
from pg_opfamily f join names n on n.oid = opfnamespace join pg_am a on a.oid = opfmethod
where f.oid < 16384 and exists (select from pg_amop o join pg_depend d on d.classid = 'pg_amop'::regclass and d.objid = o.oid
  where o.oid >= 16384 and amopfamily = f.oid and d.refclassid = 'pg_opfamily'::regclass
    and not exists (select from pg_depend e where e.classid = 'pg_operator'::regclass and e.objid = amopopr and e.deptype = 'e'))

-- casts, operators, operator families and classes, aggregates
-- what belongs to an extension, and the casts that come with a range type
with members as materialized (select classid, objid from pg_depend where deptype = 'e' or deptype = 'i' and classid = 'pg_cast'::regclass),
signs as (select o.oid, 'OPERATOR(' || quote_ident(nspname) || '.' || oprname || ')' as sign from pg_operator o join pg_namespace n on n.oid = oprnamespace),
spaces as materialized (select oid, nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
entries as materialized (
  -- members of operator families and the class that each belongs to (null: loose in the family)
  select amopfamily as family, coalesce(d.refobjid, 0) as class, jsonb_build_array('operator', amopstrategy, format_type(amoplefttype, null), format_type(amoprighttype, null), amopopr::regoperator,
      (select quote_ident(nspname) || '.' || quote_ident(opfname) from pg_opfamily s join pg_namespace n on n.oid = opfnamespace where s.oid = amopsortfamily)) as entry
  from pg_amop o left join pg_depend d on d.classid = 'pg_amop'::regclass and d.objid = o.oid and d.refclassid = 'pg_opclass'::regclass where o.oid >= 16384
  union all
  select amprocfamily, coalesce(d.refobjid, 0), jsonb_build_array('function', amprocnum, format_type(amproclefttype, null), format_type(amprocrighttype, null), amproc::regprocedure)
  from pg_amproc p left join pg_depend d on d.classid = 'pg_amproc'::regclass and d.objid = p.oid and d.refclassid = 'pg_opclass'::regclass where p.oid >= 16384),
entries_of as materialized (select family, class, jsonb_agg(entry order by entry) as list from entries group by family, class)
select 'cast' as kind, array[format_type(castsource, null), format_type(casttarget, null)] as name,
  jsonb_strip_nulls(jsonb_build_object('method', castmethod, 'context', castcontext, 'function', nullif(castfunc, 0)::regprocedure)) as attributes,
  null::text as parent_kind, null::text[] as parent_name, 0 as position, 'pg_cast'::regclass::oid as class, oid as object, 0 as sub, null::jsonb as extra
from pg_cast where oid >= 16384 and ('pg_cast'::regclass, oid) not in (select classid, objid from members)
union all
select 'operator', array[nspname, oprname, coalesce(format_type(nullif(oprleft, 0), null), 'NONE'), coalesce(format_type(nullif(oprright, 0), null), 'NONE')],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(oprowner), 'function', oprcode::regproc, 'commutator', (select sign from signs where oid = oprcom),
    'negator', (select sign from signs where oid = oprnegate),
    'restrict', nullif(oprrest, 0)::regproc, 'join', nullif(oprjoin, 0)::regproc, 'hashes', nullif(oprcanhash, false), 'merges', nullif(oprcanmerge, false))),
  null, null, 0, 'pg_operator'::regclass, o.oid, 0, null
from pg_operator o join spaces n on n.oid = oprnamespace where oprcode <> 0 and ('pg_operator'::regclass, o.oid) not in (select classid, objid from members)
union all
select 'operator_family', array[nspname, opfname, amname], jsonb_build_object('owner', pg_get_userbyid(opfowner), 'members', coalesce(list, '[]')), null, null, 0, 'pg_opfamily'::regclass, f.oid, 0, null
from pg_opfamily f join spaces n on n.oid = opfnamespace join pg_am a on a.oid = opfmethod left join entries_of e on family = f.oid and class = 0
where ('pg_opfamily'::regclass, f.oid) not in (select classid, objid from members)
union all
select 'operator_class', array[n.nspname, opcname, amname],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(opcowner), 'family', quote_ident(fn.nspname) || '.' || quote_ident(opfname), 'type', format_type(opcintype, null), 'default', opcdefault,
    'storage', case when opckeytype <> 0 then format_type(opckeytype, null) end, 'members', coalesce(list, '[]'))),
  null, null, 0, 'pg_opclass'::regclass, c.oid, 0, null
from pg_opclass c join spaces n on n.oid = opcnamespace join pg_am a on a.oid = opcmethod join pg_opfamily f on f.oid = opcfamily join pg_namespace fn on fn.oid = opfnamespace
  left join entries_of e on family = f.oid and class = c.oid
where ('pg_opclass'::regclass, c.oid) not in (select classid, objid from members)
union all
select 'aggregate', array[nspname, proname, oidvectortypes(proargtypes)],
  jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(proowner), 'arguments', pg_get_function_arguments(p.oid), 'result', pg_get_function_result(p.oid), 'kind', aggkind,
    'parallel', nullif(proparallel, 'u'), 'sfunc', aggtransfn::regproc, 'stype', format_type(aggtranstype, null), 'sspace', nullif(aggtransspace, 0), 'finalfunc', nullif(aggfinalfn, 0)::regproc,
    'finalfunc_extra', nullif(aggfinalextra, false), 'finalfunc_modify', aggfinalmodify, 'combinefunc', nullif(aggcombinefn, 0)::regproc, 'serialfunc', nullif(aggserialfn, 0)::regproc,
    'deserialfunc', nullif(aggdeserialfn, 0)::regproc, 'initcond', agginitval, 'msfunc', nullif(aggmtransfn, 0)::regproc, 'minvfunc', nullif(aggminvtransfn, 0)::regproc,
    'mstype', case when aggmtranstype <> 0 then format_type(aggmtranstype, null) end, 'msspace', nullif(aggmtransspace, 0), 'mfinalfunc', nullif(aggmfinalfn, 0)::regproc,
    'mfinalfunc_extra', nullif(aggmfinalextra, false), 'mfinalfunc_modify', case when aggmfinalfn <> 0 then aggmfinalmodify end, 'minitcond', aggminitval,
    'sortop', (select sign from signs where oid = aggsortop))),
  null, null, 0, 'pg_proc'::regclass, p.oid, 0, null
from pg_aggregate a join pg_proc p on p.oid = aggfnoid join spaces n on n.oid = pronamespace where ('pg_proc'::regclass, p.oid) not in (select classid, objid from members)

-- pg_depend as text: "dependant needed type ...", an address being oid << 32 | catalog << 16 | column.
-- Left out, since facts of their own say it (partition, inheritance, index_partition, sequence_owner): the need of a partition, an heir or a partition's index for its parent,
-- that of an owned sequence for its column.
select string_agg(concat_ws(' ', (d.objid::bigint << 32) | (d.classid::bigint << 16) | d.objsubid, (d.refobjid::bigint << 32) | (d.refclassid::bigint << 16) | d.refobjsubid, d.deptype), ' ')
from pg_depend d
where d.objid >= 16384 and d.deptype <> 'p'
  and not (d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.objsubid = 0 and d.deptype in ('a', 'n')
    and (exists (select from pg_inherits i where i.inhrelid = d.objid and i.inhparent = d.refobjid)
      or d.deptype = 'a' and exists (select from pg_sequence s where s.seqrelid = d.objid)))
  and not (d.deptype = 'P' and (d.classid = 'pg_class'::regclass or exists (select from pg_constraint o where d.classid = 'pg_constraint'::regclass and o.oid = d.objid and o.contype in ('p', 'u', 'x'))))

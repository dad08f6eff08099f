-- pg_depend as text: "dependant needed type ...", an address being oid << 32 | catalog << 16 | column.
-- Left out: a partition's or child's need of its parent and an owned sequence's need of its column, which have facts of their own (partition, inheritance, sequence_owner).
select string_agg(concat_ws(' ', d.objid::bigint << 32 | d.classid::bigint << 16 | d.objsubid, d.refobjid::bigint << 32 | d.refclassid::bigint << 16 | d.refobjsubid, d.deptype), ' ')
from pg_depend d
where d.objid >= 16384 and d.deptype <> 'p'
  and not (d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.objsubid = 0 and d.deptype in ('a', 'n')
    and (exists (select from pg_inherits i where i.inhrelid = d.objid and i.inhparent = d.refobjid)
      or d.deptype = 'a' and exists (select from pg_sequence s where s.seqrelid = d.objid)))

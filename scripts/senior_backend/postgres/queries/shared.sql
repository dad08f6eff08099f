-- what all parts may read: the schemas that are people's own, and what is in them, by the kind and name of its fact
spaces as (select oid, nspname::text as space, nspowner, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
relations as not materialized (
  select c.*, 'pg_class'::regclass::oid as class, space, array[space, relname]::text[] as path,
    case relkind when 'f' then 'foreign_table' when 'v' then 'view' when 'm' then 'materialized_view' when 'S' then 'sequence' when 'i' then 'index' when 'I' then 'index' else 'table' end as host,
    (select spcname from pg_tablespace s where s.oid = reltablespace) as tablespace, (select nullif(amname, 'heap') from pg_am a where a.oid = relam) as method
  from pg_class c join spaces s on s.oid = relnamespace where relpersistence <> 't')

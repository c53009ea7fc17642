-- The collections of a view: each table, its put columns as they are selected, and which of them are JSON.
SELECT c.relname,
       array_agg(quote_ident(a.attname)
                 || CASE WHEN a.atttypid = ANY ('{json,jsonb}'::regtype[])
                         THEN '::text AS ' || quote_ident(a.attname) ELSE '' END),
       coalesce(array_agg(a.attname::text)
                FILTER (WHERE a.atttypid = ANY ('{json,jsonb}'::regtype[])), '{}')
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = to_regnamespace($1)
  AND c.relkind = 'r'
  AND c.relname <> 'checkpoint'
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND a.attgenerated = ''
GROUP BY c.relname
ORDER BY c.relname

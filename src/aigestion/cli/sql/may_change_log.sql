SELECT table_name || ': ' || privilege AS granted
FROM unnest(ARRAY['log.events', 'log.tags', 'log.blobs']) AS table_name,
     unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege(table_name, privilege)

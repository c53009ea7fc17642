SELECT table_name || ': ' || privilege AS granted
FROM unnest(ARRAY['log.events', 'log.tags', 'log.blobs', 'log.checkpoints']) AS table_name,
     unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege(to_regclass(table_name), privilege)

-- $1 after, $2 limit
SELECT position, occurred_at, recorded_at, id, correlation_id, causation_id,
    schema_version, type, tenant, actor, tags, data
FROM log.events
WHERE position > $1
ORDER BY position
LIMIT $2

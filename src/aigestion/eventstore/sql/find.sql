-- $1 id
SELECT position, occurred_at, recorded_at, id, correlation_id, causation_id,
    schema_version, type, tenant, actor, tags, data
FROM log.events
WHERE id = $1

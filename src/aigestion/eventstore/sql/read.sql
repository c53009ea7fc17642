-- $1 items as log.guard[] (their own `after` is not looked at), $2 after, $3 limit
SELECT position, occurred_at, recorded_at, id, correlation_id, causation_id,
    schema_version, type, tenant, actor, tags, data
FROM log.read($1, $2, $3)

-- $1 items as log.guard[] (their own `after` is not looked at), $2 after, $3 limit.
-- An item's first tag drives its search; an item without tags walks the log from `after`.
SELECT position, occurred_at, recorded_at, id, correlation_id, causation_id,
    schema_version, type, tenant, actor, tags, data
FROM log.events
WHERE position IN (
    SELECT found.position
    FROM unnest($1::log.guard[]) AS item
    CROSS JOIN LATERAL (
        (
            SELECT t.position
            FROM log.tags t JOIN log.events e USING (position)
            WHERE t.tag_hash = log.tag_hash(item.tags[1]) AND t.position > $2 AND e.tags @> item.tags
              AND (cardinality(item.types) = 0 OR e.type = ANY (item.types))
              AND (item.tenant IS NULL OR e.tenant = item.tenant)
            ORDER BY t.position
            LIMIT $3
        ) UNION ALL (
            SELECT e.position
            FROM log.events e
            WHERE cardinality(item.tags) = 0 AND e.position > $2
              AND (cardinality(item.types) = 0 OR e.type = ANY (item.types))
              AND (item.tenant IS NULL OR e.tenant = item.tenant)
            ORDER BY e.position
            LIMIT $3
        )
    ) AS found
)
ORDER BY position
LIMIT $3

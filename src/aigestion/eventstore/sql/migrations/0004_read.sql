-- The way to read the log: events that match any item, later than `after`, in order; no items match everything.
--
-- A function for the sake of its settings. Plans are kept, and are made while statistics are old or missing; each of
-- these questions has one right plan, which walks an index from `after` on and looks up what it finds.
CREATE FUNCTION log.read(items log.guard[], after bigint, at_most bigint) RETURNS SETOF log.events
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
BEGIN
    IF cardinality(items) = 0 THEN
        RETURN QUERY
            SELECT e.* FROM log.events e WHERE e.position > after ORDER BY e.position LIMIT at_most;
        RETURN;
    END IF;

    -- An item's first tag drives its search; an item without tags walks the log.
    RETURN QUERY
        WITH found AS (
            SELECT DISTINCT one.position
            FROM unnest(items) AS item (_, types, tags, tenant)
            CROSS JOIN LATERAL (
                (
                    SELECT t.position
                    FROM log.tags t JOIN log.events e USING (position)
                    WHERE t.tag_hash = log.tag_hash(item.tags[1]) AND t.position > after
                      AND e.tags @> item.tags
                      AND (cardinality(item.types) = 0 OR e.type = ANY (item.types))
                      AND (item.tenant IS NULL OR e.tenant = item.tenant)
                    ORDER BY t.position
                    LIMIT at_most
                ) UNION ALL (
                    SELECT e.position
                    FROM log.events e
                    WHERE cardinality(item.tags) = 0 AND e.position > after
                      AND (cardinality(item.types) = 0 OR e.type = ANY (item.types))
                      AND (item.tenant IS NULL OR e.tenant = item.tenant)
                    ORDER BY e.position
                    LIMIT at_most
                )
            ) AS one
            ORDER BY one.position
            LIMIT at_most
        )
        SELECT e.* FROM found JOIN log.events e USING (position) ORDER BY e.position;
END $$;

-- The only way into the log: one call appends a group of requests, each judged on its own.

CREATE TYPE log.new_event AS (
    occurred_at    timestamptz,
    id             uuid,
    correlation_id uuid,
    causation_id   uuid,
    schema_version integer,
    type           text,
    tenant         text,
    actor          text,
    tags           text[],
    data           bytea
);

-- One item of an append condition: the request is refused if an event later than `after` matches it.
CREATE TYPE log.guard AS (
    after  bigint,
    types  text[],
    tags   text[],
    tenant text
);

-- `event_requests` and `guard_requests` say which request of the group each event and guard belongs to.
-- Returns the head as it was before, and the requests that were refused; the events of the others now
-- stand at head + 1, head + 2… in the order they came. A request that has guards but no events is only judged.
--
-- Plans are fixed by settings: they are made while the tables are small, and must be right when they are not.
CREATE FUNCTION log.append(
    new_events log.new_event[], event_requests integer[],
    guards log.guard[], guard_requests integer[],
    OUT head_before bigint, OUT refused integer[]
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM FROM log.turn FOR UPDATE;

    -- From here on, every statement's snapshot is taken under the lock and sees all earlier appends.
    SELECT h.position INTO head_before FROM log.head h;
    refused := '{}';
    IF cardinality(guards) > 0 THEN
        SELECT coalesce(array_agg(DISTINCT g.request), '{}') INTO refused
        FROM unnest(guards, guard_requests) AS g (after, types, tags, tenant, request)
        WHERE g.after < head_before AND CASE WHEN cardinality(g.tags) > 0
            THEN EXISTS (
                SELECT FROM log.tags t JOIN log.events e USING (position)
                WHERE t.tag_hash = log.tag_hash(g.tags[1]) AND t.position > g.after AND e.tags @> g.tags
                  AND (cardinality(g.types) = 0 OR e.type = ANY (g.types))
                  AND (g.tenant IS NULL OR e.tenant = g.tenant))
            ELSE EXISTS (
                SELECT FROM log.events e
                WHERE e.position > g.after
                  AND (cardinality(g.types) = 0 OR e.type = ANY (g.types))
                  AND (g.tenant IS NULL OR e.tenant = g.tenant))
            END;
    END IF;

    INSERT INTO log.events (
        position, occurred_at, recorded_at, id, correlation_id, causation_id,
        schema_version, type, tenant, actor, tags, data)
    SELECT head_before + row_number() OVER (),
        n.occurred_at, clock_timestamp(), n.id, n.correlation_id, n.causation_id,
        n.schema_version, n.type, n.tenant, n.actor, n.tags, n.data
    FROM unnest(new_events, event_requests) AS n (
        occurred_at, id, correlation_id, causation_id,
        schema_version, type, tenant, actor, tags, data, request)
    WHERE n.request <> ALL (refused);

    INSERT INTO log.tags (tag_hash, position)
    SELECT log.tag_hash(tag), e.position
    FROM log.events e CROSS JOIN LATERAL unnest(e.tags) AS tag
    WHERE e.position > head_before;
END $$;
REVOKE ALL ON FUNCTION log.append FROM PUBLIC;

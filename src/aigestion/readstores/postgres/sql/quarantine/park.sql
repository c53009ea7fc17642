-- Parks events of the view $1: positions, keys, tenants, types, errors. One that is parked stays as it is.
WITH given AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
        AS one (position, key, tenant, type, error)
), news AS (
    INSERT INTO views.parked_events (view, position, key, tenant, type, error)
    SELECT $1, position, key, tenant, type, error FROM given
    ON CONFLICT (view, position) DO NOTHING
    RETURNING key, tenant
)
INSERT INTO views.parked_keys AS present (view, key, tenant, events)
SELECT $1, key, min(tenant), count(*) FROM news GROUP BY key
ON CONFLICT (view, key) DO UPDATE SET events = present.events + excluded.events

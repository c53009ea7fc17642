-- One row a type of event that a tenant has.
SELECT
    tenant,
    type,
    count() AS events,
    min(activity.occurred_at) AS first_at,
    max(activity.occurred_at) AS last_at,
    max(activity.position) AS last_position
FROM {activity}.activity FINAL
GROUP BY tenant, type

-- The parked keys of the view $1, each with its first event.
SELECT parked.key, parked.tenant, parked.events, first.position, first.type, first.error,
       first.parked_at AS since, parked.redrive, parked.tried_at
FROM views.parked_keys parked
CROSS JOIN LATERAL (
    SELECT position, type, error, parked_at FROM views.parked_events
    WHERE view = parked.view AND key = parked.key
    ORDER BY position
    LIMIT 1
) first
WHERE parked.view = $1
ORDER BY first.position

-- The first $3 parked events of the key $2 of the view $1, in order.
SELECT position, key, tenant, type, error FROM views.parked_events
WHERE view = $1 AND key = $2
ORDER BY position
LIMIT $3

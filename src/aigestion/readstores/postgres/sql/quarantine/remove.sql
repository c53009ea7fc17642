-- Takes out the event at $3 of the key $2 of the view $1; its key no longer counts it.
WITH gone AS (
    DELETE FROM views.parked_events WHERE view = $1 AND key = $2 AND position = $3
    RETURNING position
)
UPDATE views.parked_keys SET events = events - (SELECT count(*) FROM gone)
WHERE view = $1 AND key = $2

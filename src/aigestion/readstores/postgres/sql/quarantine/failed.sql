-- Notes that a redrive of the key $2 of the view $1 got no further than the event at $3, and why: $4.
WITH told AS (
    UPDATE views.parked_events SET error = $4 WHERE view = $1 AND key = $2 AND position = $3
)
UPDATE views.parked_keys SET redrive = false, tried_at = now()
WHERE view = $1 AND key = $2

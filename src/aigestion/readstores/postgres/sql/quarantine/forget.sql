-- Forgets everything that is parked of the view $1.
WITH gone AS (
    DELETE FROM views.parked_events WHERE view = $1
)
DELETE FROM views.parked_keys WHERE view = $1

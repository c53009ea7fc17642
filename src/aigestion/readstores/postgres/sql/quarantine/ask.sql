-- Asks for a redrive of the key $2 of the view $1, or of all its keys.
UPDATE views.parked_keys SET redrive = true
WHERE view = $1 AND ($2::text IS NULL OR key = $2)

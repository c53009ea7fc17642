-- Takes out the key $2 of the view $1 if nothing of it is parked any more.
DELETE FROM views.parked_keys WHERE view = $1 AND key = $2 AND events <= 0

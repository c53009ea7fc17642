UPDATE keys.data_keys
SET wrapped = NULL, destroyed_at = clock_timestamp()
WHERE tenant = $1 AND subject = $2 AND wrapped IS NOT NULL

-- A tenant's keys, newest first, before the position $2.
SELECT key_id, name, scopes::text, issued_at, issued_by, expires_at, revoked_at, position
FROM {view}.keys
WHERE tenant = $1 AND ($2::bigint IS NULL OR position < $2)
ORDER BY position DESC
LIMIT $3

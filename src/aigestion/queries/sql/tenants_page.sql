-- Every tenant by name, later than the name $1.
SELECT tenant, name, created_at, position
FROM {view}.tenants
WHERE $1::text IS NULL OR key > $1
ORDER BY key
LIMIT $2

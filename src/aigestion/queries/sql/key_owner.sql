-- Whose the key of this id is. Ids are minted at random; should two tenants have one, the first keeps it.
SELECT tenant
FROM {view}.keys
WHERE key_id = $1
ORDER BY position
LIMIT 1

-- The key of this id. Ids are minted at random; should two tenants have one, the first keeps it.
SELECT key_id, tenant, secret_hash, name, revoked
FROM {view}.keys
WHERE key_id = $1
ORDER BY position
LIMIT 1

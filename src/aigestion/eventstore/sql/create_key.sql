INSERT INTO keys.data_keys (tenant, subject, key_id, wrapped)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, subject) DO NOTHING
RETURNING key_id

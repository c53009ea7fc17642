-- Returns nothing if there is one of this size already.
INSERT INTO log.checkpoints (size, root, leaves, peaks, note)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (size) DO NOTHING
RETURNING size

-- $1 after this size, $2 limit
SELECT size, root, leaves, peaks, note, made_at
FROM log.checkpoints
WHERE size > $1
ORDER BY size
LIMIT $2

SELECT size, root, leaves, peaks, note, made_at
FROM log.checkpoints
ORDER BY size DESC
LIMIT 1

-- A tenant's documents, newest first, before the position $2.
SELECT document_id, title, media_type, source, bytes, passages, added_at, position
FROM {view}.documents
WHERE tenant = $1 AND ($2::bigint IS NULL OR position < $2)
ORDER BY position DESC
LIMIT $3

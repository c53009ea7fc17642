-- The titles of those of a tenant's conversations $2 that have one.
SELECT conversation_id, title
FROM {view}.conversations
WHERE key = ANY (SELECT $1 || '/' || id FROM unnest($2::text[]) AS id) AND title IS NOT NULL

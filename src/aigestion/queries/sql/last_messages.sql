-- The last $4 messages of a conversation before the position $3, latest first.
SELECT key AS id, role, kind, coalesce(text, '') AS text, name, properties::text, citations::text,
       state, notice, in_reply_to, run_id, position, occurred_at
FROM {view}.messages
WHERE tenant = $1 AND conversation_id = $2 AND position < $3
ORDER BY position DESC
LIMIT $4

-- A tenant's conversations, newest first, before the position $2.
SELECT c.conversation_id, c.title, c.agent, c.user_id, c.started_at, c.last_at, c.position,
       (SELECT count(*) FROM {view}.messages AS m
        WHERE m.tenant = c.tenant AND m.conversation_id = c.conversation_id) AS messages
FROM {view}.conversations AS c
WHERE c.tenant = $1 AND ($2::bigint IS NULL OR c.position < $2)
ORDER BY c.position DESC
LIMIT $3

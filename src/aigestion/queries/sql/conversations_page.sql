-- A tenant's conversations, newest first, before the position $2: archived or not ($3), of the agent $4, of the
-- user $5, in which something was last said from $6 on and before $7.
SELECT c.conversation_id, c.title, c.agent, c.user_id, c.started_at, c.last_at, c.archived, c.position,
       (SELECT count(*) FROM {view}.messages AS m
        WHERE m.tenant = c.tenant AND m.conversation_id = c.conversation_id) AS messages
FROM {view}.conversations AS c
WHERE c.tenant = $1
  AND ($2::bigint IS NULL OR c.position < $2)
  AND ($3::boolean IS NULL OR c.archived = $3)
  AND ($4::text IS NULL OR c.agent = $4)
  AND ($5::text IS NULL OR c.user_id = $5)
  AND ($6::timestamptz IS NULL OR c.last_at >= $6)
  AND ($7::timestamptz IS NULL OR c.last_at < $7)
ORDER BY c.position DESC
LIMIT $8

-- One conversation of a tenant.
SELECT conversation_id, title, agent, user_id, started_at, archived,
       (SELECT count(*) FROM {view}.messages AS m
        WHERE m.tenant = $1 AND m.conversation_id = $2) AS messages
FROM {view}.conversations
WHERE tenant = $1 AND key = $1 || '/' || $2

-- One message of a tenant's conversation.
SELECT key AS id, role, kind, coalesce(text, '') AS text, name, properties::text, citations::text,
       state, notice, in_reply_to, run_id, position, occurred_at
FROM {view}.messages
WHERE tenant = $1 AND conversation_id = $2 AND key = $3

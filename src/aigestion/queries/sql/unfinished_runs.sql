-- Runs of the agents $3 (of all tenants, or as <tenant>/<agent> of one), without an end, last touched before $1, the longest idle first.
SELECT key AS run_id, tenant, conversation_id, agent, in_reply_to, event_position, state, touched_at
FROM {view}.runs
WHERE state IN ('heard', 'started') AND touched_at < $1 AND (agent = ANY ($3) OR tenant || '/' || agent = ANY ($3))
ORDER BY touched_at, key
LIMIT $2

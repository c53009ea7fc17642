-- A tenant's runs, the latest heard first, before the position $2: of the conversation $3, the agent $4, in
-- the state $5, begun from $6 on and before $7.
SELECT key AS run_id, conversation_id, agent, in_reply_to, state, reason,
       coalesce(heard_at, started_at) AS begun_at, started_at, ended_at,
       coalesce(event_position, started_position) AS position,
       (SELECT count(*) FROM {view}.calls AS c WHERE c.run_id = r.key) AS calls
FROM {view}.runs AS r
WHERE tenant = $1
  AND ($2::bigint IS NULL OR coalesce(event_position, started_position) < $2)
  AND ($3::text IS NULL OR conversation_id = $3)
  AND ($4::text IS NULL OR agent = $4)
  AND ($5::text IS NULL OR state = $5)
  AND ($6::timestamptz IS NULL OR coalesce(heard_at, started_at) >= $6)
  AND ($7::timestamptz IS NULL OR coalesce(heard_at, started_at) < $7)
ORDER BY coalesce(event_position, started_position) DESC
LIMIT $8

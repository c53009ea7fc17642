-- One run of a tenant.
SELECT key AS run_id, conversation_id, agent, in_reply_to, state, reason, notice,
       coalesce(heard_at, started_at) AS begun_at, started_at, ended_at,
       coalesce(event_position, started_position) AS position,
       cancel_requested_at, retrieved_at, turns, passages::text
FROM {view}.runs
WHERE tenant = $1 AND key = $2

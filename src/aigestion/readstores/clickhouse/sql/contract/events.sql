-- One row an event, of every type.
SELECT
    tenant,
    position,
    key AS event_id,
    type,
    actor,
    conversation_id,
    user_id,
    agent,
    run_id,
    occurred_at,
    recorded_at
FROM {activity}.activity FINAL

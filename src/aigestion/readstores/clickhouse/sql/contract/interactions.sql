-- One row a thing a user did: wrote, said, or did in an application.
SELECT
    tenant,
    position,
    key AS event_id,
    type,
    assumeNotNull(activity.conversation_id) AS conversation_id,
    assumeNotNull(activity.user_id) AS user_id,
    assumeNotNull(activity.agent) AS agent,
    run_id,
    text_chars,
    occurred_at,
    recorded_at
FROM {activity}.activity FINAL
WHERE type IN ('user.chat', 'user.voice', 'user.action')

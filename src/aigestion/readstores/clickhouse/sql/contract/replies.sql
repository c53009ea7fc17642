-- One row a reply of an agent.
SELECT
    tenant,
    position,
    key AS event_id,
    assumeNotNull(activity.conversation_id) AS conversation_id,
    assumeNotNull(activity.user_id) AS user_id,
    assumeNotNull(activity.agent) AS agent,
    assumeNotNull(activity.run_id) AS run_id,
    assumeNotNull(activity.in_reply_to) AS in_reply_to,
    text_chars,
    assumeNotNull(activity.citations) AS citations,
    occurred_at,
    recorded_at
FROM {activity}.activity FINAL
WHERE type = 'agent.replied'

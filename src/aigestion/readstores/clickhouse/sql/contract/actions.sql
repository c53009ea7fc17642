-- One row an action of a user in an application.
SELECT
    tenant,
    position,
    key AS event_id,
    assumeNotNull(activity.action) AS action,
    assumeNotNull(activity.conversation_id) AS conversation_id,
    assumeNotNull(activity.user_id) AS user_id,
    assumeNotNull(activity.agent) AS agent,
    occurred_at,
    recorded_at
FROM {activity}.activity FINAL
WHERE type = 'user.action'

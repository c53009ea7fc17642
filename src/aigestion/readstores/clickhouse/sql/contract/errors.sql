-- One row a model call or a run that failed.
SELECT
    tenant,
    position,
    key AS event_id,
    type,
    assumeNotNull(activity.reason) AS reason,
    assumeNotNull(activity.conversation_id) AS conversation_id,
    assumeNotNull(activity.user_id) AS user_id,
    assumeNotNull(activity.agent) AS agent,
    assumeNotNull(activity.run_id) AS run_id,
    occurred_at,
    recorded_at
FROM {activity}.activity FINAL
WHERE type IN ('model.failed', 'run.failed')

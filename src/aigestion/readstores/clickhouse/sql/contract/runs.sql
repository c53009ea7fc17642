-- One row a run that began, from the event that was heard to the end.
SELECT
    tenant,
    minIf(activity.position, type = 'run.started') AS position,
    assumeNotNull(activity.run_id) AS run_id,
    assumeNotNull(maxIf(activity.in_reply_to, type = 'run.started')) AS in_reply_to,
    assumeNotNull(maxIf(activity.conversation_id, type = 'run.started')) AS conversation_id,
    assumeNotNull(maxIf(activity.agent, type = 'run.started')) AS agent,
    max(activity.user_id) AS user_id,
    multiIf(
        countIf(type = 'agent.replied') > 0, 'replied',
        countIf(type = 'run.failed') > 0, 'failed',
        countIf(type = 'run.cancelled') > 0, 'cancelled',
        'running'
    ) AS outcome,
    maxIf(activity.reason, type = 'run.failed') AS reason,
    countIf(type = 'model.requested') AS model_calls,
    countIf(type = 'model.failed') AS model_failures,
    minOrNullIf(activity.occurred_at, type IN ('user.chat', 'user.voice', 'user.asked_again')) AS heard_at,
    minIf(activity.occurred_at, type = 'run.started') AS started_at,
    maxOrNullIf(activity.occurred_at, type IN ('agent.replied', 'run.failed', 'run.cancelled')) AS ended_at,
    dateDiff('microsecond', heard_at, started_at) / 1e6 AS wait_seconds,
    dateDiff('microsecond', ifNull(heard_at, started_at), ended_at) / 1e6 AS duration_seconds
FROM {activity}.activity FINAL
WHERE isNotNull(activity.run_id)
GROUP BY tenant, activity.run_id
HAVING position > 0

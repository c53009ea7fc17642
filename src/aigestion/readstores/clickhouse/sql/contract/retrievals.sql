-- One row a run that looked for passages; the run's other events say for whom, and what it came to.
SELECT
    tenant,
    maxIf(activity.position, type = 'run.context_retrieved') AS position,
    assumeNotNull(activity.run_id) AS run_id,
    assumeNotNull(maxIf(activity.conversation_id, type = 'run.started')) AS conversation_id,
    assumeNotNull(maxIf(activity.agent, type = 'run.started')) AS agent,
    assumeNotNull(maxIf(activity.passages, type = 'run.context_retrieved')) AS passages,
    max(activity.best_score) AS best_score,
    max(activity.citations) AS citations,
    maxIf(activity.occurred_at, type = 'run.context_retrieved') AS occurred_at
FROM {activity}.activity FINAL
WHERE isNotNull(activity.run_id)
GROUP BY tenant, activity.run_id
HAVING position > 0

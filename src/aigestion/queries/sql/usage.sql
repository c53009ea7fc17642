-- What happened, bucket by bucket. Replay-safe: a row that was written twice has one position.
SELECT
    toDateTime64(date_trunc({by:String}, occurred_at, 'UTC'), 6, 'UTC') AS start,
    uniqExactIf(position, NOT is_call) AS events,
    uniqExactIf(position, type IN ('user.chat', 'user.voice')) AS messages,
    uniqExactIf(position, type = 'user.action') AS actions,
    uniqExactIf(position, type = 'agent.replied') AS replies,
    uniqExactIf(position, type = 'run.failed') AS failures,
    uniqExactIf(position, is_call) AS model_calls,
    uniqExactIf(position, is_call AND type = 'failed') AS model_failures,
    sum(input) AS input_tokens,
    sum(output) AS output_tokens
FROM (
    SELECT position, occurred_at, type, 0 AS is_call, 0 AS input, 0 AS output
    FROM {activity}.activity FINAL
    WHERE tenant = {tenant:String} AND occurred_at >= {start:DateTime64(6, 'UTC')} AND occurred_at < {end:DateTime64(6, 'UTC')}
    UNION ALL
    SELECT position, occurred_at, outcome, 1, ifNull(input_tokens, 0), ifNull(output_tokens, 0)
    FROM {model_calls}.model_calls FINAL
    WHERE tenant = {tenant:String} AND occurred_at >= {start:DateTime64(6, 'UTC')} AND occurred_at < {end:DateTime64(6, 'UTC')}
)
GROUP BY start
ORDER BY start
LIMIT {limit:UInt32}

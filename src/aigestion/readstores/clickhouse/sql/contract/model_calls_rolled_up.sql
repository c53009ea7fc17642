-- Model calls, bucket by bucket of UTC. Counted when it is asked: nothing is added up twice.
SELECT
    tenant,
    {start_of_bucket}(occurred_at) AS start,
    agent,
    provider,
    requested_model,
    count() AS calls,
    countIf(outcome = 'failed') AS failures,
    sum(ifNull(model_calls.input_tokens, 0)) AS input_tokens,
    sum(ifNull(model_calls.output_tokens, 0)) AS output_tokens
FROM {model_calls}.model_calls FINAL
GROUP BY tenant, start, agent, provider, requested_model

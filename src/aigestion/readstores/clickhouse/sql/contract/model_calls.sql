-- One row a model call that ended, with an answer or without.
SELECT
    tenant,
    position,
    key AS event_id,
    call_id,
    run_id,
    conversation_id,
    agent,
    outcome,
    reason,
    provider,
    requested_model,
    returned_model,
    input_tokens,
    output_tokens,
    usage,
    requested_at,
    first_token_seconds,
    duration_seconds,
    occurred_at,
    recorded_at
FROM {model_calls}.model_calls FINAL

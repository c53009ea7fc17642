-- The model calls of a tenant's run, in the order they were made.
SELECT key AS call_id, attempt, state, provider, requested_model, parameters::text, requested_at,
       returned_model, usage::text, input_tokens, output_tokens, first_token_seconds,
       duration_seconds, ended_at, reason, message
FROM {view}.calls
WHERE tenant = $1 AND run_id = $2
ORDER BY position, key

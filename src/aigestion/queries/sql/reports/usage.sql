-- Events, and beside them what model calls used: two kinds of rows, told apart by the type.
SELECT occurred_at, agent, type, 0 AS input_tokens, 0 AS output_tokens
FROM {events}
UNION ALL
SELECT occurred_at, agent, 'tokens', ifNull(input_tokens, 0), ifNull(output_tokens, 0)
FROM {model_calls}

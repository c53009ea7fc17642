-- One row a run: how far it got, and when it last did something. One row a model call it made.

CREATE TABLE IF NOT EXISTS {view}.runs (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    conversation_id text,
    agent text,
    in_reply_to text,
    event_position bigint,
    heard_at timestamptz,
    started_position bigint,
    started_at timestamptz,
    retrieved_at timestamptz,
    turns bigint,
    passages json,
    state text,
    cancel_requested_at timestamptz,
    ended_at timestamptz,
    reason text,
    notice text,
    touched_at timestamptz,
    position bigint
);
CREATE INDEX IF NOT EXISTS runs_unfinished ON {view}.runs (touched_at)
    WHERE state IN ('heard', 'started');
CREATE INDEX IF NOT EXISTS runs_by_beginning
    ON {view}.runs (tenant, coalesce(event_position, started_position));
CREATE INDEX IF NOT EXISTS runs_of_conversation ON {view}.runs (tenant, conversation_id);

CREATE TABLE IF NOT EXISTS {view}.calls (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    run_id text,
    attempt bigint,
    state text,
    provider text,
    requested_model text,
    parameters json,
    requested_at timestamptz,
    returned_model text,
    usage json,
    input_tokens bigint,
    output_tokens bigint,
    first_token_seconds float8,
    duration_seconds float8,
    ended_at timestamptz,
    reason text,
    message text,
    position bigint
);
CREATE INDEX IF NOT EXISTS calls_of_run ON {view}.calls (run_id);

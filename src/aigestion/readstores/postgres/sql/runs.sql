-- One row a run: how far it got, and when it last did something.

CREATE TABLE IF NOT EXISTS {view}.runs (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    conversation_id text,
    agent text,
    in_reply_to text,
    event_position bigint,
    state text,
    touched_at timestamptz,
    position bigint
);
CREATE INDEX IF NOT EXISTS runs_unfinished ON {view}.runs (touched_at)
    WHERE state IN ('heard', 'started');

-- Conversations and what was said in them.

CREATE TABLE IF NOT EXISTS {view}.conversations (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    conversation_id text,
    user_id text,
    agent text,
    title text,
    started_at timestamptz,
    position bigint,
    last_at timestamptz,
    last_position bigint,
    archived boolean
);
CREATE INDEX IF NOT EXISTS conversations_by_position ON {view}.conversations (tenant, position);

CREATE TABLE IF NOT EXISTS {view}.messages (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    conversation_id text,
    role text,
    kind text,
    text text,
    name text,
    properties json,
    citations json,
    state text,
    notice text,
    in_reply_to text,
    run_id text,
    position bigint,
    occurred_at timestamptz
);
CREATE INDEX IF NOT EXISTS messages_by_position ON {view}.messages (tenant, conversation_id, position);

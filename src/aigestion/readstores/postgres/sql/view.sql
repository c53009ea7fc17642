-- What every view has: its schema and its checkpoint.

CREATE SCHEMA IF NOT EXISTS {view};

CREATE TABLE IF NOT EXISTS {view}.checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL
);
INSERT INTO {view}.checkpoint (position) VALUES (0) ON CONFLICT DO NOTHING;

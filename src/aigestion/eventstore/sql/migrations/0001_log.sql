-- The log: events at dense positions, the tags they are found by, and the bytes too large for a row.

CREATE TABLE log.events (
    position       bigint      PRIMARY KEY,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    id             uuid        NOT NULL UNIQUE,
    correlation_id uuid        NOT NULL,
    causation_id   uuid,
    schema_version integer     NOT NULL,
    type           text        COLLATE "C" NOT NULL,
    tenant         text        COLLATE "C" NOT NULL,
    actor          text        COLLATE "C" NOT NULL,
    tags           text[]      NOT NULL,
    data           bytea       NOT NULL
);
CREATE INDEX events_tenant_position ON log.events (tenant, position);

-- A stream is a range of this index: all events that carry one tag, in order. Tags are kept by their hash: a third
-- of the bytes to write under the lock. Who searches compares the event's own tags too, so that two tags with one
-- hash cost a look and change no answer. Everything here can be derived from `log.events` again.
CREATE TABLE log.tags (
    tag_hash bigint NOT NULL,
    position bigint NOT NULL
);
CREATE INDEX tags_tag_hash_position ON log.tags (tag_hash, position);

CREATE FUNCTION log.tag_hash(tag text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended(tag, 0);

-- Whoever appends holds this row locked until the commit: that is why positions are dense and appear in
-- commit order. The row is locked and never updated: a row that moved with every append would leave a dead
-- version each time, and while a backup holds its snapshot, all of them would have to be walked.
CREATE TABLE log.turn (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO log.turn DEFAULT VALUES;

CREATE VIEW log.head AS
    SELECT coalesce(max(position), 0) AS position FROM log.events;

CREATE TABLE log.blobs (
    hash    bytea PRIMARY KEY CHECK (hash = sha256(content)),
    content bytea NOT NULL
);

CREATE FUNCTION log.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The log is append-only: % on %.% is refused.',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- Statement triggers catch statements (TRUNCATE, and those that change no row); row triggers catch
-- what no statement announces (logical replication). ALWAYS: `session_replication_role` is no way around.
DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['events', 'tags', 'turn', 'blobs'] LOOP
        EXECUTE format(
            'CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.%I
             FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', table_name);
        EXECUTE format(
            'CREATE TRIGGER no_row_change BEFORE UPDATE OR DELETE ON log.%I
             FOR EACH ROW EXECUTE FUNCTION log.refuse_change()', table_name);
        EXECUTE format('ALTER TABLE log.%I ENABLE ALWAYS TRIGGER no_change', table_name);
        EXECUTE format('ALTER TABLE log.%I ENABLE ALWAYS TRIGGER no_row_change', table_name);
    END LOOP;
END $$;

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

-- A stream is a range of this index: all events that carry one tag, in order.
CREATE TABLE log.tags (
    tag      text   COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tag, position)
);

-- The position of the last event. Whoever appends holds this row locked until the commit, which is
-- why positions are dense and appear in commit order.
CREATE TABLE log.head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint  NOT NULL
);
INSERT INTO log.head (position) VALUES (0);

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
    FOREACH table_name IN ARRAY ARRAY['events', 'tags', 'blobs'] LOOP
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
CREATE TRIGGER no_removal BEFORE DELETE OR TRUNCATE ON log.head
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.head ENABLE ALWAYS TRIGGER no_removal;

-- Signed checkpoints of the log: what a Merkle tree over its first `size` events came to (ADR 31).
--
-- `leaves` are the hashes of the events since the former checkpoint, in order, 32 bytes each: they name the first event
-- that is not the one that was signed. `peaks` let the next process go on without reading the log again. Neither is
-- believed: both must come to the root, and the root is what the note signs.
CREATE TABLE log.checkpoints (
    size    bigint      PRIMARY KEY CHECK (size > 0),
    root    bytea       NOT NULL CHECK (length(root) = 32),
    leaves  bytea       NOT NULL,
    peaks   bytea       NOT NULL,
    note    text        COLLATE "C" NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Hashes do not compress: do not try.
ALTER TABLE log.checkpoints ALTER COLUMN leaves SET STORAGE EXTERNAL;

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER no_row_change BEFORE UPDATE OR DELETE ON log.checkpoints
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.checkpoints ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE log.checkpoints ENABLE ALWAYS TRIGGER no_row_change;

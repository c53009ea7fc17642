-- The keys that seal personal fields, wrapped by the master key. Mutable on purpose: it must forget.

CREATE TABLE keys.data_keys (
    tenant       text        COLLATE "C" NOT NULL,
    subject      text        COLLATE "C" NOT NULL,
    key_id       uuid        NOT NULL UNIQUE,
    wrapped      bytea,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    PRIMARY KEY (tenant, subject),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
-- An update leaves the old row, key and all, on its page until a vacuum: have one soon after.
ALTER TABLE keys.data_keys SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

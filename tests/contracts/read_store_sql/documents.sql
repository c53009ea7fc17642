-- The collections of the contract suite as ClickHouse keeps them.
CREATE TABLE IF NOT EXISTS {view}.passages (
    key String,
    document_key Nullable(String),
    tenant Nullable(String),
    document_id Nullable(String),
    n Nullable(Int64),
    title Nullable(String),
    text Nullable(String),
    added_at Nullable(DateTime64(6, 'UTC')),
    position Nullable(Int64)
)
ENGINE = ReplacingMergeTree
ORDER BY key

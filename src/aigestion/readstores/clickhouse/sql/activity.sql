-- One row an event, of every type.
-- Small granules and blocks: whoever reads whole rows, or merges parts, holds one of every column, of every part, in memory.
CREATE TABLE IF NOT EXISTS {view}.activity{on_cluster} (
    key String,
    tenant LowCardinality(String),
    position UInt64,
    type LowCardinality(String),
    actor String,
    conversation_id Nullable(String),
    agent LowCardinality(Nullable(String)),
    user_id Nullable(String),
    run_id Nullable(String),
    in_reply_to Nullable(String),
    action Nullable(String),
    reason LowCardinality(Nullable(String)),
    passages Nullable(UInt32),
    best_score Nullable(Float64),
    citations Nullable(UInt32),
    text_chars UInt32,
    excerpt Nullable(String),
    occurred_at DateTime64(6, 'UTC'),
    recorded_at DateTime64(6, 'UTC'),
    INDEX by_time occurred_at TYPE minmax
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (tenant, position)
SETTINGS index_granularity = 2048, merge_max_block_size = 1024, fsync_after_insert = 1, fsync_part_directory = 1

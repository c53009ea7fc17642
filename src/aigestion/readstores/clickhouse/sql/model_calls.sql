-- One row a model call that ended, with an answer or without.
-- Small granules and blocks: whoever reads whole rows, or merges parts, holds one of every column, of every part, in memory.
CREATE TABLE IF NOT EXISTS {view}.model_calls{on_cluster} (
    key String,
    tenant LowCardinality(String),
    position UInt64,
    call_id String,
    run_id String,
    conversation_id String,
    agent LowCardinality(String),
    outcome LowCardinality(String),
    reason LowCardinality(String),
    provider LowCardinality(String),
    requested_model LowCardinality(String),
    returned_model LowCardinality(Nullable(String)),
    input_tokens Nullable(Int64),
    output_tokens Nullable(Int64),
    usage String COMMENT 'json',
    requested_at DateTime64(6, 'UTC'),
    first_token_seconds Nullable(Float64),
    duration_seconds Nullable(Float64),
    occurred_at DateTime64(6, 'UTC'),
    recorded_at DateTime64(6, 'UTC'),
    INDEX by_time occurred_at TYPE minmax
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (tenant, position)
SETTINGS index_granularity = 2048, merge_max_block_size = 1024, fsync_after_insert = 1, fsync_part_directory = 1

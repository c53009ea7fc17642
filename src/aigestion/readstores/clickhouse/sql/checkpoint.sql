-- The position a view reflects: the highest one written. Made last: without it there is no view.
CREATE TABLE IF NOT EXISTS {view}.checkpoint{on_cluster} (
    position UInt64
)
ENGINE = {replicated}ReplacingMergeTree(position)
ORDER BY tuple()
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1

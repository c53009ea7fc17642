-- $1 a tag to hash, $2 how many of the last positions to count. A table that a later migration makes may be missing.
SELECT current_user AS role,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
    (SELECT coalesce(max(version), 0) FROM log.migrations) AS version,
    ARRAY(
        SELECT privilege || ' on ' || relation
        FROM unnest(ARRAY['log.events', 'log.tags', 'log.blobs', 'log.turn', 'log.checkpoints']) AS relation,
            unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
        WHERE has_table_privilege(to_regclass(relation), privilege)
    ) AS granted,
    ARRAY(
        SELECT relation
        FROM unnest(ARRAY['log.events', 'log.tags', 'log.blobs', 'log.turn', 'log.checkpoints']) AS relation
        WHERE to_regclass(relation) IS NOT NULL AND (
            SELECT count(*) FROM pg_trigger
            WHERE tgrelid = to_regclass(relation) AND tgenabled = 'A'
              AND tgname IN ('no_change', 'no_row_change')
        ) < 2
    ) AS unguarded,
    log.tag_hash($1) AS tag_hash,
    (
        SELECT least(h.position, $2::bigint) - (
            SELECT count(*) FROM log.events e WHERE e.position > h.position - $2::bigint
        )
        FROM log.head h
    ) AS tail_missing

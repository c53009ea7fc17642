-- The first position whose tags and their index disagree, in either direction.
WITH told AS (
    SELECT e.position, log.tag_hash(tag) AS tag_hash
    FROM log.events e CROSS JOIN LATERAL unnest(e.tags) AS tag
    WHERE e.position <= $1
), kept AS (
    SELECT position, tag_hash FROM log.tags WHERE position <= $1
)
SELECT min(position)
FROM (
    (SELECT * FROM told EXCEPT SELECT * FROM kept)
    UNION ALL
    (SELECT * FROM kept EXCEPT SELECT * FROM told)
) AS differing

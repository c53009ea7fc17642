SELECT count(*) AS events, coalesce(min(position), 0) AS first, coalesce(max(position), 0) AS last
FROM log.events

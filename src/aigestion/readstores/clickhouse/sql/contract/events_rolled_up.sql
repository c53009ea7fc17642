-- Events of a type, bucket by bucket of UTC. Counted when it is asked: nothing is added up twice.
SELECT
    tenant,
    {start_of_bucket}(occurred_at) AS start,
    type,
    agent,
    count() AS events,
    uniqExact(user_id) AS users,
    sum(activity.text_chars) AS text_chars
FROM {activity}.activity FINAL
GROUP BY tenant, start, type, agent

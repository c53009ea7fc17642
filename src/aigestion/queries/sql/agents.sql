-- A tenant's agents, or the one called $2: the registered, and the defined, whose definition says what they hear.
SELECT $1 AS tenant, agent,
    coalesce(d.description, a.description) AS description,
    coalesce(d.hears, a.hears)::text AS hears,
    coalesce(d.agent_version, 0) AS agent_version
FROM (SELECT * FROM {view}.agents WHERE tenant = $1) a
    FULL JOIN (SELECT * FROM {view}.definitions WHERE tenant = $1) d USING (agent)
WHERE $2::text IS NULL OR agent = $2
ORDER BY agent

-- A tenant's agents, or the one called $2.
SELECT tenant, agent, description, hears::text
FROM {view}.agents
WHERE tenant = $1 AND ($2::text IS NULL OR agent = $2)
ORDER BY agent

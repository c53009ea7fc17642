-- Messages that match the question $2, best first, after the hit ($4, $5); of the conversation $3 only.
WITH asked AS MATERIALIZED (
    SELECT {view}.asked($2) AS query, {view}.any_word($2) AS words
),
found AS (
    SELECT m.key, ts_rank(m.words, asked.words)::float8 AS score
    FROM {view}.messages AS m, asked
    WHERE m.tenant = $1 AND m.words @@ asked.query
      AND ($3::text IS NULL OR m.conversation_id = $3)
),
page AS (
    SELECT key, score
    FROM found
    WHERE $4::float8 IS NULL OR (score, key) < ($4, $5::text COLLATE "C")
    ORDER BY score DESC, key DESC
    LIMIT $6
)
SELECT 'message' AS kind, m.key AS id, m.conversation_id, NULL AS title, m.position, m.occurred_at, page.score,
       {view}.marked(m.text, asked.words) AS marked
FROM asked, page
JOIN {view}.messages AS m USING (key)
ORDER BY page.score DESC, page.key DESC

-- Passages of documents that match the question $2, best first, after the hit ($3, $4).
WITH asked AS MATERIALIZED (
    SELECT {view}.asked($2) AS query, {view}.any_word($2) AS words
),
found AS (
    SELECT p.key, p.document_id || '/' || p.n AS id, ts_rank(p.words, asked.words)::float8 AS score
    FROM {view}.passages AS p, asked
    WHERE p.tenant = $1 AND p.words @@ asked.query
),
page AS (
    SELECT key, id, score
    FROM found
    WHERE $3::float8 IS NULL OR (score, id COLLATE "C") < ($3, $4::text)
    ORDER BY score DESC, id COLLATE "C" DESC
    LIMIT $5
)
SELECT 'document' AS kind, page.id, p.document_id, p.n AS passage, p.title, p.position,
       p.occurred_at, page.score, {view}.marked(p.text, asked.words) AS marked
FROM asked, page
JOIN {view}.passages AS p USING (key)
ORDER BY page.score DESC, page.id COLLATE "C" DESC

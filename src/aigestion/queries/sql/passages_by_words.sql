-- Passages that share words with the text $2; a word counts the more, the fewer passages have it. Words that
-- most passages have (and more than $5) rank what the others find: looking them up would find everything.
-- Documents ($6), if given: as if there were no others.
WITH library AS NOT MATERIALIZED (
    SELECT key, document_id, n, title, text, words
    FROM {view}.passages
    WHERE tenant = $1 AND ($6::text[] IS NULL OR document_key = ANY($6))
),
asked AS MATERIALIZED (
    SELECT word, query, telling FROM {view}.words_of($2)
),
words AS MATERIALIZED (
    SELECT word, query FROM asked
    WHERE telling OR NOT EXISTS (SELECT FROM asked WHERE telling)
    ORDER BY length(word) DESC, word
    LIMIT $4
),
weighed AS MATERIALIZED (
    SELECT words.query, having_it.n <= greatest($5, total.n / 2) AS rare,
           ln(1 + (total.n - having_it.n + 0.5::float8) / (having_it.n + 0.5::float8)) AS weight
    FROM words,
         (SELECT count(*) AS n FROM library) AS total,
         LATERAL (SELECT count(*) AS n FROM library AS p
                  WHERE p.words @@ words.query) AS having_it
    WHERE having_it.n > 0
),
any_word AS MATERIALIZED (
    SELECT string_agg('(' || query::text || ')', ' | ')::tsquery AS query
    FROM weighed
    WHERE rare OR NOT EXISTS (SELECT FROM weighed WHERE rare)
)
SELECT p.document_id, p.n, p.title, p.text, matches.score
FROM any_word
JOIN library AS p ON p.words @@ any_word.query,
     LATERAL (SELECT sum(weighed.weight * ts_rank(p.words, weighed.query))::float8 AS score
              FROM weighed) AS matches
ORDER BY matches.score DESC, p.key
LIMIT $3

-- What every view has: its schema, its checkpoint, and how it reads text.

CREATE SCHEMA IF NOT EXISTS {view};

CREATE TABLE IF NOT EXISTS {view}.checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL
);
INSERT INTO {view}.checkpoint (position) VALUES (0) ON CONFLICT DO NOTHING;

-- The same text without accents, character for character: offsets in one are offsets in the other.
CREATE OR REPLACE FUNCTION {view}.plain(text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate($1, 'áàâäãéèêëíìîïóòôöõúùûüñçÁÀÂÄÃÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÑÇ',
                     'aaaaaeeeeiiiiooooouuuuncAAAAAEEEEIIIIOOOOOUUUUNC');

-- Text as it is indexed: stemmed in English and in Spanish, and in Spanish as people type it who leave
-- accents out. Beyond 50,000 characters nothing is indexed: a tsvector holds 1 MiB at most.
CREATE OR REPLACE FUNCTION {view}.vector(text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('pg_catalog.english', left($1, 50000))
    || to_tsvector('pg_catalog.spanish', left($1, 50000))
    || CASE WHEN {view}.plain($1) <> $1
            THEN to_tsvector('pg_catalog.spanish', {view}.plain(left($1, 50000)))
            ELSE ''::tsvector END;

-- A question as it is typed into a search box: words, "a phrase", or, -without.
CREATE OR REPLACE FUNCTION {view}.asked(text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN websearch_to_tsquery('pg_catalog.english', $1)
    || websearch_to_tsquery('pg_catalog.spanish', $1)
    || websearch_to_tsquery('pg_catalog.spanish', {view}.plain($1));

-- The words of a text, each with the query that finds it. A stop word of either language is not `telling`:
-- each language indexes the other's ("what" is no Spanish stop word), so they would match everything.
CREATE OR REPLACE FUNCTION {view}.words_of(text)
RETURNS TABLE (word text, query tsquery, telling boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT lexeme,
           plainto_tsquery('pg_catalog.english', lexeme)
               || plainto_tsquery('pg_catalog.spanish', lexeme)
               || plainto_tsquery('pg_catalog.spanish', {view}.plain(lexeme)),
           numnode(plainto_tsquery('pg_catalog.english', lexeme)) > 0
               AND numnode(plainto_tsquery('pg_catalog.spanish', lexeme)) > 0
    FROM unnest(to_tsvector('pg_catalog.simple', left($1, 50000)));
END;

-- Finds what shares at least one word with a text: for ranking, for marking, for whole questions.
CREATE OR REPLACE FUNCTION {view}.any_word(text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH words AS MATERIALIZED (SELECT query, telling FROM {view}.words_of($1))
    SELECT coalesce(string_agg('(' || query::text || ')', ' | '), '')::tsquery
    FROM words
    WHERE telling OR NOT EXISTS (SELECT FROM words WHERE telling);
END;

-- A text, and the same text with the words of a question between U+E000 and U+E001 as English, as Spanish,
-- and as Spanish without accents: the reader puts the marks of all three together.
CREATE OR REPLACE FUNCTION {view}.marked(text, question text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        clean,
        ts_headline('pg_catalog.english', clean, query, marks),
        ts_headline('pg_catalog.spanish', clean, query, marks),
        ts_headline('pg_catalog.spanish', {view}.plain(clean), query, marks)
    ]
    FROM (
        SELECT translate(left($1, 20000), E'\uE000\uE001', '') AS clean,
               {view}.any_word(question) AS query,
               E'HighlightAll=true, StartSel="\uE000", StopSel="\uE001"' AS marks
    ) AS asked;
END;

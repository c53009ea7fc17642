-- What was said and the passages of documents, and how text is read: in English and in Spanish at once.

-- The same text without accents, character for character: offsets in one are offsets in the other.
CREATE OR REPLACE FUNCTION {view}.plain(text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate($1, 'áàâäãéèêëíìîïóòôöõúùûüñçÁÀÂÄÃÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÑÇ',
                     'aaaaaeeeeiiiiooooouuuuncAAAAAEEEEIIIIOOOOOUUUUNC');

-- What may be indexed of a text: its beginning (a tsvector holds 1 MiB at most), character for character, with
-- spaces for signs that would hide words: the parser takes `List<Invoice>` for a tag, and in some locales every
-- character beyond ASCII (¿ “ — 🙂) for a letter.
CREATE OR REPLACE FUNCTION {view}.indexable(text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length($1) = length($1) THEN translate(left($1, 50000), '<>&', '   ')
            ELSE regexp_replace(
                left($1, 50000),
                '[<>&\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf'
                '\u2190-\u2bff\u2e00-\u2e7f\u3000-\u303f\ue000-\uf8ff\ufe00-\ufe0f\ufff9-\ufffd'
                '\U0001f000-\U0001faff]',
                ' ', 'g') END;

-- Text as it is indexed: stemmed in English and in Spanish, and in Spanish as people type it who leave
-- accents out.
CREATE OR REPLACE FUNCTION {view}.vector(text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('pg_catalog.english', {view}.indexable($1))
    || to_tsvector('pg_catalog.spanish', {view}.indexable($1))
    || CASE WHEN octet_length($1) = length($1) -- ASCII has no accents, and most texts are ASCII
            THEN ''::tsvector
            ELSE to_tsvector('pg_catalog.spanish', {view}.plain({view}.indexable($1))) END;

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
    SELECT lexeme, english || spanish || plain, numnode(english) > 0 AND numnode(spanish) > 0
    FROM unnest(to_tsvector('pg_catalog.simple', {view}.indexable($1))),
         LATERAL (SELECT plainto_tsquery('pg_catalog.english', lexeme) AS english,
                         plainto_tsquery('pg_catalog.spanish', lexeme) AS spanish,
                         plainto_tsquery('pg_catalog.spanish', {view}.plain(lexeme)) AS plain) AS stems
    WHERE numnode(english || spanish || plain) > 0;
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

-- A text, and what is indexed of it with the words of a query between U+E000 and U+E001: as English, as
-- Spanish, and as Spanish without accents. Each is as long as the text: the reader puts the marks together.
CREATE OR REPLACE FUNCTION {view}.marked(text, tsquery) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        shown,
        ts_headline('pg_catalog.english', indexed, $2, marks),
        ts_headline('pg_catalog.spanish', indexed, $2, marks),
        CASE WHEN octet_length(indexed) <> length(indexed)
             THEN ts_headline('pg_catalog.spanish', {view}.plain(indexed), $2, marks) ELSE '' END
    ]
    FROM (SELECT translate(left($1, 20000), E'\uE000\uE001', '') AS shown) AS text,
         LATERAL (SELECT {view}.indexable(shown) AS indexed,
                         E'HighlightAll=true, StartSel="\uE000", StopSel="\uE001"' AS marks) AS asked;
END;

CREATE TABLE IF NOT EXISTS {view}.messages (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    conversation_id text,
    text text,
    occurred_at timestamptz,
    position bigint,
    words tsvector GENERATED ALWAYS AS ({view}.vector(coalesce(text, ''))) STORED
);
CREATE INDEX IF NOT EXISTS messages_by_word ON {view}.messages USING gin (words);

CREATE TABLE IF NOT EXISTS {view}.passages (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    document_key text COLLATE "C",
    document_id text,
    n bigint,
    title text,
    text text,
    occurred_at timestamptz,
    position bigint,
    words tsvector GENERATED ALWAYS AS (
        setweight({view}.vector(coalesce(title, '')), 'C') || {view}.vector(coalesce(text, ''))
    ) STORED
);
CREATE INDEX IF NOT EXISTS passages_by_document ON {view}.passages (document_key);
CREATE INDEX IF NOT EXISTS passages_by_word ON {view}.passages USING gin (words);

-- Documents, and the passages their texts were cut into.

CREATE TABLE IF NOT EXISTS {view}.documents (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    document_id text,
    title text,
    media_type text,
    source text,
    bytes bigint,
    passages bigint,
    added_at timestamptz,
    position bigint
);
CREATE INDEX IF NOT EXISTS documents_by_position ON {view}.documents (tenant, position);

CREATE TABLE IF NOT EXISTS {view}.passages (
    key text COLLATE "C" PRIMARY KEY,
    document_key text COLLATE "C",
    tenant text,
    document_id text,
    n bigint,
    title text,
    text text,
    added_at timestamptz,
    position bigint
);
CREATE INDEX IF NOT EXISTS passages_by_document ON {view}.passages (document_key, n);

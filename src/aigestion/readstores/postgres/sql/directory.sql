-- Tenants, their API keys and their agents.

CREATE TABLE IF NOT EXISTS {view}.tenants (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    name text,
    created_at timestamptz,
    position bigint
);

CREATE TABLE IF NOT EXISTS {view}.keys (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    key_id text,
    name text,
    scopes json,
    issued_at timestamptz,
    issued_by text,
    expires_at timestamptz,
    revoked_at timestamptz,
    position bigint
);
CREATE INDEX IF NOT EXISTS keys_by_id ON {view}.keys (key_id);
CREATE INDEX IF NOT EXISTS keys_by_tenant ON {view}.keys (tenant, position);

CREATE TABLE IF NOT EXISTS {view}.agents (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    agent text,
    description text,
    hears json,
    position bigint
);
CREATE INDEX IF NOT EXISTS agents_by_tenant ON {view}.agents (tenant, agent);

CREATE TABLE IF NOT EXISTS {view}.definitions (
    key text COLLATE "C" PRIMARY KEY,
    tenant text,
    agent text,
    agent_version bigint,
    description text,
    hears json,
    position bigint
);
CREATE INDEX IF NOT EXISTS definitions_by_tenant ON {view}.definitions (tenant, agent);

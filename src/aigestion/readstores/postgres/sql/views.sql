-- Which views there are, and which one of a projection serves. Forgotten ones stay, so that no generation
-- is used twice.

CREATE SCHEMA IF NOT EXISTS views;

CREATE TABLE IF NOT EXISTS views.views (
    projection text NOT NULL,
    version integer NOT NULL,
    generation integer NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'active', 'retired', 'forgotten')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, generation)
);
CREATE UNIQUE INDEX IF NOT EXISTS views_one_active ON views.views (projection)
    WHERE state = 'active';

-- Set on a view that was rolled back from: its version is not built again by itself.
ALTER TABLE views.views ADD COLUMN IF NOT EXISTS rolled_back boolean NOT NULL DEFAULT false;

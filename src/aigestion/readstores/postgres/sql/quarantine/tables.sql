-- What was set aside: the parked keys of a view, and their events. The keys are few and looked at often:
-- they count their events, so that nobody else has to.

CREATE SCHEMA IF NOT EXISTS views;

CREATE TABLE IF NOT EXISTS views.parked_keys (
    view text NOT NULL,
    key text NOT NULL,
    tenant text NOT NULL,
    events bigint NOT NULL,
    redrive boolean NOT NULL DEFAULT false,
    tried_at timestamptz,
    PRIMARY KEY (view, key)
);

CREATE TABLE IF NOT EXISTS views.parked_events (
    view text NOT NULL,
    position bigint NOT NULL,
    key text NOT NULL,
    tenant text NOT NULL,
    type text NOT NULL,
    error text,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (view, position)
);
CREATE INDEX IF NOT EXISTS parked_events_by_key ON views.parked_events (view, key, position);

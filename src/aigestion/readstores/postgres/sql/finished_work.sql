-- What work on read models that came with an Idempotency-Key has led to: the last line of its answer.

CREATE SCHEMA IF NOT EXISTS views;

CREATE TABLE IF NOT EXISTS views.finished_work (
    request text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    line bytea NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
);

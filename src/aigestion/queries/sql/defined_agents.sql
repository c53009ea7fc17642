-- Every agent that a tenant defined, as <tenant>/<agent>.
SELECT key FROM {view}.definitions

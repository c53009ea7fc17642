-- What the runtime role may do; granted anew by every migration.
GRANT CONNECT, CREATE ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA log, keys TO {role};
REVOKE ALL ON ALL TABLES IN SCHEMA log FROM {role};
GRANT SELECT ON ALL TABLES IN SCHEMA log TO {role};
GRANT INSERT ON log.blobs, log.checkpoints TO {role};
GRANT EXECUTE ON FUNCTION log.append TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON keys.data_keys TO {role};

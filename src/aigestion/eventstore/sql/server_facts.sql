SELECT current_setting('server_version_num')::integer / 10000 AS version,
    current_setting('server_encoding')           AS encoding,
    current_setting('data_checksums')::boolean   AS checksums,
    current_setting('fsync')::boolean            AS fsync,
    current_setting('full_page_writes')::boolean AS full_page_writes,
    current_setting('synchronous_commit')        AS synchronous_commit,
    pg_is_in_recovery()                          AS standby

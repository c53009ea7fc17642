#!/bin/sh
# Runs once, when the cluster is made: the role that owns the log, and its database. `aigestion migrate` does the rest.
set -eu
password=$(cat /run/secrets/postgres_owner_password)
# On standard input: a command line can be read by others.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
CREATE ROLE aigestion_owner LOGIN CREATEROLE PASSWORD '$password';
CREATE DATABASE aigestion OWNER aigestion_owner;
REVOKE ALL ON DATABASE aigestion FROM PUBLIC;
SQL

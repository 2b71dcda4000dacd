#!/bin/sh
# What the `setup` container does before the API and the worker start. May run again and again.
set -eu

# Without JWT_SECRET_KEY in the environment: a key of this installation's own, made once.
if [ -z "${JWT_SECRET_KEY:-}" ] && [ ! -s "$JWT_SECRET_KEY_FILE" ]; then
  umask 077
  python -c 'import secrets; print(secrets.token_urlsafe(48))' >"$JWT_SECRET_KEY_FILE.new"
  mv "$JWT_SECRET_KEY_FILE.new" "$JWT_SECRET_KEY_FILE"
fi
# CouchDB's own database of users: without it, it logs an error every few seconds.
python -c '
import os, couchdb
server = couchdb.Server(os.environ["COUCHDB_URL"])
if "_users" not in server:
    server.create("_users")
'
flask db upgrade
flask seed

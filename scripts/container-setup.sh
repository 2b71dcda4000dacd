#!/bin/sh
# Run by the `setup` container before the API and the worker start. Idempotent.
set -eu

# Without JWT_SECRET_KEY in the environment, generate a key for this installation, once.
if [ -z "${JWT_SECRET_KEY:-}" ] && [ ! -s "$JWT_SECRET_KEY_FILE" ]; then
  umask 077
  python -c 'import secrets; print(secrets.token_urlsafe(48))' >"$JWT_SECRET_KEY_FILE.new"
  mv "$JWT_SECRET_KEY_FILE.new" "$JWT_SECRET_KEY_FILE"
fi
# Without its own database of users CouchDB logs an error every few seconds.
python -c '
import os, couchdb
server = couchdb.Server(os.environ["COUCHDB_URL"])
if "_users" not in server:
    server.create("_users")
'
flask db upgrade
flask seed

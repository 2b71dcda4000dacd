#!/bin/sh
# Run by the `setup` container before the API and the worker start. Idempotent.
set -eu

# Without JWT_SECRET_KEY in the environment, generate a key for this installation, once.
if [ -z "${JWT_SECRET_KEY:-}" ] && [ ! -s "$JWT_SECRET_KEY_FILE" ]; then
  umask 077
  python -c 'import secrets; print(secrets.token_urlsafe(48))' >"$JWT_SECRET_KEY_FILE.new"
  mv "$JWT_SECRET_KEY_FILE.new" "$JWT_SECRET_KEY_FILE"
fi

# Runs a command, again while PostgreSQL is away: after `docker compose restart` it starts, too.
run() {
  tries=15
  until output=$("$@" 2>&1); do
    tries=$((tries - 1))
    case $output in
      *'connection to server'* | *'Try again'*) [ "$tries" = 0 ] || { sleep 2; continue; } ;;
    esac
    case $output in
      '{'*) why=$output ;; # LOG_FORMAT=json
      *) why="billor: $* failed: $(printf '%s\n' "$output" | grep -m 1 '^[^ ]*\(Error\|billor\): ' ||
        printf %s "$output")" ;;
    esac
    printf '%s\n' "$why" >&2
    exit 1
  done
  [ -z "$output" ] || printf '%s\n' "$output"
}
run flask db upgrade
run flask seed

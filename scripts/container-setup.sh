#!/bin/sh
# Run by the `setup` container before the API and the worker start. Idempotent.
set -eu

# generate VALUE FILE: makes a key for this installation, once, unless the environment has its VALUE.
generate() {
  [ -z "$1" ] && [ ! -s "$2" ] || return 0
  umask 077
  python -c 'import secrets; print(secrets.token_urlsafe(32))' >"$2.new"
  mv "$2.new" "$2"
}
generate "${JWT_SECRET_KEY:-}" "$JWT_SECRET_KEY_FILE"
generate "${PUSH_PRIVATE_KEY:-}" "$PUSH_PRIVATE_KEY_FILE"

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

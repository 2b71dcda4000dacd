#!/usr/bin/env bash
# Walks through the API with curl, one line per check; exits with 1 at the first failure.
#   BASE_URL       where the API is (default http://127.0.0.1:8000)
#   DEMO_EMAIL, DEMO_PASSWORD   the user to log in as (default: the one that `flask seed` creates)
set -euo pipefail

base_url=${BASE_URL:-http://127.0.0.1:${PORT:-8000}}
email=${DEMO_EMAIL:-demo@billor.example}
password=${DEMO_PASSWORD:-demo-password}
run="$(date +%s)-$$"   # makes names unique, so that the script can run again and again
start_seconds=15       # how long the API may take to start
audit_seconds=10       # how long the worker may take to record an event

token= status= headers= body=
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step() { printf '\n%s\n' "$1"; }
pass() { printf '  ✓ %s\n' "$1"; }
fail() {
  printf '  ✗ %s\n' "$1"
  [ -z "$status" ] || printf '    the answer was %s: %s\n' "$status" "$body"
  exit 1
} >&2

# request METHOD PATH [BODY]: sets $status, $headers and $body.
request() {
  local arguments=(--silent --show-error --max-time 15 --request "$1" "$base_url$2"
    --dump-header "$scratch/headers" --output "$scratch/body" --write-out '%{http_code}')
  [ -z "$token" ] || arguments+=(--header "Authorization: Bearer $token")
  [ $# -lt 3 ] || arguments+=(--header 'Content-Type: application/json' --data "$3")
  : >"$scratch/body"
  status=$(curl "${arguments[@]}" 2>"$scratch/error") || {
    status=
    fail "no answer from $base_url: $(cat "$scratch/error"). Is it running? Try: make run"
  }
  headers=$(tr -d '\r' <"$scratch/headers")
  body=$(cat "$scratch/body")
}

# expect STATUS WHAT: check the status of the last response.
expect() { if [ "$status" = "$1" ]; then pass "$2"; else fail "$2: expected status $1"; fi; }

# field NAME: print a text or number of the last response, an object.
field() {
  if command -v jq >/dev/null; then
    jq -r ".$1 // empty" <<<"$body"
  else
    tr -d '\n' <<<"$body" | sed -nE 's/.*"'"$1"'" *: *("([^"]*)"|([0-9]+)).*/\2\3/p'
  fi
}

# expect_field NAME VALUE WHAT
expect_field() {
  local value
  value=$(field "$1")
  if [ "$value" = "$2" ]; then pass "$3"; else fail "$3: expected $1 $2, got '$value'"; fi
}

header() { { grep -i "^$1:" <<<"$headers" || true; } | cut -d ' ' -f 2-; }

# audit_has TYPE: wait until the audit trail of the load has a document of this type.
audit_has() {
  local try
  for ((try = 0; try < audit_seconds * 5; try++)); do
    request GET "/audit?loadId=$load_id&type=$1"
    [ "$status" = 200 ] || break
    case $body in *'"_id"'*) pass "the worker recorded $1: document $(first_audit_id)"; return ;; esac
    sleep 0.2
  done
  fail "the worker recorded $1 within $audit_seconds s"
}
first_audit_id() { sed -nE 's/.*"_id" *: *"([^"]*)".*/\1/p' <<<"$body" | head -n 1; }

echo "Billor at $base_url"
for ((try = 0; try < start_seconds * 2; try++)); do  # it may still be starting
  if curl --silent --fail --max-time 5 --output /dev/null "$base_url/healthz"; then break; fi
  sleep 0.5
done

step '1. Log in'
request GET /loads
expect 401 'without a token: refused'
request POST /auth/login "{\"email\": \"$email\", \"password\": \"not-the-password\"}"
expect 401 'with a wrong password: refused'
request POST /auth/login "{\"email\": \"$email\", \"password\": \"$password\"}"
expect 200 "as $email"
token=$(field access_token)

step '2. Create a user'
request POST /users "{\"name\": \"Test $run\", \"email\": \"test-$run@billor.example\", \"password\": \"a-good-password\"}"
expect 201 "user $(field id)"
request POST /users "{\"name\": \"Test $run\", \"email\": \"TEST-$run@billor.example\"}"
expect 409 'the same email address again: refused'

step '3. Create a driver'
request POST /drivers "{\"name\": \"Driver $run\", \"licenseNumber\": \"TEST-$run\"}"
expect 201 "driver $(field id)"
driver_id=$(field id)

step '4. Create two loads'
request POST /loads "{\"origin\": \"Dallas, TX\", \"destination\": \"Atlanta, GA\", \"cargoType\": \"Test $run\"}"
expect 201 "load $(field id)"
load_id=$(field id)
request POST /loads "{\"origin\": \"Houston, TX\", \"destination\": \"Chicago, IL\", \"cargoType\": \"Test $run\"}"
expect 201 "load $(field id)"
other_load_id=$(field id)

step '5. List loads, from Redis the second time'
for expected in MISS HIT; do
  request GET "/loads?cargoType=Test%20$run"
  [ "$status" = 200 ] || fail 'a list of loads'
  cache=$(header X-Cache)
  if [ "$cache" = "$expected" ]; then pass "X-Cache: $cache"; else fail "X-Cache: expected $expected, got '$cache'"; fi
done

step '6. Assign a load; the driver cannot have a second one'
request POST /assignments "{\"driverId\": $driver_id, \"loadId\": $load_id}"
expect 201 "assignment $(field id), at $(header Location)"
assignment_id=$(field id)
request POST /assignments "{\"driverId\": $driver_id, \"loadId\": $other_load_id}"
expect 409 'a second active load: refused'
expect_field code driver_already_assigned "because: $(field detail)"
audit_has ASSIGNED

step '7. Complete it'
request PATCH "/assignments/$assignment_id/status" '{"status": "COMPLETED"}'
expect 200 'completed'
request GET "/assignments/$assignment_id"
expect 200 "assignment $assignment_id with its driver and its load"
request GET "/loads/$load_id"
expect_field status COMPLETED "load $load_id is COMPLETED"
audit_has LOAD_COMPLETED
request POST /assignments "{\"driverId\": $driver_id, \"loadId\": $other_load_id}"
expect 201 'the driver is free for the other load'
assignment_id=$(field id)

step '8. Reassign it'
request POST /drivers "{\"name\": \"Relief $run\", \"licenseNumber\": \"RELIEF-$run\"}"
expect 201 "another driver $(field id)"
request POST "/assignments/$assignment_id/reassign" "{\"driverId\": $(field id)}"
expect 201 'the other driver has the load now'
request PATCH "/assignments/$(header Location | sed 's|.*/||')/status" '{"status": "CANCELLED"}'
expect 200 'which is cancelled again'

printf '\nAll of it works.\n'

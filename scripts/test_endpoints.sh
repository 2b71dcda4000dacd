#!/usr/bin/env bash
# Calls the API with curl, step by step, and shows each request with its answer.
# Ends with status 1 at the first answer that is not the expected one. Each run leaves a user, two
# drivers and two loads in the data.
#
#   BASE_URL                    where the API is (default: http://127.0.0.1:8000)
#   DEMO_EMAIL, DEMO_PASSWORD   who logs in (default: the user that `flask seed` creates)
#
# Needs bash 3.2 and curl 7.68 or newer; with jq, answers are printed indented.
set -euo pipefail

base_url=${BASE_URL:-http://127.0.0.1:${PORT:-8000}}
base_url=${base_url%/}
email=${DEMO_EMAIL:-demo@billor.example}
password=${DEMO_PASSWORD:-demo-password}
run="$(date +%s)-$$"   # makes names unique, so that the script can run again and again
start_seconds=15       # how long the API may take to start
audit_seconds=60       # how long the worker may take to record an event

token='' status='' headers='' body=''

step() { printf '\n%s\n' "$1"; }
pass() { printf '    ✓ %s\n' "$1"; }
fail() {
  printf '    ✗ %s\n' "$1" >&2
  exit 1
}
fail_with_answer() {
  printf '    %s\n' "$body" >&2
  fail "$1"
}

command -v curl >/dev/null || fail 'curl is not installed. Install it, for example with: sudo apt install curl'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ask ARGUMENT...: curl without the user's own settings, and without a proxy to this machine.
ask() {
  case $base_url in
    http://127.0.0.1* | http://localhost* | http://\[::1\]*) set -- --noproxy '*' "$@" ;;
  esac
  curl --disable --silent --show-error --max-time 30 "$@"
}

# send METHOD PATH [BODY]: set $status, $headers and $body.
send() {
  local method="$1" path="$2" data="${3:-}"
  set -- --request "$method" --dump-header "$scratch/headers" --output "$scratch/body" \
    --write-out '%{http_code}'
  [ -z "$token" ] || set -- "$@" --header "Authorization: Bearer $token"
  [ -z "$data" ] || set -- "$@" --header 'Content-Type: application/json' --data "$data"
  : >"$scratch/body"
  status=$(ask "$@" "$base_url$path" 2>"$scratch/error") ||
    fail "no answer from ${base_url}: $(cat "$scratch/error")"
  headers=$(tr -d '\r' <"$scratch/headers")
  body=$(cat "$scratch/body")
}

# request METHOD PATH [BODY]: send it, and show it with the status of its answer.
request() {
  send "$@"
  show_request "$@"
}
show_request() {
  local data="${3:-}" secret='"password": '
  case $data in *"$secret"*) data="${data%%$secret*}$secret…}" ;; esac
  printf '  %s %s %s→ %s\n' "$1" "$2" "${data:+$data }" "$status"
}

# expect STATUS WHAT: check the status of the last answer.
expect() {
  [ "$status" = "$1" ] || fail_with_answer "$2: expected $1"
  pass "$2"
}

# expect_field NAME VALUE WHAT: check a field of the last answer.
expect_field() {
  [ "$(field "$1")" = "$2" ] || fail_with_answer "$3: expected $1 $2"
  pass "$3"
}

# field NAME: print a field of the last answer, which is one object; the first of that name.
field() {
  { grep -oE "\"$1\": ?(\"[^\"]*\"|[0-9]+)" <<<"$body" || true; } |
    sed -nE '1{s/^"[^"]*": ?//;s/^"//;s/"$//;p;}'
}

# escaped TEXT: print it as the inside of a JSON string.
escaped() { sed 's/[\"]/\\&/g' <<<"$1"; }

header() { { grep -i "^$1:" <<<"$headers" || true; } | cut -d ' ' -f 2-; }

show_answer() {
  if command -v jq >/dev/null; then jq . <<<"$body"; else printf '%s\n' "$body"; fi |
    sed 's/^/    /'
}

wait_for_the_api() {
  local try=0
  until ask --output "$scratch/body" "$base_url/healthz" 2>"$scratch/error"; do
    [ "$try" -gt 0 ] || printf 'No answer yet: waiting up to %s seconds …\n' "$start_seconds"
    try=$((try + 1))
    [ "$try" -le "$start_seconds" ] ||
      fail "Billor is not running at ${base_url} ($(cat "$scratch/error")). Start it with: make run"
    sleep 1
  done
  grep -qE '"status": ?"ok"' "$scratch/body" ||
    fail "what answers at ${base_url} is not Billor. Set BASE_URL to the URL that make run shows."
}

# expect_audit TYPE: wait until the load's audit trail has a document of this type.
expect_audit() {
  local path="/audit?loadId=$load_id&type=$1" try=0
  send GET "$path"
  until [ "$status" != 200 ] || [ -n "$(field _id)" ] || [ "$try" -ge "$audit_seconds" ]; do
    sleep 1
    try=$((try + 1))
    send GET "$path"
  done
  show_request GET "$path"
  expect 200 'the audit trail of the load'
  expect_field type "$1" "the worker has recorded $1 as document $(field _id)"
}

printf 'Billor at %s\n' "$base_url"
wait_for_the_api

step '1. Log in'
request POST /auth/login "{\"email\": \"$email\", \"password\": \"$(escaped "$password")\"}"
[ "$status" != 401 ] || fail_with_answer "$email cannot log in: set DEMO_EMAIL and DEMO_PASSWORD"
expect 200 "logged in as $email"
token=$(field access_token)

step '2. Create a user'
request POST /users "{\"name\": \"Test $run\", \"email\": \"test-$run@billor.example\", \"password\": \"a-good-password\"}"
expect 201 "user $(field id)"

step '3. Create two drivers and two loads'
request POST /drivers "{\"name\": \"Driver $run\", \"licenseNumber\": \"TEST-$run\"}"
expect 201 "driver $(field id)"
driver_id=$(field id)
request POST /drivers "{\"name\": \"Relief $run\", \"licenseNumber\": \"RELIEF-$run\"}"
expect 201 "driver $(field id)"
relief_id=$(field id)
request POST /loads "{\"origin\": \"Dallas, TX\", \"destination\": \"Atlanta, GA\", \"cargoType\": \"Test $run\"}"
expect 201 "load $(field id)"
load_id=$(field id)
request POST /loads "{\"origin\": \"Houston, TX\", \"destination\": \"Chicago, IL\", \"cargoType\": \"Test $run\"}"
expect 201 "load $(field id)"
second_load_id=$(field id)

step '4. List loads: first from PostgreSQL, then from Redis'
for number in 1 2 3 4 5; do  # others may change a load between the two requests
  request GET "/loads?cargoType=Test%20$run&limit=$number"
  expect 200 "X-Cache: $(header X-Cache)"
  request GET "/loads?cargoType=Test%20$run&limit=$number"
  expect 200 "X-Cache: $(header X-Cache)"
  [ "$(header X-Cache)" != HIT ] || break
done
[ "$(header X-Cache)" = HIT ] || fail 'expected X-Cache: HIT; BYPASS means that Redis is unavailable'

step '5. Assign the first load to the first driver'
request POST /assignments "{\"driverId\": $driver_id, \"loadId\": $load_id}"
expect 201 "assignment $(field id)"
assignment_id=$(field id)

step '6. Fetch the assignment, with its driver and its load'
request GET "/assignments/$assignment_id"
show_answer
expect 200 'this is the assignment'

step '7. Assign the second load to the same driver: a conflict'
request POST /assignments "{\"driverId\": $driver_id, \"loadId\": $second_load_id}"
show_answer
expect 409 'a driver has at most one active load'
expect_field code driver_already_assigned "the code says why: $(field code)"

step 'Beyond the original task'
expect_audit ASSIGNED
request POST "/assignments/$assignment_id/check-ins" '{"kind": "LOADED"}'
expect 201 'checked in on the way'
request PATCH "/assignments/$assignment_id/status" '{"status": "COMPLETED"}'
expect 200 'completed'
expect_audit LOAD_COMPLETED
request PATCH "/loads/$second_load_id" '{"destination": "Denver, CO"}'
expect 200 'the second load goes to Denver'
request POST /assignments "{\"driverId\": $driver_id, \"loadId\": $second_load_id}"
expect 201 "the driver is free again: assignment $(field id)"
request POST "/assignments/$(field id)/reassign" "{\"driverId\": $relief_id}"
expect 201 "the other driver has the load now: assignment $(field id)"
request PATCH "/assignments/$(field id)/status" '{"status": "COMPLETED"}'
expect 200 'completed'
token=''
request GET /loads
expect 401 'without a token there is no access'

printf '\nAll of it works.\n'

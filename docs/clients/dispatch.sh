#!/usr/bin/env bash
# Moves a load, with curl.
set -euo pipefail

billor() { curl -sS -w '\n' "$BILLOR_URL$1" -H "Authorization: Bearer $BILLOR_KEY" "${@:2}"; }
send() { billor "$@" -H 'Content-Type: application/json'; }
id() { sed -nE 's/.*[{,] ?"id": ?([0-9]+).*/\1/p'; }

driver=$(send /drivers -d '{"name": "Robin Reed", "licenseNumber": "TX-'$RANDOM$RANDOM'"}' | id)
load=$(send /loads -d '{"origin": "Dallas, TX", "destination": "Reno, NV", "cargoType": "Steel"}' | id)
pair='{"driverId": '$driver', "loadId": '$load'}'
assignment=$(send /assignments -d "$pair" | id)
send /assignments -d "$pair" | grep driver_already_assigned
send "/assignments/$assignment/status" -X PATCH -d '{"status": "COMPLETED"}'

next="/loads?limit=2"
while [ -n "$next" ]; do
  billor "$next" -D head.txt
  next=$(sed -nE "s|^Link: <$BILLOR_URL([^>]*)>; rel=\"next\".*|\1|p" head.txt)
done
billor "/events?limit=200"

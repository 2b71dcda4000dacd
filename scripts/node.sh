#!/bin/sh
# Runs a program of node_modules with the node of .venv, and installs them first if package-lock.json
# has changed: scripts/node.sh PROGRAM [ARGUMENT …]. Without a program it only installs.
# Where npm's registry does not answer, the checks of the board are skipped, but not in CI.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

stamp=node_modules/.installed-package-lock.json
cmp -s package-lock.json "$stamp" || {
  if npm ci --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000; then
    cp package-lock.json "$stamp"
  else
    [ -z "${CI:-}" ] || exit 1
    echo "*** SKIPPED: npm could not install package-lock.json, so ${1:-what needs it} is left out. ***" >&2
    exit 0
  fi
}
[ $# -eq 0 ] || exec "node_modules/.bin/$@"

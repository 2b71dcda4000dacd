#!/bin/sh
# Runs a program of node_modules with the node of .venv, and installs them first if package-lock.json
# has changed: scripts/node.sh PROGRAM [ARGUMENT …]. Without a program it only installs.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

stamp=node_modules/.installed-package-lock.json
cmp -s package-lock.json "$stamp" || {
  npm ci --loglevel=error
  cp package-lock.json "$stamp"
}
[ $# -eq 0 ] || exec "node_modules/.bin/$@"

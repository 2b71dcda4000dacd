#!/bin/sh
# Copies the board's library from node_modules, which npm has compared with package-lock.json.
# `--update` brings the lock in step with package.json first. `--check` writes nothing, and fails if
# a copy differs.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --update ]; then
  PATH=$PWD/.venv/bin:$PATH npm install --package-lock-only --loglevel=error
fi
scripts/node.sh
[ "${1:-}" != --check ] || [ -d node_modules/preact ] || exit 0 # skipped, as it said

folder=billor/board/vendor
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cp node_modules/preact/dist/preact.mjs "$fresh/preact.mjs"
cp node_modules/preact/hooks/dist/hooks.mjs "$fresh/preact-hooks.mjs"
cp node_modules/preact/LICENSE "$fresh/preact-LICENSE"
.venv/bin/node --print '
  const name = "node_modules/preact";
  const {version, license, integrity} = require("./package-lock.json").packages[name];
  `preact ${version}, ${license}, ${integrity}`' >"$fresh/preact-VERSION"

if [ "${1:-}" = --check ]; then
  diff -r "$fresh" "$folder" >&2 || { echo "$folder is not what package-lock.json has: make vendor" >&2; exit 1; }
else
  mkdir -p "$folder"
  rm -f "$folder"/*
  cp "$fresh"/* "$folder"
fi

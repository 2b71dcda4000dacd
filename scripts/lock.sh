#!/bin/sh
# Pins the dependencies in pyproject.toml, with hashes, in the requirements files, for all
# Python versions and platforms, and prints which versions changed. Keeps pinned versions;
# `lock.sh --upgrade` takes the newest. `lock.sh --check` writes nothing, and fails if a file is
# outdated.
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp requirements*.txt "$folder"
upgrade=
[ "${1:-}" != --upgrade ] || upgrade=--upgrade

compile() { # compile FILE [OPTION …]
  file=$1; shift
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $upgrade \
    --custom-compile-command 'make lock' --output-file "$folder/$file" "$@" pyproject.toml
}

compile requirements.txt
compile requirements-embedded.txt --extra embedded --constraint "$folder/requirements.txt"
compile requirements-dev.txt --extra embedded --extra dev \
  --constraint "$folder/requirements-embedded.txt"
compile requirements-bench.txt --extra embedded --extra bench \
  --constraint "$folder/requirements-dev.txt"
# uv writes the paths of the constraints.
sed -i.bak "s|$folder/||" "$folder"/requirements*.txt

pins() { grep -E '^[A-Za-z0-9]' "$1" | sed 's/ *\\$//'; }

for file in requirements*.txt; do
  cmp -s "$file" "$folder/$file" && continue
  if [ "${1:-}" = --check ]; then
    echo "$file is not in step with pyproject.toml: make lock" >&2
    exit 1
  fi
  echo "$file:"
  pins "$file" >"$folder/before"
  pins "$folder/$file" | diff "$folder/before" - | sed -n 's/^</  -/p; s/^>/  +/p'
  cp "$folder/$file" "$file"
done

#!/bin/sh
# Pins what pyproject.toml asks for, with hashes, into the three requirements files, for all
# Pythons and platforms. Versions stay as they are pinned; `lock.sh --upgrade` takes the newest.
# With --check nothing is written: it fails if a file is not in step.
set -eu
cd "$(dirname "$0")/.."

folder=.
upgrade=
case ${1:-} in
  --check) folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cp requirements*.txt "$folder" ;;
  --upgrade) upgrade=--upgrade ;;
esac

compile() { # compile FILE [OPTION …]
  file=$1; shift
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $upgrade \
    --custom-compile-command 'make lock' --output-file "$folder/$file" "$@" pyproject.toml
}

compile requirements.txt
compile requirements-embedded.txt --extra embedded --constraint requirements.txt
compile requirements-dev.txt --extra embedded --extra dev --constraint requirements-embedded.txt

[ "$folder" = . ] || for file in requirements*.txt; do
  cmp -s "$file" "$folder/$file" || { echo "$file is not in step with pyproject.toml: make lock" >&2; exit 1; }
done

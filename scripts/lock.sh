#!/bin/sh
# Pins the dependencies in pyproject.toml, with hashes, in the requirements files, for all
# supported Python versions and platforms, and prints which versions changed. Keeps pinned versions;
# `lock.sh --upgrade` takes the newest. `lock.sh --check` needs no network and writes nothing: it
# fails if pyproject.toml has other dependencies than when the files were made.
set -eu
cd "$(dirname "$0")/.."

dependencies() {
  .venv/bin/python -c '
import hashlib, json, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
kept = [project[name] for name in ("requires-python", "dependencies", "optional-dependencies")]
print("# of pyproject.toml", hashlib.sha256(json.dumps(kept).encode()).hexdigest())'
}

if [ "${1:-}" = --check ]; then
  for file in requirements*.txt; do
    [ "$(tail -n 1 "$file")" = "$(dependencies)" ] || {
      echo "$file is not in step with pyproject.toml: make lock" >&2
      exit 1
    }
  done
  exit 0
fi

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
compile requirements-otel.txt --extra otel --constraint "$folder/requirements.txt"
compile requirements-dev.txt --extra embedded --extra otel --extra dev \
  --constraint "$folder/requirements-embedded.txt"
compile requirements-bench.txt --extra embedded --extra bench \
  --constraint "$folder/requirements-dev.txt"

# Nobody should need a compiler: each package has a wheel wherever `make run` is supported.
for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin; do
  for version in 3.11 3.12 3.13 3.14; do
    .venv/bin/uv pip install --dry-run --quiet --no-deps --only-binary :all: --target "$folder/none" \
      --python-platform "$platform" --python-version "$version" \
      --requirement "$folder/requirements-embedded.txt" || {
      echo "not all packages have a wheel for Python $version on $platform" >&2
      exit 1
    }
  done
done

pins() { grep -E '^[A-Za-z0-9]' "$1" | sed 's/ *\\$//'; }

for file in requirements*.txt; do
  # uv writes the paths of the constraints.
  sed -i.bak "s|$folder/||" "$folder/$file"
  dependencies >>"$folder/$file"
  cmp -s "$file" "$folder/$file" && continue
  echo "$file:"
  pins "$file" >"$folder/before"
  pins "$folder/$file" | diff "$folder/before" - | sed -n 's/^</  -/p; s/^>/  +/p'
  cp "$folder/$file" "$file"
done

#!/bin/sh
# Creates or updates .venv from a requirements file: scripts/venv.sh FILE
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'billor: %s\n' "$1" >&2; exit 1; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
  if is_recent "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || fail 'Python 3.11 or newer was not found: install it, or name it with PYTHON=…'

# Skip if the same file is installed with the same Python, or requirements-dev.txt, which includes
# all but those of the benchmarks.
stamp() { "$python" --version; cat "$1"; }
for installed in "$1" requirements-dev.txt; do
  [ "$1" = requirements-bench.txt ] && [ "$installed" != "$1" ] && continue
  if [ "$(cat ".venv/installed-$installed" 2>/dev/null)" = "$(stamp "$installed")" ] &&
    .venv/bin/python -c '' 2>/dev/null; then exit 0; fi
done

echo "Installing into .venv with $("$python" --version), this once …"
if [ "$(.venv/bin/python --version 2>/dev/null)" != "$("$python" --version)" ]; then
  rm -rf .venv
  "$python" -m venv .venv >/dev/null 2>&1 ||
    fail "$python cannot make a virtual environment: install its venv module (on Debian and Ubuntu: python3-venv)."
fi

# The file is complete: --no-deps installs exactly the pinned versions. Print a dot per package:
# pip itself prints either nothing or too much. --no-compile halves the time.
log=.venv/install.log
failed=.venv/install-failed
rm -f "$failed"
{ { .venv/bin/python -m pip install --disable-pip-version-check --no-input --no-compile \
      --no-deps --require-hashes --requirement "$1" && .venv/bin/python -m pip check; } 2>&1 ||
    touch "$failed"; } |
  tee "$log" | while read -r line; do
    case $line in Collecting* | Installing*) printf . ;; esac
  done
echo
if [ -e "$failed" ]; then
  grep '^ERROR' "$log" | tail -n 3 >&2
  fail "the packages could not be installed. All that pip said: $log"
fi
stamp "$1" >".venv/installed-$1"

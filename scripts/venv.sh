#!/bin/sh
# Makes .venv from a requirements file, or brings it up to date: scripts/venv.sh FILE
# A new .venv is made beside and renamed when it is complete; one that works is kept.
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'billor: %s\n' "$1" >&2; exit 1; }

# The user's settings of Python and pip must not change what is installed, or where.
unset PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONWARNINGS PYTHONIOENCODING
for name in $(env | sed -n 's/^\(PIP_[A-Z_]*\)=.*/\1/p'); do
  case $name in
    *INDEX* | *_LINKS | *CERT | *HOST | *_PROXY | *TIMEOUT | PIP_CACHE_DIR | PIP_CONFIG_FILE) ;;
    *) unset "$name" ;;
  esac
done
export PYTHONUTF8=1 PIP_USER=0

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Its Python runs, and pip is there.
works() {
  "$1/bin/python" -c 'import importlib.util as i, sys
sys.exit(sys.version_info < (3, 11) or not i.find_spec("pip"))' 2>/dev/null
}

is_installed() { # requirements-dev.txt includes all but those of the benchmarks
  cmp -s "$1" ".venv/installed-$1" && return
  [ "$1" != requirements-bench.txt ] &&
    cmp -s requirements-dev.txt .venv/installed-requirements-dev.txt
}

# Programs find Python by their own location (relocatable.py); `activate` has an absolute path.
repair_activate() {
  .venv/bin/python -m venv --without-pip .venv
  (cd .venv && pwd -P) >.venv/made-in
}

# Why pip failed, from its output.
why() {
  if grep -q 'No space left' "$log"; then
    echo 'no space is left on the disk.'
  elif grep -q 'connection broken by\|Could not fetch URL\|timed out' "$log"; then
    printf 'the package index does not answer (%s). ' \
      "$(sed -n "s/.*connection broken by.*: \(.*\)': .*/\1/p" "$log" | tail -n 1 | tr -d "'\")")"
    echo 'Look at the network, HTTPS_PROXY and PIP_INDEX_URL.'
  elif grep -q 'No matching distribution' "$log"; then
    printf 'there is no package %s ' "$(sed -n 's/.*distribution found for \([^ ]*\).*/\1/p' "$log" | tail -n 1)"
    echo "for $("$venv/bin/python" --version) on $(uname -sm)."
  else
    grep 'ERROR\|HASHES\|requires' "$log" | tail -n 1
  fi
}

if [ -n "${PYTHON:-}" ]; then
  command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON was not found."
  is_recent "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer."
fi
if works .venv; then
  if [ "$(cat .venv/made-in 2>/dev/null)" != "$(cd .venv && pwd -P)" ] && [ -w .venv ]; then
    repair_activate
  fi
  if is_installed "$1"; then exit 0; fi
fi
[ -w . ] || fail "$PWD cannot be written to: copy it to a folder of yours."
[ ! -e .venv ] || [ -w .venv ] ||
  fail "$PWD/.venv belongs to another user: remove it (sudo rm -rf .venv), and try again."

log=$(mktemp)
venv=.venv
if works .venv; then
  python=.venv/bin/python
  rm -f .venv/installed-*
else
  python=${PYTHON:-}
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if [ -z "$python" ] && is_recent "$candidate"; then python=$candidate; fi
  done
  [ -n "$python" ] || fail 'Python 3.11 or newer was not found: install it, or name it with PYTHON=…'
  for left in .venv.new.*; do # from a killed run
    kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
  done
  venv=.venv.new.$$
  trap 'rm -rf "$venv"' EXIT
fi
trap 'echo; fail "stopped before everything was installed; the next try starts again."' INT TERM HUP

echo "Installing into .venv with $("$python" --version), this once …"
if [ "$venv" != .venv ]; then
  "$python" -c 'import ensurepip' 2>/dev/null ||
    fail "$python has no venv module: install it (Debian, Ubuntu: sudo apt install python3-venv)."
  "$python" -m venv "$venv" >"$log" 2>&1 ||
    fail "$python cannot make a virtual environment: $(tail -n 1 "$log")"
fi
# The file is complete: --no-deps installs exactly the pinned versions. Print a dot per package:
# pip itself prints either nothing or too much. --no-compile halves the time.
{ { "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile \
      --retries 3 --no-deps --only-binary :all: --require-hashes --requirement "$1" &&
    "$venv/bin/python" -m pip check; } 2>&1 && echo installed; } |
  tee "$log" | while read -r line; do
    case $line in Collecting* | Installing*) printf . ;; esac
  done
echo
[ "$(tail -n 1 "$log")" = installed ] ||
  fail "the packages could not be installed: $(why) All of pip's output: $log"
"$venv/bin/python" -I scripts/relocatable.py "$venv/bin"
cp "$1" "$venv/installed-$1"
if [ "$venv" != .venv ]; then
  rm -rf .venv
  mv "$venv" .venv
fi
repair_activate
rm -f "$log"

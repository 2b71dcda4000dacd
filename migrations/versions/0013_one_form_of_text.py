"""Make license numbers unique by their letters and digits, and stored text what new text is.

Where drivers or users would then be the same, nothing is changed: they are listed. Text is changed
in batches, outside a transaction; the migration may be interrupted and run again. There is no event
of it: what people see stays as it is.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import sqlalchemy as sa
from alembic import op

from billor.stored_text import (
    duplicate_drivers,
    duplicate_users,
    repaired,
    repaired_address,
    told,
)
from billor.text import is_letter_or_digit

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Cyrillic and Greek capitals, and the Latin ones that they look like.
LOOK_ALIKES = "АВСЕНКМОРТХУІЈЅԚԜҮΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABCEHKMOPTXYIJSQWYABEZHIKMNOPTYX"
# The database's locale decides only which letters have an upper case.
KEY = """
    CREATE OR REPLACE FUNCTION canonical_key(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT translate(
            upper(regexp_replace(normalize(value, NFKC), '[{other}]', '', 'g')), '{like}', '{latin}'
        )
    $$
"""
# The name stays, by which the version that is still running knows a refusal.
INDEX, NEXT_INDEX = "uq_drivers_license_number", "uq_drivers_license_number_next"

# What may have another form: all but ASCII with single spaces.
ODD = "[^ -~]|  |^ | $"
BATCH_ROWS = 1000
TEXTS: dict[str, dict[str, Callable[[str], str]]] = {
    "users": {"name": repaired, "email": repaired_address},
    "drivers": {"name": repaired, "license_number": repaired},
    "loads": {"origin": repaired, "destination": repaired, "cargo_type": repaired},
}
DUPLICATES = """\
Nothing was changed, since some would be the same from now on.
{lists}Give all but one on each line another one with the version that ran until now, drivers by \
PATCH /drivers/{{id}}, and users by SQL: UPDATE users SET email = '…' WHERE id = …. Then run this \
again. `flask drivers duplicates` and `flask users duplicates` list all of them."""


def _others() -> str:
    """Return the ranges of code points that are neither letters nor digits, for a regex.

    What is not assigned belongs to either neighbour, so that there are fewer ranges.
    """
    assigned = (
        char
        for char in map(chr, range(1, sys.maxunicode + 1))
        if unicodedata.category(char) not in ("Cn", "Cs")
    )
    runs = [list(run) for counts, run in groupby(assigned, is_letter_or_digit) if not counts]
    return "".join(rf"\U{ord(run[0]):08x}-\U{ord(run[-1]):08x}" for run in runs)


def _refuse_duplicates() -> None:
    connection = op.get_bind()
    found = {
        "Drivers with the same license number": duplicate_drivers(connection),
        "Users with the same email address": duplicate_users(connection),
    }
    lists = "".join(f"{what}:\n{told(those)}\n" for what, those in found.items() if those)
    if lists:
        raise RuntimeError(DUPLICATES.format(lists=lists))  # which `flask db` shows without a trace


def _repair(table: str, columns: dict[str, Callable[[str], str]]) -> None:
    """Update the rows whose text has another form; one that would be too long stays as it is."""
    rows = sa.table(table, sa.column("id"), *(sa.column(name, sa.String) for name in columns))
    lengths = {
        column["name"]: column["type"].length
        for column in sa.inspect(op.get_bind()).get_columns(table)
        if column["name"] in columns
    }
    for batch in _batches(rows, columns):
        for row in batch:
            new = {name: form(getattr(row, name)) for name, form in columns.items()}
            old = {name: getattr(row, name) for name in columns}
            changes = {n: new[n] for n in new if new[n] != old[n] and len(new[n]) <= lengths[n]}
            if changes:
                # Somebody may have changed the row meanwhile, and knows better.
                as_read = [rows.c[name] == old[name] for name in changes]
                op.execute(sa.update(rows).where(rows.c.id == row.id, *as_read).values(changes))


def _batches(rows: sa.TableClause, columns: Iterable[str]) -> Iterator[Sequence[sa.Row]]:
    is_odd = sa.or_(*(rows.c[name].regexp_match(ODD) for name in columns))
    query = sa.select(rows).where(is_odd).order_by(rows.c.id).limit(BATCH_ROWS)
    batch = op.get_bind().execute(query).all()
    while batch:
        yield batch
        batch = op.get_bind().execute(query.where(rows.c.id > batch[-1].id)).all()


def _replace_index(column: str) -> None:
    _drop_index(NEXT_INDEX)  # an interrupted build leaves an invalid index
    op.create_index(
        NEXT_INDEX, "drivers", [sa.text(column)], unique=True, postgresql_concurrently=True
    )
    _drop_index(INDEX)
    op.execute(f"ALTER INDEX {NEXT_INDEX} RENAME TO {INDEX}")


def _drop_index(name: str) -> None:
    op.drop_index(name, "drivers", if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(sa.text(KEY.format(other=_others(), like=LOOK_ALIKES[0], latin=LOOK_ALIKES[1])))
        _refuse_duplicates()
        for table, columns in TEXTS.items():
            _repair(table, columns)
        _replace_index("canonical_key(license_number)")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _replace_index("license_number")
        op.execute("DROP FUNCTION canonical_key(text)")

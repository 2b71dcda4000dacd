"""Make license numbers unique by their letters and digits."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = """
    CREATE FUNCTION canonical_key(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT upper(regexp_replace(value, '[^0-9A-Za-z]', '', 'g'))
    $$
"""
INDEX = "uq_drivers_license_number"


def upgrade() -> None:
    op.execute(KEY)
    op.drop_index(INDEX, "drivers")
    op.execute(f"CREATE UNIQUE INDEX {INDEX} ON drivers (canonical_key(license_number))")


def downgrade() -> None:
    raise NotImplementedError

"""Create the five tables; two partial unique indexes enforce the rule of one active load."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACTIVE = sa.text("status = 'ASSIGNED'")


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True)


def _time(name: str, *, default: str | None = "now()", nullable: bool = False) -> sa.Column:
    return sa.Column(
        name,
        postgresql.TIMESTAMP(timezone=True),
        nullable=nullable,
        server_default=sa.text(default) if default else None,
    )


def upgrade() -> None:
    op.create_table(
        "users",
        _id(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.Text),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("uq_users_email", "users", [sa.text("lower(email)")], unique=True)

    op.create_table(
        "drivers",
        _id(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("license_number", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_drivers"),
        sa.CheckConstraint("status IN ('ACTIVE', 'INACTIVE')", name=op.f("ck_drivers_status")),
    )
    op.create_index("uq_drivers_license_number", "drivers", ["license_number"], unique=True)
    op.create_index("ix_drivers_status_id", "drivers", ["status", "id"])

    op.create_table(
        "loads",
        _id(),
        sa.Column("origin", sa.String(200), nullable=False),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("cargo_type", sa.String(100), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_loads"),
        sa.CheckConstraint(
            "status IN ('OPEN', 'ASSIGNED', 'COMPLETED', 'CANCELLED')", name=op.f("ck_loads_status")
        ),
    )
    op.create_index("ix_loads_status_id", "loads", ["status", "id"])
    for column in ("origin", "destination", "cargo_type"):
        op.create_index(f"ix_loads_{column}_id", "loads", [sa.text(f"lower({column})"), "id"])

    op.create_table(
        "driver_load_assignments",
        _id(),
        sa.Column("driver_id", sa.BigInteger, nullable=False),
        sa.Column("load_id", sa.BigInteger, nullable=False),
        _time("assigned_at"),
        _time("closed_at", default=None, nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_driver_load_assignments"),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["drivers.id"], name="fk_driver_load_assignments_driver_id"
        ),
        sa.ForeignKeyConstraint(
            ["load_id"], ["loads.id"], name="fk_driver_load_assignments_load_id"
        ),
        sa.CheckConstraint(
            "status IN ('ASSIGNED', 'COMPLETED', 'CANCELLED')",
            name=op.f("ck_driver_load_assignments_status"),
        ),
        sa.CheckConstraint(
            "(status = 'ASSIGNED') = (closed_at IS NULL)",
            name=op.f("ck_driver_load_assignments_closed_at"),
        ),
    )
    for name in ("driver", "load"):
        op.create_index(
            f"uq_assignments_active_{name}",
            "driver_load_assignments",
            [f"{name}_id"],
            unique=True,
            postgresql_where=ACTIVE,
        )
    for column in ("driver_id", "load_id", "status"):
        op.create_index(f"ix_assignments_{column}_id", "driver_load_assignments", [column, "id"])

    op.create_table(
        "load_events",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("load_id", sa.BigInteger, nullable=False),
        sa.Column("driver_id", sa.BigInteger),
        sa.Column("assignment_id", sa.BigInteger),
        sa.Column("payload", postgresql.JSONB, nullable=False),
        sa.Column("request_id", sa.String(128)),
        _time("created_at", default="clock_timestamp()"),
        _time("published_at", default=None, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_load_events"),
        sa.ForeignKeyConstraint(["load_id"], ["loads.id"], name="fk_load_events_load_id"),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name="fk_load_events_driver_id"),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["driver_load_assignments.id"],
            name="fk_load_events_assignment_id",
        ),
    )
    op.create_index("ix_load_events_load_id_created_at", "load_events", ["load_id", "created_at"])
    op.create_index(
        "ix_load_events_unpublished",
        "load_events",
        ["created_at"],
        postgresql_where=sa.text("published_at IS NULL"),
    )


def downgrade() -> None:
    for table in ("load_events", "driver_load_assignments", "loads", "drivers", "users"):
        op.drop_table(table)

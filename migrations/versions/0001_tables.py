"""All tables, with their constraints, indexes, functions and triggers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from billor.models import TransactionId

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# No function calls another one: ANALYZE and pg_restore run without a search path, and would not
# find it. ASCII, as nearly all text is, takes a fast path.
#
# Folds case, accents, and kinds of apostrophes and hyphens. The board does the same in
# state/search.js; a test compares both, for all characters.
FOLD = r"""
    CREATE OR REPLACE FUNCTION fold_text(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        IF octet_length(value) = char_length(value) THEN
            RETURN replace(lower(value), '`', '''');
        END IF;
        value = regexp_replace(
            normalize(replace(value, U&'\00B4', ''''), NFKD),
            '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f]', '', 'g'
        );
        value = replace(replace(replace(lower(value), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
        RETURN translate(
            value,
            'łøđðħıŧƶς' || U&'\2010\2011\2012\2013\2014\2015\2212'
            '`\02B9\02BB\02BC\02BD\02BE\02BF\2018\2019\201B\2032',
            'loddhitz' || U&'\03C3-------' || repeat('''', 11)
        );
    END
    $$
"""
# License numbers and references are unique by their letters and digits.
KEY = r"""
    CREATE OR REPLACE FUNCTION canonical_key(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        IF octet_length(value) = char_length(value) THEN
            RETURN upper(regexp_replace(value, '[^0-9A-Za-z]', '', 'g'));
        END IF;
        value = translate(value, 'İ٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', 'I01234567890123456789');
        RETURN upper(regexp_replace(
            normalize(replace(replace(value, 'ß', 'SS'), 'ẞ', 'SS'), NFKC),
            '[\u0001-/:-@\[-`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u02b0-\u036f'
            '\u05be\u05f3\u05f4\u2000-\u206f\u20a0-\u20ff\u2190-\u2bff\u2e00-\u2e7f'
            '\u3000-\u3004\u3008-\u3020\u3030\u30a0\u30fb\ufe00-\ufe0f]',
            '', 'g'
        ));
    END
    $$
"""
# White space and signs separate words. O'Brien is one, because people leave out the apostrophe. The
# row's number is one, too: `#39`. Only the first 60 characters of a word count.
SIGNS = (
    "' !\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~' || chr(9) || chr(31)"
    r" || U&'\00A0\00AB\00B7\00BB\201C\201D\201E\2022\3001\3002'"
)
VECTOR = rf"""
    CREATE OR REPLACE FUNCTION search_vector(id bigint, folded text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    DECLARE
        signs CONSTANT text := {SIGNS};
    BEGIN
        folded = translate(folded, signs || '''', repeat(' ', length(signs)));
        IF length(folded) > 60 THEN
            folded = regexp_replace(folded, '([^ ]{{60}})[^ ]*', '\1', 'g');
        END IF;
        RETURN array_to_tsvector(
            array_remove(string_to_array(folded, ' '), '') || ('#' || id)
        );
    END
    $$
"""
# Each word is a prefix of a word in the row; `39` also finds the row of this number. `#39` alone
# finds only that row; beside other words it also finds the whole word `39`: `PO #39`.
QUERY = rf"""
    CREATE OR REPLACE FUNCTION search_query(folded text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT string_agg(
            CASE
                WHEN word ~ '^#[0-9]+$' AND words = 1 THEN format('''%s''', word)
                WHEN word ~ '^#[0-9]+$' THEN format('(''%s'' | ''%s'')', word, substr(word, 2))
                WHEN word ~ '^[0-9]+$' THEN format('(''%s'':* | ''#%s'')', word, word)
                ELSE format('''%s'':*', ltrim(word, '#'))
            END,
            ' & '
        )::tsquery
        FROM (
            SELECT left(given, 60) AS word, count(*) OVER () AS words
            FROM (SELECT replace({SIGNS}, '#', '') AS signs) AS s,
                unnest(string_to_array(
                    translate(
                        regexp_replace(folded, '# *', ' #', 'g'),
                        signs || '''', repeat(' ', length(signs))
                    ),
                    ' '
                )) AS given
            WHERE ltrim(given, '#') <> ''
        ) AS found
    $$
"""  # noqa: S608 - put together from constants
# Marks drivers with an active load, whatever writes the assignment.
MARK = """
    CREATE OR REPLACE FUNCTION mark_drivers_with_load() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            UPDATE drivers SET has_load = false WHERE has_load;
            RETURN NULL;
        END IF;
        IF TG_OP <> 'INSERT' AND OLD.status = 'ASSIGNED' THEN
            UPDATE drivers SET has_load = false WHERE id = OLD.driver_id;
        END IF;
        IF TG_OP <> 'DELETE' AND NEW.status = 'ASSIGNED' THEN
            UPDATE drivers SET has_load = true WHERE id = NEW.driver_id;
        END IF;
        RETURN NULL;
    END
    $$
"""
TRIGGERS = {
    "mark_drivers_with_load": "INSERT OR DELETE OR UPDATE OF driver_id, status",
    "unmark_drivers": "TRUNCATE",
}
# In the transaction of the event, so that no delivery is lost. Events of accounts and webhooks are
# not delivered.
ADD_DELIVERIES = """
    CREATE OR REPLACE FUNCTION add_webhook_deliveries() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO webhook_deliveries (webhook_id, event_id, load_id)
        SELECT webhook.id, added.id, added.load_id
        FROM added JOIN webhooks AS webhook
            ON webhook.is_active AND added.type NOT LIKE ALL ('{user.%,webhook.%}')
            AND (webhook.types IS NULL OR added.type = ANY (webhook.types))
        ORDER BY added.id, webhook.id;
        RETURN NULL;
    END
    $$
"""
PICKUP_OR_NEVER = "coalesce(pickup_at, '9999-12-31 23:59:59.999999+00'::timestamptz)"
FEED_POSITION = (
    "GREATEST(CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) - 1,"
    " CAST(CAST(pg_current_xact_id() AS text) AS bigint))"
)
IS_ACTIVE = "status = 'ASSIGNED'"
IS_CURRENT = "status IN ('PLANNED', 'ASSIGNED')"
ROLES = ("ADMIN", "DISPATCHER", "DRIVER")
LOAD_STATUSES = ("OPEN", "ASSIGNED", "COMPLETED", "CANCELLED")
ASSIGNMENT_STATUSES = ("PLANNED", "ASSIGNED", "COMPLETED", "CANCELLED")
LANGUAGES = ("en", "es", "pt-BR")
CHANNELS = ("EMAIL", "PHONE", "PUSH")
DOCUMENT_KINDS = ("POD", "BOL", "RATE_CONFIRMATION", "OTHER")
CHECK_INS = ("ACCEPTED", "AT_PICKUP", "LOADED", "AT_DELIVERY", "DELAYED")


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False)


def _time(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    default_ = sa.text(default) if default else None
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=default_, nullable=nullable)


def _count(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer, server_default=sa.text("0"), nullable=False)


def _language() -> sa.Column:
    return sa.Column("language", sa.String(20), server_default="en", nullable=False)


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    choices = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({choices})", name=op.f(f"ck_{table}_{column}"))


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _refers(table: str, column: str, other: str, **options: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, **options)


def _index(name: str, table: str, *columns: str, where: str | None = None, **options) -> None:
    """Create an index on columns or expressions, unique if its name says so."""
    op.create_index(
        name,
        table,
        [sa.text(column) for column in columns],
        unique=name.startswith("uq_"),
        postgresql_where=where and sa.text(where),
        **options,
    )


def _index_status(table: str, status: str, time: str, name: str) -> None:
    _index(name, table, time, "id", where=f"status = '{status}'")


def _search_index(table: str, *columns: str) -> None:
    text = " || chr(31) || ".join(f"coalesce({column}, '')" for column in columns)
    vector = f"search_vector(id, fold_text({text}))"
    _index(f"ix_{table}_search", table, vector, postgresql_using="gin")


def upgrade() -> None:
    for function in (FOLD, KEY, VECTOR, QUERY, MARK):
        op.execute(function)
    _create_drivers()
    _create_users()
    _create_loads()
    _create_assignments()
    _create_events()
    _create_helpers()
    _create_documents()
    _create_notifications()
    _create_integrations()


def _create_drivers() -> None:
    op.create_table(
        "drivers",
        _id(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("license_number", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("phone", sa.String(40)),
        sa.Column("email", sa.String(254)),
        sa.Column("notify_by", sa.String(20)),
        _language(),
        sa.Column("notes", sa.Text),
        sa.Column("license_expires_on", sa.Date),
        sa.Column("medical_expires_on", sa.Date),
        _time("created_at", "clock_timestamp()"),
        sa.Column("has_load", sa.Boolean, server_default=sa.false(), nullable=False),
        _one_of("drivers", "status", "ACTIVE", "INACTIVE"),
        _one_of("drivers", "notify_by", *CHANNELS),
        _one_of("drivers", "language", *LANGUAGES),
        _key("drivers", "id"),
    )
    _index("uq_drivers_license_number", "drivers", "canonical_key(license_number)")
    _index("ix_drivers_available", "drivers", "id", where="status = 'ACTIVE' AND NOT has_load")
    _index("ix_drivers_unavailable", "drivers", "id", where="status <> 'ACTIVE' OR has_load")
    _index("ix_drivers_inactive", "drivers", "id", where="status = 'INACTIVE'")
    _search_index("drivers", "name", "license_number")


def _create_users() -> None:
    op.create_table(
        "users",
        _id(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("role", sa.String(20), server_default="DISPATCHER", nullable=False),
        sa.Column("driver_id", sa.BigInteger),
        sa.Column("is_active", sa.Boolean, server_default=sa.true(), nullable=False),
        _language(),
        _count("epoch"),
        _time("last_seen_at", nullable=True),
        _time("created_at", "clock_timestamp()"),
        _one_of("users", "role", *ROLES),
        _one_of("users", "language", *LANGUAGES),
        sa.CheckConstraint(
            "(role = 'DRIVER') = (driver_id IS NOT NULL)", name=op.f("ck_users_driver_id")
        ),
        _refers("users", "driver_id", "drivers"),
        _key("users", "id"),
    )
    _index("uq_users_email", "users", "lower(email)")
    _search_index("users", "name", "email")


def _create_loads() -> None:
    op.create_table(
        "loads",
        _id(),
        sa.Column("origin", sa.String(200), nullable=False),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("cargo_type", sa.String(100), nullable=False),
        sa.Column("reference", sa.String(64)),
        sa.Column("driver_words", sa.Text),
        _time("pickup_at", nullable=True),
        _time("pickup_to", nullable=True),
        _time("deliver_from", nullable=True),
        _time("deliver_by", nullable=True),
        sa.Column("weight_kg", sa.Integer),
        sa.Column("equipment", sa.String(50)),
        sa.Column("pickup_contact", sa.String(200)),
        sa.Column("pickup_phone", sa.String(40)),
        sa.Column("delivery_contact", sa.String(200)),
        sa.Column("delivery_phone", sa.String(40)),
        sa.Column("notes", sa.Text),
        sa.Column("has_pod", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        _time("created_at", "statement_timestamp()"),
        _time("updated_at", "statement_timestamp()"),
        _one_of("loads", "status", *LOAD_STATUSES),
        sa.CheckConstraint("deliver_by >= pickup_at", name=op.f("ck_loads_deliver_by")),
        sa.CheckConstraint("pickup_to >= pickup_at", name=op.f("ck_loads_pickup_to")),
        sa.CheckConstraint("deliver_by >= deliver_from", name=op.f("ck_loads_deliver_from")),
        _key("loads", "id"),
    )
    _index(
        "uq_loads_reference_key",
        "loads",
        "canonical_key(reference)",
        where="reference IS NOT NULL AND status <> 'CANCELLED'",
    )
    _index("ix_loads_created", "loads", "created_at", "id")
    _index("ix_loads_pickup", "loads", PICKUP_OR_NEVER, "id")
    for status in LOAD_STATUSES:
        _index_status("loads", status, "created_at", f"ix_loads_{status.lower()}_created")
    _index("ix_loads_status_pickup", "loads", "status", PICKUP_OR_NEVER, "id")
    without_pod = "status = 'COMPLETED' AND NOT has_pod"
    _index("ix_loads_without_pod", "loads", "created_at", "id", where=without_pod)
    is_finished = "status IN ('COMPLETED', 'CANCELLED')"
    _index("ix_loads_updated", "loads", "updated_at", "id")
    _index("ix_loads_finished_updated", "loads", "updated_at", "id", where=is_finished)
    _index("ix_loads_finished", "loads", "created_at", "id", where=is_finished)
    for column in ("origin", "destination", "cargo_type"):
        _index(f"ix_loads_{column}_created", "loads", f"fold_text({column})", "created_at", "id")
    has_reference = "reference IS NOT NULL"
    _index("ix_loads_reference_key", "loads", "canonical_key(reference)", where=has_reference)
    _search_index("loads", "reference", "origin", "destination", "cargo_type", "driver_words")


def _create_assignments() -> None:
    table = "driver_load_assignments"
    op.create_table(
        table,
        _id(),
        sa.Column("driver_id", sa.BigInteger, nullable=False),
        sa.Column("load_id", sa.BigInteger, nullable=False),
        _time("assigned_at", "clock_timestamp()"),
        _time("closed_at", nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("progress", sa.String(20)),
        _time("progress_at", nullable=True),
        _time("expected_at", nullable=True),
        sa.Column("delay_reason", sa.Text),
        _one_of(table, "status", *ASSIGNMENT_STATUSES),
        _one_of(table, "progress", *CHECK_INS),
        sa.CheckConstraint(
            f"({IS_CURRENT}) = (closed_at IS NULL)", name=op.f(f"ck_{table}_closed_at")
        ),
        _refers(table, "driver_id", "drivers"),
        _refers(table, "load_id", "loads"),
        _key(table, "id"),
    )
    # The one-active-load rule.
    _index("uq_assignments_active_driver", table, "driver_id", where=IS_ACTIVE)
    _index("uq_assignments_active_load", table, "load_id", where=IS_ACTIVE)
    _index("uq_assignments_planned_driver", table, "driver_id", where="status = 'PLANNED'")
    _index("uq_assignments_current_load", table, "load_id", where=IS_CURRENT)
    _index("ix_assignments_closed", table, "closed_at", "id", where="closed_at IS NOT NULL")
    _index("ix_assignments_assigned", table, "assigned_at", "id")
    for column in ("driver_id", "load_id"):
        _index(f"ix_assignments_{column}_assigned", table, column, "assigned_at", "id")
    for status in ASSIGNMENT_STATUSES:
        _index_status(table, status, "assigned_at", f"ix_assignments_{status.lower()}_assigned")
    for name, events in TRIGGERS.items():
        rows = "STATEMENT" if events == "TRUNCATE" else "ROW"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {events} ON {table}"
            f" FOR EACH {rows} EXECUTE FUNCTION mark_drivers_with_load()"
        )


def _create_events() -> None:
    op.create_table(
        "load_events",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("load_id", sa.BigInteger),
        sa.Column("driver_id", sa.BigInteger),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("assignment_id", sa.BigInteger),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("request_id", sa.String(128)),
        sa.Column("traceparent", sa.Text),
        _time("created_at", "clock_timestamp()"),
        _time("published_at", nullable=True),
        _time("recorded_at", nullable=True),
        _time("notified_at", nullable=True),
        sa.Column("transaction_id", TransactionId, server_default=sa.text("pg_current_xact_id()")),
        sa.Column(
            "feed_position", sa.BigInteger, server_default=sa.text(FEED_POSITION), nullable=False
        ),
        _refers("load_events", "load_id", "loads"),
        _refers("load_events", "driver_id", "drivers"),
        _key("load_events", "id"),
    )
    for name, columns, where in (
        ("feed", ["feed_position", "created_at", "id"], None),
        ("load_id_created_at", ["load_id", "created_at"], None),
        ("transaction_id", ["transaction_id"], "transaction_id IS NOT NULL"),
        ("cancelled", ["created_at"], "type = 'load.cancelled'"),
        ("unpublished", ["created_at"], "published_at IS NULL"),
        (
            "unnotified",
            ["created_at"],
            "notified_at IS NULL AND (assignment_id IS NOT NULL OR load_id IS NULL)"
            " AND type IN ('load.assigned', 'load.updated', 'load.planned', 'load.commented',"
            " 'assignment.reopened', 'assignment.cancelled', 'assignment.checked_in',"
            " 'driver.papers_expire', 'notification.failed', 'user.invited',"
            " 'user.password_reset_requested', 'webhook.disabled')",
        ),
        (
            "unconfirmed",
            ["created_at", "published_at"],
            "published_at IS NOT NULL AND recorded_at IS NULL",
        ),
    ):
        _index(f"ix_load_events_{name}", "load_events", *columns, where=where)


def _create_helpers() -> None:
    op.create_table(
        "check_ins",
        _id(),
        sa.Column("assignment_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        _time("happened_at"),
        _time("received_at", "clock_timestamp()"),
        sa.Column("reason", sa.Text),
        _time("expected_at", nullable=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        _one_of("check_ins", "kind", *CHECK_INS),
        _refers("check_ins", "assignment_id", "driver_load_assignments"),
        _refers("check_ins", "user_id", "users"),
        _key("check_ins", "id"),
    )
    _index("ix_check_ins_assignment_id", "check_ins", "assignment_id", "happened_at", "id")
    op.create_table(
        "paper_warnings",
        sa.Column("driver_id", sa.BigInteger, nullable=False),
        sa.Column("paper", sa.String(32), nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        _refers("paper_warnings", "driver_id", "drivers"),
        _key("paper_warnings", "driver_id", "paper", "expires_on", "days"),
    )
    op.create_table(
        "sessions",
        _id(),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        _count("generation"),
        _time("refreshed_at", "clock_timestamp()"),
        _time("expires_at"),
        _refers("sessions", "user_id", "users", ondelete="CASCADE"),
        _key("sessions", "id"),
    )
    _index("ix_sessions_user_id", "sessions", "user_id")
    _index("ix_sessions_expires_at", "sessions", "expires_at")
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("key", sa.String(280), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", JSONB),
        sa.Column("body", sa.Text),
        _time("expires_at", "now() + interval '24 hours'"),
        _refers("idempotency_keys", "user_id", "users", ondelete="CASCADE"),
        _key("idempotency_keys", "user_id", "key"),
    )
    _index("ix_idempotency_keys_expires_at", "idempotency_keys", "expires_at")
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        _time("expires_at"),
        _key("login_attempts", "key"),
        prefixes=["UNLOGGED"],
    )
    _index("ix_login_attempts_expires_at", "login_attempts", "expires_at")
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _time("received_at", "clock_timestamp()"),
        _key("dead_letters", "id"),
    )


def _create_documents() -> None:
    op.create_table(
        "documents",
        _id(),
        sa.Column("load_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(50), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("object_key", sa.String(100), nullable=False),
        _time("happened_at", nullable=True),
        _time("created_at", "clock_timestamp()"),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        _one_of("documents", "kind", *DOCUMENT_KINDS),
        _refers("documents", "load_id", "loads"),
        _refers("documents", "user_id", "users"),
        _key("documents", "id"),
        sa.UniqueConstraint("object_key", name=op.f("uq_documents_object_key")),
    )
    _index("ix_documents_load_id", "documents", "load_id", "id")


def _create_notifications() -> None:
    table = "notifications"
    op.create_table(
        table,
        _id(),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        _count("attempts"),
        _time("due_at", "clock_timestamp()"),
        _time("sent_at", nullable=True),
        _time("failed_at", nullable=True),
        _time("created_at", "clock_timestamp()"),
        _one_of(table, "channel", *CHANNELS),
        _refers(table, "event_id", "load_events"),
        _key(table, "id"),
    )
    _index("uq_notifications_event_id", table, "event_id", "channel")
    is_unsent = "sent_at IS NULL AND failed_at IS NULL"
    _index("ix_notifications_unsent", table, "channel", "due_at", where=is_unsent)
    table = "push_subscriptions"
    op.create_table(
        table,
        _id(),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("endpoint", sa.String(1000), nullable=False),
        sa.Column("p256dh", sa.String(200), nullable=False),
        sa.Column("auth", sa.String(100), nullable=False),
        _time("created_at", "clock_timestamp()"),
        _refers(table, "user_id", "users", ondelete="CASCADE"),
        _key(table, "id"),
        sa.UniqueConstraint("endpoint", name=op.f(f"uq_{table}_endpoint")),
    )
    _index(f"ix_{table}_user_id", table, "user_id")


def _create_integrations() -> None:
    op.create_table(
        "api_keys",
        _id(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        _time("expires_at", nullable=True),
        _time("revoked_at", nullable=True),
        _time("last_used_at", nullable=True),
        _time("created_at", "clock_timestamp()"),
        _one_of("api_keys", "role", *ROLES),
        _refers("api_keys", "user_id", "users"),
        _key("api_keys", "id"),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_table(
        "webhooks",
        _id(),
        sa.Column("url", sa.String(1000), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("types", sa.ARRAY(sa.String(32))),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("old_secret", sa.String(100)),
        _time("old_secret_until", nullable=True),
        sa.Column("is_active", sa.Boolean, server_default=sa.true(), nullable=False),
        _time("failing_since", nullable=True),
        _time("created_at", "clock_timestamp()"),
        _refers("webhooks", "user_id", "users"),
        _key("webhooks", "id"),
    )
    table = "webhook_deliveries"
    op.create_table(
        table,
        _id(),
        sa.Column("webhook_id", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Uuid),
        sa.Column("load_id", sa.BigInteger),
        _count("attempts"),
        _time("due_at", "clock_timestamp()"),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        _time("delivered_at", nullable=True),
        _time("failed_at", nullable=True),
        _time("created_at", "clock_timestamp()"),
        _time("expires_at", "now() + interval '30 days'"),
        _refers(table, "event_id", "load_events"),
        _key(table, "id"),
    )
    is_pending = "delivered_at IS NULL AND failed_at IS NULL"
    _index(f"ix_{table}_webhook_id", table, "webhook_id", "id")
    _index(f"ix_{table}_expires_at", table, "expires_at")
    _index(f"ix_{table}_due", table, "webhook_id", "due_at", "id", where=is_pending)
    _index(f"ix_{table}_load", table, "webhook_id", "load_id", "id", where=is_pending)
    op.execute(ADD_DELIVERIES)
    op.execute(
        "CREATE TRIGGER add_webhook_deliveries AFTER INSERT ON load_events"
        " REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
        " EXECUTE FUNCTION add_webhook_deliveries()"
    )


def downgrade() -> None:
    for table in (
        *("webhook_deliveries", "webhooks", "api_keys"),
        *("push_subscriptions", "notifications", "documents"),
        *("paper_warnings", "check_ins"),
        *("dead_letters", "login_attempts", "idempotency_keys", "sessions", "load_events"),
        *("driver_load_assignments", "loads", "users", "drivers"),
    ):
        op.drop_table(table)
    for function in (
        *(
            "add_webhook_deliveries()",
            "mark_drivers_with_load()",
            "search_query(text)",
            "search_vector(bigint, text)",
        ),
        *("canonical_key(text)", "fold_text(text)"),
    ):
        op.execute(f"DROP FUNCTION {function}")

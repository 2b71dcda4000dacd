"""Find rows by the beginnings of words, with one folding of text and one canonical key."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# No function calls another one: ANALYZE and pg_restore would not find it, since they run without a
# search path. What is ASCII, as nearly all text is, has a short way.
#
# Text in which accents, upper and lower case, and kinds of quotes and hyphens are alike. The board
# does the same in state/search.js.
FOLD = r"""
    CREATE OR REPLACE FUNCTION fold_text(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        IF octet_length(value) = char_length(value) THEN
            RETURN lower(value);
        END IF;
        value = regexp_replace(
            normalize(value, NFKD),
            '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f]', '', 'g'
        );
        value = replace(replace(replace(lower(value), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
        RETURN translate(
            value,
            'łøđðħıŧƶ' || U&'\2019\2018\02BC\2032\2010\2011\2012\2013\2014\2015\2212',
            'loddhitz''''''''-------'
        );
    END
    $$
"""
# What a license number and a reference are unique by: letters and digits.
KEY = r"""
    CREATE OR REPLACE FUNCTION canonical_key(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        IF octet_length(value) = char_length(value) THEN
            RETURN upper(regexp_replace(value, '[^0-9A-Za-z]', '', 'g'));
        END IF;
        RETURN upper(regexp_replace(
            normalize(value, NFKC),
            '[\u0001-/:-@\[-`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u02b0-\u036f'
            '\u2000-\u206f\u20a0-\u20ff\u2190-\u2bff\u3000-\u3004\u3008-\u3020\u3030\ufe00-\ufe0f]',
            '', 'g'
        ));
    END
    $$
"""
# Words are what is between white space and signs. O'Brien is one, as people leave out the
# apostrophe. The row's number is one, too: `#39`. Of a long word the first 60 characters count.
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
# All words, each as the beginning of one of a row's; `39` is also the row of this number. `#39`
# alone is that row and no other, and with other words `39` as a whole: `PO #39`.
QUERY = rf"""
    CREATE OR REPLACE FUNCTION search_query(folded text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT string_agg(
            CASE
                WHEN folded ~ '^#[0-9]+$' THEN format('''%s''', word)
                WHEN word ~ '^#[0-9]+$' THEN format('(''%s'' | ''%s'')', word, substr(word, 2))
                WHEN word ~ '^[0-9]+$' THEN format('(''%s'':* | ''#%s'')', word, word)
                ELSE format('''%s'':*', ltrim(word, '#'))
            END,
            ' & '
        )::tsquery
        FROM (SELECT replace({SIGNS}, '#', '') AS signs) AS s,
            unnest(string_to_array(
                translate(replace(folded, '#', ' #'), signs || '''', repeat(' ', length(signs))),
                ' '
            )) AS given,
            left(given, 60) AS word
        WHERE ltrim(word, '#') <> ''
    $$
"""  # noqa: S608 - put together from constants
TEXTS = {
    "loads": ("reference", "origin", "destination", "cargo_type"),
    "drivers": ("name", "license_number"),
    "users": ("name", "email"),
}


def upgrade() -> None:
    for table in TEXTS:
        op.drop_index(f"ix_{table}_search", table)
    op.drop_index("ix_loads_not_indexed", "loads")
    op.drop_column("loads", "is_indexed")
    for function in ("search_query(text)", "search_patterns(text)", "search_pieces(text)"):
        op.execute(f"DROP FUNCTION {function}")
    for function in (FOLD, KEY, VECTOR, QUERY):
        op.execute(function)
    for table, columns in TEXTS.items():
        text = " || chr(31) || ".join(f"coalesce({column}, '')" for column in columns)
        op.create_index(
            f"ix_{table}_search",
            table,
            [sa.text(f"search_vector(id, fold_text({text}))")],
            postgresql_using="gin",
        )
    for name in (
        *("drivers_busy", "loads_reference_key_created"),
        *("loads_origin_status_created", "loads_destination_status_created"),
        *("loads_cargo_type_status_created", "loads_origin_destination_status_created"),
        *("loads_origin_cargo_type_status_created", "loads_destination_cargo_type_status_created"),
        "loads_origin_destination_cargo_type_status_created",
        *("assignments_driver_id_status_assigned", "assignments_load_id_status_assigned"),
        "assignments_driver_id_load_id_status_assigned",
    ):
        op.execute(f"DROP INDEX ix_{name}")
    never = "coalesce(pickup_at, '9999-12-31 23:59:59.999999+00'::timestamptz)"
    for name, on in {
        "drivers_unavailable": "drivers (id) WHERE status <> 'ACTIVE' OR has_load",
        "loads_created": "loads (created_at, id)",
        "loads_pickup": f"loads ({never}, id)",
        "loads_finished": "loads (created_at, id) WHERE status IN ('COMPLETED', 'CANCELLED')",
        "loads_origin_created": "loads (lower(origin), created_at, id)",
        "loads_destination_created": "loads (lower(destination), created_at, id)",
        "loads_cargo_type_created": "loads (lower(cargo_type), created_at, id)",
        "loads_reference_key": "loads (canonical_key(reference)) WHERE reference IS NOT NULL",
        "assignments_assigned": "driver_load_assignments (assigned_at, id)",
        "assignments_driver_id_assigned": "driver_load_assignments (driver_id, assigned_at, id)",
        "assignments_load_id_assigned": "driver_load_assignments (load_id, assigned_at, id)",
    }.items():
        op.execute(f"CREATE INDEX ix_{name} ON {on}")


def downgrade() -> None:
    raise NotImplementedError

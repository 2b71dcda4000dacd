"""Find loads, drivers and users by any part of their text.

An index has all sequences of three characters in a row's text. Indexes are built concurrently,
outside a transaction; the migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Accents on letters (Unicode's blocks of combining marks), and points that Hebrew and Arabic are
# usually written without.
MARKS = "".join(
    rf"\u{first}-\u{last}"
    for first, last in (
        *(("0300", "036F"), ("0591", "05C7"), ("0610", "061A"), ("064B", "065F"), ("0670", "0670")),
        *(("1AB0", "1AFF"), ("1DC0", "1DFF"), ("20D0", "20FF"), ("FE20", "FE2F")),
    )
)
# Letters that Unicode does not take apart, and how they are written without their stroke.
LETTERS = "øłđðħıŧƶ", "olddhitz"
# The database's locale decides only which letters have a lower case. ASCII has a short way.
FOLD = f"""
    CREATE OR REPLACE FUNCTION fold_text(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        IF octet_length(value) = char_length(value) THEN
            RETURN lower(value);
        END IF;
        value = lower(regexp_replace(normalize(value, NFKD), '[{MARKS}]', '', 'g'));
        value = replace(replace(replace(value, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
        RETURN translate(value, '{LETTERS[0]}', '{LETTERS[1]}');
    END
    $$
"""
# The others take folded text, and none calls another one: VACUUM and ANALYZE would not find it.
#
# Each position begins a piece of three characters, or of fewer at the end. So what a word of one or
# two letters begins is found, too. No word has white space or a separator of fields in it.
PIECES = r"""
    CREATE OR REPLACE FUNCTION search_pieces(value text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        value = translate(value, ' ' || chr(31), '');
        RETURN array_to_tsvector(array_remove(string_to_array(
            regexp_replace(value, '(...)', '\1 ', 'g') || ' '
            || regexp_replace(substr(value, 2), '(...)', '\1 ', 'g') || ' '
            || regexp_replace(substr(value, 3), '(...)', '\1 ', 'g'), ' '), ''));
    END
    $$
"""
# Patterns of LIKE for a text that has all words.
PATTERNS = r"""
    CREATE OR REPLACE FUNCTION search_patterns(words text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT array(
            SELECT '%' || regexp_replace(word, '([\\%_])', '\\\1', 'g') || '%'
            FROM unnest(string_to_array(words, ' ')) AS word
        )
    $$
"""
# What the pieces of a text that has all words match. Words of one or two letters occur in so many
# pieces that they are looked for only if there is no longer one.
QUERY = r"""
    CREATE OR REPLACE FUNCTION search_query(words text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        WITH words AS (
            SELECT word, length(word) AS letters, max(length(word)) OVER () AS most
            FROM unnest(string_to_array(words, ' ')) AS word
            WHERE word <> ''
        )
        SELECT string_agg(
            '''' || regexp_replace(substr(word, place, 3), '([\\''])', '\1\1', 'g') || ''''
            || CASE WHEN letters < 3 THEN ':*' ELSE '' END, ' & '
        )::tsquery
        FROM words, generate_series(1, greatest(letters - 2, 1)) AS place
        WHERE letters >= least(most, 3)
    $$
"""
FUNCTIONS = (FOLD, PIECES, PATTERNS, QUERY)
# New loads are not in it, so that their import stays quick; the worker puts them in if they wait.
CONDITIONS = {"loads": "status <> 'OPEN' OR is_indexed"}
NOT_INDEXED = "ix_loads_not_indexed"
TEXTS = {
    "loads": ("reference", "origin", "destination", "cargo_type"),
    "drivers": ("name", "license_number"),
    "users": ("name", "email"),
}


def _drop_index(name: str, table: str) -> None:
    op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for function in FUNCTIONS:
            op.execute(sa.text(function.replace(":*", r"\:*")))
        op.add_column(
            "loads",
            sa.Column("is_indexed", sa.Boolean, nullable=False, server_default=sa.false()),
            if_not_exists=True,
        )
        _drop_index(NOT_INDEXED, "loads")  # an interrupted build leaves an invalid index
        op.create_index(
            NOT_INDEXED,
            "loads",
            ["id"],
            postgresql_where=sa.text("status = 'OPEN' AND NOT is_indexed"),
            postgresql_concurrently=True,
        )
        for table, columns in TEXTS.items():
            _drop_index(f"ix_{table}_search", table)
            text = " || chr(31) || ".join(f"coalesce({column}, '')" for column in columns)
            op.create_index(
                f"ix_{table}_search",
                table,
                [sa.text(f"search_pieces(fold_text({text}))")],
                postgresql_using="gin",
                postgresql_where=sa.text(CONDITIONS[table]) if table in CONDITIONS else None,
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table in TEXTS:
            _drop_index(f"ix_{table}_search", table)
        _drop_index(NOT_INDEXED, "loads")
        op.drop_column("loads", "is_indexed", if_exists=True)
    for name in ("search_query", "search_patterns", "search_pieces", "fold_text"):
        op.execute(f"DROP FUNCTION IF EXISTS {name}(text)")

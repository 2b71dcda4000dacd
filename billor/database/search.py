"""Search by the beginnings of words, or by id: `#39`.

It ignores case, accents and variants of apostrophes and hyphens, by functions in the database:
`fold_text`, `search_vector` and `search_query`.
"""

from typing import Any

from sqlalchemy import ColumnElement, func

from billor.models import search_vector


def has_words(row: Any, words: str) -> ColumnElement[bool]:
    """Return the condition that `row`, a model or an alias of one, matches all words."""
    return search_vector(row).op("@@")(func.search_query(func.fold_text(words)))

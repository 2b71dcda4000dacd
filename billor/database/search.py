"""Search of rows by the beginnings of words, in any of their texts, or by their number: `#39`.

Upper and lower case are alike, accents, and kinds of apostrophes and hyphens. Functions in the
database decide that: `fold_text`, `search_vector` and `search_query`.
"""

from typing import Any

from sqlalchemy import ColumnElement, func

from billor.models import search_vector


def has_words(row: Any, words: str) -> ColumnElement[bool]:
    """Return the condition that a row has all the words; `row` is a model or an alias of one."""
    return search_vector(row).op("@@")(func.search_query(func.fold_text(words)))

"""Search of rows that have all words of a text, each as a part of any of their fields.

Upper and lower case, and accents, are alike. Functions in the database decide that (migration
0016): `fold_text` is the form in which texts are compared, `search_pieces` what an index has of it.
"""

from typing import Any

from sqlalchemy import ColumnElement, all_, func

from billor.models import search_pieces, searched_text


def has_words(row: Any, words: str) -> ColumnElement[bool]:
    """Return the condition that a row has all the words; `row` is a model or an alias of one."""
    return searched_text(_columns(row)).like(all_(func.search_patterns(func.fold_text(words))))


def may_have_words(model: Any, words: str) -> ColumnElement[bool]:
    """Return a condition that all such rows meet, and few others, for which there is an index."""
    return search_pieces(_columns(model)).op("@@")(func.search_query(func.fold_text(words)))


def _columns(row: Any) -> list[Any]:
    return [getattr(row, each.column.key) for each in row.SEARCHED]

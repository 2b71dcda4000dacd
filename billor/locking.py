"""Locks of rows, until the end of the transaction.

All transactions lock in one order, so that none waits for one that waits for it: drivers before
loads before assignments, and rows of one table by rising id.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    any_,
    bindparam,
    func,
    inspect,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from billor.database import execute, table
from billor.errors import NotFound
from billor.extensions import Base

Model = TypeVar("Model", bound=Base)


class LockingQuery:
    """Locks one row of each of some tables until the transaction's end, with one statement.

    Its objects are not the session's.
    """

    def __init__(self, models: Sequence[Any], *conditions: ColumnElement[bool]):
        """Lock the rows in the order of `models`, each a model or an alias of one.

        In the `conditions`, `bindparam` stands for the ids that `rows` is given.
        """
        self._models = [inspect(model).mapper.class_ for model in models]
        tables: list[FromClause] = [inspect(model).selectable for model in models]
        columns = [column for each in tables for column in each.c]
        joined = tables[0]
        for other in tables[1:]:
            joined = joined.join(other, true())
        locked = (
            select(*(column.label(f"c{number}") for number, column in enumerate(columns)))
            .select_from(joined)
            .where(*conditions)
            .with_for_update(of=tables, key_share=True)  # does not block foreign keys
            .subquery()
        )
        # The clock is read outside, once the locks are held.
        self._query = select(locked, func.clock_timestamp())

    def rows(self, **ids: int) -> tuple:
        """Return an object for each row, and the time after they were locked.

        Whatever is written under these locks is written at that time, so that times are in the
        order of changes. Raises `NotFound` for the last of the models and of the ids.
        """
        row = execute(self._query, ids).first()
        if row is None:
            raise NotFound(self._models[-1].__name__, [*ids.values()][-1])
        cells = iter(row)
        objects = [_object(model, cells) for model in self._models]
        return *objects, next(cells)


class RowsById(Generic[Model]):
    """Locks rows of one table by rising id until the transaction's end, with one statement.

    Its objects are not the session's.
    """

    def __init__(self, model: type[Model]):
        """Lock rows of `model`."""
        self._model = model
        id_ = table(model).c.id
        locked = (
            select(table(model))
            .where(id_ == any_(bindparam("ids", type_=ARRAY(BigInteger))))
            .order_by(id_)  # PostgreSQL sorts before it locks
            .with_for_update(key_share=True)
            .subquery()
        )
        self._query = select(locked, func.clock_timestamp()).order_by(locked.c.id)

    def rows(self, ids: Collection[int]) -> tuple[dict[int, Model], Any]:
        """Return the objects that there are, by id, and the time after the last was locked.

        The time is None if there are none.
        """
        objects, now = {}, None
        for row in execute(self._query, {"ids": [*ids]}):
            cells = iter(row)
            objects[row.id] = _object(self._model, cells)
            now = next(cells)
        return objects, now


def _object(model: type[Model], cells: Iterator) -> Model:
    """Return an object of the next cells, as a query of the session does, without its events."""
    made = model()
    made.__dict__.update(zip(table(model).c.keys(), cells, strict=False))
    return made

"""What no two rows share, and the refusal that names the row which has it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from billor.database import execute, violated_constraint
from billor.errors import Taken
from billor.extensions import db


@dataclass(frozen=True)
class Unique:
    """A column whose values are unique by their key, as `index` has it.

    `key` is SQL of a value. Only the rows `among` are compared, if not all. `code` is that of the
    refusal.
    """

    column: InstrumentedAttribute[Any]
    key: Callable[[Any], ColumnElement[str]]
    index: str
    code: str
    among: ColumnElement[bool] = field(default_factory=true)

    @property
    def _model(self) -> type[Any]:
        return cast(type[Any], self.column.class_)

    def equals(self, value: str) -> ColumnElement[bool]:
        """Return the condition that a row has this value, or another one with the same key."""
        return self.key(self.column) == self.key(value)

    def keys(self, values: Sequence[str | None]) -> list[tuple[str | None, int | None]]:
        """Return each value's key, and the id of the row that has it; each may be None."""
        texts = bindparam("texts", list(values), ARRAY(Text))
        given = func.unnest(texts).table_valued("text", with_ordinality="place").render_derived()
        has_it = (self.key(self.column) == self.key(given.c.text)) & self.among
        rows = execute(
            select(self.key(given.c.text), self._model.id)
            .select_from(given)
            .outerjoin(self._model, has_it)
            .order_by(given.c.place)
        )
        return [(key, id_) for key, id_ in rows]

    def refusal(self, *values: str | None) -> Taken:
        """Return the refusal that names the first row which has one of these values."""
        holders = (id_ for _, id_ in self.keys(values) if id_ is not None)
        return self.taken_by(next(holders, None))

    def taken_by(self, id_: int | None) -> Taken:
        """Return the refusal that names this row."""
        return Taken(self.code, self._model.__name__, id_)

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Insert rows within the caller's transaction.

        Raises `Taken` if a unique index refuses one of them. To PostgreSQL that is no error, since
        it would log the statement and the key: names, email addresses and hashes.
        """
        statement = insert(self._model).on_conflict_do_nothing().returning(self._model)
        inserted = list(db.session.scalars(statement, rows))
        if len(inserted) < len(rows):
            has = {getattr(row, self.column.key) for row in inserted}
            values = [row[self.column.key] for row in rows]
            raise self.refusal(*(value for value in values if value not in has))
        return inserted

    def is_violated_by(self, error: IntegrityError) -> bool:
        """Return whether it is this that a statement has violated."""
        return violated_constraint(error) == self.index

    @contextmanager
    def named_if_taken(self, value: str | None) -> Iterator[None]:
        """Raise `Taken` if the block gives this value to a row, and another one has it.

        The block is a part of the caller's transaction that can be undone alone. None is unique.
        """
        if value is None:
            yield
            return
        try:
            with db.session.connection().begin_nested():
                yield
        except IntegrityError as error:
            if not self.is_violated_by(error):
                raise
            raise self.refusal(value) from error

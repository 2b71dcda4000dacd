"""Unique values, and the error that names the row which already has one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from billor.database import violated_constraint
from billor.errors import Taken
from billor.models import db


@dataclass(frozen=True)
class Unique:
    """A column with a unique `index` on `key`, a function, of its values, for the rows `among`."""

    column: InstrumentedAttribute[Any]
    key: Callable[[Any], ColumnElement[str]]
    index: str
    code: str
    among: ColumnElement[bool] = field(default_factory=true)

    def equals(self, value: str) -> ColumnElement[bool]:
        """Return the condition that a row has this value, or another one with the same key."""
        return self.key(self.column) == self.key(value)

    @contextmanager
    def checked(self, value: str | None, id_: int | None = None) -> Iterator[None]:
        """Write a row in the block. Raises `Taken` if another row has its `value`.

        `id_` is the id of the row, unless it is new. None is always unique. The check comes first
        since PostgreSQL logs the values of a row that violates an index.
        """
        if value is None:
            yield
            return
        self._check(value, id_)
        try:
            with db.session.begin_nested():
                yield
        except IntegrityError as error:
            if violated_constraint(error) == self.index:
                self._check(value, id_)
                raise self.taken_by(None) from error
            raise

    def _check(self, value: str, id_: int | None) -> None:
        is_another = self.column.class_.id.is_distinct_from(id_)
        holder = select(self.column.class_.id).where(self.equals(value), self.among, is_another)
        if (found := db.session.scalar(holder)) is not None:
            raise self.taken_by(found)

    def taken_by(self, id_: int | None) -> Taken:
        """Return the error that names this row, if it still exists."""
        return Taken(self.code, self.column.class_.__name__, id_)

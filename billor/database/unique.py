"""What no two rows share, and the refusal that names the row which has it."""

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
    """A column whose values are unique by their `key`, as a unique `index` has it.

    Only the rows `among` are compared. `code` is that of the refusal.
    """

    column: InstrumentedAttribute[Any]
    key: Callable[[Any], ColumnElement[str]]
    index: str
    code: str
    among: ColumnElement[bool] = field(default_factory=true)

    @property
    def model(self) -> Any:
        """The column's model."""
        return self.column.class_

    def equals(self, value: str) -> ColumnElement[bool]:
        """Return the condition that a row has this value, or another one with the same key."""
        return self.key(self.column) == self.key(value)

    @contextmanager
    def kept(self, value: str | None, id_: int | None = None) -> Iterator[None]:
        """Raise `Taken` if the block would give a row a value that another one has.

        `id_` is that of the row, if it is not new. None is unique. PostgreSQL is asked first,
        since it would log the values of a row that its index refuses.
        """
        if value is None:
            yield
            return
        self._refuse(value, id_)
        try:
            with db.session.begin_nested():
                yield
        except IntegrityError as error:
            if violated_constraint(error) == self.index:
                self._refuse(value, id_)
            raise

    def _refuse(self, value: str, id_: int | None) -> None:
        is_another = self.model.id.is_distinct_from(id_)
        holder = select(self.model.id).where(self.equals(value), self.among, is_another)
        if (found := db.session.scalar(holder)) is not None:
            raise self.taken_by(found)

    def taken_by(self, id_: int) -> Taken:
        """Return the refusal that names this row."""
        return Taken(self.code, self.model.__name__, id_)

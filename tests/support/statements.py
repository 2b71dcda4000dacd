"""Recording of SQL statements."""

from threading import get_ident

from flask import Flask
from sqlalchemy import event

from billor.models import db


class StatementRecorder:
    """Collects in `sent` the statements of a `with recorder:` block.

    Those that begin and end transactions are not among them, nor that for the current user, which
    is asked again after a second, nor those of other threads: the reader of changes asks a last
    time after a stream of the test before. With `values` it collects all, with their parameters.
    """

    def __init__(self, app: Flask, *, values: bool = False):
        with app.app_context():
            self._engine = db.engine
        self._values = values
        self.sent: list[str] = []

    def __enter__(self) -> "StatementRecorder":
        self.sent.clear()
        self._thread = get_ident()
        event.listen(self._engine, "before_cursor_execute", self._record)
        return self

    def __exit__(self, *_) -> None:
        event.remove(self._engine, "before_cursor_execute", self._record)

    def _record(self, _connection, cursor, statement, parameters, *_) -> None:
        if get_ident() == self._thread and self._values:
            self.sent.append(cursor.mogrify(statement, parameters).decode())
        elif get_ident() == self._thread and " JOIN sessions " not in statement:
            self.sent.append(statement)

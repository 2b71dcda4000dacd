"""Recording of SQL statements."""

from flask import Flask
from sqlalchemy import event

from billor.models import db


class StatementRecorder:
    """Collects in `sent` the statements of a `with recorder:` block.

    Those that begin and end transactions are not among them, nor that for the current user, which
    is asked again after a second.
    """

    def __init__(self, app: Flask):
        with app.app_context():
            self._engine = db.engine
        self.sent: list[str] = []

    def __enter__(self) -> "StatementRecorder":
        self.sent.clear()
        event.listen(self._engine, "before_cursor_execute", self._record)
        return self

    def __exit__(self, *_) -> None:
        event.remove(self._engine, "before_cursor_execute", self._record)

    def _record(self, _connection, _cursor, statement, _parameters, _context, _many) -> None:
        if " JOIN sessions " not in statement:
            self.sent.append(statement)

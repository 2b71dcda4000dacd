"""Processes of ours that stop for good at a COMMIT, where a test kills them."""

from pathlib import Path

from tests.support.worker import wait_until

MODULE = """
import time
from threading import Lock
from pathlib import Path
from sqlalchemy import Engine, event

first = Lock()

@event.listens_for(Engine, "begin")
def begin(connection):
    connection.info["changed"] = ""

@event.listens_for(Engine, "after_cursor_execute")
def note(connection, cursor, statement, *_):
    if cursor.rowcount:
        connection.info["changed"] += statement

@event.listens_for(Engine, "commit")
def hold(connection):
    is_meant = all(each in connection.info["changed"] for each in {statements})
    if is_meant and not Path("{name}").exists() and first.acquire(blocking=False):
        if {is_done}:
            connection.connection.commit()
        Path("{name}").touch()
        time.sleep(1000)

from wsgi import app
"""


class Hold:
    """Holds the first transaction in which all of these statements have changed rows.

    It is `module` that does it, for processes in `folder`: before the commit, or when it is done.
    """

    def __init__(self, folder: Path, module: str, *statements: str, is_done: bool = False):
        self.module = module
        self._held = folder / f"{module}-held"
        code = MODULE.format(statements=statements, is_done=is_done, name=self._held.name)
        (folder / f"{module}.py").write_text(code)

    def wait(self) -> None:
        """Wait until it is held."""
        wait_until(self._held.exists)

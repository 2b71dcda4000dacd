"""Commits that succeed though their answer is lost."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from billor.models import db


@contextmanager
def lost_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commit in the block, and then lose the connection before the answer."""
    commit = db.session.commit

    def commit_and_lose_the_answer() -> None:
        commit()
        raise OperationalError("COMMIT", {}, psycopg2.OperationalError("connection lost"))

    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", commit_and_lose_the_answer)
        yield

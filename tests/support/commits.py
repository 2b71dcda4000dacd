"""Commits that succeed though nobody hears of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from billor.extensions import db


@contextmanager
def lost_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the block every commit is done, and then the connection is lost."""
    commit = db.session.commit

    def commit_and_lose_the_answer() -> None:
        commit()
        raise OperationalError("COMMIT", {}, psycopg2.OperationalError("connection lost"))

    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", commit_and_lose_the_answer)
        yield

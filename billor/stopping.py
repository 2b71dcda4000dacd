"""What would go on by itself when the server stops, and is told to end then."""

from typing import Protocol
from weakref import WeakSet


class Endless(Protocol):
    """Something that may go on for minutes."""

    def close(self) -> None:
        """End soon, and begin nothing new."""


_endless: WeakSet[Endless] = WeakSet()


def close_at_stop(endless: Endless) -> None:
    """Have something closed when the server stops; only gunicorn's worker does so."""
    _endless.add(endless)


def close_all() -> None:
    """Close what goes on."""
    for endless in list(_endless):
        endless.close()

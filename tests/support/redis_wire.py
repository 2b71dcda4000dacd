"""The wire to Redis: watched, and cut at will."""

import sys

import pytest
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisWire:
    """From its making on, `sent` collects the commands sent to Redis, one entry a round trip.
    While `cut`, they fail instead as if Redis were away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.sent: list[str] = []
        self.cut = False
        self._monkeypatch = monkeypatch
        send = AbstractConnection.send_packed_command

        def watched(connection, command, *args, **kwargs):
            self.sent.append(_name(command))
            if self.cut:
                raise RedisConnectionError("the wire is cut")
            return send(connection, command, *args, **kwargs)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", watched)

    def pause_after_failure(self, seconds: float) -> None:
        """How long the app leaves Redis alone after a failure, from now on."""
        # Not named as text: `billor.cache` is also the extension's name in the package.
        self._monkeypatch.setattr(sys.modules["billor.cache"], "PAUSE_SECONDS", seconds)


def _name(command) -> str:
    """The name in a packed command: `*2\\r\\n$4\\r\\nMGET\\r\\n…`."""
    text = b"".join([command] if isinstance(command, bytes) else command)
    return text.split(b"\r\n", 3)[2].decode()

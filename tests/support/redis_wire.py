"""The connection to Redis, recorded and cut at will."""

import pytest
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisWire:
    """Records the commands sent to Redis in `sent`, one entry per round trip.

    While `cut`, they fail as if Redis were unavailable.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.sent: list[str] = []
        self.cut = False
        send = AbstractConnection.send_packed_command

        def watched(connection, command, *args, **kwargs):
            self.sent.append(_name(command))
            if self.cut:
                raise RedisConnectionError("the wire is cut")
            return send(connection, command, *args, **kwargs)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", watched)


def _name(command) -> str:
    """The name in a packed command: `*2\\r\\n$4\\r\\nMGET\\r\\n…`."""
    text = b"".join([command] if isinstance(command, bytes) else command)
    return text.split(b"\r\n", 3)[2].decode()

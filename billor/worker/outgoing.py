"""Sends requests to URLs that people entered, and that may lead anywhere.

A name is resolved once, all its addresses are checked, and the connection goes to one of them. So
no URL reaches an internal service, whatever its name resolves to later. No proxy, no redirects.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore

from billor.database.text import RefusedText, clean_url

SECONDS = 10.0  # for everything, from resolving the name to the end of the answer
MAX_ANSWER_BYTES = 64 * 1024
# What is outside of it may stand for an IPv4 address, as in NAT64.
IPV6_UNICAST = IPv6Network("2000::/3")
WRITE_BYTES = 4096
TOO_SLOW = f"There was no complete answer within {SECONDS:g} seconds."


class NotSent(Exception):
    """No complete answer came. The message is one line that says why."""


def post(
    url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool = False
) -> tuple[int, bytes]:
    """Post to a URL; return the status and the beginning of the answer. Raises `NotSent`.

    Unless `allow_private`, the URL must be https, and each of its addresses public.
    """
    if not allow_private and not url.startswith("https:"):
        raise NotSent("The URL must be https.")
    try:
        host = urlsplit(clean_url(url)).netloc
        backend = _Backend(allow_private)
        with (
            httpcore.ConnectionPool(ssl_context=_ssl_context(), network_backend=backend) as pool,
            pool.stream(
                "POST", url, headers=[("Host", host), *headers.items()], content=body
            ) as response,
        ):
            answer = b""
            for part in response.iter_stream():
                answer += part
                if len(answer) >= MAX_ANSWER_BYTES:
                    break
            return response.status, answer[:MAX_ANSWER_BYTES]
    except RefusedText as error:
        raise NotSent(str(error)) from error
    except httpcore.TimeoutException as error:
        raise NotSent(TOO_SLOW) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses only, until a deadline."""

    def __init__(self, allow_private: bool):
        self._allow_private = allow_private
        self._ends_at = time.monotonic() + SECONDS
        self._sync = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """Connect to the first address of the name that accepts."""
        try:  # the system's resolver has time limits of its own
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: not a possible name
            raise NotSent(f"The name does not resolve: {error}") from error
        addresses = [str(each[4][0]) for each in found]
        if not self._allow_private and not all(map(_is_public, addresses)):
            raise NotSent("The URL does not lead to a public address.")
        for address in addresses:
            seconds = _left(self._ends_at) / len(addresses)
            try:
                return _Stream(self._sync.connect_tcp(address, port, seconds), self._ends_at)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection with a deadline, also for who sends or takes one byte at a time."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float):
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends_at))

    def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self._stream.write(buffer[start : start + WRITE_BYTES], _left(self._ends_at))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        left = _left(self._ends_at)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._ends_at)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise NotSent(TOO_SLOW)
    return left


def _is_public(address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and (ip not in IPV6_UNICAST or ip.sixtofour):
        return False
    return ip.is_global and not ip.is_multicast

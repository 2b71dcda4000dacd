"""Sends requests to URLs that people entered, and that may lead anywhere.

A name is resolved once, all its addresses are checked, and the connection goes to one of them. So
no URL reaches an internal service, whatever its name resolves to later. No proxy, no redirects.
"""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore

from billor.database.text import RefusedText, clean_url

SECONDS = 10.0  # for everything, also for who sends or takes one byte at a time
MAX_ANSWER_BYTES = 64 * 1024
TLS = httpcore.default_ssl_context()  # once: it reads all certificates
# What is outside of it may stand for an IPv4 address, as in NAT64.
IPV6_UNICAST = IPv6Network("2000::/3")


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
        return asyncio.run(_post(clean_url(url), headers, body, _Backend(allow_private)))
    except RefusedText as error:
        raise NotSent(str(error)) from error
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise NotSent(f"There was no complete answer within {SECONDS:g} seconds.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error


async def _post(
    url: str, headers: Mapping[str, str], body: bytes, backend: httpcore.AsyncNetworkBackend
) -> tuple[int, bytes]:
    pool = httpcore.AsyncConnectionPool(ssl_context=TLS, network_backend=backend)
    sent = [("Host", urlsplit(url).netloc), *headers.items()]
    posting = pool.stream("POST", url, headers=sent, content=body)
    answer = b""
    async with asyncio.timeout(SECONDS), pool, posting as response:
        async for part in response.aiter_stream():
            answer += part
            if len(answer) >= MAX_ANSWER_BYTES:
                break
    return response.status, answer[:MAX_ANSWER_BYTES]


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, allow_private: bool):
        self._allow_private = allow_private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the name that accepts."""
        try:  # the system's resolver has time limits of its own
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: not a possible name
            raise NotSent(f"The name does not resolve: {error}") from error
        addresses = [str(each[4][0]) for each in found]
        if not self._allow_private and not all(map(_is_public, addresses)):
            raise NotSent("The URL does not lead to a public address.")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, SECONDS / len(addresses))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _is_public(address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and (ip not in IPV6_UNICAST or ip.sixtofour):
        return False
    return ip.is_global and not ip.is_multicast

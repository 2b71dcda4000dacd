"""Sends requests over keep-alive connections and counts the answers."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 16


@dataclass(frozen=True)
class Outcome:
    """What the client saw: answers, seconds, milliseconds, and answers that were not 2xx."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int


def send(url: str, token: str, requests: Iterator[tuple[str, str, str]], seconds: float) -> Outcome:
    """Send requests (method, path, body) in turn for some seconds."""
    return asyncio.run(_send(url, token, requests, seconds))


async def _send(
    url: str, token: str, requests: Iterator[tuple[str, str, str]], seconds: float
) -> Outcome:
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    latencies: list[float] = []
    errors = 0
    started = time.perf_counter()

    async def keep_sending() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, port)
        while (sent := time.perf_counter()) < started + seconds:
            writer.write(_as_bytes(*next(requests), host, token))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append((time.perf_counter() - sent) * 1000)
            errors += not head.startswith(b"HTTP/1.1 2")
        writer.close()

    await asyncio.gather(*(keep_sending() for _ in range(CONNECTIONS)))
    took = time.perf_counter() - started
    latencies.sort()
    p50, p99 = (latencies[len(latencies) * percent // 100] for percent in (50, 99))
    return Outcome(len(latencies), took, p50, p99, errors)


def _as_bytes(method: str, path: str, body: str, host: str, token: str) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()

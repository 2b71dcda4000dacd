"""Sends requests over keep-alive connections and counts the answers: wrk, or our own client."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 16
# Each connection sends the requests of one list in turn, all connections together.
WRK_SCRIPT = """
local requests, number = {}, 0
for line in io.lines("%s") do
  local method, path, body = line:match("(%%S+) (%%S+) ?(.*)")
  requests[#requests + 1] = wrk.format(method, path, {
    ["Authorization"] = "Bearer %s", ["Content-Type"] = "application/json"
  }, body ~= "" and body or nil)
end
function request()
  number = number %% #requests + 1
  return requests[number]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "errors": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Request:
    """A request with a JSON body, or without one."""

    method: str
    path: str
    body: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a run of the client saw: answers, the time in seconds, latencies in milliseconds.

    Errors are connections that failed, and answers that were not 2xx.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int


def send(url: str, token: str, requests: Sequence[Request], seconds: float) -> Outcome:
    """Send the requests in turn, again and again, for some seconds."""
    if shutil.which("wrk"):
        return _send_with_wrk(url, token, requests, seconds)
    return asyncio.run(_send(url, token, requests, seconds))


def _send_with_wrk(url: str, token: str, requests: Sequence[Request], seconds: float) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder, "requests"), Path(folder, "script.lua")
        listed.write_text("".join(f"{r.method} {r.path} {r.body}\n" for r in requests))
        script.write_text(WRK_SCRIPT % (listed, token))
        run = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(script), url],
            capture_output=True,
            text=True,
            check=True,
        )
    return Outcome(**json.loads(run.stdout.strip().splitlines()[-1]))


async def _send(url: str, token: str, requests: Sequence[Request], seconds: float) -> Outcome:
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    coming = cycle([_as_bytes(request, host, token) for request in requests])
    latencies: list[float] = []
    errors = 0
    started = time.perf_counter()

    async def keep_sending() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, port)
        while (sent := time.perf_counter()) < started + seconds:
            writer.write(next(coming))
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


def _as_bytes(request: Request, host: str, token: str) -> bytes:
    return (
        f"{request.method} {request.path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(request.body.encode())}\r\n\r\n{request.body}"
    ).encode()

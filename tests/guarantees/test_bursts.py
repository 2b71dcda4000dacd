"""A burst of requests is answered from the cache, which goes on working."""

import asyncio
from collections import Counter

import pytest

from tests.support.http import HttpClient
from tests.support.system import Api, System

CLIENTS = 2000
PATIENCE_SECONDS = 300


@pytest.fixture
def api(system_without_bus: System) -> Api:
    return system_without_bus.start_api(workers=1)


async def burst(client: HttpClient, path: str, count: int) -> Counter[tuple[int, str]]:
    """Connect so many clients, have all send a request at once; count the answers."""
    head = f"Host: 127.0.0.1:{client.port}\r\nAuthorization: Bearer {client.token}\r\n"
    request = f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
    opened = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(count)]
    for _, writer in opened:
        writer.write(request)
    answers = await asyncio.gather(*(reader.read() for reader, _ in opened))
    for _, writer in opened:
        writer.close()
    return Counter(map(outcome, answers))


def outcome(answer: bytes) -> tuple[int, str]:
    head = answer.partition(b"\r\n\r\n")[0].decode()
    status, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), headers.get("X-Cache", "")


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_two_thousand_at_once_on_a_process_are_answered_and_hits_follow(api):
    """It starts cold: no page, no token and no connection is there yet."""
    client = api.client
    answers = asyncio.run(asyncio.wait_for(burst(client, "/loads", CLIENTS), PATIENCE_SECONDS))
    assert answers.total() == CLIENTS
    assert set(answers) == {(200, "MISS"), (200, "HIT")}
    assert answers[200, "HIT"] > answers[200, "MISS"]
    assert [client.get("/loads").headers["X-Cache"] for _ in range(20)] == ["HIT"] * 20
    assert "Redis is away" not in api.output

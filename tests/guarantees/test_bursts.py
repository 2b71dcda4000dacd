"""A burst of requests on a cold process is answered, and then all is as before."""

import asyncio
import re
from collections import Counter

import pytest

from tests.support.system import Api, System

CLIENTS = 2000
PATIENCE_SECONDS = 300


async def burst(api: Api) -> Counter[tuple[bytes, ...]]:
    """Connect so many clients, have all send a request at once; count the answers."""
    address = ("127.0.0.1", api.client.port)
    head = f"Host: 127.0.0.1:{api.client.port}\r\nAuthorization: Bearer {api.client.token}\r\n"
    request = f"GET /loads HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
    opened = [await asyncio.open_connection(*address) for _ in range(CLIENTS)]
    for _, writer in opened:
        writer.write(request)
    answers = await asyncio.gather(*(reader.read() for reader, _ in opened))
    for _, writer in opened:
        writer.close()
    found = re.compile(rb"HTTP/1.1 (\d+) .*X-Cache: (\w+)\r\n", re.DOTALL)
    return Counter(found.match(answer).groups() for answer in answers)


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_two_thousand_at_once_on_a_process_are_answered_and_hits_follow(system_without_bus: System):
    """It starts cold: no page, no token and no connection is there yet."""
    api = system_without_bus.start_api(workers=1)
    answers = asyncio.run(asyncio.wait_for(burst(api), PATIENCE_SECONDS))
    assert set(answers) == {(b"200", b"MISS"), (b"200", b"HIT")}
    assert answers[b"200", b"HIT"] > answers[b"200", b"MISS"]
    assert [api.client.get("/loads").headers["X-Cache"] for _ in range(20)] == ["HIT"] * 20
    assert "Redis is away" not in api.output

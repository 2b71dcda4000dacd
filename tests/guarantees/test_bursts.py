"""A burst of requests is answered or refused with a reason, and then all is as before."""

import asyncio
import json
from collections import Counter

import pytest
from flask_jwt_extended import create_access_token

from tests.support.http import HttpClient
from tests.support.system import Api, System
from tests.support.users import make_user

CLIENTS = 2000
USERS, STREAMS = 30, 20
PATIENCE_SECONDS = 300
Outcome = tuple[int, str]
"""The status of an answer, and its `X-Cache` or the code of its problem."""


@pytest.fixture
def api(system_without_bus: System) -> Api:
    return system_without_bus.start_api(workers=1)


def get(client: HttpClient, path: str, token: str | None = None) -> bytes:
    head = f"Host: 127.0.0.1:{client.port}\r\nAuthorization: Bearer {token or client.token}\r\n"
    return f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()


async def burst(client: HttpClient, requests: list[bytes]) -> Counter[Outcome]:
    """Connect so many clients, have all send a request at once; count the answers."""
    opened = [await asyncio.open_connection("127.0.0.1", client.port) for _ in requests]
    for (_, writer), request in zip(opened, requests, strict=True):
        writer.write(request)
    answers = await asyncio.gather(*(answer(reader) for reader, _ in opened))
    for _, writer in opened:
        writer.close()
    return Counter(answers)


async def answer(reader: asyncio.StreamReader) -> Outcome:
    """Read an answer, of a stream only what comes before the first event."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if headers["Content-Type"] == "text/event-stream":
        return 200, ""
    body = await reader.read()
    if status.split()[1] == "200":
        return 200, headers.get("X-Cache", "")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Retry-After"] == "1", body
    return int(status.split()[1]), json.loads(body)["code"]


def answers_to(client: HttpClient, requests: list[bytes]) -> Counter[Outcome]:
    answers = asyncio.run(asyncio.wait_for(burst(client, requests), PATIENCE_SECONDS))
    assert answers.total() == len(requests)
    return answers


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_two_thousand_at_once_on_a_process_are_answered_and_hits_follow(api):
    """It starts cold: no page, no token and no connection is there yet."""
    client = api.client
    answers = answers_to(client, [get(client, "/loads")] * CLIENTS)
    assert set(answers) == {(200, "MISS"), (200, "HIT")}
    assert answers[200, "HIT"] > answers[200, "MISS"]
    assert [client.get("/loads").headers["X-Cache"] for _ in range(20)] == ["HIT"] * 20
    assert "Redis is away" not in api.output


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_streams_that_all_come_back_at_once_are_opened(api, system_without_bus):
    with system_without_bus.app.app_context():
        users = [make_user("Dana", f"dana{number}@billor.example").id for number in range(USERS)]
        tokens = [create_access_token(str(id_)) for id_ in users]
    requests = [get(api.client, "/changes", token) for token in tokens * STREAMS]
    answers = answers_to(api.client, requests)
    assert set(answers) <= {(200, ""), (503, "database_busy"), (503, "streams_busy")}
    assert answers[200, ""] <= 500
    assert api.client.get("/drivers").status == 200
    assert "Traceback" not in api.output

"""Promises 8 and 9: no access without credentials, and no leak of secrets.

Single requests are tested in tests/api/test_auth.py, test_default_deny.py, test_headers.py and
test_errors.py, refused settings in tests/unit/test_config.py.
"""

import os
import socket
from collections import Counter
from contextlib import suppress
from functools import partial
from urllib.parse import quote, urlsplit

import pytest

from billor import MAX_BODY_BYTES
from billor.errors import CODES
from scripts.launcher import launcher
from tests.support.apps import another_app
from tests.support.client import ApiClient
from tests.support.couchdb_server import Fault
from tests.support.databases import run_sql
from tests.support.http import Reply, read_reply
from tests.support.races import at_once
from tests.support.system import Api, System
from tests.support.worker import WAIT_SECONDS, wait_until

MAX_FAILURES = 20


# Passwords


def test_the_login_rate_limit_spans_all_processes_without_redis(system_without_bus, redis):
    api = system_without_bus.start_whole_api(workers=2)
    body = {"email": "dana@billor.example", "password": "no"}
    with redis.gone():
        replies = at_once(api, [partial(api.client.post, "/auth/login", body)] * 2 * MAX_FAILURES)
    assert Counter(reply.status for reply in replies) == {401: MAX_FAILURES, 429: MAX_FAILURES}


# Secrets


def test_no_failure_reveals_a_secret(system_without_bus):
    system = system_without_bus
    told: list[str] = []

    def ask(api, method: str, path: str, body=None, **headers: str) -> Reply:
        reply = api.client.request(method, path, body, **headers)
        told.append(f"{reply.headers} {reply.body}")
        return reply

    right = {
        name: urlsplit(system.settings[name]).password for name in ("DATABASE_URL", "REDIS_URL")
    } | {"COUCHDB_URL": quote(system.couch.password, safe="")}
    wrong = {name: f"wrong-{number}-secret" for number, name in enumerate(right)}
    denied = {
        name: system.settings[name].replace(password, wrong[name])
        for name, password in right.items()
    }
    password, wrong_password = "the-users-password", "the-wrong-password"
    secrets = {
        **right,
        **{f"wrong {name}": secret for name, secret in wrong.items()},
        "CouchDB's password": system.couch.password,
        "key": system.settings["JWT_SECRET_KEY"],
        "password": password,
        "wrong password": wrong_password,
        "token": system.token,
        "signature": system.token.rpartition(".")[2],
        "hash": "$argon2id$",
    }

    workers = [system.start_worker(LOG_LEVEL="DEBUG"), system.start_worker(**denied)]
    api = system.start_api(workers=1, LOG_LEVEL="DEBUG")
    user = {"name": "Eve", "email": "eve@billor.example", "password": password}
    assert ask(api, "POST", "/users", user).status == 201
    login = {"email": user["email"], "password": password}
    assert api.client.post("/auth/login", login).status == 200
    assert ask(api, "POST", "/auth/login", login | {"password": wrong_password}).status == 401
    assert ask(api, "POST", "/auth/login", login | {"password": [password]}).status == 422
    assert ask(api, "POST", "/users", user).status == 409
    for token in (system.token[:-1], f"{system.token}x", f"{system.token} more"):
        assert ask(api, "GET", "/loads", Authorization=f"Bearer {token}").status == 401
    key = api.client.post("/api-keys", {"name": "Accounting"}).body["key"]
    secrets["API key"] = key[12:]
    for path, token, status in (
        ("/drivers", key, 200),
        ("/drivers", f"{key}x", 401),
        (f"/drivers?q={key}", system.token, 200),
        (f"/drivers/{key}", system.token, 404),
    ):
        assert ask(api, "GET", path, Authorization=f"Bearer {token}").status == status, path
    constraint = "CONSTRAINT unheard_of CHECK (name <> 'Unheard')"  # the API does not know it
    run_sql(system.app, f"ALTER TABLE users ADD {constraint}")
    unheard = user | {"name": "Unheard", "email": "unheard@billor.example"}
    assert ask(api, "POST", "/users", unheard).status == 500
    run_sql(system.app, "ALTER TABLE users DROP CONSTRAINT unheard_of")
    for line in (
        f"Authorization : Bearer {system.token}",
        f"Authorization: Bearer {system.token}\x01",
        f"Authorization: Bearer\r\n {system.token}",
        f"Bearer {system.token}",
    ):
        refused = exchange(api.client.port, f"GET /loads HTTP/1.1\r\n{line}\r\n\r\n")
        told += [str(refused.headers), str(refused.body)]
    # UNAUTHORIZED last: for a minute after it CouchDB gets no requests.
    for times, fault in enumerate((Fault.SERVER_ERROR, Fault.UNAUTHORIZED), 1):
        wait_until(lambda n=times: workers[0].output.count("The audit store is back") == n - 1)
        system.couch.fail(fault)
        assert ask(api, "GET", "/audit").status == 503
        api.client.make_load()
        wait_until(lambda n=times: workers[0].output.count("The audit store is away") == n)
        ask(api, "GET", "/readyz")
        system.couch.mend()

    api = system.start_api(workers=1, LOG_LEVEL="DEBUG", **denied)
    for method, path, body in (
        ("POST", "/auth/login", login),
        ("GET", "/loads", None),
        ("GET", "/audit", None),
        ("GET", "/readyz", None),
    ):
        assert ask(api, method, path, body).status == 503, path
    wait_until(lambda: "is away" in workers[1].output)

    assert "unheard_of" in system.logs, "the cause of the 500 is logged"
    for where, output in (
        ("logs", system.logs),
        ("answers", "\n".join(told)),
        ("repr", repr(system.app.config["BILLOR"])),
    ):
        assert [name for name, secret in secrets.items() if secret in output] == [], where


def test_the_launchers_secrets_are_readable_by_their_owner_only(tmp_path):
    before = os.umask(0)
    try:
        made = launcher._secrets_of(tmp_path / "secrets.env")
    finally:
        os.umask(before)
    assert min(len(secret) for secret in made.values()) >= 32
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert launcher._secrets_of(tmp_path / "secrets.env") == made


# The server's own refusals and limits


@pytest.fixture(scope="module")
def server(shared_system: System) -> Api:
    return shared_system.start_api(workers=1)


def exchange(port: int, request: str | bytes) -> Reply:
    """Send these bytes and return the server's answer."""
    content = request.encode("latin-1") if isinstance(request, str) else request
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as connection:
        with suppress(ConnectionError):  # it may refuse before it has read all
            connection.sendall(content)
        return read_reply(connection)


POST = "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = f"{POST}Transfer-Encoding: chunked\r\n\r\n"
TOO_MUCH = "x" * (MAX_BODY_BYTES + 1)
REFUSED = {
    "no request": (400, "nonsense\r\n\r\n"),
    "a long address": (414, f"GET /{'a' * 9000} HTTP/1.1\r\n\r\n"),
    "a long header": (431, f"GET / HTTP/1.1\r\nX-Long: {'a' * 9000}\r\n\r\n"),
    "many headers": (431, "GET / HTTP/1.1\r\n{}\r\n".format("X-Many: a\r\n" * 200)),
    "an unknown coding": (501, f"{POST}Transfer-Encoding: magic\r\n\r\n"),
    "an unknown expectation": (417, "GET / HTTP/1.1\r\nExpect: miracles\r\n\r\n"),
    "a large body": (413, f"{POST}Content-Length: {len(TOO_MUCH)}\r\n\r\n"),
    "a large body in chunks": (413, f"{CHUNKED}{len(TOO_MUCH):x}\r\n{TOO_MUCH}\r\n0\r\n\r\n"),
}


def test_errors_of_the_server_itself_are_problem_documents_too(server):
    for kind, (status, request) in REFUSED.items():
        reply = exchange(server.client.port, request)
        assert reply.status == status, (kind, reply)
        assert reply.headers["Content-Type"] == "application/problem+json", kind
        assert reply.headers["X-Request-ID"], kind
        assert reply.headers["X-Content-Type-Options"] == "nosniff", kind
        assert reply.body["status"] == status, kind
        assert {"type", "title", "detail"} <= set(reply.body), kind
        assert CODES[reply.body["code"]].status == status, kind
        assert reply.headers["Server"] is None or "/" not in reply.headers["Server"], kind
    assert server.client.get("/loads").status == 200


NEXT = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
FRAMINGS = [
    *("Content-Length: 12\r\nTransfer-Encoding: chunked", "Content-Length: ten"),
    *("Content-Length: 12\r\nContent-Length: 3", "Transfer-Encoding : chunked"),
]
BODIES = ["zz\r\n{}\r\n0\r\n\r\n", "3\r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n"]
HOSTS = [
    *("", "Host:\r\n", "Host: localhost\r\nHost: localhost\r\n", "Host: localhost, evil\r\n"),
    *("Host: a@localhost\r\n", "Host: localhost/a\r\n", "Host: localhost:b\r\n", "Host: [::1\r\n"),
]


def answers(port: int, request: str) -> str:
    """Send a request and another one; return all answers, once the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as connection:
        connection.sendall(f"{request}{NEXT}".encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()


def test_nothing_is_read_after_a_request_whose_end_is_uncertain(server):
    port = server.client.port
    requests = [
        *(f"{POST}{framing}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n" for framing in FRAMINGS),
        *(f"{CHUNKED}{body}" for body in BODIES),
        *(f"GET /healthz HTTP/1.1\r\n{host}\r\n" for host in HOSTS),
        f"{CHUNKED}zz\r\n\r\n".replace("1.1", "1.0"),
    ]
    for request in requests:
        answer = answers(port, request)
        assert answer.startswith("HTTP/1.1 400 "), request
        assert answer.count("HTTP/1.") == answer.count('"malformed_request"') == 1, request
        assert "\r\nConnection: close\r\n" in answer, request
    unread = f'{CHUNKED}{{"password": "hidden-password"}}\r\n\r\n'.replace("/auth/login", "/users")
    answer = answers(port, unread)
    assert (answer.count("HTTP/1."), answer.startswith("HTTP/1.1 401 ")) == (1, True)
    assert "hidden-password" not in server.output
    assert exchange(port, "GET /healthz HTTP/1.0\r\n\r\n").status == 200


# Browsers


OURS = "https://dispatch.example"


@pytest.mark.parametrize("configured", ["", OURS, "https://other.example"])
def test_cors_allows_only_the_configured_origins(settings, client, configured):
    preflight = {"Origin": OURS, "Access-Control-Request-Method": "POST"}
    with another_app(settings, CORS_ORIGINS=configured) as app:
        api = ApiClient(app.test_client())
        answers = [api.request("OPTIONS", "/loads", headers=preflight)]
        for api.token, status in ((client.token, 200), (None, 401)):
            answers.append(api.get("/loads", headers={"Origin": OURS}))
            assert answers[-1].status_code == status
    for answer in answers:
        allowed = OURS if configured == OURS else None
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Access-Control-Allow-Credentials" not in answer.headers

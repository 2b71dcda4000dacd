"""Headers of proxies, over gunicorn: only `TRUSTED_PROXIES` says whether one is believed."""

import socket
import uuid
from collections.abc import Iterator

import pytest

from billor.errors import CODES
from tests.support.http import Reply, read_reply
from tests.support.system import Api
from tests.support.worker import WAIT_SECONDS

PAGE = "/loads?limit=1"
HEADERS = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/prefix",
    "X-Forwarded-Server": "evil.example",
    "X-Real-Ip": "192.0.2.1",
    "X-Url-Scheme": "https",
    "X-Script-Name": "/prefix",
    "X-Original-Url": "/users",
    "X-Rewrite-Url": "/users",
    "X-Http-Method-Override": "DELETE",
    "Forwarded": "for=192.0.2.1;proto=https;host=evil.example",
    "Front-End-Https": "on",
    "Proxy": "http://evil.example",
    "SCRIPT_NAME": "/prefix",
    "Script-Name": "/prefix",
    "PATH_INFO": "/users",
    "Path-Info": "/users",
    "REMOTE_USER": "1",
    "Remote-User": "1",
    "REMOTE_ADDR": "192.0.2.1",
    "SERVER_NAME": "evil.example",
    "SERVER_PORT": "8443",
    "REQUEST_METHOD": "DELETE",
    "QUERY_STRING": "limit=2",
    "CONTENT_LENGTH": "100",
    "wsgi.url_scheme": "https",
    "HTTP_HOST": "evil.example",
    "X_Forwarded_For": "192.0.2.1",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "evil.example",
    "Authorization_": "Bearer forged",
    "AUTHORIZATION_TOKEN": "forged",
}
"""What gunicorn, Werkzeug or other servers know of proxies."""


@pytest.fixture(scope="module")
def direct(shared_system) -> Api:
    """Without a proxy, with two loads."""
    api = shared_system.start_api(workers=1)
    for _ in range(2):
        api.client.make_load()
    return api


@pytest.fixture(scope="module")
def proxied(shared_system, direct) -> Api:
    """The same loads, behind two proxies."""
    return shared_system.start_api(workers=1, TRUSTED_PROXIES="2")


def base_of(reply: Reply) -> str:
    """What the address of the next page begins with."""
    assert reply.status == 200, reply
    return reply.headers["Link"].removeprefix("<").partition("/loads?")[0]


@pytest.mark.parametrize("trusted", ["0", "2"])
@pytest.mark.parametrize("name", HEADERS)
def test_a_clients_own_header_changes_nothing(request, name, trusted):
    """Behind two proxies, too: each of them would have added a value."""
    api = request.getfixturevalue("proxied" if trusted == "2" else "direct")
    usual, reply = api.client.get(PAGE), api.client.get(PAGE, **{name: HEADERS[name]})
    assert base_of(reply) == base_of(usual) == f"http://127.0.0.1:{api.client.port}"
    assert reply.body == usual.body
    driver = {"name": "A", "licenseNumber": uuid.uuid4().hex}
    made = api.client.post("/drivers", driver, **{name: HEADERS[name]})
    assert made.headers["Location"] == f"/drivers/{made.body['id']}"


@pytest.mark.parametrize("name", HEADERS)
def test_without_a_token_such_a_header_is_answered_401(direct, name):
    for path in ("/loads", "/users"):
        reply = direct.client.get(path, Authorization="", **{name: HEADERS[name]})
        assert (reply.status, reply.body["code"]) == (401, "token_missing")


def test_contradicting_headers_of_a_client_are_no_bad_request(direct):
    contradiction = {"X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "on"}
    assert direct.client.get(PAGE, **contradiction).status == 200


def talk(port: int, request: bytes) -> Reply:
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as connection:
        connection.sendall(request)
        return read_reply(connection)


@pytest.fixture(params=["direct", "proxied"])
def port(request) -> Iterator[int]:
    return request.getfixturevalue(request.param).client.port


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02",
    ],
    ids=["version 1", "unknown", "version 2"],
)
def test_the_proxy_protocol_is_refused(port, line):
    reply = talk(port, line + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (reply.status, reply.body["code"]) == (400, "malformed_request")
    assert CODES[reply.body["code"]].status == 400


FORWARDED = {
    "X-Forwarded-Proto": ("https, http", "https"),
    "X-Forwarded-Host": ("api.example.com, inner", "api.example.com"),
    "X-Forwarded-Port": ("8443, 80", "8443"),
    "X-Forwarded-Prefix": ("/billor, /inner", "/billor"),
}


def test_trusted_proxies_say_how_clients_reach_the_api(proxied):
    headers = {name: both for name, (both, _) in FORWARDED.items()}
    reply = proxied.client.get(PAGE, **headers)
    assert base_of(reply) == "https://api.example.com:8443/billor"
    made = proxied.client.post("/drivers", {"name": "A", "licenseNumber": "PROXIED-1"}, **headers)
    assert made.headers["Location"] == f"/billor/drivers/{made.body['id']}"
    assert proxied.client.get(f"/drivers/{made.body['id']}").status == 200


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X-Forwarded-Proto": "https, http"}, "https://127.0.0.1:{port}"),
        ({"X-Forwarded-Proto": "HTTPS, http"}, "https://127.0.0.1:{port}"),
        ({"X-Forwarded-Proto": "javascript, http"}, "http://127.0.0.1:{port}"),
        (
            {"X-Forwarded-Proto": "https, http", "X-Forwarded-Port": "443, 80"},
            "https://127.0.0.1",
        ),
        ({"X-Forwarded-Port": "8443, 80"}, "http://127.0.0.1:8443"),
        ({"X-Forwarded-Host": "a.example:90, b"}, "http://a.example:90"),
        (
            {"X-Forwarded-Host": "a.example:90, b", "X-Forwarded-Port": "91, 1"},
            "http://a.example:91",
        ),
        ({"X-Forwarded-Host": "[2001:db8::1], b"}, "http://[2001:db8::1]"),
        (
            {"X-Forwarded-Host": "[2001:db8::1], b", "X-Forwarded-Port": "91, 1"},
            "http://[2001:db8::1]:91",
        ),
        ({"X-Forwarded-Prefix": "/a/b/, /c"}, "http://127.0.0.1:{port}/a/b"),
        ({"X-Forwarded-Prefix": "a, /c"}, "http://127.0.0.1:{port}/a"),
        ({"X-Forwarded-Prefix": "//evil.example, /c"}, "http://127.0.0.1:{port}/evil.example"),
        ({"X-Forwarded-Prefix": "/, /c"}, "http://127.0.0.1:{port}"),
        ({"X-Forwarded-Prefix": "/a%20b>, /c"}, "http://127.0.0.1:{port}/a%20b%3E"),
        ({"X-Forwarded-Host": "a.example, b.example, c"}, "http://b.example"),
    ],
)
def test_links_follow_each_header_of_trusted_proxies(proxied, headers, base):
    reply = proxied.client.get(PAGE, **headers)
    assert base_of(reply) == base.format(port=proxied.client.port)
    # A page from Redis has the link that fits this request.
    assert base_of(proxied.client.get(PAGE)) == f"http://127.0.0.1:{proxied.client.port}"


def test_a_prefix_of_trusted_proxies_leads_to_the_next_page(proxied):
    headers = {"X-Forwarded-Prefix": "/billor, /inner"}
    link = proxied.client.get(PAGE, **headers).headers["Link"]
    path = link.partition("/billor")[2].partition(">")[0]  # as a proxy removes it
    assert proxied.client.get(path, **headers).status == 200
    assert proxied.client.get("/", **headers).headers["Location"] == "/billor/board"

"""Headers of proxies, over gunicorn: they count from `TRUSTED_PROXIES` only."""

import pytest

from tests.support.http import Reply
from tests.support.system import Api

PAGE = "/loads?limit=1"
HEADERS = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/prefix",
    "X-Http-Method-Override": "DELETE",
    "Forwarded": "for=192.0.2.1;proto=https;host=evil.example",
    "SCRIPT_NAME": "/prefix",
    "REMOTE_USER": "1",
    "wsgi.url_scheme": "https",
    "Authorization_": "Bearer forged",
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


@pytest.mark.parametrize("trusted", ["direct", "proxied"])
def test_a_clients_own_header_changes_nothing(request, trusted):
    """Behind two proxies, too: each of them would have added a value."""
    api = request.getfixturevalue(trusted)
    usual = api.client.get(PAGE)
    for name, value in HEADERS.items():
        reply = api.client.get(PAGE, **{name: value})
        assert base_of(reply) == base_of(usual) == f"http://127.0.0.1:{api.client.port}", name
        assert reply.body == usual.body, name
        reply = api.client.get("/users", Authorization="", **{name: value})
        assert (reply.status, reply.body["code"]) == (401, "token_missing"), name


FORWARDED = {
    "X-Forwarded-Proto": ("https, http", "https"),
    "X-Forwarded-Host": ("api.example.com, inner", "api.example.com"),
    "X-Forwarded-Port": ("8443, 80", "8443"),
    "X-Forwarded-Prefix": ("/billor, /inner", "/billor"),
}


def test_trusted_proxies_say_how_clients_reach_the_api(proxied):
    headers = {name: both for name, (both, _) in FORWARDED.items()}
    for _ in range(2):  # a page from Redis has the link that fits the request
        reply = proxied.client.get(PAGE, **headers)
        assert base_of(reply) == "https://api.example.com:8443/billor"
        assert base_of(proxied.client.get(PAGE)) == f"http://127.0.0.1:{proxied.client.port}"
    link = reply.headers["Link"].partition("/billor")[2].partition(">")[0]
    assert proxied.client.get(link, **headers).status == 200  # as a proxy removes the prefix
    made = proxied.client.post("/drivers", {"name": "A", "licenseNumber": "PROXIED-1"}, **headers)
    assert made.headers["Location"] == f"/billor/drivers/{made.body['id']}"
    assert proxied.client.get("/", **headers).headers["Location"] == "/billor/board"

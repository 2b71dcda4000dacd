"""Trusted host names, against DNS rebinding.

A page of another site must not reach the API by a name that resolves to a local address.
"""

import re
from itertools import product

import pytest

from billor.api.middleware import SECURITY_HEADERS
from scripts.launcher.launcher import PROJECT
from tests.support.answers import assert_problem
from tests.support.apps import another_app
from tests.support.client import ApiClient

STRANGE = ["evil.example:8000", "localhost.evil.example", "localhost@evil.example", "[::2]", ""]
PATHS = ["/loads", "/nowhere", "/docs", "/openapi.json"]


def host(name: str) -> dict[str, str]:
    return {"Host": name, "X-Request-ID": "mine"}


def test_an_api_on_loopback_answers_to_loopback_names_only(client):
    for trusted in ("localhost", "localhost:8000", "127.0.0.1:8000"):
        assert client.get("/loads", headers=host(trusted)).status_code == 200
    for name, path in product(STRANGE, PATHS):
        answer = client.get(path, headers=host(name))
        assert_problem(answer, 400, "untrusted_host")
        assert answer.headers["X-Request-ID"] == "mine"
        assert SECURITY_HEADERS.items() <= dict(answer.headers).items()


def test_health_checks_are_answered_under_any_host_name(anonymous):
    for path in ("/healthz", "/readyz"):
        assert anonymous.get(path, headers=host("10.0.0.7:8000")).status_code == 200


@pytest.mark.parametrize(
    ("settings_", "statuses"),
    [
        (
            {"TRUSTED_HOSTS": "api.example.com,.trucks.example"},
            {"api.example.com:443": 200, "b.example.com": 400, "trucks.example": 200}
            | {"a.b.trucks.example": 200, "nottrucks.example": 400, "localhost": 400},
        ),
        ({"BIND": "::1"}, {"[::1]:8000": 200, "localhost": 200, "evil.example": 400, "[::2]": 400}),
        ({"BIND": "::2"}, {"evil.example": 200}),
        ({"TRUSTED_PROXIES": "1"}, {"evil.example": 200}),
    ],
)
def test_the_settings_say_which_host_names_are_trusted(client, settings, settings_, statuses):
    with another_app(settings, **settings_) as app:
        api = ApiClient(app.test_client(), client.token)
        assert {name: api.get("/loads", headers=host(name)).status_code for name in statuses} == (
            statuses
        )


def test_the_host_forwarded_by_a_trusted_proxy_is_checked(client, settings):
    with another_app(settings, TRUSTED_PROXIES="1", TRUSTED_HOSTS="api.example.com") as app:
        api = ApiClient(app.test_client(), client.token)
        for asked, status in (("api.example.com", 200), ("evil.example", 400)):
            headers = {"Host": "internal", "X-Forwarded-Host": asked}
            assert api.get("/loads", headers=headers).status_code == status


def test_compose_publishes_the_api_on_loopback_and_trusts_loopback_names():
    compose = (PROJECT / "docker-compose.yml").read_text()
    assert re.findall(r"- (\S+):8000$", compose, re.MULTILINE) == ["127.0.0.1:${PORT:-8000}"]
    assert "    TRUSTED_HOSTS: ${TRUSTED_HOSTS:-localhost,127.0.0.1}\n" in compose

"""GET /metrics: who may read it, and what it says of requests and of what they depend on."""

import pytest

from billor.config import API_VERSION
from billor.health import checks
from billor.models import Role
from tests.support.answers import assert_problem
from tests.support.apps import another_app, client_with_token
from tests.support.client import ApiClient
from tests.support.databases import run_sql
from tests.support.exported import Exported

TOKEN = "a-token-of-prometheus"
REQUESTS = "billor_http_requests_total"
DEPENDENCIES = ("postgresql", "redis", "audit", "events")


@pytest.fixture(autouse=True)
def _ask_each_time(monkeypatch):
    monkeypatch.setattr(checks, "CACHE_SECONDS", 0)


@pytest.fixture
def app_with_token(app, settings):
    with another_app(settings, METRICS_TOKEN=TOKEN) as app:
        yield app


def scrape(client) -> Exported:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return Exported(answer.text)


def test_the_token_of_prometheus_opens_the_metrics_and_nothing_else(app_with_token):
    prometheus = ApiClient(app_with_token.test_client(), TOKEN)
    assert scrape(prometheus).sum("billor_build_info", version=API_VERSION) == 1
    assert prometheus.get("/metrics", headers={"Host": "api:8000"}).status_code == 200
    for rule in app_with_token.url_map.iter_rules():
        if rule.rule == "/metrics" or rule.arguments or "GET" not in rule.methods:
            continue
        anonymous = ApiClient(app_with_token.test_client())
        with prometheus.get(rule.rule) as opened, anonymous.get(rule.rule) as closed:
            assert opened.status_code == closed.status_code, rule.rule


def test_nobody_else_reads_the_metrics_but_an_admin(app, app_with_token, client):
    for given in ("", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
        anonymous = ApiClient(app_with_token.test_client())
        headers = {"Authorization": given} if given else {}
        assert anonymous.get("/metrics", headers=headers).status_code == 401
    for given in ("", "None", "null"):  # there is no METRICS_TOKEN
        assert ApiClient(app.test_client(), given).get("/metrics").status_code == 401
    assert scrape(client).sum("billor_build_info") == 1
    dispatcher = client_with_token(app, "Dana", "dana@billor.example", Role.DISPATCHER)
    assert_problem(dispatcher.get("/metrics"), 403, "role_missing")


def test_requests_are_counted_by_route_method_and_status(client, counted):
    load = client.make_load()
    client.get(f"/loads/{load['id']}")
    client.get(f"/loads/{load['id'] + 1}")
    client.get("/nowhere/else")
    client.request("BREW", "/loads")
    first = client.get("/loads")
    client.get("/loads", headers={"If-None-Match": first.headers["ETag"]})
    ApiClient(client._client).get("/loads")
    expected = {
        ("/loads", "POST", "201"): 1,
        ("/loads/<id:load_id>", "GET", "200"): 1,
        ("/loads/<id:load_id>", "GET", "404"): 1,
        ("none", "GET", "404"): 1,
        ("none", "other", "405"): 1,
        ("/loads", "GET", "200"): 1,
        ("/loads", "GET", "304"): 1,
        ("/loads", "GET", "401"): 1,
    }
    for (route, method, status), count in expected.items():
        assert counted(REQUESTS, route=route, method=method, status=status) == count
    assert counted(REQUESTS) == sum(expected.values())
    seconds = "billor_http_request_duration_seconds_count"
    assert counted(seconds, route="/loads/<id:load_id>", method="GET") == 2
    assert counted("billor_cache_pages_total", status="MISS") == 1
    assert counted("billor_cache_pages_total", status="HIT") == 1


def test_waiting_events_are_exported_with_their_age(client, app):
    client.make_load()
    hour_ago = "published_at = now(), created_at = now() - interval '1 hour'"
    run_sql(app, f"UPDATE load_events SET {hour_ago}")  # noqa: S608
    exported = scrape(client)
    assert exported.sum("billor_outbox_events", state="unpublished") == 0
    assert exported.sum("billor_outbox_events", state="unrecorded") == 1
    assert exported.sum("billor_outbox_oldest_seconds", state="unrecorded") >= 3600
    up = {name: exported.sum("billor_dependency_up", dependency=name) for name in DEPENDENCIES}
    assert up == {"postgresql": 1, "redis": 1, "audit": 1, "events": 0}

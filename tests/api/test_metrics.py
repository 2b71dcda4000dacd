"""GET /metrics: who may read it, and what it says of requests and of what they depend on."""

from http import HTTPStatus

import pytest
from sqlalchemy import text

from billor.cache import circuit_breaker
from billor.extensions import cache, db
from billor.health import checks
from billor.http.api import API_VERSION
from billor.roles import Role
from tests.support.answers import assert_problem
from tests.support.apps import another_app, client_with_token, dead_address
from tests.support.client import ApiClient
from tests.support.exported import Exported, exported_here

TOKEN = "a-token-of-prometheus"
REQUESTS = "billor_http_requests_total"


@pytest.fixture(autouse=True)
def _ask_each_time(monkeypatch):
    monkeypatch.setattr(checks, "REMEMBERED_SECONDS", 0)


@pytest.fixture
def client(app):
    return client_with_token(app)


@pytest.fixture
def app_with_token(app, settings):
    with another_app(settings, METRICS_TOKEN=TOKEN) as app:
        yield app


@pytest.fixture
def prometheus(app_with_token):
    return ApiClient(app_with_token.test_client(), TOKEN)


def scrape(client) -> Exported:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return Exported(answer.text)


@pytest.fixture
def counted():
    """How much a sum has grown since the test began."""
    before = exported_here()
    return lambda name, **labels: exported_here().sum(name, **labels) - before.sum(name, **labels)


def test_the_token_of_prometheus_opens_the_metrics_and_nothing_else(app_with_token, prometheus):
    assert scrape(prometheus).sum("billor_build_info", version=API_VERSION) == 1
    for rule in app_with_token.url_map.iter_rules():
        if rule.rule == "/metrics" or rule.arguments or "GET" not in rule.methods:
            continue
        anonymous = ApiClient(app_with_token.test_client())
        with prometheus.get(rule.rule) as opened, anonymous.get(rule.rule) as closed:
            assert opened.status_code == closed.status_code, rule.rule


@pytest.mark.parametrize("given", ["", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
def test_a_wrong_token_is_refused(app_with_token, given):
    client = ApiClient(app_with_token.test_client())
    answer = client.get("/metrics", headers={"Authorization": given} if given else {})
    assert answer.status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("given", ["", "None", "null"])
def test_without_the_setting_no_token_opens_the_metrics(app, given):
    assert ApiClient(app.test_client(), given).get("/metrics").status_code == 401


def test_of_users_only_admins_may_read_the_metrics(app, client):
    assert scrape(client).sum("billor_build_info") == 1
    dispatcher = client_with_token(app, "Dana", "dana@billor.example", Role.DISPATCHER)
    assert_problem(dispatcher.get("/metrics"), 403, "role_missing")


def test_prometheus_may_use_any_address(prometheus):
    assert prometheus.get("/metrics", headers={"Host": "api:8000"}).status_code == 200


def test_requests_are_counted_by_route_method_and_status(client, counted):
    load = client.make_load()
    client.get(f"/loads/{load['id']}")
    client.get(f"/loads/{load['id'] + 1}")
    client.get("/nowhere/else")
    client.request("BREW", "/loads")
    client.request("DELETE", "/loads")
    ApiClient(client._client).get("/users")
    assert counted(REQUESTS, route="/loads", method="POST", status="201") == 1
    assert counted(REQUESTS, route="/loads/<id:load_id>", method="GET", status="200") == 1
    assert counted(REQUESTS, route="/loads/<id:load_id>", method="GET", status="404") == 1
    assert counted(REQUESTS, route="none", method="GET", status="404") == 1
    assert counted(REQUESTS, route="none", method="other", status="405") == 1
    assert counted(REQUESTS, route="none", method="DELETE", status="405") == 1
    assert counted(REQUESTS, route="/users", method="GET", status="401") == 1
    assert counted(REQUESTS) == 7
    seconds = "billor_http_request_duration_seconds"
    assert counted(f"{seconds}_count", route="/loads/<id:load_id>", method="GET") == 2
    assert counted(f"{seconds}_sum") > 0


def test_pages_from_the_cache_have_their_route_too(client, counted):
    first = client.get("/loads")
    client.get("/loads")
    client.get("/loads", headers={"If-None-Match": first.headers["ETag"]})
    ApiClient(client._client).get("/loads")
    assert counted(REQUESTS, route="/loads", method="GET", status="200") == 2
    assert counted(REQUESTS, route="/loads", method="GET", status="304") == 1
    assert counted(REQUESTS, route="/loads", method="GET", status="401") == 1
    assert counted("billor_cache_pages_total", status="MISS") == 1
    assert counted("billor_cache_pages_total", status="HIT") == 2


def test_events_that_wait_are_exported_with_their_age(client, app):
    client.make_load()
    assert scrape(client).sum("billor_outbox_events", state="unpublished") == 1
    with app.app_context():
        later = (
            "UPDATE load_events SET published_at = now(), created_at = now() - interval '1 hour'"
        )
        db.session.execute(text(later))
        db.session.commit()
    exported = scrape(client)
    assert exported.sum("billor_outbox_events", state="unpublished") == 0
    assert exported.sum("billor_outbox_oldest_seconds", state="unpublished") == 0
    assert exported.sum("billor_outbox_events", state="unrecorded") == 1
    assert exported.sum("billor_outbox_oldest_seconds", state="unrecorded") >= 3600
    assert exported.sum("billor_dependency_up", dependency="events") == 0
    for dependency in ("postgresql", "redis", "audit"):
        assert exported.sum("billor_dependency_up", dependency=dependency) == 1


@pytest.mark.usefixtures("app")
def test_without_postgresql_prometheus_is_told_so(settings):
    url = f"postgresql://user:secret@{dead_address()}/name"
    with another_app(settings, METRICS_TOKEN=TOKEN, DATABASE_URL=url) as broken:
        exported = scrape(ApiClient(broken.test_client(), TOKEN))
    assert exported.sum("billor_dependency_up", dependency="postgresql") == 0
    assert exported.sum("billor_dependency_up", dependency="redis") == 1
    assert "billor_outbox_events" not in exported.names()


def test_connections_streams_and_circuits_are_exported(app, client, monkeypatch):
    with app.app_context(), db.engine.connect():
        exported = exported_here()
    assert exported.sum("billor_database_connections", state="in_use") >= 1
    assert exported.sum("billor_database_connections_limit") >= 8
    with client.get("/changes"):
        assert exported_here().sum("billor_streams") == 1
    assert exported_here().sum("billor_streams") == 0
    breaker = cache.cache.breaker
    monkeypatch.setattr(circuit_breaker, "PROBE_SECONDS", 600)
    breaker._open(ConnectionError("cut"))
    assert scrape(client).sum("billor_circuit_open", service="redis") == 1
    assert breaker.try_to_close()
    assert scrape(client).sum("billor_circuit_open", service="redis") == 0

"""Guarantee 3 on a Redis cluster, behind sentinels, and on a Redis that refuses."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis.cluster import key_slot

from billor.cache import circuit_breaker
from billor.cache.backend import redis_backend
from billor.cache.pages import invalidate_pages
from billor.cache.watch import ChangeWatch
from billor.extensions import cache
from tests.support.apps import another_app, client_with_token
from tests.support.client import ApiClient
from tests.support.redis_servers import (
    SLOTS_EACH,
    address,
    client_of,
    redis_cluster,
    sentinel,
    servers,
)
from tests.support.system import SCRIPT_SECONDS, Service, System
from tests.support.worker import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _probe_often(monkeypatch, caplog):
    monkeypatch.setattr(circuit_breaker, "PROBE_SECONDS", 0.05)
    caplog.set_level(logging.INFO, circuit_breaker.__name__)


@pytest.fixture
def cluster(tmp_path) -> Iterator[list[Service]]:
    with redis_cluster(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def client_over(app, settings):
    """Make a client of an app over the Redis at a URL."""
    token = client_with_token(app).token

    @contextmanager
    def make(url: str) -> Iterator[ApiClient]:
        with another_app(settings, REDIS_URL=url) as over:
            yield ApiClient(over.test_client(), token)
            with over.app_context():
                cache.cache.client.close()

    return make


def owner_of_all(cluster: list[Service]) -> Service:
    """The master that has all our keys."""
    return cluster[key_slot(b"billor") // SLOTS_EACH]


def told(caplog) -> list[str]:
    """What the log says of Redis."""
    return [record.message for record in caplog.records if record.name == circuit_breaker.__name__]


def statuses(client: ApiClient, count: int = 2) -> list[str]:
    return [client.get("/loads").headers["X-Cache"] for _ in range(count)]


def is_hit(client: ApiClient) -> bool:
    return statuses(client) == ["HIT", "HIT"]


def test_pages_are_cached_in_a_cluster(client_over, cluster):
    with client_over(f"redis+cluster://{address(*cluster)}") as client:
        assert statuses(client) == ["MISS", "HIT"]
        load = client.make_load()
        answers = [client.get("/loads") for _ in range(2)]
        assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
        assert [answer.json for answer in answers] == [[load]] * 2


def test_a_cluster_whose_master_is_killed_is_away_until_it_is_back(client_over, cluster, caplog):
    with client_over(f"redis+cluster://{address(*cluster)}") as client:
        assert statuses(client) == ["MISS", "HIT"]
        owner = owner_of_all(cluster)
        owner.kill()
        assert statuses(client) == ["BYPASS", "BYPASS"]
        owner.start()
        wait_until(lambda: is_hit(client))
    first, last = told(caplog)
    assert first.startswith("Redis is away, going on without it: ")
    assert last == "Redis is back"


def test_a_cluster_tells_of_changes_and_does_again_after_an_outage(app, settings, cluster):
    url = f"redis+cluster://{address(*cluster)}"
    with another_app(settings, REDIS_URL=url) as over, over.app_context():
        watch, owner = ChangeWatch(), owner_of_all(cluster)
        for _ in range(2):
            watch.begin()
            assert not watch.wait(0.1)
            invalidate_pages()
            assert watch.wait(10)
            owner.kill()
            assert watch.wait(10)
            watch.begin()
            assert watch.wait(10)
            owner.start()
            wait_until(lambda: not redis_backend().breaker.is_open)
        cache.cache.client.close()


def test_the_endpoint_script_works_while_a_master_is_killed(
    postgresql, pubsub, cluster, tmp_path, compiled
):
    redis = {"REDIS_URL": f"redis+cluster://{address(*cluster)}"}
    settings = postgresql.settings | redis | pubsub.settings
    owner = owner_of_all(cluster)
    with System(settings, tmp_path, compiled) as system:
        api = system.start_api()
        system.start_worker()
        script = system.start_endpoint_script(api)
        wait_until(lambda: "X-Cache: HIT" in script.output)
        owner.kill()
        assert script.wait(SCRIPT_SECONDS) == 0, script.output
        assert api.client.get("/loads").headers["X-Cache"] == "BYPASS"
        owner.start()
        wait_until(lambda: api.client.get("/loads").headers["X-Cache"] == "HIT")
        again = system.start_endpoint_script(api)
        assert again.wait(SCRIPT_SECONDS) == 0, again.output
        system.assert_converges()


def test_a_master_that_sentinels_replace_is_found(client_over, tmp_path):
    with servers(tmp_path, [], []) as (master, replica):
        client_of(replica).replicaof("127.0.0.1", master.settings["PORT"])
        wait_until(lambda: client_of(replica).info("replication")["master_link_status"] == "up")
        with sentinel(tmp_path / "sentinel", master) as watcher:
            wait_until(lambda: client_of(watcher).sentinel_slaves("billor"))
            url = f"redis+sentinel://{address(watcher)}/billor/0"
            with client_over(url) as client:
                assert statuses(client) == ["MISS", "HIT"]
                master.kill()
                assert statuses(client) == ["BYPASS", "BYPASS"]
                wait_until(lambda: is_hit(client))
                assert client_of(replica).info("replication")["role"] == "master"


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        (["requirepass secret"], "authenticated"),
        (["maxmemory 1", "maxmemory-policy noeviction"], "maxmemory"),
        (["replicaof 127.0.0.1 1", "replica-serve-stale-data yes"], "read only replica"),
    ],
)
def test_a_redis_that_refuses_is_told_once_as_what_it_is(
    client_over, tmp_path, caplog, configuration, reason
):
    with (
        servers(tmp_path, configuration) as (server,),
        client_over(f"redis://{address(server)}/0") as client,
    ):
        assert set(statuses(client, 5)) <= {"MISS", "BYPASS"}
        assert statuses(client, 1) == ["BYPASS"]
    (message,) = told(caplog)
    assert message.startswith("Redis refuses, going on without it: ")
    assert reason in message


def test_a_cluster_that_is_taken_for_one_server_is_told(client_over, cluster, caplog):
    for node in cluster:
        with client_over(f"redis://{address(node)}/0") as client:
            assert statuses(client) == ["BYPASS", "BYPASS"]
        assert "redis+cluster://" in told(caplog)[-1]
    assert len(told(caplog)) == len(cluster)

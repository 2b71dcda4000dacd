"""Clients of Redis, by what its URL says: one server, a cluster, or one that sentinels name."""

from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit

from redis import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import ConnectionPool, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.sentinel import Sentinel

SENTINEL_OPTIONS = ("ssl", "socket_timeout", "socket_connect_timeout")


def is_cluster(url: str) -> bool:
    """Return whether the URL is a cluster's."""
    return urlsplit(url).scheme.endswith("+cluster")


def make_client(url: str, **options: Any) -> Redis:
    """Return the client for a URL, with these options of redis-py. It connects on first use.

    `redis://`, `rediss://` and `unix://` are redis-py's own. `redis+cluster://` and
    `redis+sentinel://` may name several hosts, with commas, and are `rediss+…` with TLS. The path
    of the latter is the name of the master and, after a slash, the number of a database;
    `?sentinel_password=` is what the sentinels demand.
    """
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    if not kind:
        return Redis.from_url(url, **options)
    servers, more = _servers(url, scheme)
    if scheme == "rediss":
        more["ssl"] = True
    if kind == "cluster":
        return cast(Redis, _Cluster(servers, **options | more))
    return _named_by_sentinels(servers, urlsplit(url).path, **options | more)


def pool_of(client: Redis, key: str) -> ConnectionPool:
    """Return the connections of a client to the server that has a key."""
    if isinstance(client, _Cluster):
        client = client.get_node_from_key(key).redis_connection
    return client.connection_pool


def _servers(url: str, scheme: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return the hosts of a URL with their ports, and the options that it has for all of them."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    parsed = [
        parse_url(parts._replace(scheme=scheme, netloc=f"{user}{at}{host}", path="").geturl())
        for host in hosts.split(",")
    ]
    more = {k: v for k, v in parsed[0].items() if k not in ("host", "port", "connection_class")}
    return [(each["host"], each.get("port", 6379)) for each in parsed], more


def _named_by_sentinels(sentinels: list[tuple[str, int]], path: str, **options: Any) -> Redis:
    _, master, *database = path.split("/")
    password = options.pop("sentinel_password", None)
    for_sentinels = {key: options[key] for key in SENTINEL_OPTIONS if key in options}
    finder = Sentinel(sentinels, sentinel_kwargs=for_sentinels | {"password": password}, **options)
    return finder.master_for(master, db=int("".join(database) or 0))


class _Cluster:
    """The client of a cluster, which has to be there when redis-py makes one.

    Raises `redis.exceptions.ConnectionError` where redis-py has an error of another kind.
    """

    def __init__(self, servers: list[tuple[str, int]], **options: Any):
        self._servers = servers
        self._options = options

    @cached_property
    def _client(self) -> RedisCluster:
        nodes = [ClusterNode(*server) for server in self._servers]
        return RedisCluster(startup_nodes=nodes, **self._options)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return getattr(self._client, name)(*args, **kwargs)
            except RedisClusterException as error:
                raise RedisConnectionError(str(error)) from error

        return call

"""Redis clusters and sentinels."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis

from billor.embedded import services
from billor.embedded.processes import Program, accepts_connections, free_port
from tests.support.system import Service
from tests.support.worker import wait_until

MASTERS = 3
SLOTS = 16384
SLOTS_EACH = -(-SLOTS // MASTERS)
NODE_TIMEOUT_MILLISECONDS = 1000


def _server(folder: Path, name: str, configuration: Sequence[str], *arguments: str) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    file = folder / f"{name}.conf"
    lines = ["bind 127.0.0.1", f"port {port}", f'dir "{folder}"', 'save ""', *configuration]
    file.write_text("\n".join([*lines, ""]))
    program = Program(
        name=name,
        argv=[services.redis_program(), str(file), *arguments],
        is_ready=lambda: accepts_connections(port),
        settings={"PORT": str(port)},
    )
    return Service(program, folder)


def client_of(server: Service) -> Redis:
    return Redis(port=int(server.settings["PORT"]), decode_responses=True)


@contextmanager
def servers(folder: Path, *configurations: Sequence[str]) -> Iterator[list[Service]]:
    """Start a server of each configuration; stop them after the block."""
    with ExitStack() as stack:
        started = []
        for number, configuration in enumerate(configurations):
            started.append(_server(folder / str(number), f"redis-{number}", configuration))
            stack.callback(started[-1].stop)
        yield started


def address(*servers: Service) -> str:
    """All hosts and ports, as in a URL."""
    return ",".join(f"127.0.0.1:{server.settings['PORT']}" for server in servers)


@contextmanager
def redis_cluster(folder: Path) -> Iterator[list[Service]]:
    """Start a cluster of three masters."""
    configurations = [
        [
            *("cluster-enabled yes", f"cluster-port {free_port()}"),
            f"cluster-node-timeout {NODE_TIMEOUT_MILLISECONDS}",
        ]
        for _ in range(MASTERS)
    ]
    with servers(folder, *configurations) as nodes:
        clients = [client_of(node) for node in nodes]
        for number, client in enumerate(clients):
            last = min((number + 1) * SLOTS_EACH, SLOTS) - 1
            client.execute_command("CLUSTER ADDSLOTSRANGE", number * SLOTS_EACH, last)
            bus = configurations[number][1].split()[1]
            meeting = ("127.0.0.1", nodes[number].settings["PORT"], bus)
            clients[0].execute_command("CLUSTER MEET", *meeting)
        for client in clients:
            client.close()
        _wait_until_complete(nodes)
        yield nodes


class WholeCluster:
    """A cluster in the place of one Redis: what happens to that happens to all its masters."""

    def __init__(self, nodes: Sequence[Service]):
        self._nodes = nodes
        self.settings = {"REDIS_URL": f"redis+cluster://{address(*nodes)}"}

    def start(self) -> None:
        for node in self._nodes:
            node.start()
        _wait_until_complete(self._nodes)

    def kill(self) -> None:
        for node in self._nodes:
            node.kill()

    @contextmanager
    def hung(self) -> Iterator[None]:
        with ExitStack() as stack:
            for node in self._nodes:
                stack.enter_context(node.hung())
            yield


def _wait_until_complete(nodes: Sequence[Service]) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(client_of(node)) for node in nodes]
        wait_until(lambda: all(_is_complete(client) for client in clients))


def _is_complete(client: Redis) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(MASTERS)


@contextmanager
def sentinel(folder: Path, master: Service) -> Iterator[Service]:
    """Start a sentinel that names this master `billor`."""
    watched = f"sentinel monitor billor 127.0.0.1 {master.settings['PORT']} 1"
    limits = [
        "sentinel down-after-milliseconds billor 500",
        "sentinel failover-timeout billor 2000",
    ]
    server = _server(folder, "sentinel", [watched, *limits], "--sentinel")
    try:
        yield server
    finally:
        server.stop()

"""PgBouncer in transaction mode, in front of an embedded PostgreSQL."""

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from scripts.launcher.processes import Program, accepts_connections, free_port
from scripts.launcher.services import unprivileged

# Fewer than the connections of three of our processes, so that sessions are shared.
SESSIONS = 20
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = users.txt
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
query_wait_timeout = 5
server_login_retry = 1
"""


def pgbouncer(folder: Path, database_url: str) -> Program:
    """Return PgBouncer for the server and the user of this URL. Skips if it is not installed."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("PgBouncer is not installed: connections through a pooler are NOT tested")
    folder.mkdir()
    url, port = make_url(database_url), free_port()
    configuration = CONFIGURATION.format(server_port=url.port, port=port, sessions=SESSIONS)
    (folder / "pgbouncer.ini").write_text(configuration)
    (folder / "users.txt").write_text(f'"{url.username}" "{url.password}"\n')
    identity = unprivileged(folder)  # it refuses root
    if identity:
        for path in (folder, *folder.iterdir()):
            os.chown(path, identity["user"], identity["group"])
    pooled = url.set(port=port)
    return Program(
        name="pgbouncer",
        argv=[program, "pgbouncer.ini"],
        is_ready=lambda: accepts_connections(port),
        folder=folder,
        identity=identity,
        settings={
            "DATABASE_URL": pooled.render_as_string(hide_password=False),
            "DATABASE_MIGRATION_URL": database_url,
        },
    )

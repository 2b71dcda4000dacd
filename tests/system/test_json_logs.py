"""With LOG_FORMAT=json every line of a program is JSON, also what libraries print."""

import json
import re
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import free_port
from tests.support.worker import python_environment

GUNICORN = ["-m", "gunicorn", f"--config={PROJECT / 'gunicorn.conf.py'}", "wsgi:app"]
FAILING = """
import sys, threading, warnings
import gevent
import wsgi
warnings.warn("a warning")
threading.Thread(target=lambda: {}["of a thread"]).start()
gevent.spawn(lambda: {}["of a greenlet"]).join()
print("printed", "in pieces", file=sys.stderr)
raise KeyError("of the program")
"""
PROGRAMS: dict[str, tuple[list[str], dict[str, str], list[str]]] = {
    "a worker's arguments": (
        [str(PROJECT / "worker.py"), "nobody"],
        {},
        [r"usage: worker.py", "invalid choice: 'nobody'"],
    ),
    "a worker's settings": ([str(PROJECT / "worker.py")], {"PORT": "x"}, ["billor: PORT "]),
    "an API's settings": (GUNICORN, {"PORT": "x"}, ["billor: PORT "]),
    "an API's address": (GUNICORN, {"PORT": "{taken}"}, ["Connection in use", "Can't connect to"]),
    "an API's code": (
        [*GUNICORN[:-1], "wsgi:none"],
        {"PORT": "{free}"},
        ["Failed to find attribute"],
    ),
    "a command's settings": (["-m", "flask", "seed"], {"LOG_LEVEL": "x"}, ["billor: LOG_LEVEL "]),
    "a migration": (
        ["-m", "flask", "db", "upgrade"],
        {"DATABASE_URL": "postgresql://billor@127.0.0.1:{taken}/billor?connect_timeout=1"},
        ["Error: connection to server"],
    ),
    "uncaught exceptions": (
        ["-c", FAILING],
        {},
        ["a warning", "KeyError: 'of a (.|\n)*'of a greenlet'", "printed in pieces", "the program"],
    ),
}


@pytest.mark.parametrize(("arguments", "more", "told"), PROGRAMS.values(), ids=PROGRAMS)
def test_every_line_of_a_program_that_fails_is_json(
    settings, tmp_path, compiled, arguments, more, told
):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        ports = {"taken": taken.getsockname()[1], "free": free_port()}
        more = {name: value.format(**ports) for name, value in more.items()}
        environment = python_environment(settings | {"LOG_FORMAT": "json", **more}, compiled)
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment | {"PYTHONPATH": str(PROJECT), "FLASK_APP": str(PROJECT / "wsgi.py")},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode != 0
    records = [json.loads(line) for line in done.stderr.splitlines()]
    text = "\n".join(f"{each['message']} {each.get('traceback', '')}" for each in records)
    for pattern in told:
        assert re.search(pattern, text), text

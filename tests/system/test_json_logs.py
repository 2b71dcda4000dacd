"""With LOG_FORMAT=json every line of a program is JSON, also what libraries print."""

import json
import re
import subprocess
import sys

import pytest

from scripts.launcher.launcher import PROJECT
from tests.support.apps import DEAD_ADDRESS
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
    "an API's settings": (GUNICORN, {"PORT": "x"}, ["billor: PORT "]),
    "a migration": (
        ["-m", "flask", "db", "upgrade"],
        {"DATABASE_URL": "postgresql://billor@{away}/billor"},
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
    more = {name: value.format(away=DEAD_ADDRESS) for name, value in more.items()}
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

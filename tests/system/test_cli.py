"""The `flask` commands: what they do and print, and their exit status."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select, text

from billor import cli
from billor.cli.progress import progress_bar
from billor.drivers.service import create_driver
from billor.embedded.launcher import PROJECT
from billor.errors import CODES
from billor.extensions import db
from billor.models import Driver, Load, LoadEvent
from billor.users.service import get_user
from tests.support.apps import another_app, dead_address
from tests.support.client import ApiClient
from tests.support.workbooks import workbook
from tests.support.worker import python_environment, wait_until

FLASK = [sys.executable, "-m", "flask", "--app", str(PROJECT / "wsgi.py")]
GOOD_CSV = 'origin,destination,cargoType\n"Dallas, TX","Atlanta, GA",Dry van\n'
MIXED_CSV = f"{GOOD_CSV},Reno,Steel\nAustin,Reno\n"
GOOD_JSON = '{"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}\n'
GOOD_XLSX = workbook([["origin", "destination", "cargoType"], ["Dallas, TX", "Reno, NV", "Steel"]])


@pytest.fixture
def flask(app):
    """Run a command in this process."""

    def run(*args: str, **options) -> Result:
        return app.test_cli_runner().invoke(args=args, **options)

    return run


@pytest.fixture
def process_environment(settings, pytestconfig) -> dict[str, str]:
    return python_environment(settings, pytestconfig.cache.mkdir("compiled"))


def error_line(result: Result) -> str:
    """The one line on standard error that is all that a failed command prints."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    line, end = result.stderr.split("\n")
    assert end == ""
    return line.removeprefix("Error: ")


def count(app: Flask, model) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model))


def test_seed_reports_what_it_created(flask):
    assert flask("seed").stdout == (
        "Log in as demo@billor.example.\n1 users, 3 drivers, 4 loads created.\n"
    )
    assert "0 users, 0 drivers, 0 loads created." in flask("seed").stdout
    more = flask("seed", "--loads", "1204", "--drivers", "5")
    assert (more.exit_code, more.stderr) == (0, "")
    assert "0 users, 2 drivers, 1,200 loads created." in more.stdout


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_seed_stopped_by_sigint_or_sigkill_leaves_whole_chunks(
    app, process_environment, tmp_path, end
):
    with subprocess.Popen(
        [*FLASK, "seed", "--loads", "50000"],
        env=process_environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: count(app, Load))
        process.send_signal(end)
        output, errors = process.communicate(timeout=30)
    assert output == ""
    if end == signal.SIGINT:
        assert (process.returncode, errors.strip()) == (1, "Aborted!")
    # The server may finish a commit just after the process was killed.
    wait_until(lambda: not active_connections(app))
    made = count(app, Load)
    assert 0 < made < 50_000
    assert made % 1000 == 0
    events = made + count(app, Driver) + 1
    assert count(app, LoadEvent) == events, "the drivers' and the demo user's, too"


def active_connections(app: Flask) -> int:
    """The number of active connections to the database besides this one."""
    with app.app_context():
        return db.session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'billor' AND backend_type = 'client backend' "
                "AND state <> 'idle' AND pid <> pg_backend_pid()"
            )
        )


@pytest.mark.parametrize(
    ("presses", "finished"), [(0, ["first", "second"]), (1, ["first"]), (2, [])]
)
def test_ctrl_c_waits_for_the_end_of_a_chunk_but_only_once(presses, finished):
    before = signal.getsignal(signal.SIGINT)
    chunks: list[str] = []

    def work():
        with progress_bar("loads", 2) as tell:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
            for chunk in ("first", "second"):
                chunks.append(chunk)
                tell(1)

    with pytest.raises(KeyboardInterrupt) if presses else nullcontext():
        work()
    assert chunks == finished
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("loads.csv", GOOD_CSV, []),
        ("LOADS.CSV", GOOD_CSV, []),
        ("loads.ndjson", GOOD_JSON, []),
        ("loads.jsonl", GOOD_JSON, []),
        ("loads.txt", GOOD_JSON, ["--format", "ndjson"]),
        ("loads.csv", GOOD_JSON, ["--format", "jsonl"]),
        ("loads.xlsx", GOOD_XLSX, []),
        ("loads.csv", GOOD_XLSX, []),
    ],
    ids=range(8),
)
def test_a_file_is_imported(app, flask, tmp_path, name, content, options):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    done = flask("import-loads", str(tmp_path / name), *options)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "1 created, 0 already there, 0 refused\n"
    assert count(app, Load) == 1


@contextmanager
def running(*command: str, environment: dict[str, str], folder: Path, **options) -> Iterator:
    with subprocess.Popen([*FLASK, *command], env=environment, cwd=folder, **options) as process:
        yield process
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("format_", "content"), [("csv", GOOD_CSV.encode()), ("xlsx", GOOD_XLSX)], ids=["csv", "xlsx"]
)
def test_standard_input_is_imported(app, process_environment, tmp_path, format_, content):
    with running(
        *("import-loads", "--format", format_, "-"),
        environment=process_environment,
        folder=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        output, _ = process.communicate(content, timeout=30)
    assert output == b"1 created, 0 already there, 0 refused\n"
    assert count(app, Load) == 1


def test_columns_of_an_export_are_left_out_and_named(flask, tmp_path):
    file = tmp_path / "loads.csv"
    file.write_text("Status,origin,destination,cargoType\nOPEN,a,b,c\n")
    done = flask("import-loads", str(file))
    assert (done.exit_code, done.stdout) == (0, "1 created, 0 already there, 0 refused\n")
    assert done.stderr == "columns left out: Status\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "The file is an old .xls workbook."),
        (b"no workbook", "The file is no .xlsx workbook, or damaged."),
    ],
)
def test_a_workbook_that_cannot_be_read_is_refused_in_one_line(flask, tmp_path, content, why):
    file = tmp_path / "loads.xlsx"
    file.write_bytes(content)
    assert error_line(flask("import-loads", str(file))).startswith(why)


def test_refused_rows_are_listed_and_the_others_created(app, flask, tmp_path):
    file = tmp_path / "loads.csv"
    file.write_text(MIXED_CSV)
    done = flask("import-loads", str(file))
    assert (done.exit_code, done.stdout) == (1, "1 created, 0 already there, 2 refused\n")
    assert done.stderr.splitlines() == [
        "row 2: origin: Missing data for required field.",
        "row 3: cargoType: Missing data for required field.",
    ]
    assert count(app, Load) == 1


def test_control_characters_in_a_file_are_escaped_in_the_terminal(flask, tmp_path):
    file = tmp_path / "loads.ndjson"
    file.write_text('{"\\u001b[31m\\nrow 9: \\ud800": 0}\n')
    done = flask("import-loads", str(file))
    (line,) = done.stderr.splitlines()
    assert "\\x1b[31m\\nrow 9: \\ud800: Unknown or read-only field." in line


def test_a_file_that_is_not_utf_8_is_refused_in_one_line(app, flask, tmp_path):
    file = tmp_path / "loads.csv"
    file.write_bytes(GOOD_CSV.encode() + b"M\xfcnchen,Reno,Steel\n")
    refused = flask("import-loads", str(file))
    assert error_line(refused) == "Row 2 is not UTF-8. Save the file as UTF-8."
    assert count(app, Load) == 0


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("missing.csv", "Could not open file 'missing.csv': No such file or directory"),
        ("folder.csv", "Could not open file 'folder.csv': Is a directory"),
        ("loads.xls", "What is loads.xls? Say --format csv or ndjson or jsonl or xlsx."),
        ("-", "What is -? Say --format csv or ndjson or jsonl or xlsx."),
    ],
)
def test_a_file_that_cannot_be_opened_or_recognized_is_named(
    flask, tmp_path, monkeypatch, path, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    assert error_line(flask("import-loads", path)) == told


@pytest.mark.parametrize(
    ("command", "labels"),
    [
        (["seed", "--drivers", "2000", "--loads", "2000"], ["Drivers", "Loads"]),
        (["import-loads", "loads.csv"], ["Importing"]),
    ],
    ids=["seed", "import-loads"],
)
@pytest.mark.usefixtures("app")
def test_a_terminal_shows_a_progress_bar_that_fills(process_environment, tmp_path, command, labels):
    (tmp_path / "loads.csv").write_text(GOOD_CSV + "Austin,Reno,Steel\n" * 2000)
    screen, terminal = pty.openpty()
    with running(
        *command,
        environment=process_environment | {"TERM": "xterm", "COLUMNS": "80"},
        folder=tmp_path,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = ""
        with open(screen, errors="replace") as file:
            try:
                while piece := file.read(1):
                    shown += piece
            except OSError:  # the terminal's end of file
                pass
        assert b"\r" not in process.stdout.read()
    for label in labels:
        filled = [int(percent) for percent in re.findall(rf"{label} +\[.*?(\d+)%", shown)]
        assert filled[0] == 0
        assert filled[-1] == 100
        assert filled == sorted(filled)
        assert len(set(filled)) > 2


DANA = ("--name", "Dana Dispatcher", "--email", "dana@billor.example")


def test_a_user_is_created_and_can_log_in(flask, anonymous):
    made = flask("users", "create", *DANA, "--password", "long-enough")
    assert (made.exit_code, made.stderr) == (0, "")
    told = r"User \d+ can log in as dana@billor\.example, ADMIN\.\n"
    assert re.fullmatch(told, made.stdout), "the first user"
    credentials = {"email": "dana@billor.example", "password": "long-enough"}
    assert anonymous.post("/auth/login", credentials).status_code == 200


ROBIN = ("--name", "Robin Reed", "--email", "robin@billor.example", "--password", "long-enough")


def test_users_are_listed_and_given_roles(app, flask):
    flask("users", "create", *DANA, "--password", "long-enough")
    flask("users", "create", *ROBIN)
    with app.app_context():
        driver_id = create_driver("Alex Carter", "TX-1").id
    changed = flask("users", "set-role", "robin@billor.example", "DRIVER", "--driver-id", driver_id)
    assert changed.stdout == "User 2 is DRIVER now.\n"
    flask("users", "set-role", "robin@billor.example", "DISPATCHER")
    gone = flask("users", "deactivate", "ROBIN@billor.example")
    assert gone.stdout == "User 2 can no longer log in.\n"
    assert flask("users", "list").stdout.splitlines() == [
        "1 ADMIN dana@billor.example Dana Dispatcher",
        "2 DISPATCHER robin@billor.example Robin Reed (deactivated)",
    ]


def test_a_password_is_set_and_ends_old_tokens(app, flask, anonymous):
    flask("users", "create", *DANA, "--password", "long-enough")
    token = flask("token", "dana@billor.example").stdout.strip()
    done = flask("users", "set-password", "dana@billor.example", input="better-now\nbetter-now\n")
    assert (done.exit_code, "better-now" in done.output) == (0, False)
    assert ApiClient(app.test_client(), token).get("/me").status_code == 401
    for password, status in (("long-enough", 401), ("better-now", 200)):
        credentials = {"email": "dana@billor.example", "password": password}
        assert anonymous.post("/auth/login", credentials).status_code == status


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["deactivate", "dana@billor.example"], CODES["last_admin"].detail),
        (["set-role", "dana@billor.example", "DISPATCHER"], CODES["last_admin"].detail),
        (["deactivate", "nobody"], "No user has the email address nobody."),
        (
            ["set-password", "dana@billor.example", "--password", "password123"],
            "password: Is one of the commonest passwords. Choose another one.",
        ),
    ],
)
def test_a_refused_change_of_a_user_is_told_in_one_line(flask, command, told):
    flask("users", "create", *DANA, "--password", "long-enough")
    assert error_line(flask("users", *command)) == told


def test_a_driver_without_one_is_refused_in_one_line(flask):
    flask("users", "create", *DANA, "--password", "long-enough")
    refused = flask("users", "set-role", "dana@billor.example", "DRIVER")
    assert error_line(refused).startswith("driverId: A user of role DRIVER needs one")


def test_a_role_may_be_in_lower_case_and_given_again(app, flask):
    flask("users", "create", *DANA, "--password", "long-enough", "--role", "admin")
    with app.app_context():
        driver_id = create_driver("Alex Carter", "TX-1").id
    flask("users", "create", *ROBIN, "--role", "driver", "--driver-id", driver_id)
    again = flask("users", "set-role", "robin@billor.example", "driver")
    assert again.stdout == "User 2 is DRIVER now.\n"
    with app.app_context():
        assert get_user(2).driver_id == driver_id


def test_missing_options_are_prompted_for_and_the_password_twice_without_echo(flask, anonymous):
    answers = ["Dana Dispatcher", "dana@billor.example"]
    passwords = ["long-enough", "mistyped", "long-enough", "long-enough"]
    made = flask("users", "create", input="\n".join([*answers, *passwords, ""]))
    assert made.exit_code == 0, made.output
    assert "do not match" in made.output
    assert all(answer in made.output for answer in answers)
    assert not any(password in made.output for password in passwords)
    credentials = {"email": "dana@billor.example", "password": "long-enough"}
    assert anonymous.post("/auth/login", credentials).status_code == 200


def test_an_invalid_user_is_refused_in_one_line(flask):
    fields = ("--name", " ", "--email", "dana", "--password", "short")
    assert error_line(flask("users", "create", *fields)) == (
        "name: Length must be between 1 and 200.; email: Not a valid email address.; "
        "password: Length must be between 8 and 1024."
    )


def test_a_taken_email_address_is_refused_in_one_line(flask):
    flask("users", "create", *DANA, "--password", "long-enough")
    again = flask("users", "create", *DANA, "--password", "long-enough")
    assert error_line(again) == "User 1 has this email address. Choose another one."


def test_duplicates_are_listed_as_they_are_stored(flask, app):
    assert flask("drivers", "duplicates").stdout == ""
    with app.app_context():
        db.session.execute(text("DROP INDEX uq_drivers_license_number"))
        db.session.execute(text(DUPLICATES))
        db.session.commit()
    try:
        drivers, users = flask("drivers", "duplicates"), flask("users", "duplicates")
    finally:
        with app.app_context():
            db.session.execute(text("DELETE FROM drivers"))
            db.session.execute(text(INDEX))
            db.session.commit()
    assert drivers.stdout == "1 'ZZ-1', 3 'zz 1\\u200b'\n"
    assert users.stdout == "1 'dana@m\\xfcnchen.example', 2 'DANA@xn--mnchen-3ya.example'\n"
    assert (drivers.stderr, users.stderr) == ("1 found\n", "1 found\n")


DUPLICATES = """
    INSERT INTO drivers (name, license_number, status) VALUES
        ('A', 'ZZ-1', 'ACTIVE'), ('B', 'ZZ-2', 'ACTIVE'), ('C', 'zz 1\u200b', 'ACTIVE');
    INSERT INTO users (name, email) VALUES
        ('A', 'dana@münchen.example'), ('B', 'DANA@xn--mnchen-3ya.example'), ('C', 'c@x.example');
"""
INDEX = """
    CREATE UNIQUE INDEX uq_drivers_license_number ON drivers (canonical_key(license_number))
"""


def test_token_prints_a_token_and_nothing_else(app, process_environment, tmp_path, flask):
    flask("users", "create", *DANA, "--password", "long-enough")
    with running(
        *("token", "DANA@billor.example"),
        environment=process_environment | {"LOG_LEVEL": "DEBUG"},
        folder=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=30)
    token, end = output.split("\n")
    assert end == ""
    assert ApiClient(app.test_client(), token).get("/drivers").status_code == 200


def test_a_token_for_an_unknown_user_is_refused_in_one_line(flask):
    nobody = flask("token", "nobody@billor.example\n")
    assert error_line(nobody) == "No user has the email address nobody@billor.example\\n."


def test_a_token_for_a_deactivated_user_is_refused_in_one_line(flask):
    flask("users", "create", *DANA, "--password", "long-enough")
    flask("users", "create", *ROBIN)
    flask("users", "deactivate", "robin@billor.example")
    refused = flask("token", "robin@billor.example")
    assert error_line(refused) == "User 2 is deactivated: no token would be valid."


COMMANDS = [
    ["seed"],
    ["import-loads", "loads.csv"],
    ["users", "create", *DANA, "--password", "long-enough"],
    ["users", "list"],
    ["token", "dana@billor.example"],
]


def run_in(app: Flask, folder: Path, command: list[str], monkeypatch) -> Result:
    monkeypatch.chdir(folder)
    (folder / "loads.csv").write_text(GOOD_CSV)
    return app.test_cli_runner().invoke(args=command)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_unavailable_database_is_reported_in_one_line(settings, tmp_path, command, monkeypatch):
    away = f"postgresql://billor@{dead_address()}/billor"
    with another_app(settings, DATABASE_URL=away) as app:
        told = error_line(run_in(app, tmp_path, command, monkeypatch))
    assert told == CODES["database_unavailable"].detail


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_database_without_tables_is_reported_in_one_line(
    settings, tmp_path, command, monkeypatch
):
    server, _, _ = settings["DATABASE_URL"].rpartition("/")
    with another_app(settings, DATABASE_URL=f"{server}/postgres") as app:
        told = error_line(run_in(app, tmp_path, command, monkeypatch))
    assert re.fullmatch(
        r'The database refuses: relation "\w+" does not exist. '
        r"Is it migrated\? See `flask db upgrade`.",
        told,
    )


def test_the_default_password_is_refused_in_production_in_one_line(settings):
    with another_app(settings, BILLOR_ENV="production") as app:
        told = error_line(app.test_cli_runner().invoke(args=["seed"]))
    assert told == "DEMO_PASSWORD is not set, and the default is refused in production."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"BILLOR_ENV": "production", "JWT_SECRET_KEY": ""}, "JWT_SECRET_KEY is not set"),
        pytest.param(
            {"DATABASE_URL": "nonsense"},
            "DATABASE_URL is not a PostgreSQL URL",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line(process_environment, tmp_path, changes, told):
    done = subprocess.run(
        [*FLASK, "token", "dana@billor.example"],
        env=process_environment | changes,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"billor: {told}")


def test_every_command_and_option_has_its_help(app):
    def walk(command: click.Command) -> Iterator[click.Command]:
        yield command
        for inner in getattr(command, "commands", {}).values():
            yield from walk(inner)

    ours = [
        command
        for command in walk(app.cli)
        if command.callback and command.callback.__module__.startswith(cli.__name__)
    ]
    assert {command.name for command in ours} >= {"seed", "import-loads", "create", "token"}
    for command in ours:
        assert command.help
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, parameter


@pytest.mark.slow
def test_the_setup_of_the_containers_is_idempotent(app, couch, process_environment, tmp_path):
    environment = process_environment | {
        "COUCHDB_URL": couch.url,
        "FLASK_APP": str(PROJECT / "wsgi.py"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    (tmp_path / "migrations").symlink_to(PROJECT / "migrations")
    script = PROJECT / "scripts" / "container-setup.sh"
    for created in ("1 users, 3 drivers, 4 loads", "0 users, 0 drivers, 0 loads"):
        done = subprocess.run(
            ["sh", script], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert f"{created} created." in done.stdout
        assert list(couch.databases) == ["_users"]
    assert [request for request in couch.requests if request.startswith("PUT")] == ["PUT /_users"]

"""The `flask` commands: what they do and print, and their exit status."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from billor.drivers.service import create_driver
from billor.errors import CODES
from billor.models import Load, User, db
from scripts.launcher.launcher import PROJECT
from tests.support.apps import DEAD_ADDRESS, another_app
from tests.support.client import ApiClient
from tests.support.workbooks import workbook
from tests.support.worker import python_environment

FLASK = [sys.executable, "-m", "flask", "--app", str(PROJECT / "wsgi.py")]
GOOD_CSV = 'origin,destination,cargoType\n"Dallas, TX","Atlanta, GA",Dry van\n'
MIXED_CSV = f"{GOOD_CSV},Reno,Steel\nAustin,Reno\n,,Steel\n"
GOOD_JSON = '{"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}\n'
GOOD_XLSX = workbook([["origin", "destination", "cargoType"], ["Dallas, TX", "Reno, NV", "Steel"]])
PASSWORD = ("--password", "long-enough")
DANA = ("--name", "Dana Dispatcher", "--email", "dana@billor.example", *PASSWORD)
ROBIN = ("--name", "Robin Reed", "--email", "robin@billor.example", *PASSWORD)


@pytest.fixture
def flask(app):
    """Run a command in this process."""

    def run(*args: str, **options) -> Result:
        return app.test_cli_runner().invoke(args=args, **options)

    return run


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


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("LOADS.CSV", GOOD_CSV.encode(), []),
        ("loads.txt", GOOD_JSON.encode(), ["--format", "ndjson"]),
        ("loads.xlsx", GOOD_XLSX, ["--time-zone", "UTC", "--day-first"]),
        ("-", GOOD_XLSX, ["--format", "xlsx"]),
    ],
    ids=range(4),
)
def test_a_file_is_imported(app, flask, tmp_path, monkeypatch, name, content, options):
    monkeypatch.chdir(tmp_path)
    if name != "-":
        Path(name).write_bytes(content)
    done = flask("import-loads", name, *options, input=content)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "1 created, 0 already there, 0 refused\n"
    assert count(app, Load) == 1


def test_refused_rows_and_files_are_told_and_good_rows_created(app, flask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loads.csv").write_text(MIXED_CSV)
    done = flask("import-loads", "loads.csv")
    assert (done.exit_code, done.stdout) == (1, "1 created, 0 already there, 3 refused\n")
    told = [":".join(line.split(":")[:2]) for line in done.stderr.splitlines()]
    assert told == [*("row 3: origin", "row 4: cargoType", "row 5: origin", "row 5: destination")]
    Path("latin.csv").write_bytes(GOOD_CSV.encode() + b"M\xfcnchen,Reno,Steel\n")
    Path("loads.pdf").touch()
    for name, why in {
        "latin.csv": "not UTF-8",
        "loads.pdf": "Unknown format of loads.pdf: give --format csv or",
    }.items():
        assert why in error_line(flask("import-loads", name)), name
    missing = flask("import-loads", "missing.csv")
    assert "'missing.csv': No such file or directory" in missing.stderr
    assert count(app, Load) == 1


def test_the_life_of_a_user(app, flask, anonymous):
    """From the first one, who is an admin, to a deactivated driver."""

    def log_in(password: str) -> int:
        credentials = {"email": "dana@billor.example", "password": password}
        return anonymous.post("/auth/login", credentials).status_code

    made = flask("users", "create", *DANA)
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout == "User 1 can log in as dana@billor.example, ADMIN.\n"
    token = flask("token", "DANA@billor.example").stdout
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token)
    dana = ApiClient(app.test_client(), token.strip())
    assert dana.get("/me").status_code == 200

    changed = flask("users", "set-password", "dana@billor.example", input="better-now\n" * 2)
    assert (changed.exit_code, "better-now" in changed.output) == (0, False)
    assert dana.get("/me").status_code == 401
    assert (log_in("long-enough"), log_in("better-now")) == (401, 200)

    with app.app_context():
        driver_id = create_driver("Alex Carter", "TX-1").id
    flask("users", "create", *ROBIN, "--role", "driver", "--driver-id", driver_id)
    again = flask("users", "set-role", "robin@billor.example", "driver")
    assert again.stdout == "User 2 is DRIVER now.\n"
    with app.app_context():
        assert db.session.get_one(User, 2).driver_id == driver_id
    gone = flask("users", "deactivate", "ROBIN@billor.example")
    assert gone.stdout == "User 2 can no longer log in.\n"
    assert flask("users", "list").stdout.splitlines() == [
        "1 ADMIN dana@billor.example Dana Dispatcher",
        "2 DRIVER robin@billor.example Robin Reed (deactivated)",
    ]
    refused = flask("token", "robin@billor.example")
    assert error_line(refused) == "User 2 is deactivated: no token would be valid."


def test_refusals_about_users_are_one_line(flask):
    flask("users", "create", *DANA)
    last_admin, weak = CODES["last_admin"].detail, ("--password", "password123")
    commands = {
        ("users", "deactivate", "dana@billor.example"): last_admin,
        ("users", "set-role", "dana@billor.example", "DISPATCHER"): last_admin,
        ("users", "set-role", "dana@billor.example", "DRIVER"): "driverId: A user of role DRIVER",
        ("users", "deactivate", "nobody"): "No user has the email address nobody.",
        ("token", "nobody\n"): r"No user has the email address nobody\n.",
        ("token", "\udcff"): "An argument is not in UTF-8.",
        ("users", "set-password", "dana@billor.example", *weak): "password: Is one of the",
        ("users", "create", *DANA): "User 1 has this email address. Choose another one.",
    }
    for command, told in commands.items():
        assert error_line(flask(*command)).startswith(told), command
    refused = flask("users", "create", "--name", " ", "--email", "dana", *weak)
    fields = [
        line.removeprefix("Error: ").partition(": ")[0] for line in refused.stderr.splitlines()
    ]
    assert fields == ["name", "email", "password"]


@pytest.mark.parametrize("command", [("seed",), ("users", "list"), ("token", "dana")])
def test_an_unusable_database_is_reported_in_one_line(settings, command):
    server, _, _ = settings["DATABASE_URL"].rpartition("/")
    away = f"postgresql://billor@{DEAD_ADDRESS}/billor"
    for url, told in {
        away: re.escape(CODES["database_unavailable"].detail),
        f"{server}/postgres": r'The database refuses: relation "\w+" does not exist. '
        r"Is it migrated\? See `flask db upgrade`.",
    }.items():
        with another_app(settings, DATABASE_URL=url) as app:
            assert re.fullmatch(told, error_line(app.test_cli_runner().invoke(args=command)))


def test_a_wrong_setting_is_reported_in_one_line(settings, tmp_path, compiled):
    with another_app(settings, BILLOR_ENV="production") as app:
        told = error_line(app.test_cli_runner().invoke(args=["seed"]))
    assert told == "DEMO_PASSWORD is not set, and the default is refused in production."
    done = subprocess.run(
        [*FLASK, "token", "dana@billor.example"],
        env=python_environment(settings, compiled) | {"JWT_SECRET_KEY": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"billor: JWT_SECRET_KEY is not set.*\n", done.stderr)

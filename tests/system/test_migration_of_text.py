"""The migration that gives stored text one form: it keeps all rows, or lists what is the same."""

from collections.abc import Iterator

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import text

from billor.embedded.launcher import PROJECT
from billor.extensions import db
from billor.revisions import init_migrations
from billor.stored_text import MOST_TOLD
from tests.support.apps import another_app
from tests.support.databases import own_database

MIGRATIONS = str(PROJECT / "migrations")
BEFORE, AFTER = "0012", "0013"
# What a database may hold, and what it holds then.
TEXTS = {
    "Dallas, TX": "Dallas, TX",
    "Montre\u0301al": "Montréal",
    "Dallas,  TX": "Dallas, TX",
    "Dallas,\u00a0TX": "Dallas, TX",
    "Dallas,\u200b TX": "Dallas, TX",
    "\ufeffReno, NV": "Reno, NV",
    "Re\u00adno, NV": "Reno, NV",
    "Łódź 🚚": "Łódź 🚚",
    "نیک\u200cنام": "نیک\u200cنام",
    "a\u200cb 👨\u200d👩\u200d👧": "ab 👨\u200d👩\u200d👧",
    # Nothing would be left, or what is there may be seen in some font.
    "\u3164": "\u3164",
    "\ue000  x": "\ue000  x",
    "\u0378": "\u0378",
    # Longer in its form than the column.
    "\u0958" * 200: "\u0958" * 200,
}
ADDRESSES = {
    "dana@billor.example": "dana@billor.example",
    "Dana.D@BILLOR.example": "Dana.D@BILLOR.example",
    "eve@m\u00fcnchen.example": "eve@xn--mnchen-3ya.example",
    "jose\u0301@billor.example": "josé@billor.example",
    "sam\u200b@billor.example": "sam@billor.example",
    "d\u0430na@billor.example": "d\u0430na@billor.example",
    '"da na"@billor.example': '"da na"@billor.example',
}


@pytest.fixture
def old(settings: dict[str, str]) -> Iterator[Flask]:
    """An app on a database of the version before."""
    with own_database(settings) as own, another_app(own, REDIS_URL="") as app, app.app_context():
        init_migrations(app)
        flask_migrate.upgrade(directory=MIGRATIONS, revision=BEFORE)
        yield app
        db.session.remove()


def insert(table: str, *rows: dict[str, object]) -> None:
    """Insert the rows, all of the same columns."""
    columns = ", ".join(rows[0])
    values = ", ".join(f":{column}" for column in rows[0])
    with db.engine.begin() as connection:
        statement = f"INSERT INTO {table} ({columns}) VALUES ({values})"  # noqa: S608
        connection.execute(text(statement), list(rows))


def column(name: str, table: str) -> list[str]:
    with db.engine.connect() as connection:
        query = f"SELECT {name} FROM {table} ORDER BY id"  # noqa: S608
        return list(connection.scalars(text(query)))


def insert_drivers(*license_numbers: str) -> None:
    insert(
        "drivers",
        *({"name": "A", "license_number": each, "status": "ACTIVE"} for each in license_numbers),
    )


def insert_users(*addresses: str) -> None:
    insert("users", *({"name": "A", "email": each} for each in addresses))


def load(place: str) -> dict[str, object]:
    return {"origin": place, "destination": "B", "cargo_type": "C", "status": "OPEN"}


def upgrade(revision: str = AFTER) -> None:
    flask_migrate.upgrade(directory=MIGRATIONS, revision=revision)


def refused_upgrade(caplog: pytest.LogCaptureFixture) -> str:
    """What `flask db upgrade` says when it stops."""
    caplog.clear()
    with pytest.raises(SystemExit) as stop:
        upgrade()
    assert stop.value.code == 1
    (record,) = (each for each in caplog.records if each.levelname == "ERROR")
    return record.getMessage()


@pytest.mark.usefixtures("old")
def test_stored_text_gets_its_one_form_and_all_rows_stay():
    places = [*TEXTS, "Dallas, TX"] * 3
    insert("loads", *map(load, places))
    insert("loads", *({**load("A"), "destination": place} for place in TEXTS))
    insert_users(*ADDRESSES)
    insert_drivers("ZZ-1", "zz\u00a0 2", "Z\u200bZ-3", "\u3164")
    before = column("created_at::text || updated_at::text || status", "loads")

    upgrade()
    assert column("origin", "loads")[: len(places)] == [TEXTS[place] for place in places]
    assert column("destination", "loads")[len(places) :] == list(TEXTS.values())
    assert column("created_at::text || updated_at::text || status", "loads") == before
    assert column("email", "users") == list(ADDRESSES.values())
    assert column("license_number", "drivers") == ["ZZ-1", "zz 2", "ZZ-3", "\u3164"]


@pytest.mark.usefixtures("old")
def test_many_rows_are_changed_in_batches():
    with db.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO loads (origin, destination, cargo_type, status)"
                " SELECT 'A  ' || n, 'B', 'C', 'OPEN' FROM generate_series(1, 2500) AS n"
            )
        )
    upgrade()
    assert column("origin", "loads") == [f"A {n}" for n in range(1, 2501)]


@pytest.mark.usefixtures("old")
def test_drivers_who_become_the_same_stop_the_migration_unchanged(caplog):
    insert_drivers(
        "ZZ-1", "zz-1", "TX-1", "ZZ-1\u200b", "т\u0425 1".upper(), "Z\u00c9 2", "ze\u0301-2"
    )
    numbers = column("license_number", "drivers")
    insert("loads", load("Dallas,  TX"))
    for _ in range(2):
        message = refused_upgrade(caplog)
        assert "Drivers with the same license number:" in message
        assert "  1 'ZZ-1', 2 'zz-1', 4 'ZZ-1\\u200b'\n" in message
        assert "  3 'TX-1', 5 '\\u0422\\u0425 1'\n" in message
        assert "  6 'Z\\xc9 2', 7 'ze\\u0301-2'\n" in message
        assert "flask drivers duplicates" in message
        assert "Users with" not in message
        assert column("license_number", "drivers") == numbers
        assert column("origin", "loads") == ["Dallas,  TX"]
        assert column("version_num", "(SELECT *, 1 AS id FROM alembic_version) AS v") == [BEFORE]

    with db.engine.begin() as connection:
        for id_ in (2, 4, 5, 7):
            statement = "UPDATE drivers SET license_number = 'NEW-' || id WHERE id = :id"
            connection.execute(text(statement), {"id": id_})
    upgrade()
    assert column("license_number", "drivers") == [
        *("ZZ-1", "NEW-2", "TX-1", "NEW-4", "NEW-5", "ZÉ 2", "NEW-7")
    ]


@pytest.mark.usefixtures("old")
def test_users_who_become_the_same_stop_the_migration_unchanged(caplog):
    insert_users(
        *("dana@m\u00fcnchen.example", "DANA@xn--mnchen-3ya.example", "eve@billor.example"),
        *("eve\u200b@billor.example", "jose\u0301@billor.example", "jos\u00e9@billor.example"),
    )
    addresses = column("email", "users")
    message = refused_upgrade(caplog)
    assert "Users with the same email address:" in message
    assert "  1 'dana@m\\xfcnchen.example', 2 'DANA@xn--mnchen-3ya.example'\n" in message
    assert "  3 'eve@billor.example', 4 'eve\\u200b@billor.example'\n" in message
    assert "  5 'jose\\u0301@billor.example', 6 'jos\\xe9@billor.example'\n" in message
    assert "flask users duplicates" in message
    assert column("email", "users") == addresses


def test_the_commands_list_more_duplicates_than_the_migration(old, caplog):
    many = MOST_TOLD + 5
    insert_drivers(*(f"ZZ-{n}" for n in range(many)), *(f"zz {n}" for n in range(many)))
    message = refused_upgrade(caplog)
    assert message.count("'zz ") == MOST_TOLD
    assert "  and 5 more\n" in message
    listed = old.test_cli_runner().invoke(args=["drivers", "duplicates"])
    assert listed.stdout.count("'zz ") == many
    assert listed.stderr == f"{many} found\n"


@pytest.mark.usefixtures("old")
def test_the_database_itself_refuses_a_second_driver_from_then_on():
    insert_drivers("ZZ-1")
    upgrade("head")
    with pytest.raises(Exception, match="uq_drivers_license_number"):
        insert_drivers("zz 1")

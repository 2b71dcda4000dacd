"""Guarantee 7: what PostgreSQL logs holds no secret, and nothing has more power than it needs."""

import pytest
from sqlalchemy import text

from billor.drivers.service import create_drivers
from billor.errors import Conflict
from billor.extensions import db
from tests.support.rival import rival
from tests.support.system import Service, System

USER = {"name": "Eve Secret", "email": "eve.secret@billor.example", "password": "the-password"}
DRIVER = {"name": "Adam Secret", "licenseNumber": "SECRET-1"}
SECRETS = ("secret", "argon2", "the-password")


# PostgreSQL's log


class Log:
    """What PostgreSQL has logged since it was last asked."""

    def __init__(self, service: Service):
        self._file = service.log_file
        self._length = 0

    def news(self) -> str:
        content = self._file.read_bytes()[self._length :]
        self._length += len(content)
        return content.decode()


@pytest.fixture
def log(postgresql: Service) -> Log:
    return Log(postgresql)


def test_what_is_there_already_is_refused_without_a_word_in_postgresqls_log(
    system_without_bus: System, log: Log
):
    client = system_without_bus.start_api(workers=1).client
    for path, body in (("/users", USER), ("/drivers", DRIVER)):
        assert client.post(path, body).status == 201
    log.news()
    for path, body, code in (
        ("/users", USER | {"email": USER["email"].upper()}, "email_taken"),
        ("/drivers", DRIVER, "license_number_taken"),
    ):
        refused = client.post(path, body)
        assert (refused.status, refused.body["code"]) == (409, code)
    with system_without_bus.app.app_context():
        rows = [{"name": "Adam", "license_number": f"SECRET-{number}"} for number in (2, 1, 3)]
        with pytest.raises(Conflict, match="license number"):
            create_drivers(rows)
        assert db.session.scalars(text("SELECT license_number FROM drivers")).all() == ["SECRET-1"]
    assert log.news() == ""


def test_no_other_refusal_puts_a_secret_into_postgresqls_log(system_without_bus: System, log: Log):
    system = system_without_bus
    client = system.start_api(workers=1).client
    driver = client.make_driver("TX-1")
    assert client.post("/drivers", DRIVER).status == 201
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE users ADD CONSTRAINT odd CHECK (name !~ 'Odd')"))
    log.news()
    try:
        taken = {"licenseNumber": DRIVER["licenseNumber"]}
        assert client.patch(f"/drivers/{driver['id']}", taken).status == 409
        assert client.post("/users", USER | {"name": "Odd Secret"}).status == 500
        with rival(system.app) as other:
            other.execute(
                "INSERT INTO users (name, email) VALUES ('Eve', :email)", email=USER["email"]
            )
            assert client.post("/users", USER).status == 503
    finally:
        with system.app.app_context(), db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE users DROP CONSTRAINT odd"))
    told = log.news()
    for reason in ("uq_drivers_license_number", '"odd"', "lock timeout"):
        assert reason in told
    assert [secret for secret in SECRETS if secret in told.lower()] == []

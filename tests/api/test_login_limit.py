"""The rate limit of failed logins, by address and by account."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Semaphore

import pytest
from sqlalchemy import select

from billor.auth import attempts
from billor.auth.attempts import client_network
from billor.models import LoadEvent, db
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_problem
from tests.support.apps import another_app
from tests.support.client import ApiClient
from tests.support.databases import run_sql

NOBODY = "nobody@billor.example"
ADDRESSES = [f"198.51.100.{number}" for number in range(30)]
LIMITED = [401] * 3 + [429] * 2


def log_in(api, email=DEMO_EMAIL, password=DEMO_PASSWORD, address="192.0.2.1", **headers):
    credentials = {"email": email, "password": password}
    environ = {"REMOTE_ADDR": address}
    return api.post("/auth/login", credentials, environ_base=environ, headers=headers)


def fail(api, email=DEMO_EMAIL, address="192.0.2.1", **headers):
    return log_in(api, email, "wrong", address, **headers)


def statuses(answers) -> list[int]:
    return [answer.status_code for answer in answers]


@pytest.fixture
def blocked(app):
    """Read the events of blocked logins: whose account, from where, and which limits."""

    def read() -> list[tuple]:
        with app.app_context():
            events = db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()
        assert {event.type for event in events} <= {"user.login_blocked"}
        return [(e.user_id, e.payload["address"], e.payload["limits"]) for e in events]

    return read


def test_only_failed_logins_count_and_the_21st_is_refused(client):
    for attempt in range(20):
        if attempt % 5 == 0:
            assert log_in(client).status_code == 200
        assert_problem(fail(client), 401, "invalid_credentials")
    for password in ("wrong", DEMO_PASSWORD):
        refused = log_in(client, password=password)
        assert_problem(refused, 429, "too_many_attempts")
        assert 1 < int(refused.headers["Retry-After"]) <= 900


@pytest.fixture
def three(monkeypatch) -> None:
    """The limit, which makes a test quick."""
    monkeypatch.setattr(attempts, "MAX_FAILURES", 3)


@pytest.mark.usefixtures("three")
def test_an_account_is_limited_whether_it_exists_or_not(client, blocked):
    told = []
    for email in (DEMO_EMAIL, NOBODY):
        forms = (email, email.upper(), f" {email.title()}")
        answers = [fail(client, forms[n % 3], ADDRESSES[n]) for n in range(5)]
        assert statuses(answers) == LIMITED, email
        told.append({name: answers[-1].json[name] for name in ("code", "title", "status")})
    assert told[0] == told[1]
    assert blocked() == [(id_, ADDRESSES[3], ["account"]) for id_ in (1, None)]


@pytest.mark.usefixtures("three")
def test_an_address_is_limited_as_the_network_of_its_client(client, blocked):
    answers = [
        fail(client, f"{number}@billor.example", f"2001:db8:0:1:{number}::{number}")
        for number in range(5)
    ]
    assert statuses(answers) == LIMITED
    assert blocked() == [(None, "2001:db8:0:1::/64", ["address"])]
    assert log_in(client, address="2001:db8:0:1::1").status_code == 429
    assert log_in(client, address="2001:db8:0:2::1").status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[2001:db8:0:1::1]:50000", "2001:db8:0:1::/64"),
        ("", ""),
        ("x" * 10_000, "x" * 100),
    ],
)
def test_what_counts_as_one_address(address, network):
    assert client_network(address) == network


@pytest.mark.usefixtures("three")
def test_a_client_is_known_by_what_a_trusted_proxy_says(settings, client):
    for number in range(3):
        assert fail(client, f"{number}@billor.example", "192.0.2.6").status_code == 401
    forged = {"X-Forwarded-For": "192.0.2.5", "Forwarded": "for=192.0.2.5"}
    assert log_in(client, address="192.0.2.6", **forged).status_code == 429
    with another_app(settings, TRUSTED_PROXIES="1") as proxied:
        api = ApiClient(proxied.test_client())
        # The client controls the header left of the last address.
        assert log_in(api, **{"X-Forwarded-For": "192.0.2.7, 192.0.2.6"}).status_code == 429
        assert log_in(api, **{"X-Forwarded-For": "192.0.2.6, 192.0.2.7"}).status_code == 200


@pytest.mark.parametrize("end", ["now()", "now() + interval '2 hours'"])
def test_a_window_ends(app, client, blocked, monkeypatch, end):
    """Also if PostgreSQL's clock was set back since it began."""
    monkeypatch.setattr(attempts, "MAX_FAILURES", 2)
    for round_ in (1, 2):
        assert statuses(fail(client, address=each) for each in ADDRESSES[:4]) == [
            *(401, 401, 429, 429)
        ]
        assert len(blocked()) == round_
        run_sql(app, f"UPDATE login_attempts SET expires_at = {end}")  # noqa: S608


def test_a_burst_of_good_logins_is_no_attack(app, client, monkeypatch):
    """They are counted before their passwords are checked, but only some at once."""
    monkeypatch.setattr(attempts, "MAX_FAILURES", attempts.MAX_CHECKS)
    barrier = Barrier(20)

    def log_in_with_others(_number: int) -> int:
        barrier.wait(30)
        return log_in(ApiClient(app.test_client())).status_code

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(log_in_with_others, range(20))) == [200] * 20


def test_a_login_that_waits_too_long_is_refused(client, monkeypatch):
    monkeypatch.setattr(attempts, "QUEUE_SECONDS", 0)
    monkeypatch.setattr(attempts, "_running", Semaphore(0))
    answer = log_in(client)
    assert_problem(answer, 503, "request_timeout")
    assert answer.headers["Retry-After"] == "1"


def test_stored_attempts_reveal_no_email_address(app, client):
    fail(client, NOBODY)
    rows = str(run_sql(app, "SELECT * FROM login_attempts"))
    assert "nobody" not in rows
    assert "192.0.2" not in rows

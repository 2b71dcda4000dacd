"""The rate limit of failed logins, by address and by account."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest
from sqlalchemy import select, text

from billor.auth import attempts
from billor.auth.attempts import client_network, counted_attempt
from billor.extensions import db
from billor.models import LoadEvent
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_problem
from tests.support.apps import another_app, dead_address
from tests.support.client import ApiClient

FAILURES_A_MINUTE = 20
NOBODY = "nobody@billor.example"
STRANGE_ADDRESSES = [f"198.51.100.{number}" for number in range(60)]
LIMITED = [401] * FAILURES_A_MINUTE + [429] * (60 - FAILURES_A_MINUTE)


def log_in(api, email=DEMO_EMAIL, password=DEMO_PASSWORD, address="192.0.2.1", **headers):
    return api.post(
        "/auth/login",
        {"email": email, "password": password},
        environ_base={"REMOTE_ADDR": address},
        headers=headers,
    )


def fail(api, email=DEMO_EMAIL, address="192.0.2.1", **headers):
    return log_in(api, email, "wrong", address, **headers)


def statuses(answers) -> list[int]:
    return [answer.status_code for answer in answers]


@pytest.fixture
def known(app) -> Callable[[], list[dict]]:
    """Read all stored login attempts."""

    def read() -> list[dict]:
        with app.app_context():
            return (
                db.session.execute(text("SELECT * FROM login_attempts ORDER BY key"))
                .mappings()
                .all()
            )

    return read


@pytest.fixture
def pass_time(app) -> Callable[[str], None]:
    """Make the stored login attempts older by this interval."""

    def pass_(time: str) -> None:
        with app.app_context():
            db.session.execute(
                text(
                    "UPDATE login_attempts SET window_ends_at = window_ends_at - interval :time,"
                    " expires_at = expires_at - interval :time".replace(":time", f"'{time}'")
                )
            )
            db.session.commit()

    return pass_


@pytest.fixture
def without_redis(settings, client):
    """A client of an app whose Redis is away."""
    with another_app(settings, REDIS_URL=f"redis://{dead_address()}/0") as app:
        yield ApiClient(app.test_client(), client.token)


@pytest.mark.parametrize("api", ["client", "without_redis"])
def test_the_rate_limit_counts_only_failed_logins_and_refuses_the_21st(request, client, known, api):
    api = request.getfixturevalue(api)
    for attempt in range(FAILURES_A_MINUTE):
        if attempt % 5 == 0:
            assert log_in(api).status_code == 200
        assert_problem(fail(api), 401, "invalid_credentials")

    for password in ("wrong", DEMO_PASSWORD):
        refused = log_in(api, password=password)
        assert_problem(refused, 429, "too_many_attempts")
        assert 1 < int(refused.headers["Retry-After"]) <= 60
    assert log_in(api, address="192.0.2.3").status_code == 200
    assert max(row["failures"] for row in known()) == FAILURES_A_MINUTE, (
        "a refused login is not counted"
    )


# Addresses


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:5678", "192.0.2.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::1]", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::1]:5678", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("unknown", "unknown"),
        ("_hidden", "unknown"),
        ("192.0.2.256", "unknown"),
        ("192.0.2.1:5678:1", "unknown"),
        ("x" * 10_000, "unknown"),
    ],
)
def test_the_rate_limit_normalizes_addresses(address, network):
    assert client_network(address) == network


def test_all_addresses_of_an_ipv6_network_share_one_rate_limit(client):
    answers = [
        fail(client, f"{number}@billor.example", f"2001:db8:0:1:{number}::{number}")
        for number in range(60)
    ]
    assert statuses(answers) == LIMITED
    assert fail(client, address="2001:db8:0:2::1").status_code == 401


@pytest.mark.parametrize("address", ["192.0.2.9", "[2001:db8::9]"])
def test_the_rate_limit_ignores_the_port_of_an_address(settings, client, address):
    with another_app(settings, TRUSTED_PROXIES="1") as proxied:
        api = ApiClient(proxied.test_client())
        answers = [
            fail(api, f"{n}@billor.example", **{"X-Forwarded-For": f"{address}:{40_000 + n}"})
            for n in range(60)
        ]
    assert statuses(answers) == LIMITED


def fail_often(api, address):
    for number in range(FAILURES_A_MINUTE):
        assert fail(api, f"{number}@billor.example", address).status_code == 401


def test_a_forged_forwarded_address_does_not_evade_the_rate_limit(client):
    fail_often(client, "192.0.2.4")
    headers = {"X-Forwarded-For": "192.0.2.5", "Forwarded": "for=192.0.2.5"}
    refused = log_in(client, address="192.0.2.4", **headers)
    assert_problem(refused, 429, "too_many_attempts")


def test_each_client_behind_a_trusted_proxy_has_its_own_rate_limit(settings, client):
    fail_often(client, "192.0.2.6")
    with another_app(settings, TRUSTED_PROXIES="1") as proxied:
        api = ApiClient(proxied.test_client())
        # The client controls the header left of the last address.
        refused = log_in(api, **{"X-Forwarded-For": "192.0.2.7, 192.0.2.6"})
        assert_problem(refused, 429, "too_many_attempts")
        assert log_in(api, **{"X-Forwarded-For": "192.0.2.6, 192.0.2.7"}).status_code == 200


# Accounts


def test_an_accounts_rate_limit_spans_unknown_addresses_whether_it_exists_or_not(client, known):
    before = len(known())
    told = {}
    for email in (DEMO_EMAIL, NOBODY):
        spellings = (email, email.upper(), f" {email.title()}")
        answers = [
            fail(client, spellings[number % 3], f"198.51.{len(email)}.{number}")
            for number in range(60)
        ]
        assert statuses(answers) == LIMITED, email
        problem = assert_problem(answers[-1], 429, "too_many_attempts")
        seconds = answers[-1].headers["Retry-After"]
        told[email] = problem | {"detail": problem["detail"].replace(seconds, "…")}
        assert 1 < int(seconds) <= 60
    assert told[DEMO_EMAIL] == told[NOBODY]

    accounts = [row for row in known() if row["key"].startswith("account ")]
    assert {row["failures"] for row in accounts[-2:]} == {FAILURES_A_MINUTE}
    assert len({len(row["key"]) for row in accounts}) == 1
    assert before + 2 * (1 + 60) >= len(known())


def test_stored_login_attempts_reveal_no_email_address(client, known, config):
    for email in (DEMO_EMAIL, NOBODY):
        fail(client, email)
    log_in(client)
    kept = json.dumps([row["key"] for row in known()])
    kinds = {row["key"].partition(" ")[0] for row in known()}
    assert kinds == {"account", "address", "known"}
    for secret in (DEMO_EMAIL, NOBODY, "billor", config.jwt_secret_key):
        assert secret not in kept


def test_a_stranger_cannot_lock_users_out_of_their_known_addresses(client):
    """Behind an untrusted proxy all users share one address."""
    assert log_in(client).status_code == 200
    elsewhere = [fail(client, address=address) for address in STRANGE_ADDRESSES]
    assert elsewhere[-1].status_code == 429, "the limit must have been reached"
    beside = [fail(client, f"{number}@billor.example") for number in range(60)]
    assert beside[-1].status_code == 429

    assert log_in(client).status_code == 200
    assert_problem(log_in(client, address="203.0.113.1"), 429, "too_many_attempts")
    # The known address has a limit, too.
    assert statuses(fail(client) for _ in range(60)) == LIMITED


def test_an_address_is_known_for_90_days_after_the_last_login(client, pass_time):
    for days, status in ((89, 200), (89, 200), (91, 429)):
        log_in(client)
        pass_time(f"{days} days")
        for address in STRANGE_ADDRESSES:
            fail(client, address=address)
        assert log_in(client).status_code == status
        pass_time("2 hours")


# Audit trail


@pytest.fixture
def blocked(app) -> Callable[[], list[tuple]]:
    """Read the events of blocked logins: whose account, from where, and which limits."""

    def read() -> list[tuple]:
        with app.app_context():
            events = db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()
        assert {event.type for event in events} <= {"user.login_blocked"}
        return [(e.user_id, e.payload["address"], e.payload["limits"]) for e in events]

    return read


def test_a_blocked_account_is_recorded_once_for_each_window(client, blocked, pass_time):
    for address in STRANGE_ADDRESSES:
        fail(client, address=address)
    assert blocked() == [(1, STRANGE_ADDRESSES[FAILURES_A_MINUTE], ["account"])]
    pass_time("60 seconds")
    for address in STRANGE_ADDRESSES:
        fail(client, address=address)
    assert len(blocked()) == 2


def test_a_blocked_address_and_an_unknown_account_are_recorded_without_a_user(client, blocked):
    for number in range(60):
        fail(client, f"{number}@billor.example", "2001:db8:0:1::1")
    for address in STRANGE_ADDRESSES:
        fail(client, NOBODY, address)
    assert blocked() == [
        (None, "2001:db8:0:1::/64", ["address"]),
        (None, STRANGE_ADDRESSES[FAILURES_A_MINUTE], ["account"]),
    ]


def test_a_blocked_account_at_a_known_address_is_recorded_as_such(client, blocked, few):
    log_in(client)
    for _ in range(few + 2):
        fail(client)
    assert blocked() == [(1, "192.0.2.1", ["account_at_address"])]


def test_simultaneous_refused_logins_are_recorded_once(app, client, blocked, few):
    for _ in range(few):
        fail(client)
    barrier = Barrier(8)

    def fail_with_others(_number: int) -> int:
        api = ApiClient(app.test_client())
        barrier.wait(30)
        return fail(api).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fail_with_others, range(8))) == {429}
    assert len(blocked()) == 1


# Windows


@pytest.fixture
def few(monkeypatch) -> int:
    """Lower the limit to this number of failures."""
    monkeypatch.setattr(attempts, "MAX_FAILURES", 2)
    return 2


def seconds_locked(api, few: int, email=NOBODY) -> int:
    """Fail up to the limit; return the Retry-After of the refusal."""
    for number in range(few):
        assert fail(api, email, STRANGE_ADDRESSES[number]).status_code == 401
    refused = fail(api, email, STRANGE_ADDRESSES[few])
    assert_problem(refused, 429, "too_many_attempts")
    return int(refused.headers["Retry-After"])


def test_an_accounts_lockout_doubles_up_to_an_hour_and_resets_when_quiet(anonymous, few, pass_time):
    for seconds in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        assert seconds - 5 <= seconds_locked(anonymous, few) <= seconds
        pass_time(f"{seconds - 10} seconds")
        assert fail(anonymous, NOBODY).status_code == 429
        pass_time("10 seconds")
    pass_time("59 minutes")
    assert 3595 <= seconds_locked(anonymous, few) <= 3600
    pass_time("2 hours")
    assert 55 <= seconds_locked(anonymous, few) <= 60


def test_persistent_failures_below_the_limit_lengthen_the_window_too(
    anonymous, few, known, pass_time
):
    for _ in range(4):
        fail(anonymous, NOBODY)
        pass_time("8 minutes")
    (account,) = [row for row in known() if row["key"].startswith("account ")]
    assert account["window_length"].total_seconds() == 480


def test_successful_logins_from_many_addresses_lengthen_no_window(client, known, pass_time):
    for address in STRANGE_ADDRESSES[:3]:
        assert log_in(client, address=address).status_code == 200
        pass_time("2 minutes")
    assert {row["window_length"].total_seconds() for row in known()} == {60}


def test_every_window_of_an_address_is_a_minute_long(client, few, pass_time):
    for _ in range(3):
        for number in range(few):
            assert fail(client, f"{number}@billor.example").status_code == 401
        refused = fail(client, NOBODY)
        assert refused.status_code == 429
        assert 55 <= int(refused.headers["Retry-After"]) <= 60
        pass_time("60 seconds")


def test_expired_login_attempts_are_deleted(app, anonymous, known):
    with app.app_context():
        db.session.execute(
            text(
                "INSERT INTO login_attempts SELECT 'old ' || n, 3, '1 minute',"
                " now() - interval '1 hour', now() - interval '1 second' * n"
                " FROM generate_series(1, 150) AS n"
            )
        )
        db.session.commit()
    for address in STRANGE_ADDRESSES[:2]:
        fail(anonymous, NOBODY, address)
    assert len(known()) == 3


# Outages and concurrency


def test_a_login_during_a_postgresql_outage_is_not_counted_as_failed(settings, client):
    dead = f"postgresql://user@{dead_address()}/name"
    with another_app(settings, DATABASE_URL=dead) as app:
        api = ApiClient(app.test_client())
        codes = {log_in(api).json["code"] for _ in range(FAILURES_A_MINUTE + 1)}
    assert codes == {"database_unavailable"}


class GivenUpError(Exception):
    """Ends an attempt without a result."""


def test_concurrent_abandoned_logins_neither_deadlock_nor_count_as_failed(app, known):
    crossing = 2 * [(email, address) for email in "ab" for address in STRANGE_ADDRESSES[:2]]
    barrier = Barrier(len(crossing))

    def give_up_often(login: tuple[str, str]) -> None:
        with app.app_context():
            barrier.wait(30)
            for _ in range(100):
                with suppress(GivenUpError), counted_attempt(*login):
                    raise GivenUpError

    with ThreadPoolExecutor(len(crossing)) as pool:
        list(pool.map(give_up_often, crossing))
    assert [(row["key"].partition(" ")[0], row["failures"]) for row in known()] == [
        ("account", 0),
        ("account", 0),
        ("address", 0),
        ("address", 0),
    ]

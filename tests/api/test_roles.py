"""Who may do what: every operation by every role, with own, foreign and unknown ids.

OWASP API1 (objects of others) and API5 (functions of others).
"""

import re
from itertools import product

import pytest

from billor import create_app
from billor.auth import guard
from billor.auth.service import issue_token
from billor.models import Role, User, db
from tests.support.answers import assert_problem
from tests.support.apps import client_with_key, client_with_token
from tests.support.client import ApiClient
from tests.support.contract import Operation, operations
from tests.support.worker import WAIT_SECONDS

ADMIN, DISPATCHER, DRIVER = Role
RULES = {
    r"/users|/api-keys|/audit/accounts|/metrics|/webhooks|/documents/\S+ DELETE": {ADMIN},
    r"/me/(assignment|changes|documents|notifications|push-)": {DRIVER},
    r"/me|/auth": {ADMIN, DISPATCHER, DRIVER},
    r"/": {ADMIN, DISPATCHER},
}
"""By the beginnings of paths, not taken from the guard's table. A new resource is for the staff."""
CLOSED = {str(operation): operation for operation in operations() if operation.needs_token}


def rule_of(operation: Operation) -> set[Role]:
    asked = f"{operation.path} {operation.method}"
    return next(roles for path, roles in RULES.items() if re.match(path, asked))


ALLOWED = {name: rule_of(operation) for name, operation in CLOSED.items()}
OWN, FOREIGN, UNKNOWN = 1, 2, 99
FILTERS = ("driverId", "loadId", "userId", "status", "origin", "expand", "fields", "include")


@pytest.fixture
def clients(app) -> dict[Role, ApiClient]:
    """A client of each role. Of two drivers, each with an assigned load, the user is the first."""
    admin = client_with_token(app)
    for number in (OWN, FOREIGN):
        admin.assign(admin.make_driver(f"TX-{number}"), admin.make_load(origin=f"Place {number}"))
    dispatcher = client_with_token(app, "Dana", "dana@billor.example", DISPATCHER)
    driver = client_with_token(app, "Alex", "alex@billor.example", DRIVER, driver_id=OWN)
    return {ADMIN: admin, DISPATCHER: dispatcher, DRIVER: driver}


def send(client: ApiClient, operation: Operation, id_: int, **options):
    path = re.sub(r"{\w+}", str(id_), operation.path)
    with client.request(operation.method, path, **options) as answer:
        if answer.mimetype != "text/event-stream":  # which goes on
            answer.get_data()  # an export is streamed
    return answer


@pytest.mark.parametrize("role", Role)
def test_every_operation_refuses_just_the_roles_that_lack_it(clients, role):
    names = sorted(ALLOWED, key=lambda name: "/auth/logout" in name)  # the last ones end the token
    for name, id_ in product(names, (OWN, FOREIGN, UNKNOWN)):
        answer = send(clients[role], CLOSED[name], id_)
        if role not in ALLOWED[name]:
            assert_problem(answer, 403, "role_missing")
        elif "/auth/logout" not in name:
            assert answer.status_code not in (401, 403), f"{name}: {answer.text}"
    assert answer.status_code == 401, "after a logout"


@pytest.mark.parametrize("role", [ADMIN, DISPATCHER])
def test_a_program_may_do_what_its_role_may_but_nothing_personal(app, clients, role):
    program = client_with_key(clients[ADMIN], app, role=role)
    for name, operation in CLOSED.items():
        answer = send(program, operation, UNKNOWN)
        if re.match(r"/(auth|me|users|api-keys)\b", operation.path):
            assert_problem(answer, 403, "api_key_refused")
        elif role in ALLOWED[name]:
            assert answer.status_code not in (401, 403), name
        else:
            assert_problem(answer, 403, "role_missing")


def test_a_refusal_is_the_same_for_own_foreign_and_unknown_ids(clients, statements, monkeypatch):
    """And costs no query, so that its time says nothing either."""
    monkeypatch.setattr(guard, "USER_CACHE_SECONDS", WAIT_SECONDS)
    client = clients[DRIVER]
    client.get("/me")
    for operation in (CLOSED[name] for name, roles in ALLOWED.items() if DRIVER not in roles):
        with statements:
            answers = [send(client, operation, id_) for id_ in (OWN, FOREIGN, UNKNOWN)]
            answers += [
                client.request(operation.method, answers[0].request.path, query_string={name: id_})
                for name, id_ in product(FILTERS, (OWN, FOREIGN))
            ]
        assert {(answer.status_code, answer.text) for answer in answers} == {(403, answers[0].text)}
        assert statements.sent == []


@pytest.mark.usefixtures("app")
def test_an_endpoint_without_a_row_in_the_table_is_refused_for_all(config, clients):
    fresh = create_app(config)
    fresh.add_url_rule("/forgotten", view_func=lambda: "open")
    assert_problem(ApiClient(fresh.test_client()).get("/forgotten"), 401, "token_missing")
    for client in clients.values():
        answer = ApiClient(fresh.test_client(), client.token).get("/forgotten")
        assert_problem(answer, 403, "role_missing")


def test_the_roles_of_an_operation_are_documented():
    for name, operation in CLOSED.items():
        assert operation.roles == ALLOWED[name], name


def test_a_driver_gets_no_page_that_is_cached_for_others(clients):
    pages = [clients[DISPATCHER].get("/loads") for _ in range(2)]
    assert pages[1].headers["X-Cache"] == "HIT"
    for headers in ({}, {"If-None-Match": pages[1].headers["ETag"]}, {"If-None-Match": "*"}):
        answer = clients[DRIVER].get("/loads", headers=headers)
        assert_problem(answer, 403, "role_missing")
        assert "ETag" not in answer.headers


def test_a_kept_answer_is_not_replayed_after_a_change_of_role(app, clients):
    dispatcher, headers = clients[DISPATCHER], {"Idempotency-Key": "monday"}
    body = {"origin": "Dallas, TX", "destination": "Reno, NV", "cargoType": "Steel"}
    assert dispatcher.post("/loads", body, headers=headers).status_code == 201
    user_id = dispatcher.get("/me").json["id"]
    change = {"role": "DRIVER", "driverId": FOREIGN}
    assert clients[ADMIN].patch(f"/users/{user_id}", change).status_code == 200
    with app.app_context():
        dispatcher.token = issue_token(db.session.get_one(User, user_id))
    assert_problem(dispatcher.post("/loads", body, headers=headers), 403, "role_missing")


def test_nobody_but_an_admin_sees_the_email_addresses_of_others(clients):
    for role in (DISPATCHER, DRIVER):
        for name in CLOSED:
            if name.startswith("GET"):
                text = send(clients[role], CLOSED[name], OWN).text
                addresses = set(re.findall(r"[\w.]+@[\w.]+", text))
                assert addresses <= {clients[role].get("/me").json["email"]}, name

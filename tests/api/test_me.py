"""What users may do with their own account, and drivers with their own load."""

from dataclasses import replace
from unicodedata import normalize

import pytest

from billor.assignments.mine import POINT
from billor.models import Role
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_invalid, assert_problem, in_lists
from tests.support.apps import client_with_token
from tests.support.client import ApiClient
from tests.support.rival import beaten
from tests.support.users import make_user

NEW_PASSWORD = "another-good-password"
COMPLETED = {"status": "COMPLETED"}


@pytest.fixture
def staff(app) -> ApiClient:
    return client_with_token(app)


@pytest.fixture
def driver(app, staff) -> ApiClient:
    """The client of driver 1, who has nothing to do yet; driver 2 has load 1 by assignment 1."""
    staff.make_driver("TX-1")
    staff.assign(staff.make_driver("TX-2"), staff.make_load())
    return client_with_token(app, "Alex", "alex@billor.example", Role.DRIVER, driver_id=1)


# The account


def test_everybody_sees_and_renames_their_own_account(staff, driver):
    for client, role in ((staff, "ADMIN"), (driver, "DRIVER")):
        before = client.get("/me").json
        assert (before["role"], before["active"]) == (role, True)
        changes = {"name": "Robin Reed", "language": "es"}
        answer = client.patch("/me", changes)
        assert answer.json == client.get("/me").json == before | changes


def test_a_driver_chooses_channel_and_language_of_notifications(staff, driver):
    assert driver.get("/me/notifications").json == {"notifyBy": None, "language": "en"}
    chosen = {"notifyBy": "PHONE", "language": "pt-BR"}
    assert driver.patch("/me/notifications", chosen).json == chosen
    assert driver.get("/me/notifications").json == chosen
    drivers = [staff.get(f"/drivers/{id_}").json["notifyBy"] for id_ in (1, 2)]
    assert drivers == ["PHONE", None]


SUBSCRIPTION = {"endpoint": "https://a.example/1", "keys": {"p256dh": POINT, "auth": "A" * 22}}
SUBSCRIPTIONS = "/me/push-subscriptions"


def test_ten_browsers_of_a_driver_are_notified_each_for_its_last_user(app, driver):
    other = client_with_token(app, "Robin", "r@billor.example", Role.DRIVER, driver_id=2)
    assert driver.get("/me/push-key").json == {"publicKey": POINT}
    made = driver.post(SUBSCRIPTIONS, SUBSCRIPTION)
    assert (made.status_code, made.json) == (201, {"id": 1, "endpoint": "https://a.example/1"})
    assert other.request("DELETE", f"{SUBSCRIPTIONS}/1").status_code == 404
    for client, foreign in ((driver, other), (other, driver)):
        again = client.post(SUBSCRIPTIONS, SUBSCRIPTION)
        assert (again.status_code, again.json) == (200, made.json)
        refused = foreign.request("DELETE", f"{SUBSCRIPTIONS}/1")
        assert_problem(refused, 404, "push_subscription_not_found")
    urls = [f"https://a.example/{number}" for number in range(2, 13)]
    ids = [driver.post(SUBSCRIPTIONS, SUBSCRIPTION | {"endpoint": u}).json["id"] for u in urls]
    ended = [driver.request("DELETE", f"{SUBSCRIPTIONS}/{id_}").status_code for id_ in ids]
    assert ended == [404] + [204] * 10
    assert other.request("DELETE", f"{SUBSCRIPTIONS}/1").status_code == 204


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("endpoint", ["http://a.example", "https://a@b.example", f"https://a.example/{'x' * 983}"]),
        ("p256dh", [POINT[:-1], f"{POINT}=", f"{POINT[:-1]}E", "é" * 87]),
        ("auth", ["A" * 21, "A" * 23, "+" * 22]),
    ],
)
def test_a_subscription_of_no_browser_is_refused(app, driver, monkeypatch, field, values):
    config = replace(app.config["BILLOR"], private_webhooks="yes")
    monkeypatch.setitem(app.config, "BILLOR", config)
    for value in values:
        bad = (
            {field: value}
            if field == "endpoint"
            else {"keys": SUBSCRIPTION["keys"] | {field: value}}
        )
        assert_invalid(driver.post(SUBSCRIPTIONS, SUBSCRIPTION | bad), next(iter(bad)))


@pytest.mark.parametrize("field", ["role", "active", "driverId", "email", "id", "password"])
def test_nobody_changes_more_of_their_own_account_than_the_name(driver, field):
    assert_invalid(driver.patch("/me", {field: driver.get("/me").json.get(field)}), field)


@pytest.fixture
def user(app) -> dict:
    with app.app_context():
        make_user("Demo Dispatcher", DEMO_EMAIL, DEMO_PASSWORD)
    return ApiClient(app.test_client()).log_in(DEMO_EMAIL, DEMO_PASSWORD).json


def change_password(client: ApiClient, old: str, new: str = NEW_PASSWORD):
    return client.post("/me/password", {"oldPassword": old, "newPassword": new})


def test_a_password_is_changed_only_with_the_old_one(app, user, anonymous):
    client = ApiClient(app.test_client(), user["access_token"])
    problem = assert_problem(change_password(client, "wrong"), 401, "invalid_credentials")
    assert problem["detail"] == "The old password is wrong. Check it."
    assert change_password(client, DEMO_PASSWORD).status_code == 204
    assert_problem(client.get("/me"), 401, "token_invalid")
    assert anonymous.log_in(DEMO_EMAIL, DEMO_PASSWORD).status_code == 401
    assert anonymous.log_in(DEMO_EMAIL, NEW_PASSWORD).status_code == 200


def test_of_simultaneous_changes_of_a_password_one_succeeds(app, user):
    client = ApiClient(app.test_client(), user["access_token"])
    other = "UPDATE users SET epoch = epoch + 1"
    assert_problem(beaten(app, other, change_password, client, DEMO_PASSWORD), 401, "token_invalid")


def test_a_password_may_come_in_another_unicode_form(app, user, anonymous):
    client = ApiClient(app.test_client(), user["access_token"])
    assert change_password(client, DEMO_PASSWORD, "Pässwort ﬁve").status_code == 204
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert anonymous.log_in(DEMO_EMAIL, normalize(form, "Pässwort ﬁve")).status_code == 200, (
            form
        )


def test_guesses_of_the_old_password_are_limited_as_logins_are(app, user):
    client = ApiClient(app.test_client(), user["access_token"])
    statuses = [change_password(client, f"guess {n}").status_code for n in range(21)]
    assert statuses == [401] * 20 + [429]


@pytest.mark.parametrize("password", ["PassWord123", "ｐａｓｓｗｏｒｄ123", "1234567890", "short"])
def test_short_and_common_passwords_are_refused_and_told_so(app, staff, user, password):
    client = ApiClient(app.test_client(), user["access_token"])
    assert_invalid(change_password(client, DEMO_PASSWORD, password), "newPassword")
    new_user = {"name": "Dana", "email": "dana@billor.example", "password": password}
    refused = staff.post("/users", new_user)
    assert_invalid(refused, "password")
    assert password not in refused.text
    assert staff.post("/users", new_user | {"password": "        "}).status_code == 201


# A driver's own view


def test_a_driver_sees_and_completes_their_own_load(staff, driver):
    assert_problem(driver.get("/me/assignment"), 404, "no_active_assignment")
    assert driver.get("/me/assignments").json == []
    load = staff.make_load(origin="Waco, TX")
    assignment = staff.assign({"id": 1}, load)

    own = driver.get("/me/assignment").json
    assert own == assignment | {"load": load | own["load"], "next": None}
    assert own["load"]["status"] == "ASSIGNED"
    del own["next"]
    assert driver.get("/me/assignments").json == [own | {"load": in_lists(own["load"])}]

    planned = {"driverId": 1, "loadId": staff.make_load()["id"], "plan": True}
    assert staff.post("/assignments", planned).json["status"] == "PLANNED"
    next_load = driver.get("/me/assignment").json["next"]["load"]
    assert next_load["id"] == planned["loadId"]

    done = driver.patch("/me/assignment/status", COMPLETED)
    assert done.status_code == 200
    assert (done.json["status"], done.json["load"]["status"]) == ("COMPLETED", "COMPLETED")
    ended = done.json
    following = ended.pop("next")
    assert following.pop("left") is None
    assert driver.get("/me/assignment").json == following | {"next": None}
    assert driver.get("/me/assignments").json == [
        each | {"load": in_lists(each["load"])} for each in (following, ended)
    ]
    (event,) = staff.get(f"/loads/{load['id']}/timeline?limit=200").json[2:]
    assert (event["type"], event["user"]["name"]) == ("LOAD_COMPLETED", "Alex")


def test_a_driver_reads_and_writes_comments_on_the_own_load(staff, driver):
    assert_problem(driver.get("/me/assignment/comments"), 404, "no_active_assignment")
    assert_problem(
        driver.post("/me/assignment/comments", {"text": "Hi"}), 404, "no_active_assignment"
    )
    staff.post("/loads/1/comments", {"text": "Of another load", "visibleToDriver": True})
    assignment = staff.assign({"id": 1}, staff.make_load())
    address = f"/loads/{assignment['loadId']}/comments"
    staff.post(address, {"text": "Dock 4", "visibleToDriver": True})
    staff.post(address, {"text": "Pays late"})
    said = driver.post("/me/assignment/comments", {"text": "Dock 4\nis closed"})
    assert said.status_code == 201
    first, last = driver.get("/me/assignment/comments").json
    assert last == said.json
    assert [(each["text"], each["byDriver"], each["user"]["name"]) for each in (first, last)] == [
        ("Dock 4", False, "Somebody"),
        ("Dock 4\nis closed", True, "Alex"),
    ]
    event = staff.get(f"/loads/{assignment['loadId']}/timeline").json[-1]
    assert (event["id"], event["assignmentId"]) == (last["id"], assignment["id"])
    assert event["payload"]["comment"]["visibleToDriver"]
    body = {"text": "Psst", "visibleToDriver": False}
    assert_invalid(driver.post("/me/assignment/comments", body), "visibleToDriver")
    driver.patch("/me/assignment/status", COMPLETED)
    late = {"text": "Dock 5", "assignmentId": assignment["id"]}
    assert driver.post("/me/assignment/comments", late).json["text"] == "Dock 5"
    cancelled = staff.close(staff.assign({"id": 1}, staff.make_load()), "CANCELLED")
    late["assignmentId"] = cancelled["id"]
    assert_problem(driver.post("/me/assignment/comments", late), 409, "assignment_not_active")


def test_a_comment_never_reaches_a_load_that_was_taken_away_meanwhile(app, staff, driver):
    assignment = staff.assign({"id": 1}, staff.make_load())
    taken = "UPDATE driver_load_assignments SET status = 'CANCELLED', closed_at = now()"
    said = beaten(app, taken, driver.post, "/me/assignment/comments", {"text": "On my way"})
    assert_problem(said, 404, "no_active_assignment")
    assert len(staff.get(f"/loads/{assignment['loadId']}/timeline").json) == 2

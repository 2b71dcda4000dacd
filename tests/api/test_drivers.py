"""Drivers over HTTP: their life, their refusals, and their license numbers."""

from datetime import date

from billor.drivers.service import today
from billor.models import LoadEvent, db
from tests.support.answers import assert_problem, in_events
from tests.support.apps import another_app, give_driver_token
from tests.support.rival import beaten

OPTIONAL = (
    *("phone", "phoneShown", "email", "notes", "notifyBy"),
    *("licenseExpiresOn", "medicalExpiresOn"),
)
SHOWN = {
    None: None,
    "+12145550123": "(214) 555-0123",
    "+525555550123;ext=7": "+52 55 5555 0123 ext. 7",
}


def test_a_driver_is_created_shown_listed_and_changed(client):
    answer = client.post("/drivers", {"name": "Alex Carter", "licenseNumber": "TX-1"})
    driver = answer.json
    assert answer.status_code == 201
    assert driver == {
        "id": driver["id"],
        "name": "Alex Carter",
        "licenseNumber": "TX-1",
        "status": "ACTIVE",
        "createdAt": driver["createdAt"],
        "language": "en",
        **dict.fromkeys(OPTIONAL),
    }
    address = f"/drivers/{driver['id']}"
    assert answer.headers["Location"] == address
    for changes in (
        {},
        {"name": "Alexandra Carter"},
        {"licenseNumber": "TX-2", "status": "INACTIVE"},
        {"licenseNumber": "tx 2"},
        {"status": "ACTIVE"},
        {"phone": "+12145550123", "notes": "Reefer only.\nNo nights.", "email": "a@example.com"},
        {"licenseExpiresOn": "2035-01-31", "medicalExpiresOn": "2000-01-01"},
        {"medicalExpiresOn": None, "phone": None, "notifyBy": "EMAIL", "language": "pt-BR"},
        {"phone": "+525555550123;ext=7"},
    ):
        answer = client.patch(address, changes)
        driver |= changes
        driver["phoneShown"] = SHOWN[driver["phone"]]
        assert (answer.status_code, answer.json) == (200, driver)
        assert client.get(address).json == driver
        assert client.get("/drivers").json == [driver]


def test_drivers_and_events_of_loads_tell_little_of_a_driver(app, client):
    told = {"phone": "(214) 555-0123", "notes": "Talks.", "email": "alex@example.com"}
    driver = client.make_driver(**told, licenseExpiresOn="2035-01-31")
    client.assign(driver, client.make_load())
    event = client.get("/loads/1/timeline").json[-1]
    assert event["payload"]["driver"] == in_events(driver)
    assert client.get("/assignments/1").json["driver"] == driver
    of_driver = give_driver_token(client, app, driver["id"])
    for path in ("/me/assignment", "/me/assignments"):
        assert "Talks" not in of_driver.get(path).text, path


def test_a_change_of_papers_has_an_event_with_what_was_before(app, client):
    driver = client.make_driver(licenseExpiresOn="2034-01-31", phone="2145550123")
    changes = {"licenseExpiresOn": "2036-01-31", "phone": None, "notes": "On call"}
    changed = client.patch("/drivers/1", changes).json
    with app.app_context():
        event = db.session.query(LoadEvent).filter_by(type="driver.updated").one()
    before = {name: driver[name] for name in (*changes, "phoneShown")}
    assert event.payload.items() >= {"driver": changed, "before": before}.items()


def test_a_paper_is_valid_through_its_last_day_in_the_companys_time_zone(
    client, settings, monkeypatch
):
    days = {}
    for zone in ("Pacific/Pago_Pago", "", "Pacific/Kiritimati"):
        with another_app(settings, TIME_ZONE=zone) as app, app.app_context():
            days[zone] = today()
    assert days["Pacific/Pago_Pago"] < days["Pacific/Kiritimati"]
    assert sorted(days.values()) == [*days.values()]
    monkeypatch.setattr("billor.assignments.service.today", lambda: date(2026, 3, 1))
    driver = client.make_driver(licenseExpiresOn="2026-03-01", medicalExpiresOn="2026-03-02")
    client.close(client.assign(driver, client.make_load()), "CANCELLED")
    client.patch("/drivers/1", {"licenseExpiresOn": "2026-02-28"})
    problem = assert_problem(
        client.post("/assignments", {"driverId": 1, "loadId": 1}), 409, "driver_papers_expired"
    )
    assert (problem["paper"], problem["expiredOn"]) == ("license", "2026-02-28")
    assert problem["driverId"] == 1
    assert "license expired on 2026-02-28" in problem["detail"]


def test_a_license_number_in_another_form_is_the_same(client):
    holder, other = client.make_driver("ZZ-1"), client.make_driver("TX-2")
    signs = "`\u00b4\u2018\u2019\u02bc\u2011\u2013\u2014\u2212\u2e3a\u30fb\u05be"
    forms = ["ZZ-1", "zz 1", " Z.Z/1 ", "#ZZ\u00a01", "\uff3a\uff3a\uff0d\uff11", "zz\u2460"]
    for number in (*forms, *(f"ZZ{sign}1" for sign in signs)):
        body = {"name": "Another", "licenseNumber": number}
        for refused in (client.post("/drivers", body), client.patch("/drivers/2", body)):
            problem = assert_problem(refused, 409, "license_number_taken")
            assert problem["driverId"] == holder["id"]
            assert "Driver 1 has this license number" in problem["detail"]
        assert client.get("/drivers", query_string={"licenseNumber": number}).json == [holder]
        assert client.get("/drivers").json == [other, holder]


def test_different_license_numbers_are_of_different_drivers(client):
    numbers = ["ZZ-1", "ZZ-2", "ZZ-11", "Z-1", "É-1", "E-1", "京A1", "沪A1", "Ж-1", "٣", "٤"]
    for number in numbers:
        client.make_driver(number)
    assert [driver["licenseNumber"] for driver in client.get("/drivers").json] == numbers[::-1]
    for number in numbers:
        (found,) = client.get("/drivers", query_string={"licenseNumber": number}).json
        assert found["licenseNumber"] == number


def test_a_change_that_lost_a_race_names_the_driver_who_won(app, client):
    client.make_driver("TX-1")
    sam = "INSERT INTO drivers (name, license_number, status) VALUES ('Sam', 'ZZ-1', 'ACTIVE')"
    change = beaten(app, sam, client.patch, "/drivers/1", {"licenseNumber": "zz 1"})
    problem = assert_problem(change, 409, "license_number_taken")
    assert problem["driverId"] == 2
    assert client.get("/drivers/1").json["licenseNumber"] == "TX-1"

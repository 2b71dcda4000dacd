"""`GET /stats`: figures over all loads and drivers."""

from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from billor.cache import cache
from billor.loads.figures import DAYS
from billor.loads.stats import CACHE_SECONDS
from billor.models import CheckIn, User, db
from tests.support.answers import assert_invalid
from tests.support.databases import run_sql

# Where it is about noon, so that no day begins during a test.
HERE = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
PATHS = ("/stats", "/stats/drivers")
NOTHING_DONE = {"created": 0, "assigned": 0, "completed": 0, "cancelled": 0}


@pytest.fixture
def stats(app, client):
    """Count anew, and return the figures."""

    def count(zone: str = HERE, path: str = "/stats", **query: int) -> dict:
        with app.app_context():
            cache.cache.client.flushdb()
        answer = client.get(path, query_string={"timeZone": zone, **query})
        assert answer.status_code == 200, answer.text
        return answer.json

    return count


def move(app, table: str, id_: int, **times: datetime) -> None:
    """Have something happened at another time."""
    for column, moment in times.items():
        statement = f"UPDATE {table} SET {column} = :moment WHERE id = :id"  # noqa: S608
        run_sql(app, statement, moment=moment, id=id_)


def test_without_anything_all_figures_are_nothing(stats):
    found = stats()
    assert found["timeZone"] == HERE
    assert found["loads"] == {"OPEN": 0, "ASSIGNED": 0, "COMPLETED": 0, "CANCELLED": 0}
    assert found["drivers"] == {"available": 0, "busy": 0, "inactive": 0}
    assert found["today"] == NOTHING_DONE
    assert len(found["days"]) == DAYS
    today = datetime.now(ZoneInfo(HERE)).date()
    assert [day.pop("date") for day in found["days"]] == [
        (today - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS))
    ]
    assert found["days"] == [NOTHING_DONE | {"medianSecondsToAssign": None}] * DAYS
    assert {found[name] for name in found if name.startswith("median")} == {None}
    assert found["onTime"] == {"share": None, "of": 0}
    assert stats(path="/stats/drivers")["drivers"] == []


def test_each_step_counts_on_its_day(client, stats):
    drivers = [client.make_driver(f"TX-{number}") for number in range(3)]
    client.make_driver("TX-9", status="INACTIVE")
    loads = [client.make_load() for _ in range(5)]
    assigned = [client.assign(*pair) for pair in zip(drivers, loads[:3], strict=True)]
    client.close(assigned[0], "COMPLETED")
    client.close(assigned[1], "CANCELLED")
    for status in ("CANCELLED", "OPEN", "CANCELLED"):
        client.patch(f"/loads/{loads[4]['id']}", {"status": status})
    found = stats()
    assert found["loads"] == {"OPEN": 2, "ASSIGNED": 1, "COMPLETED": 1, "CANCELLED": 1}
    assert found["drivers"] == {"available": 2, "busy": 1, "inactive": 1}
    assert found["today"] == {"created": 5, "assigned": 3, "completed": 1, "cancelled": 2}
    assert found["days"][-1].items() >= found["today"].items()
    assert all(day.items() >= NOTHING_DONE.items() for day in found["days"][:-1])


def test_medians_are_of_first_assignments_and_of_completions(app, client, stats):
    start = datetime.now(ZoneInfo(HERE)) - timedelta(days=3)
    minutes = (10, 20, 90)
    for number, took in enumerate(minutes):
        load = client.make_load()
        assignment = client.assign(client.make_driver(f"TX-{number}"), load)
        client.close(assignment, "COMPLETED")
        move(app, "loads", load["id"], created_at=start)
        times = {"assigned_at": start + timedelta(minutes=took)}
        times["closed_at"] = start + timedelta(minutes=2 * took)
        move(app, "driver_load_assignments", assignment["id"], **times)
    found = stats()
    assert found["medianSecondsToAssign"] == median(minutes) * 60
    assert found["medianSecondsToComplete"] == median(minutes) * 120
    by_day = {day["date"]: day["medianSecondsToAssign"] for day in found["days"]}
    assert by_day.pop(start.date().isoformat()) is not None
    assert sum(day["assigned"] for day in found["days"]) == len(minutes)


def test_completed_loads_were_on_time_or_not_and_waited(app, client, stats):
    """Three loads of one driver: last week two with a deadline, this week one without."""
    now = datetime.now(ZoneInfo(HERE))
    drivers = [client.make_driver("TX-1", name="Zoe"), client.make_driver("TX-2", name="Álvaro")]
    client.make_driver("TX-3", name="Gone", status="INACTIVE")
    for weeks_ago, late, at_pickup in [(1, -5, 30), (1, 5, 50), (0, None, 10)]:
        end = now - timedelta(weeks=weeks_ago)
        by = None if late is None else (end - timedelta(minutes=late)).isoformat()
        load = client.make_load(deliverBy=by)
        assignment = client.close(client.assign(drivers[0], load), "COMPLETED")
        move(app, "driver_load_assignments", assignment["id"], closed_at=end)
        # Minutes before the end. Of several, the first arrival and the last loading count.
        arrived = {"AT_PICKUP": 200, "AT_DELIVERY": 2 * at_pickup, "LOADED": 200 - at_pickup}
        arrived_again = {"AT_PICKUP": 199, "LOADED": 201}
        with app.app_context():
            user = db.session.query(User).one()
            for kind, minutes in [*arrived.items(), *arrived_again.items()]:
                at = end - timedelta(minutes=minutes)
                row = {"assignment_id": assignment["id"], "kind": kind, "user_id": user.id}
                db.session.add(CheckIn(**row, happened_at=at))
            db.session.commit()
    found = stats()
    assert found["onTime"] == {"share": 0.5, "of": 2}
    assert (found["medianSecondsAtPickup"], found["medianSecondsAtDelivery"]) == (1800, 3600)

    monday = now.date() - timedelta(days=now.weekday())
    weeks = [monday - timedelta(weeks=ago) for ago in (2, 1, 0)]
    found = stats(path="/stats/drivers", weeks=3)
    assert found["weeks"] == [week.isoformat() for week in weeks]
    assert found["drivers"] == [
        {"id": 2, "name": "Álvaro", "completed": [0, 0, 0], "onTime": {"share": None, "of": 0}},
        {"id": 1, "name": "Zoe", "completed": [0, 2, 1], "onTime": {"share": 0.5, "of": 2}},
    ]
    assert stats(path="/stats/drivers", weeks=1)["drivers"][1]["completed"] == [1]


@pytest.mark.parametrize("ago", [timedelta(hours=1), timedelta(days=40)])
def test_a_second_assignment_counts_for_no_median(app, client, stats, ago):
    """Whether the first one was within the 30 days or before."""
    driver, load = client.make_driver(), client.make_load()
    first = client.assign(driver, load)
    client.close(first, "CANCELLED")
    client.assign(driver, load)
    now = datetime.now(UTC)
    move(app, "loads", load["id"], created_at=now - ago - timedelta(minutes=1))
    move(app, "driver_load_assignments", first["id"], assigned_at=now - ago)
    found = stats()
    assert found["medianSecondsToAssign"] == (60 if ago < timedelta(days=1) else None)


@pytest.mark.parametrize("zone", ["America/Chicago", "Pacific/Auckland", "Asia/Kolkata"])
def test_days_begin_as_the_time_zone_says(app, client, stats, zone):
    """One load just before a day's beginning, one at it."""
    today = datetime.now(ZoneInfo(zone)).date()
    midnight = datetime.combine(today - timedelta(days=5), datetime.min.time(), ZoneInfo(zone))
    for moment in (midnight - timedelta(microseconds=1), midnight):
        move(app, "loads", client.make_load()["id"], created_at=moment)
    created = {day["date"]: day["created"] for day in stats(zone)["days"] if day["created"]}
    assert created == {(today - timedelta(days=ago)).isoformat(): 1 for ago in (5, 6)}


def test_what_is_no_time_zone_is_refused(client):
    for zone in ("", "Mars/Olympus", "../../etc/passwd", "utc ", "localtime", "+5"):
        assert_invalid(client.get("/stats", query_string={"timeZone": zone}), "timeZone")


def test_figures_are_counted_once_for_a_while(app, client, statements):
    for path in PATHS:
        first = client.get(path)
        client.make_driver(path)
        with statements:
            assert client.get(path).json == first.json
        assert statements.sent == []
        assert client.get("/stats/drivers?weeks=2").json["weeks"] != first.json.get("weeks")
    with app.app_context():
        redis = cache.cache.client
    assert {0 < redis.ttl(key) <= CACHE_SECONDS for key in redis.keys("*stats*")} == {True}

"""Search by beginnings of words, and loads in the order of their pickup."""

import json
import subprocess
import sys
from itertools import chain, combinations
from pathlib import Path
from random import Random
from subprocess import PIPE
from urllib.parse import urlencode

import pytest
from sqlalchemy import text as sql
from sqlalchemy import update

from billor.database.text import RefusedText, clean
from billor.models import Load, db
from scripts.launcher.launcher import PROJECT
from tests.support.answers import assert_invalid, in_lists, pages

DAY = "2026-03-0{}T12:00:00.000000Z"


def found(client, path, **query):
    answer = client.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json]


WORDS = [
    ("Dallas, TX", ["dallas", "DAL", "tx", "Dallas, TX", "tx  dallas", "dallas,"], ["all", "s"]),
    ("São Paulo", ["sao", "SÃO", "sao pau", "Sa\u0303o"], ["ao"]),
    ("Łódź", ["lodz", "ŁÓDŹ"], []),
    ("Straße", ["strasse", "STRASSE", "straß"], []),
    ("IĞDIR", ["ığdır", "igdir"], []),
    ("O'Brien", ["O\u2019Brien", "o'b", "obrien", "O\u00b4Brien", "o`brien"], ["brien"]),
    ("St. John\u2019s", ["st john's", "johns", "ST.\u00a0JOHN\u02bcS", "Ｓｔ．Ｊｏｈｎ＇ｓ"], []),
    ("Jean\u2011Luc", ["jean-luc", "jean\u2014luc", "luc", "jean luc"], ["jeanluc"]),
    ("ΑΘΗΝΑΣ", ["αθη", "άθηνας", "αθηνασ"], []),
    ("PO #12ab", ["#12ab", "# 12ab", "12a"], ["#12"]),
    ("東京 🚚", ["東", "🚚", "東京"], ["京"]),
    ("100% _ a\\b 'o''", ["100%", "a\\b", "'o''"], ["%", "_", "\\", "''"]),
    ("a&b|c!d:* <-> (e)", ["&b|c", "!d:*", "(e)"], ["<->", ":*"]),
    ("x" * 150, ["x" * 100], ["y" * 100]),
]


def test_loads_are_found_by_who_has_them_or_completed_them(client):
    lopez, other = client.make_driver("TX-1", name="Brianna López"), client.make_driver("TX-2")
    completed, road, waiting = (client.make_load(cargoType=f"Steel {n}") for n in range(3))
    client.close(client.assign(lopez, completed), "COMPLETED")
    active = client.assign(lopez, road)
    client.close(client.assign(other, waiting), "CANCELLED")
    road = client.get(f"/loads/{road['id']}").json

    def search(q: str) -> list[int]:
        return [number - 1 for number in reversed(found(client, "/loads", q=q))]

    assert search("lopez") == search("bri tx-1 steel") == [0, 1]
    assert search("lopez 0") == [0]
    assert search("alex") == []
    exported = client.get("/loads.csv", query_string={"q": "lopez", "status": "ASSIGNED"})
    assert exported.text.count("\r\n") == 2
    client.patch(f"/drivers/{lopez['id']}", {"name": "Robin Reed"})
    assert (search("lopez"), search("robin")) == ([], [0, 1])
    assert client.get(f"/loads/{road['id']}").json == road
    client.post(f"/assignments/{active['id']}/reassign", {"driverId": other["id"]})
    assert (search("robin"), search("alex")) == ([0], [1])
    rows = [{"driverId": lopez["id"], "loadId": waiting["id"]}]
    client.post("/assignments/bulk", {"assignments": rows})
    assert search("robin") == [0, 2]
    client.close({"id": 5}, "CANCELLED")
    assert search("robin") == [0]
    client.post("/assignments/5/reopen", {"reason": "A wrong tap"})
    assert search("robin") == [0, 2]


def test_loads_are_listed_by_their_last_change(client):
    loads = [client.make_load() for _ in range(4)]
    for number in (2, 0, 3):
        changed = client.patch(f"/loads/{loads[number]['id']}", {"status": "CANCELLED"}).json
        loads[number] = changed

    def listed(**query) -> list[int]:
        path = f"/loads?{urlencode({'sort': 'updatedAt', 'limit': 2} | query)}"
        return [each["id"] - 1 for page in pages(client, path) for each in page]

    assert listed() == [3, 0, 2, 1]
    moment = loads[0]["updatedAt"]
    assert (listed(updatedFrom=moment), listed(updatedTo=moment)) == ([3, 0], [2, 1])
    assert listed(updatedFrom=moment, sort="pickupAt") == [0, 3]
    assert listed(status="CANCELLED", updatedTo=moment) == [2]


def test_loads_are_found_by_the_beginnings_of_words(client):
    fields = {"destination": "Q", "cargoType": "Q"}
    ids = [client.make_load(origin=stored, **fields)["id"] for stored, _, _ in WORDS]
    for load, (_, found_by, not_by) in zip(ids, WORDS, strict=True):
        for words in found_by:
            assert load in found(client, "/loads", q=words), words
        for words in not_by:
            assert load not in found(client, "/loads", q=words), words


IN_NODE = """
import {{ readFileSync }} from "node:fs";
import {{ fold, words }} from {module};
const texts = JSON.parse(readFileSync(0));
console.log(JSON.stringify(texts.map((text) => [fold(text), words(text)])));
"""


def on_the_board(texts):
    """The folded texts, and their words."""
    module = json.dumps((PROJECT / "billor/board/js/state/search.js").as_uri())
    node = [Path(sys.executable).with_name("node"), "--input-type=module", "--eval"]
    script = IN_NODE.format(module=module)
    answer = subprocess.run([*node, script], input=json.dumps(texts), stdout=PIPE, text=True)
    return json.loads(answer.stdout)


def is_accepted(char):
    try:
        return clean(char)
    except RefusedText:
        return False


@pytest.mark.usefixtures("context")
def test_the_board_folds_and_splits_every_character_as_the_api_does():
    texts = [f"a{char}B" for char in map(chr, range(0x20000)) if is_accepted(char)]
    folded = on_the_board(texts)
    query = """SELECT fold_text(text), tsvector_to_array(search_vector(7, fold_text(text)))
        FROM unnest(:texts) WITH ORDINALITY AS given (text, place) ORDER BY place"""
    rows = db.session.execute(sql(query), {"texts": texts})
    for text, board, (fold, words) in zip(texts, folded, rows, strict=True):
        assert (board[0], {*board[1], "#7"}) == (" ".join(fold.split()), {*words}), ascii(text)


def test_a_load_is_found_by_its_number(client):
    for number in range(1, 12):
        client.make_load(reference=f"PO-{100 + number}")
    for words, expected in (
        ("#1", [1]),
        ("# 1", [1]),
        ("\uff03 １１", [11]),
        ("1", [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("po #103", [3]),
        ("#103", []),
        ("#", []),
    ):
        assert found(client, "/loads", q=words) == expected, words


def test_drivers_are_found_by_words_of_name_and_license_number(client):
    zoe = client.make_driver("TX-100", name="Zoë Nuñez")["id"]
    ana = client.make_driver("OK-100", name="Ana Zoellner", status="INACTIVE")["id"]
    for query, expected in (
        ({"q": "zoe"}, [ana, zoe]),
        ({"q": "100 ZOË", "status": "INACTIVE"}, [ana]),
        ({"q": "zoe", "available": "true"}, [zoe]),
        ({"q": "zoe", "licenseNumber": "ok 100"}, [ana]),
        ({"q": "tx1"}, []),
        ({"q": f"#{zoe}"}, [zoe]),
    ):
        assert found(client, "/drivers", **query) == expected, query


def test_users_are_found_by_words_of_name_and_email_address(client):
    for name, email in (("Dána Dee", "dd@billor.example"), ("Ed", "dana@other.example")):
        body = {"name": name, "email": email, "password": "a-good-long-password"}
        assert client.post("/users", body).status_code == 201
    names = [user["name"] for user in client.get("/users?q=dana").json]
    assert names == ["Ed", "Dána Dee"]
    assert [user["name"] for user in client.get("/users?q=DANA+billor").json] == ["Dána Dee"]
    assert client.get("/users?q=dana&email=dana@other.example").json[0]["name"] == "Ed"


@pytest.mark.parametrize("path", ["/loads", "/loads.csv", "/drivers", "/users"])
def test_a_search_has_up_to_ten_words_and_a_hundred_characters(client, path):
    for words in ("x", "x" * 100, "a b c d e f g h i j", "  a  "):
        assert client.get(path, query_string={"q": words}).status_code == 200
    for words in ("", "  ", "x" * 101, "a b c d e f g h i j k", "a\x00b", "a\u200bb"):
        assert_invalid(client.get(path, query_string={"q": words}), "q")


@pytest.fixture
def many(app, client):
    """Loads of all kinds, with one time for several of them."""
    chance = Random(13)  # noqa: S311 - nothing secret
    for number in range(60):
        fields = {
            "origin": chance.choice(["Reno, NV", "Dallas, TX"]),
            "destination": chance.choice(["Ulm", "Waco, TX"]),
            "cargoType": chance.choice(["Steel", "Milk"]),
        }
        if chance.random() < 0.5:
            fields["reference"] = f"PO-{number}"
        if chance.random() < 0.7:
            fields["pickupAt"] = DAY.format(chance.randint(1, 5))
        load = client.make_load(**fields)
        if chance.random() < 0.4:
            client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
    with app.app_context():
        for number in range(1, 61):
            time = DAY.format(1 + number // 9)
            db.session.execute(update(Load).where(Load.id == number).values(created_at=time))
        db.session.commit()
    return [in_lists(client.get(f"/loads/{number}").json) for number in range(1, 61)]


FILTERS = {
    "status=OPEN": lambda load: load["status"] == "OPEN",
    "status=OPEN&status=CANCELLED": lambda _: True,
    "origin=reno,%20nv": lambda load: load["origin"] == "Reno, NV",
    "q=PO-5": lambda load: (load["reference"] or "").startswith("PO-5"),
    "q=ren": lambda load: load["origin"] == "Reno, NV",
    "origin=ren%25": lambda _: False,  # no pattern
    "destination=ulm": lambda load: load["destination"] == "Ulm",
    "cargoType=Milk": lambda load: load["cargoType"] == "Milk",
    "createdFrom=2026-03-03T13:00:00%2B01:00": lambda load: load["createdAt"] >= "2026-03-03T12",
    "createdTo=2026-03-05T12:00:00Z": lambda load: load["createdAt"] < "2026-03-05T12",
    "pickupFrom=2026-03-02T12:00:00Z": lambda load: (load["pickupAt"] or "") >= "2026-03-02T12",
    "pickupTo=2026-03-04T12:00:00Z": lambda load: (load["pickupAt"] or "a") < "2026-03-04T12",
    "reference=po%207": lambda load: load["reference"] == "PO-7",
}


def test_all_filters_together_work_in_both_orders_page_by_page(client, many):
    newest = sorted(many, key=lambda load: (load["createdAt"], load["id"]), reverse=True)
    soonest = sorted(many, key=lambda load: (load["pickupAt"] or "a", load["id"]))
    pairs = [
        pair for pair in combinations(FILTERS, 2) if len({of.partition("=")[0] for of in pair}) == 2
    ]
    for sort, rows in (("", newest), ("&sort=pickupAt", soonest)):
        for filters in [*((one,) for one in FILTERS), *pairs]:
            expected = [load for load in rows if all(FILTERS[each](load) for each in filters)]
            address = f"/loads?limit=20&{'&'.join(filters)}{sort}"
            assert list(chain(*pages(client, address))) == expected, address
    exported = client.get("/loads.csv?sort=pickupAt&pickupFrom=2026-03-01T00:00:00Z").text
    assert [int(row.split(",")[0]) for row in exported.splitlines()[1:]] == [
        load["id"] for load in soonest if load["pickupAt"]
    ]


def test_a_cursor_is_for_the_order_that_it_comes_from(client):
    for _ in range(2):
        client.make_load(pickupAt=DAY.format(1))
    by_pickup = client.get("/loads?limit=1&sort=pickupAt").headers["Link"]
    by_creation = client.get("/loads?limit=1").headers["Link"]
    for link, wrong in ((by_pickup, ""), (by_creation, "&sort=pickupAt")):
        cursor = link.partition("cursor=")[2].partition(">")[0].partition("&")[0]
        assert_invalid(client.get(f"/loads?cursor={cursor}{wrong}"), "cursor")

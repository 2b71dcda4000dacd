"""The contract of buses, tested in process and on Google's Pub/Sub emulator."""

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from billor.config import Config, ConfigError, load_config
from billor.events.bus import MAX_BATCHES, Bus, BusUnavailable, InProcessBus, connect_bus
from billor.events.event import Message
from billor.events.pubsub import PubSubBus
from tests.support.apps import NEEDED
from tests.support.bus import event_message, own_topic, pull_all_of
from tests.support.worker import wait_until

BUSES = {"in-process": InProcessBus, "pubsub": PubSubBus}


@pytest.fixture(params=BUSES)
def bus(request) -> Iterator[Bus]:
    emulator = {}
    if request.param == "pubsub":
        emulator = request.getfixturevalue("emulator_settings") | own_topic()
    bus = connect_bus(load_config(NEEDED | emulator))
    assert type(bus) is BUSES[request.param]
    assert bus.prepare() is True
    yield bus
    bus.close()


def delete_at_emulator(config: Config, kind: str, name: str) -> None:
    """Delete a topic or a subscription, by the emulator's REST API."""
    url = (
        f"http://{config.pubsub_emulator_host}/v1/projects/{config.pubsub_project_id}/{kind}/{name}"
    )
    with urlopen(Request(url, method="DELETE"), timeout=30):
        pass


def pull_one(bus: Bus):
    (delivery,) = wait_until(lambda: bus.pull(1))
    return delivery


def test_a_message_is_delivered_unchanged(bus):
    message = Message(b'\x00\xff {"city": "\xc5\x81\xc3\xb3d\xc5\xba"}', {"id": "7", "type": "ł"})
    bus.publish([message])
    assert pull_one(bus).message == message


def test_many_messages_all_arrive_and_acked_ones_do_not_come_again(bus):
    messages = [event_message() for _ in range(300)]
    bus.publish(messages)
    pulled = pull_all_of(bus, *messages)
    assert sorted(m.data for m in pulled) == sorted(m.data for m in messages)
    assert bus.pull(10) == []


def test_a_nacked_message_is_redelivered_beside_others(bus):
    first, second = event_message(), event_message()
    bus.publish([first])
    for _ in range(2):
        delivery = pull_one(bus)
        assert delivery.message == first
        bus.nack([delivery])
    bus.publish([second])
    pull_all_of(bus, first, second)


def test_only_the_first_preparation_is_of_a_new_subscription(bus):
    assert bus.prepare() is False
    bus.publish([message := event_message()])
    assert bus.prepare() is False
    pull_all_of(bus, message)


def test_a_deleted_topic_or_subscription_is_noticed_and_created_again(emulator_settings):
    config = load_config(NEEDED | emulator_settings | own_topic())
    bus = connect_bus(config)
    bus.prepare()
    delete_at_emulator(config, "topics", config.pubsub_topic)
    with pytest.raises(BusUnavailable):
        bus.publish([event_message()])
    assert [bus.prepare(), bus.prepare()] == [True, False]
    delete_at_emulator(config, "subscriptions", config.pubsub_subscription)
    with pytest.raises(BusUnavailable):
        bus.pull(1)
    assert bus.prepare() is True
    bus.publish([message := event_message()])
    pull_all_of(bus, message)
    bus.close()


def test_a_subscription_to_another_topic_is_left_to_its_owner(emulator_settings):
    theirs = NEEDED | emulator_settings | own_topic()
    ours = theirs | {"PUBSUB_TOPIC": own_topic()["PUBSUB_TOPIC"]}
    owner, intruder = (connect_bus(load_config(settings)) for settings in (theirs, ours))
    owner.prepare()
    owner.publish([message := event_message()])
    with pytest.raises(ConfigError, match="PUBSUB_SUBSCRIPTION"):
        intruder.prepare()
    pull_all_of(owner, message)
    for bus in (owner, intruder):
        bus.close()


def test_the_in_process_bus_is_bounded(monkeypatch):
    monkeypatch.setattr("billor.events.bus.PUT_SECONDS", 0.1)
    bus = InProcessBus()
    for _ in range(MAX_BATCHES):
        bus.publish([event_message()])
    with pytest.raises(BusUnavailable):
        bus.publish([event_message()])
    assert len(bus.pull(1)) == 1
    bus.publish([event_message()])

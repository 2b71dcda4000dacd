"""The contract of buses, tested in process and on Google's Pub/Sub emulator."""

from collections.abc import Callable, Iterator

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1

from billor.config import Config, ConfigError, load_config
from billor.events.bus import Bus
from billor.events.connect import connect_bus
from billor.events.event import Message
from billor.events.inprocess import InProcessBus, NotTaken
from billor.events.pubsub import PubSubBus
from tests.support.bus import TAKE_SECONDS, Inbox, event_message, own_topic, publishing

NEEDED = {
    "DATABASE_URL": "postgresql://unused/unused",
    "JWT_SECRET_KEY": "unused-but-long-enough-0123456789",
}
LEASE = "google.cloud.pubsub_v1.subscriber._protocol.histogram.MIN_ACK_DEADLINE"
BUSES = {"in-process": InProcessBus, "pubsub": PubSubBus}


@pytest.fixture(params=BUSES)
def bus_config(request, monkeypatch) -> Config:
    if request.param == "in-process":
        return load_config(NEEDED)
    emulator = request.getfixturevalue("emulator_settings")
    # The bus sets the variable; set here first, it is removed after the test.
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator["PUBSUB_EMULATOR_HOST"])
    return load_config(NEEDED | emulator | own_topic())


@pytest.fixture
def bus(bus_config) -> Iterator[Bus]:
    bus = connect_bus(bus_config)
    bus.prepare()
    yield bus
    bus.close()


@pytest.fixture
def subscribe(bus) -> Callable[[], Inbox]:
    """Subscribe a new inbox."""

    def subscribe() -> Inbox:
        inbox = Inbox()
        bus.subscribe(inbox.deliver, pytest.fail)
        return inbox

    return subscribe


def test_the_settings_choose_the_bus(request, bus):
    assert type(bus) is BUSES[request.node.callspec.params["bus_config"]]


def test_a_message_is_delivered_unchanged(bus, subscribe):
    inbox = subscribe()
    message = Message(b'\x00\xff {"city": "\xc5\x81\xc3\xb3d\xc5\xba"}', {"id": "7", "type": "ł"})
    with publishing(bus, message):
        delivery = inbox.take()
        assert delivery.message == message
        delivery.ack()


def test_many_messages_all_arrive(bus, subscribe):
    inbox, messages = subscribe(), [event_message() for _ in range(300)]
    with publishing(bus, *messages):
        inbox.take_all_of(*messages)


def test_a_nacked_message_is_redelivered(bus, subscribe):
    inbox, message = subscribe(), event_message()
    with publishing(bus, message):
        for _ in range(2):
            delivery = inbox.take()
            assert delivery.message == message
            delivery.nack()
        inbox.take_all_of(message)


def test_preparing_returns_whether_the_subscription_is_new(bus_config):
    buses = [connect_bus(bus_config) for _ in range(2)]
    for bus in buses:
        bus.prepare_topic()
    # In process, an undelivered message never counted as published.
    is_new = isinstance(buses[0], PubSubBus)
    assert [bus.prepare() for bus in buses * 2] == [is_new, False, False, False]
    for bus in buses:
        bus.close()


def test_a_recreated_topic_gets_its_subscription_back(emulator_settings, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator_settings["PUBSUB_EMULATOR_HOST"])
    bus = connect_bus(load_config(NEEDED | emulator_settings | own_topic()))
    bus.prepare()
    with pubsub_v1.PublisherClient() as publisher:
        publisher.delete_topic(topic=bus._topic)
    bus.prepare_topic()
    lost, message, inbox = event_message(), event_message(), Inbox()
    bus.publish([lost]).result(TAKE_SECONDS)
    assert [bus.prepare(), bus.prepare()] == [True, False]
    bus.subscribe(inbox.deliver, pytest.fail)
    with publishing(bus, message):
        assert inbox.take_all_of(message) == [message.data]
    bus.close()


def test_a_subscription_to_another_topic_is_left_to_its_owner(emulator_settings, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator_settings["PUBSUB_EMULATOR_HOST"])
    theirs = NEEDED | emulator_settings | own_topic()
    ours = theirs | {"PUBSUB_TOPIC": own_topic()["PUBSUB_TOPIC"]}
    owner, intruder = (connect_bus(load_config(settings)) for settings in (theirs, ours))
    owner.prepare()
    message, inbox = event_message(), Inbox()
    owner.publish([message]).result(TAKE_SECONDS)
    with pytest.raises(ConfigError, match="PUBSUB_SUBSCRIPTION"):
        intruder.prepare()
    owner.subscribe(inbox.deliver, pytest.fail)
    inbox.take_all_of(message)
    for bus in (owner, intruder):
        bus.close()


def test_a_deleted_subscription_has_lost_its_messages(bus_config, bus, subscribe):
    bus.ping()
    is_stored = isinstance(bus, PubSubBus)
    if is_stored:  # in process, a message without a subscriber does not count as published
        bus.publish([event_message()]).result(TAKE_SECONDS)
    for _ in range(2):
        bus.delete_subscription()
    if is_stored:
        with pytest.raises(NotFound):
            bus.ping()
    assert bus.prepare() is is_stored
    inbox, message = subscribe(), event_message()
    with publishing(bus, message):
        assert inbox.take_all_of(message) == [message.data]


def test_preparing_again_is_harmless(bus_config, bus, subscribe):
    inbox, before, after = subscribe(), event_message(), event_message()
    with publishing(bus, before):
        inbox.take_all_of(before)
    other = connect_bus(bus_config)
    other.prepare()
    other.close()
    bus.prepare()
    with publishing(bus, after):
        inbox.take_all_of(after)


def test_messages_unsettled_at_unsubscribing_go_to_the_next_subscriber(bus, subscribe, monkeypatch):
    # Google's client leases a message for ten seconds. Without this patch the test only takes
    # longer, hence no error if the name changes.
    monkeypatch.setattr(LEASE, 1, raising=False)
    first, done, held, late = subscribe(), *(event_message() for _ in range(3))
    with publishing(bus, done):
        first.take_all_of(done)
    with publishing(bus, held):
        assert first.take().message == held
        bus.unsubscribe()
        with publishing(bus, late):
            second = subscribe()
            taken = second.take_all_of(held, late)
    assert first.is_empty
    assert done.data not in taken


def test_a_new_subscriber_gets_every_message_after_others_have_left(bus, subscribe):
    for _ in range(3):
        left, message = subscribe(), event_message()
        with publishing(bus, message):
            left.take_all_of(message)
        bus.unsubscribe()
    inbox, messages = subscribe(), [event_message() for _ in range(30)]
    with publishing(bus, *messages):
        inbox.take_all_of(*messages)
    assert left.is_empty


def test_unsubscribing_without_a_subscription_is_harmless(bus, subscribe):
    bus.unsubscribe()
    inbox, message = subscribe(), event_message()
    with publishing(bus, message):
        inbox.take_all_of(message)
    bus.unsubscribe()
    bus.unsubscribe()


def test_closing_settles_pending_messages_and_ends_deliveries(bus_config):
    bus, inbox, failures = connect_bus(bus_config), Inbox(), []
    bus.prepare()
    bus.subscribe(inbox.deliver, failures.append)
    published = [bus.publish([event_message(), event_message()]) for _ in range(10)]
    bus.close()
    refusals = [refusal for future in published for refusal in future.result(TAKE_SECONDS)]
    expected = type(None) if isinstance(bus, PubSubBus) else NotTaken
    assert [type(refusal) for refusal in refusals] == [expected] * 20
    assert failures == []


def test_a_batch_larger_than_a_request_may_be_is_published(emulator_settings, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator_settings["PUBSUB_EMULATOR_HOST"])
    bus, inbox = connect_bus(load_config(NEEDED | emulator_settings | own_topic())), Inbox()
    bus.prepare()
    bus.subscribe(inbox.deliver, pytest.fail)
    messages = [event_message(payload={"text": "x" * 900_000}) for _ in range(12)]
    assert bus.publish(messages).result(TAKE_SECONDS) == [None] * 12
    inbox.take_all_of(*messages)
    bus.close()


def test_the_in_process_bus_refuses_messages_without_a_subscriber():
    bus = InProcessBus()

    def refusals() -> list[type]:
        published = bus.publish([event_message(), event_message()])
        return [type(refusal) for refusal in published.result(timeout=0)]

    assert refusals() == [NotTaken] * 2
    bus.subscribe(pytest.fail, pytest.fail)
    bus.unsubscribe()
    assert refusals() == [NotTaken] * 2


def test_in_process_publishing_completes_when_the_subscriber_has_settled_all():
    bus, inbox = InProcessBus(), Inbox()
    bus.subscribe(inbox.deliver, pytest.fail)
    published = bus.publish([event_message(), event_message()])
    inbox.take().nack()
    assert not published.done()
    inbox.take().ack()
    assert [type(refusal) for refusal in published.result(timeout=0)] == [NotTaken, type(None)]

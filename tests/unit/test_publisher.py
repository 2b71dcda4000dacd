"""The Pub/Sub bus against mocks of Google's clients: its calls, and their order.

Its behaviour on the emulator is tested in test_buses.
"""

import os
from concurrent.futures import Future
from unittest.mock import create_autospec

import pytest
from google.api_core.exceptions import AlreadyExists, PermissionDenied, ServiceUnavailable
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber._protocol.streaming_pull_manager import (
    StreamingPullManager,
)
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message as PubSubMessage
from google.pubsub_v1 import Subscription
from google.pubsub_v1.services.publisher.transports.base import PublisherTransport

from billor.config import Config, ConfigError, load_config
from billor.events import pubsub
from billor.events.pubsub import RPC_SECONDS, PubSubBus
from tests.support.bus import event_message

TOPIC = "projects/a-project/topics/load-events"
SUBSCRIPTION = "projects/a-project/subscriptions/load-events-audit"


def make_config(**more: str) -> Config:
    return load_config(
        {
            "DATABASE_URL": "postgresql://unused/unused",
            "JWT_SECRET_KEY": "unused-but-long-enough-0123456789",
            "PUBSUB_PROJECT_ID": "a-project",
            **more,
        }
    )


@pytest.fixture(autouse=True)
def _no_emulator(monkeypatch):
    """The bus may set the variable; set here first, it is restored after the test."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "")


@pytest.fixture
def publisher(monkeypatch):
    """The bus's publisher client."""
    made = create_autospec(pubsub_v1.PublisherClient, instance=True)
    made.topic_path = pubsub_v1.PublisherClient.topic_path
    made.transport = create_autospec(PublisherTransport, instance=True)
    monkeypatch.setattr(pubsub_v1, "PublisherClient", lambda batch_settings: made)
    return made


@pytest.fixture
def subscriber(monkeypatch):
    made = create_autospec(pubsub_v1.SubscriberClient, instance=True)
    made.subscription_path = pubsub_v1.SubscriberClient.subscription_path
    monkeypatch.setattr(pubsub_v1, "SubscriberClient", lambda transport=None: made)
    return made


@pytest.fixture
def bus(publisher, subscriber) -> PubSubBus:
    return PubSubBus(make_config())


class Stream:
    """A streaming pull: Google's future over a mock of its manager."""

    def __init__(self):
        self.manager = create_autospec(StreamingPullManager, instance=True)
        self.future = StreamingPullFuture(self.manager)
        (self._on_close,) = self.manager.add_close_callback.call_args.args
        self.manager.close.side_effect = self.end

    def end(self, error: Exception | None = None) -> None:
        self._on_close(self.manager, error)


@pytest.fixture
def stream(subscriber) -> Stream:
    """The stream of the bus's subscription."""
    made = Stream()
    subscriber.subscribe.return_value = made.future
    return made


def test_topic_and_subscription_are_created_in_the_project(bus, publisher, subscriber):
    assert bus.prepare() is True, "it is new"
    assert publisher.create_topic.call_args.kwargs["name"] == TOPIC
    assert publisher.create_topic.call_args.kwargs["timeout"] == RPC_SECONDS
    request = subscriber.create_subscription.call_args.kwargs["request"]
    assert (request["name"], request["topic"]) == (SUBSCRIPTION, TOPIC)
    assert request["expiration_policy"] == {}, "a subscription never expires"
    assert subscriber.create_subscription.call_args.kwargs["timeout"] == RPC_SECONDS


def test_settings_name_another_topic_and_subscription(publisher, subscriber):
    for more, subscription in (({"PUBSUB_SUBSCRIPTION": "log"}, "log"), ({}, "trucks-audit")):
        PubSubBus(make_config(PUBSUB_TOPIC="trucks", **more)).prepare()
        assert publisher.create_topic.call_args.kwargs["name"] == "projects/a-project/topics/trucks"
        request = subscriber.create_subscription.call_args.kwargs["request"]
        assert request["name"] == f"projects/a-project/subscriptions/{subscription}"


@pytest.mark.parametrize("error", [AlreadyExists("it is there"), PermissionDenied("not yours")])
def test_an_existing_or_forbidden_topic_or_subscription_is_used_as_is(
    bus, publisher, subscriber, error
):
    publisher.create_topic.side_effect = error
    subscriber.create_subscription.side_effect = error
    subscriber.get_subscription.return_value = Subscription(topic=TOPIC)
    assert bus.prepare() is False, "it is not new"
    subscriber.create_subscription.assert_called_once()


def test_a_subscription_to_another_topic_is_refused_naming_both_settings(bus, subscriber):
    subscriber.create_subscription.side_effect = AlreadyExists("it is there")
    subscriber.get_subscription.return_value = Subscription(topic="projects/a-project/topics/other")
    with pytest.raises(ConfigError, match=r"PUBSUB_SUBSCRIPTION.*other.*PUBSUB_TOPIC[^\n]*\Z"):
        bus.prepare()
    subscriber.delete_subscription.assert_not_called()


def test_a_subscription_that_may_not_be_read_is_used_as_is(bus, subscriber):
    subscriber.create_subscription.side_effect = AlreadyExists("it is there")
    subscriber.get_subscription.side_effect = PermissionDenied("not yours")
    assert bus.prepare() is False
    subscriber.delete_subscription.assert_not_called()


def test_preparing_only_the_topic_creates_no_subscription(bus, publisher, subscriber):
    bus.prepare_topic()
    publisher.create_topic.assert_called_once()
    subscriber.create_subscription.assert_not_called()


@pytest.mark.parametrize("what", ["topic", "subscription"])
def test_any_other_error_is_raised(bus, publisher, subscriber, what):
    call = {"topic": publisher.create_topic, "subscription": subscriber.create_subscription}[what]
    call.side_effect = ServiceUnavailable("away")
    with pytest.raises(ServiceUnavailable):
        bus.prepare()


def test_a_message_is_published_with_its_attributes_and_a_timeout(bus, publisher):
    publisher.publish.return_value = Future()
    message = event_message()
    assert bus.publish(message) is publisher.publish.return_value

    ((topic, data), options) = publisher.publish.call_args
    assert (topic, data) == (TOPIC, message.data)
    assert options.pop("timeout") == RPC_SECONDS
    assert options.pop("retry").timeout == RPC_SECONDS, "Google's default is ten minutes"
    assert options == message.attributes


def test_a_received_message_is_settled_only_by_the_subscriber(bus, subscriber, stream):
    delivered = []
    bus.subscribe(delivered.append, pytest.fail)
    (subscription,), options = subscriber.subscribe.call_args
    assert subscription == SUBSCRIPTION

    received = [create_autospec(PubSubMessage, instance=True) for _ in range(2)]
    for number, message in enumerate(received):
        message.data = b"data %d" % number
        message.attributes = {"id": str(number)}
        options["callback"](message)

    assert [delivery.message.data for delivery in delivered] == [b"data 0", b"data 1"]
    assert [delivery.message.attributes for delivery in delivered] == [{"id": "0"}, {"id": "1"}]
    for message in received:
        message.ack.assert_not_called()
        message.nack.assert_not_called()

    delivered[0].ack()
    delivered[1].nack()
    received[0].ack.assert_called_once_with()
    received[0].nack.assert_not_called()
    received[1].nack.assert_called_once_with()
    received[1].ack.assert_not_called()


def test_a_failed_stream_is_reported_once(bus, stream):
    failures = []
    bus.subscribe(pytest.fail, failures.append)
    error = PermissionDenied("not yours any more")
    stream.end(error)
    stream.end(error)
    bus.close()
    assert failures == [error]


@pytest.mark.parametrize("error", [None, ServiceUnavailable("while leaving")])
def test_closing_is_no_failure_however_the_stream_ends(bus, stream, error):
    failures = []
    bus.subscribe(pytest.fail, failures.append)
    stream.manager.close.side_effect = lambda: stream.end(error)
    bus.close()
    stream.manager.close.assert_called_once()
    assert failures == []


def test_closing_times_out_on_a_stream_that_does_not_end(bus, subscriber, stream, monkeypatch):
    monkeypatch.setattr(pubsub, "END_SECONDS", 0.01)
    bus.subscribe(pytest.fail, pytest.fail)
    stream.manager.close.side_effect = None
    bus.close()
    subscriber.close.assert_called_once_with()


def test_closing_ends_the_stream_then_the_publisher_then_the_connections(
    bus, publisher, subscriber, stream
):
    calls = []
    bus.subscribe(pytest.fail, pytest.fail)

    def end_stream():
        calls.append("stream")
        stream.end()

    stream.manager.close.side_effect = end_stream
    for name, call in (
        ("publisher", publisher.stop),
        ("publisher's connection", publisher.transport.close),
        ("subscriber's connection", subscriber.close),
    ):
        call.side_effect = lambda name=name: calls.append(name)
    bus.close()
    assert calls == ["stream", "publisher", "publisher's connection", "subscriber's connection"]


@pytest.mark.parametrize("address", ["emulator:8085", ""])
def test_googles_clients_get_the_emulators_address(publisher, subscriber, address):
    PubSubBus(make_config(PUBSUB_EMULATOR_HOST=address))
    assert os.environ["PUBSUB_EMULATOR_HOST"] == address

"""The Pub/Sub bus against mocks of Google's clients: its calls, and their order.

Its behaviour on the emulator is tested in test_buses.
"""

import os
from functools import partial
from threading import Semaphore
from unittest.mock import create_autospec

import pytest
from google import pubsub_v1 as gapic
from google.api_core.exceptions import (
    AlreadyExists,
    InvalidArgument,
    PermissionDenied,
    ServiceUnavailable,
)
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
from billor.events.pubsub import RPC_SECONDS, STREAMS, PubSubBus
from tests.support.bus import event_message

TOPIC = "projects/a-project/topics/load-events"
SUBSCRIPTION = "projects/a-project/subscriptions/load-events-audit"
SECONDS = 10
"""For an answer that comes at once."""


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
    made = create_autospec(gapic.PublisherClient, instance=True)
    made.transport = create_autospec(PublisherTransport, instance=True)
    monkeypatch.setattr(gapic, "PublisherClient", lambda transport=None: made)
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
def streams(subscriber) -> list[Stream]:
    """The streams of the bus's subscription."""
    made = [Stream() for _ in range(STREAMS)]
    subscriber.subscribe.side_effect = [stream.future for stream in made]
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


def test_messages_are_published_in_one_request_with_a_timeout(bus, publisher):
    messages = [event_message(), event_message()]
    assert bus.publish(messages).result(SECONDS) == [None, None]

    (request,), options = publisher.publish.call_args
    assert options["timeout"] == RPC_SECONDS
    assert options["retry"].timeout == RPC_SECONDS, "Google's default is ten minutes"
    assert request == {
        "topic": TOPIC,
        "messages": [{"data": m.data, "attributes": m.attributes} for m in messages],
    }


def test_an_invalid_message_is_refused_alone(bus, publisher):
    messages = [event_message() for _ in range(7)]
    error, published = InvalidArgument("too large"), []

    def publish(request, **_):
        data = [message["data"] for message in request["messages"]]
        if invalid in data:
            raise error
        published.extend(data)

    invalid = messages[4].data
    publisher.publish.side_effect = publish
    assert bus.publish(messages).result(SECONDS) == [None] * 4 + [error] + [None] * 2
    assert published == [message.data for message in messages if message.data != invalid]


def test_an_unavailable_service_accepts_no_message_and_is_asked_once(bus, publisher):
    publisher.publish.side_effect = error = ServiceUnavailable("away")
    assert bus.publish([event_message(), event_message()]).exception(SECONDS) is error
    publisher.publish.assert_called_once()


def test_a_received_message_is_settled_only_by_the_subscriber(bus, subscriber, streams):
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


def test_failed_streams_are_reported_once(bus, streams):
    failures = []
    bus.subscribe(pytest.fail, failures.append)
    error = PermissionDenied("not yours any more")
    for stream in streams:
        stream.end(error)
    bus.close()
    assert failures == [error]


@pytest.mark.parametrize("error", [None, ServiceUnavailable("while leaving")])
def test_closing_is_no_failure_however_the_stream_ends(bus, streams, error):
    failures = []
    bus.subscribe(pytest.fail, failures.append)
    for stream in streams:
        stream.manager.close.side_effect = lambda stream=stream: stream.end(error)
    bus.close()
    for stream in streams:
        stream.manager.close.assert_called_once()
    assert failures == []


def test_closing_times_out_on_a_stream_that_does_not_end(bus, subscriber, streams, monkeypatch):
    monkeypatch.setattr(pubsub, "END_SECONDS", 0.01)
    bus.subscribe(pytest.fail, pytest.fail)
    for stream in streams:
        stream.manager.close.side_effect = None
    bus.close()
    subscriber.close.assert_called_once_with()


def test_closing_ends_streams_then_publishing_then_connections(bus, publisher, subscriber, streams):
    calls, ended = [], Semaphore(0)
    bus.subscribe(pytest.fail, pytest.fail)

    def end(stream):
        calls.append("stream")
        stream.end()
        ended.release()

    def publish(*_, **__):
        for _stream in streams:
            assert ended.acquire(timeout=SECONDS)
        calls.append("published")

    for stream in streams:
        stream.manager.close.side_effect = partial(end, stream)
    publisher.publish.side_effect = publish
    bus.publish([event_message()])
    for name, call in (
        ("publisher's connection", publisher.transport.close),
        ("subscriber's connection", subscriber.close),
    ):
        call.side_effect = lambda name=name: calls.append(name)
    bus.close()
    assert calls[-3:] == ["published", "publisher's connection", "subscriber's connection"]
    assert calls[:-3] == ["stream"] * STREAMS


@pytest.mark.parametrize("address", ["emulator:8085", ""])
def test_googles_clients_get_the_emulators_address(publisher, subscriber, address):
    PubSubBus(make_config(PUBSUB_EMULATOR_HOST=address))
    assert os.environ["PUBSUB_EMULATOR_HOST"] == address

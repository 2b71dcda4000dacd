"""The Pub/Sub bus against mocks of Google's clients. Its behaviour is tested in test_buses."""

from unittest.mock import create_autospec

import pytest
from google.api_core.exceptions import DeadlineExceeded, PermissionDenied, ServiceUnavailable
from google.pubsub_v1 import PublisherClient, SubscriberClient

from billor.config import load_config
from billor.events import pubsub
from billor.events.bus import BusUnavailable
from billor.events.pubsub import RPC_SECONDS, PubSubBus
from tests.support.apps import NEEDED
from tests.support.bus import event_message

TOPIC = "projects/a-project/topics/load-events"
SUBSCRIPTION = "projects/a-project/subscriptions/load-events-audit"


@pytest.fixture
def publisher(monkeypatch):
    """The bus's publisher client."""
    client = create_autospec(PublisherClient)
    client.topic_path = PublisherClient.topic_path
    monkeypatch.setattr(pubsub, "PublisherClient", client)
    return client.return_value


@pytest.fixture
def subscriber(monkeypatch):
    client = create_autospec(SubscriberClient)
    client.subscription_path = SubscriberClient.subscription_path
    monkeypatch.setattr(pubsub, "SubscriberClient", client)
    return client.return_value


@pytest.fixture
def bus(publisher, subscriber) -> PubSubBus:
    return PubSubBus(load_config(NEEDED | {"PUBSUB_PROJECT_ID": "a-project"}))


def test_a_batch_is_published_with_one_call_of_limited_time(bus, publisher):
    messages = [event_message(), event_message()]
    bus.publish(messages)
    ((request,), options) = publisher.publish.call_args
    assert request == {
        "topic": TOPIC,
        "messages": [{"data": m.data, "attributes": m.attributes} for m in messages],
    }
    assert options["timeout"] == RPC_SECONDS
    publisher.publish.assert_called_once()


def test_a_failed_call_means_that_the_bus_is_away(bus, publisher, subscriber):
    publisher.publish.side_effect = ServiceUnavailable("not now")
    with pytest.raises(BusUnavailable, match="ServiceUnavailable: 503 not now"):
        bus.publish([event_message()])
    subscriber.pull.side_effect = ServiceUnavailable("not now")
    with pytest.raises(BusUnavailable):
        bus.pull(10)


def test_a_pull_without_an_answer_in_time_has_no_messages(bus, subscriber):
    subscriber.pull.side_effect = DeadlineExceeded("nothing came")
    assert bus.pull(10) == []


def test_topic_and_subscription_are_created(bus, publisher, subscriber):
    assert bus.prepare() is True
    assert publisher.create_topic.call_args.kwargs["name"] == TOPIC
    request = subscriber.create_subscription.call_args.kwargs["request"]
    assert (request["name"], request["topic"]) == (SUBSCRIPTION, TOPIC)
    assert request["expiration_policy"] == {}, "it never expires"


def test_without_the_right_to_create_what_exists_is_used(bus, publisher, subscriber):
    publisher.create_topic.side_effect = PermissionDenied("no")
    subscriber.create_subscription.side_effect = PermissionDenied("no")
    assert bus.prepare() is False

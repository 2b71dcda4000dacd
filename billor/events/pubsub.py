"""The bus on Google Cloud Pub/Sub, or on its emulator if PUBSUB_EMULATOR_HOST is set.

It pulls batches (https://cloud.google.com/pubsub/docs/pull#unary_pull), as the consumer records
batches. With a streaming pull, the emulator keeps sending messages to the stream of a consumer that
was killed or that cancelled it, and each of these waits for its ack deadline, again and again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from billor.config import Config, ConfigError
from billor.events.bus import BusUnavailable, Delivery
from billor.events.event import Message

# Timeout of one call to Pub/Sub, retries included. Shorter than PostgreSQL's `lock_timeout`, since
# the relay locks events while it publishes them.
RPC_SECONDS = 4
OPTIONS: dict[str, Any] = {"retry": Retry(timeout=RPC_SECONDS), "timeout": RPC_SECONDS}
PULL_SECONDS = 2  # Pub/Sub answers an idle pull with no messages a moment before this
ACK_DEADLINE_SECONDS = 10  # how long after a consumer's death its messages are redelivered
# The topic of a subscription after its own was deleted
# (https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions).
DELETED_TOPIC = "_deleted-topic_"


class PubSubBus:
    def __init__(self, config: Config):
        for_publisher, for_subscriber = _transports(config.pubsub_emulator_host)
        try:
            self._publisher = PublisherClient(**for_publisher)
            self._subscriber = SubscriberClient(**for_subscriber)
        except DefaultCredentialsError as error:
            raise ConfigError(
                "PUBSUB_PROJECT_ID is set, and Google Cloud credentials were not found: see "
                "https://cloud.google.com/docs/authentication/application-default-credentials."
            ) from error
        project = str(config.pubsub_project_id)
        self._topic = PublisherClient.topic_path(project, config.pubsub_topic)
        self._subscription = SubscriberClient.subscription_path(project, config.pubsub_subscription)

    def prepare(self) -> bool:
        with _errors_mapped():
            # A role that may only publish or consume needs an existing topic and subscription.
            with suppress(exceptions.AlreadyExists, exceptions.PermissionDenied):
                self._publisher.create_topic(name=self._topic, **OPTIONS)
            try:
                return self._prepare_subscription()
            except exceptions.PermissionDenied:
                return False

    def _prepare_subscription(self) -> bool:
        try:
            self._create_subscription()
        except exceptions.AlreadyExists:
            topic = self._subscriber.get_subscription(
                subscription=self._subscription, **OPTIONS
            ).topic
            if topic == self._topic:
                return False
            if topic != DELETED_TOPIC:
                raise ConfigError(
                    f"PUBSUB_SUBSCRIPTION names {self._subscription}, which is subscribed to "
                    f"{topic} and not to PUBSUB_TOPIC, {self._topic}: name another one."
                ) from None
            # It does not get messages of our topic, which was created again since.
            self._subscriber.delete_subscription(subscription=self._subscription, **OPTIONS)
            self._create_subscription()
        return True

    def _create_subscription(self) -> None:
        self._subscriber.create_subscription(
            request={
                "name": self._subscription,
                "topic": self._topic,
                "ack_deadline_seconds": ACK_DEADLINE_SECONDS,
                "expiration_policy": {},  # never: the worker may be off for a long time
            },
            **OPTIONS,
        )

    def publish(self, messages: Sequence[Message]) -> None:
        request = {
            "topic": self._topic,
            "messages": [{"data": m.data, "attributes": m.attributes} for m in messages],
        }
        with _errors_mapped():
            self._publisher.publish(request, **OPTIONS)

    def pull(self, max_messages: int) -> list[Delivery]:
        with _errors_mapped():
            try:
                response = self._subscriber.pull(
                    subscription=self._subscription,
                    max_messages=max_messages,
                    retry=None,
                    timeout=PULL_SECONDS,
                )
            except exceptions.DeadlineExceeded:
                return []
        return [
            Delivery(Message(each.message.data, dict(each.message.attributes)), each.ack_id)
            for each in response.received_messages
        ]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        with _errors_mapped():
            self._subscriber.acknowledge(
                subscription=self._subscription,
                ack_ids=[delivery.ack_id for delivery in deliveries],
                **OPTIONS,
            )

    def nack(self, deliveries: Sequence[Delivery]) -> None:
        with _errors_mapped():
            self._subscriber.modify_ack_deadline(
                subscription=self._subscription,
                ack_ids=[delivery.ack_id for delivery in deliveries],
                ack_deadline_seconds=0,
                **OPTIONS,
            )

    def close(self) -> None:
        self._publisher.transport.close()
        self._subscriber.transport.close()


def _transports(emulator: str | None) -> tuple[dict, dict]:
    """Return options for publisher and subscriber clients: none but with an emulator.

    Then messages of any size are received, as from Google Cloud. By default one over 4 MB fails
    the pull, and so all that come with it.
    """
    if emulator is None:
        return {}, {}
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
    return (
        {"transport": PublisherGrpcTransport(channel=grpc.insecure_channel(emulator, unlimited))},
        {"transport": SubscriberGrpcTransport(channel=grpc.insecure_channel(emulator, unlimited))},
    )


@contextmanager
def _errors_mapped() -> Iterator[None]:
    try:
        yield
    except (exceptions.GoogleAPIError, GoogleAuthError, grpc.RpcError) as error:
        raise BusUnavailable(f"{type(error).__name__}: {error}") from error

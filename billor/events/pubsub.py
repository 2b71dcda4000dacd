"""Google Cloud Pub/Sub, or its emulator: the same code, told apart by PUBSUB_EMULATOR_HOST."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import grpc
from google.api_core.exceptions import AlreadyExists, PermissionDenied
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message as PubSubMessage
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from billor.config import Config, ConfigError
from billor.events.bus import Delivery
from billor.events.event import Message

RPC_SECONDS = 4
"""How long one call to Pub/Sub may take, its retries included."""
RETRY = Retry(timeout=RPC_SECONDS)
END_SECONDS = 1
"""How long the end of deliveries is waited for; what is not acked by then comes again."""
ACK_DEADLINE_SECONDS = 10
"""How long after a consumer died its messages go to another; live ones are given more time."""
MAX_OUTSTANDING = 1000
"""How many messages may be on their way in one consumer."""
DELETED_TOPIC = "_deleted-topic_"
"""What a subscription is to once its topic was deleted
(https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions)."""


class _Delivery:
    def __init__(self, received: PubSubMessage):
        self._received = received
        self.message = Message(received.data, dict(received.attributes))

    def ack(self) -> None:
        self._received.ack()

    def nack(self) -> None:
        self._received.nack()


def _end_stream(pull: StreamingPullFuture) -> None:
    """Close our half of the stream and let the emulator close its own.

    The emulator never forgets a stream that was cancelled, as `cancel()` does, and goes on
    sending it its share of the messages, which then wait out their ack deadline one by one.
    The client has no public way to end a stream instead.
    """
    manager = pull._StreamingPullFuture__manager
    manager._rpc._request_queue.put(None)
    with suppress(TimeoutError):
        pull.exception(timeout=END_SECONDS)


def _subscriber_options(config: Config) -> dict[str, SubscriberGrpcTransport]:
    """Return options that let the client receive any message from an emulator.

    By itself it receives none over 4 MB: the stream breaks, and with it the delivery of all
    others. From Google Cloud it receives any.
    """
    if config.pubsub_emulator_host is None:
        return {}
    unlimited = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(config.pubsub_emulator_host, unlimited)
    return {"transport": SubscriberGrpcTransport(channel=channel)}


class PubSubBus:
    """One topic and one subscription, both made if they are not there."""

    def __init__(self, config: Config):
        self._emulated = config.pubsub_emulator_host is not None
        if config.pubsub_emulator_host is not None:
            # Google's clients look for it only here; it may have come from a file.
            os.environ["PUBSUB_EMULATOR_HOST"] = config.pubsub_emulator_host
        try:
            self._connect(config)
        except DefaultCredentialsError as error:
            raise ConfigError(
                "PUBSUB_PROJECT_ID is set, and Google Cloud credentials were not found: see "
                "https://cloud.google.com/docs/authentication/application-default-credentials."
            ) from error

    def _connect(self, config: Config) -> None:
        self._publisher = pubsub_v1.PublisherClient(
            batch_settings=pubsub_v1.types.BatchSettings(max_messages=200, max_latency=0.005)
        )
        self._subscriber = pubsub_v1.SubscriberClient(**_subscriber_options(config))
        self._topic = self._publisher.topic_path(config.pubsub_project_id, config.pubsub_topic)
        self._subscription = self._subscriber.subscription_path(
            config.pubsub_project_id, config.pubsub_subscription
        )
        self._pull: StreamingPullFuture | None = None

    def prepare_topic(self) -> None:
        # Whoever may only publish and subscribe is given topic and subscription ready-made.
        with suppress(AlreadyExists, PermissionDenied):
            self._publisher.create_topic(name=self._topic, retry=RETRY, timeout=RPC_SECONDS)

    def prepare(self) -> bool:
        self.prepare_topic()
        with suppress(PermissionDenied):
            try:
                self._create_subscription()
            except AlreadyExists:
                topic = self._subscribed_topic()
                if topic == self._topic:
                    return False
                if topic != DELETED_TOPIC:
                    raise ConfigError(
                        f"PUBSUB_SUBSCRIPTION names {self._subscription}, which is subscribed to "
                        f"{topic} and not to PUBSUB_TOPIC, {self._topic}: name another one."
                    ) from None
                # What is published to our topic, made again since, does not arrive there.
                self._subscriber.delete_subscription(
                    subscription=self._subscription, retry=RETRY, timeout=RPC_SECONDS
                )
                self._create_subscription()
            return True
        return False

    def _create_subscription(self) -> None:
        self._subscriber.create_subscription(
            request={
                "name": self._subscription,
                "topic": self._topic,
                "ack_deadline_seconds": ACK_DEADLINE_SECONDS,
                # A worker may be off for a long time; its subscription stays.
                "expiration_policy": {},
            },
            retry=RETRY,
            timeout=RPC_SECONDS,
        )

    def _subscribed_topic(self) -> str:
        subscription = self._subscriber.get_subscription(
            subscription=self._subscription, retry=RETRY, timeout=RPC_SECONDS
        )
        return subscription.topic

    def publish(self, message: Message) -> Future:
        return self._publisher.publish(
            self._topic,
            message.data,
            retry=RETRY,
            timeout=RPC_SECONDS,
            **message.attributes,
        )

    def subscribe(
        self, on_delivery: Callable[[Delivery], None], on_failure: Callable[[Exception], None]
    ) -> None:
        stream = self._subscriber.subscribe(
            self._subscription,
            callback=lambda received: on_delivery(_Delivery(received)),
            flow_control=pubsub_v1.types.FlowControl(
                max_messages=MAX_OUTSTANDING,
                # Without it the client asks for a minute, whatever the subscription says.
                max_duration_per_lease_extension=ACK_DEADLINE_SECONDS,
            ),
            await_callbacks_on_shutdown=True,
        )

        def tell_failure(ended: StreamingPullFuture) -> None:
            if (error := ended.exception()) and self._pull is ended:
                on_failure(error)

        self._pull = stream
        stream.add_done_callback(tell_failure)

    def unsubscribe(self) -> None:
        pull, self._pull = self._pull, None
        if pull is None or pull.done():
            return
        if self._emulated:
            _end_stream(pull)
        if not pull.done():
            pull.cancel()
            with suppress(TimeoutError):
                pull.exception(timeout=END_SECONDS)

    def close(self) -> None:
        self.unsubscribe()
        self._publisher.stop()
        self._publisher.transport.close()
        self._subscriber.close()

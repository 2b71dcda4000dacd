"""The bus on Google Cloud Pub/Sub, or on its emulator if PUBSUB_EMULATOR_HOST is set."""

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

# Timeout of one call to Pub/Sub, retries included.
RPC_SECONDS = 4
RETRY = Retry(timeout=RPC_SECONDS)
# How long to wait for deliveries to end. Messages not acked by then are redelivered.
END_SECONDS = 1
# How long after a consumer's death its messages are redelivered. Live consumers extend leases.
ACK_DEADLINE_SECONDS = 10
# Limit of unsettled messages in one consumer.
MAX_OUTSTANDING = 1000
# The topic of a subscription after its own was deleted
# (https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions).
DELETED_TOPIC = "_deleted-topic_"


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

    The emulator never forgets a stream that `cancel()` cancelled: it keeps sending it a share of
    the messages, and each of these waits for its ack deadline. The client has no public way to
    close a stream.
    """
    manager = pull._StreamingPullFuture__manager
    manager._rpc._request_queue.put(None)
    with suppress(TimeoutError):
        pull.exception(timeout=END_SECONDS)


def _subscriber_options(config: Config) -> dict[str, SubscriberGrpcTransport]:
    """Return options that let the client receive messages of any size from an emulator.

    By default a message over 4 MB breaks the stream, and with it all other deliveries. From Google
    Cloud the client receives any size.
    """
    if config.pubsub_emulator_host is None:
        return {}
    unlimited = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(config.pubsub_emulator_host, unlimited)
    return {"transport": SubscriberGrpcTransport(channel=channel)}


class PubSubBus:
    """A bus on one topic and one subscription, both created if missing."""

    def __init__(self, config: Config):
        self._emulated = config.pubsub_emulator_host is not None
        if config.pubsub_emulator_host is not None:
            # Google's clients read it only here; ours may come from a file.
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
        # A role that may only publish and subscribe needs an existing topic and subscription.
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
                # It does not get messages of our topic, which was recreated since.
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
                # Never expire: the worker may be off for a long time.
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
                # By default the client asks for a minute, regardless of the subscription.
                max_duration_per_lease_extension=ACK_DEADLINE_SECONDS,
            ),
            await_callbacks_on_shutdown=True,
        )

        def report_failure(ended: StreamingPullFuture) -> None:
            if (error := ended.exception()) and self._pull is ended:
                on_failure(error)

        self._pull = stream
        stream.add_done_callback(report_failure)

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

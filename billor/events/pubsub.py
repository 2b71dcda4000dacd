"""The bus on Google Cloud Pub/Sub, or on its emulator if PUBSUB_EMULATOR_HOST is set."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import Queue
from threading import Lock

import grpc
from google import pubsub_v1 as gapic
from google.api_core.exceptions import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message as PubSubMessage
from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from billor.config import Config, ConfigError
from billor.events.bus import Delivery, Outcome
from billor.events.event import Message

# Timeout of one call to Pub/Sub, retries included.
RPC_SECONDS = 4
RETRY = Retry(timeout=RPC_SECONDS)
# How long to wait for deliveries to end. Messages not acked by then are redelivered.
END_SECONDS = 1
# How long after a consumer's death its messages are redelivered. Live consumers extend leases.
ACK_DEADLINE_SECONDS = 10
# Streams of one consumer: the emulator sends at most 100 messages every 50 ms over each.
STREAMS = 2
# Limit of unsettled messages in one stream.
MAX_OUTSTANDING = 500
# The topic of a subscription after its own was deleted
# (https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions).
DELETED_TOPIC = "_deleted-topic_"


class _Delivery:
    def __init__(self, received: PubSubMessage):
        self._received = received
        self.message = Message(received.data, received.attributes)

    def ack(self) -> None:
        self._received.ack()

    def nack(self) -> None:
        self._received.nack()


def _close_our_half(pull: StreamingPullFuture) -> None:
    """Close our half of the stream, so that the emulator closes its own.

    The emulator never forgets a stream that `cancel()` cancelled: it keeps sending it a share of
    the messages, and each of these waits for its ack deadline. The client has no public way to
    close a stream.
    """
    manager = pull._StreamingPullFuture__manager
    manager._rpc._request_queue.put(None)


class _InlineScheduler(Scheduler):
    """Has Google's threads call the callback, which only queues, instead of a pool of threads."""

    def __init__(self) -> None:
        self._requests: Queue = Queue()

    @property
    def queue(self) -> Queue:
        """Of acks and nacks, for Google's client."""
        return self._requests

    def schedule(self, callback: Callable, *args, **kwargs) -> None:
        callback(*args, **kwargs)

    def shutdown(self, await_msg_callbacks: bool = False) -> list[PubSubMessage]:
        return []  # no message waits for its callback


def _transports(address: str | None) -> tuple[dict, dict]:
    """Return options for publisher and subscriber clients: none but with an emulator.

    Then the subscriber receives messages of any size. By default a message over 4 MB breaks the
    stream, and with it all other deliveries. From Google Cloud the client receives any size.
    """
    if address is None:
        return {}, {}
    unlimited = [("grpc.max_receive_message_length", -1)]
    return (
        {"transport": PublisherGrpcTransport(channel=grpc.insecure_channel(address))},
        {"transport": SubscriberGrpcTransport(channel=grpc.insecure_channel(address, unlimited))},
    )


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
        for_publisher, for_subscriber = _transports(config.pubsub_emulator_host)
        # Not the client in pubsub_v1, which makes its own batches, with a future per message.
        self._publisher = gapic.PublisherClient(**for_publisher)
        self._publishing = ThreadPoolExecutor(1, "publishing")
        self._subscriber = pubsub_v1.SubscriberClient(**for_subscriber)
        self._topic = pubsub_v1.PublisherClient.topic_path(
            config.pubsub_project_id, config.pubsub_topic
        )
        self._subscription = self._subscriber.subscription_path(
            config.pubsub_project_id, config.pubsub_subscription
        )
        self._streams: list[StreamingPullFuture] = []

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

    def ping(self) -> None:
        self._publisher.get_topic(topic=self._topic, retry=RETRY, timeout=RPC_SECONDS)
        topic = self._subscribed_topic()
        if topic != self._topic:
            raise NotFound(f"{self._subscription} is subscribed to {topic}")

    def delete_subscription(self) -> None:
        with suppress(NotFound):
            self._subscriber.delete_subscription(
                subscription=self._subscription, retry=RETRY, timeout=RPC_SECONDS
            )

    def publish(self, messages: Sequence[Message]) -> Future[Outcome]:
        return self._publishing.submit(self._publish, messages)

    def _publish(self, messages: Sequence[Message]) -> Outcome:
        """Publish messages in one request, or in halves if Pub/Sub finds fault with them.

        One may be invalid, or all together larger than the 10 MB of a request
        (https://cloud.google.com/pubsub/quotas#resource_limits).
        """
        try:
            self._publisher.publish(
                {
                    "topic": self._topic,
                    "messages": [{"data": m.data, "attributes": m.attributes} for m in messages],
                },
                retry=RETRY,
                timeout=RPC_SECONDS,
            )
        except InvalidArgument as error:
            if len(messages) == 1:
                return [error]
            middle = len(messages) // 2
            return [*self._publish(messages[:middle]), *self._publish(messages[middle:])]
        return [None] * len(messages)

    def subscribe(
        self, on_delivery: Callable[[Delivery], None], on_failure: Callable[[Exception], None]
    ) -> None:
        first_failure = Lock()

        def report_failure(ended: StreamingPullFuture) -> None:
            error = ended.exception()
            if error and ended in self._streams and first_failure.acquire(blocking=False):
                on_failure(error)

        for _ in range(STREAMS):
            stream = self._open_stream(on_delivery)
            self._streams.append(stream)
            stream.add_done_callback(report_failure)

    def _open_stream(self, on_delivery: Callable[[Delivery], None]) -> StreamingPullFuture:
        return self._subscriber.subscribe(
            self._subscription,
            callback=lambda received: on_delivery(_Delivery(received)),
            flow_control=pubsub_v1.types.FlowControl(
                max_messages=MAX_OUTSTANDING,
                # By default the client asks for a minute, regardless of the subscription.
                max_duration_per_lease_extension=ACK_DEADLINE_SECONDS,
            ),
            scheduler=_InlineScheduler(),
        )

    def unsubscribe(self) -> None:
        streams, self._streams = self._streams, []
        if self._emulated:
            for stream in streams:
                if not stream.done():
                    _close_our_half(stream)
            wait(streams, timeout=END_SECONDS)
        for stream in streams:
            if not stream.done():
                stream.cancel()
        wait(streams, timeout=END_SECONDS)

    def close(self) -> None:
        self.unsubscribe()
        self._publishing.shutdown()
        self._publisher.transport.close()
        self._subscriber.close()

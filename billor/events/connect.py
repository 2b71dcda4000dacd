"""Which bus it is, by the settings."""

from billor.config import Config
from billor.events.bus import Bus
from billor.events.inprocess import InProcessBus


def connect_bus(config: Config) -> Bus:
    """Google Cloud Pub/Sub or its emulator if a project is set, else the bus in this process."""
    if config.pubsub_project_id is None:
        return InProcessBus()
    # Imported here, since only a worker that uses it should pay for gRPC.
    from billor.events.pubsub import PubSubBus

    return PubSubBus(config)

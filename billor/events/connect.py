"""Choice of the bus by the settings."""

from billor.config import Config
from billor.events.bus import Bus
from billor.events.inprocess import InProcessBus


def connect_bus(config: Config) -> Bus:
    """Return the bus on Pub/Sub or its emulator if a project is set, else the in-process bus."""
    if config.pubsub_project_id is None:
        return InProcessBus()
    # Imported here, so that only a worker that uses it loads gRPC.
    from billor.events.pubsub import PubSubBus

    return PubSubBus(config)

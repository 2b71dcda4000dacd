"""The background worker: relay, consumer, notifications and maintenance."""

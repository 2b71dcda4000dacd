"""What happens to loads, from the outbox over the bus to the audit store."""

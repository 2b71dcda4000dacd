"""The worker: publishes events, writes the audit trail, and notifies drivers."""

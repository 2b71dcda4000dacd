"""The audit trail: what happened to loads, one document per event."""

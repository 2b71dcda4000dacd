"""Cached pages in Redis: the circuit breaker, the backend, and cache generations."""

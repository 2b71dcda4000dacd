"""What shows how Billor is doing: the context of a request, logs, metrics and traces."""

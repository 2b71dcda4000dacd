"""Health checks of the process and its dependencies."""

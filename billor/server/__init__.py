"""The gunicorn worker that serves the API."""

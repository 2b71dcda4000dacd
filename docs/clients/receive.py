"""Read a webhook."""

import os

from standardwebhooks import Webhook


def read(headers: dict[str, str], body: bytes) -> dict:
    """Return what Billor has signed; WebhookVerificationError if it has not."""
    return Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, headers)

"""Bearer tokens in `Authorization` headers (RFC 6750), and the one that is no user's."""

import hmac

from billor.config import Config


def bearer_token(authorization: str) -> str | None:
    """Return the token of a header, or None if there is none."""
    scheme, _, token = authorization.partition(" ")
    return token or None if scheme.lower() == "bearer" else None


def is_metrics_token(authorization: str, config: Config) -> bool:
    """Return whether a header has the `METRICS_TOKEN`; its time says nothing about it."""
    token = bearer_token(authorization) or ""
    wanted = config.metrics_token
    return wanted is not None and hmac.compare_digest(token.encode(), wanted.encode())

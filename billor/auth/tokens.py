"""Our JSON Web Tokens (RFC 7519), and what they carry besides their user's id.

`epoch` is the account's when the token was issued: the token ends when the account's has risen.
`sid` is its session, and `gen` the generation of a refresh token within that. A token without an
epoch, as issued before there were any, is of epoch 0.
"""

import time
from datetime import timedelta
from functools import lru_cache
from typing import Any

from flask import current_app
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException, WrongTokenError
from jwt import ExpiredSignatureError, MissingRequiredClaimError, PyJWTError

from billor.errors import AuthenticationFailed

# How far the clock of the process that made a token may be ahead of ours. A token's end has no such
# leeway.
CLOCK_LEEWAY_SECONDS = 10

Claims = dict[str, Any]


def access_token(user_id: int, claims: Claims, seconds: int) -> str:
    """Return a signed access token."""
    return create_access_token(
        str(user_id), additional_claims=claims, expires_delta=timedelta(seconds=seconds)
    )


def refresh_token(user_id: int, claims: Claims, seconds: int) -> str:
    """Return a signed refresh token."""
    return create_refresh_token(
        str(user_id), additional_claims=claims, expires_delta=timedelta(seconds=seconds)
    )


def verify(token: str, type_: str) -> tuple[int, Claims]:
    """Return the user's id and the claims of a token of this type: `access` or `refresh`.

    Raises `AuthenticationFailed` `token_expired` or `token_invalid`.
    """
    try:
        claims = _signed_claims(token, type_, current_app.config["JWT_SECRET_KEY"])
        if "exp" not in claims:
            raise MissingRequiredClaimError("exp")
        if float(claims["exp"]) <= time.time():
            raise ExpiredSignatureError
        return int(claims["sub"]), claims
    except ExpiredSignatureError as error:
        raise AuthenticationFailed("token_expired") from error
    except (JWTExtendedException, PyJWTError, ValueError) as error:
        raise AuthenticationFailed("token_invalid") from error


@lru_cache(maxsize=10_000)
def _signed_claims(token: str, type_: str, _secret_key: str) -> Claims:
    """Return the claims of a token that we signed.

    Verification costs more than the rest of serving a cached page, so its result is cached. The
    caller checks the expiry.
    """
    claims = decode_token(token)
    if claims.get("type") != type_:
        raise WrongTokenError(f"This is no {type_} token.")
    return claims

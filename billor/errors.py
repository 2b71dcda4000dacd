"""Billor's own errors, independent of HTTP: `problems` maps each class to a status."""

from collections.abc import Mapping
from typing import ClassVar


class BillorError(Exception):
    """Base class of all refusals.

    `code` is stable and machine-readable, `detail` tells a person what to do, `extra` holds
    further members of the response, by their names in JSON.
    """

    CODES: ClassVar[Mapping[str, str]]
    """The codes of this class, with their default details."""
    retry_after: int | None = None
    """Seconds after which a retry may succeed, if known."""

    def __init__(self, code: str, detail: str | None = None, **extra):
        """`detail` replaces the default detail of the code."""
        self.code = code
        self.detail = detail or self.CODES[code]
        self.extra = extra
        super().__init__(self.detail)


class NotFound(BillorError):
    """The resource that a request names does not exist."""

    CODES = {
        f"{thing}_not_found": f"No {thing} has this id. GET /{thing}s lists all there are."
        for thing in ("user", "driver", "load", "assignment")
    }

    def __init__(self, thing: str, id_: int):
        """`thing` is the model's name; it need not be in `CODES`."""
        thing = thing.lower()
        detail = f"No {thing} has the id {id_}. GET /{thing}s lists all there are."
        super().__init__(f"{thing}_not_found", detail)


class NothingAssigned(BillorError):
    """The driver has no active load."""

    CODES = {"no_active_assignment": "You have no active load now. Ask your dispatcher for one."}


class Conflict(BillorError):
    """The request is well-formed, but the current state forbids it."""

    CODES = {
        "email_taken": "Another user has this email address. Choose another one.",
        "license_number_taken": "Another driver has this license number. Check it for a mistake.",
        "reference_taken": "Another load has this reference. Cancel that one first, or choose "
        "another reference.",
        "driver_already_assigned": "The driver has an active load. Complete or cancel that first.",
        "load_already_assigned": "The load has a driver. Complete or cancel that assignment first.",
        "load_not_open": "Only an OPEN load can be assigned. If this one is CANCELLED, make it "
        "OPEN first.",
        "driver_inactive": "Only an ACTIVE driver gets loads. Make the driver ACTIVE first.",
        "load_not_editable": "An ASSIGNED or COMPLETED load cannot be changed. Cancel its "
        "assignment first, if that is active.",
        "last_admin": "The last active admin cannot be deactivated or get another role. Make "
        "somebody else an admin first.",
        "assignment_not_active": "The assignment was closed before. See it "
        "by GET /assignments/{id}.",
    }


class Taken(Conflict):
    """Another row has what must be unique, such as an email address."""

    def __init__(self, code: str, thing: str, id_: int | None):
        """`thing` is the model's name; `id_` is None if the other row has just been removed."""
        thing = thing.lower()
        self.id = id_
        if id_ is None:
            super().__init__(code)
        else:
            detail = self.CODES[code].replace(f"Another {thing}", f"{thing.capitalize()} {id_}", 1)
            super().__init__(code, detail, **{f"{thing}Id": id_})


class InProgress(BillorError):
    """The same request is still being answered."""

    CODES = {
        "idempotency_key_in_use": "Another request with this Idempotency-Key is still being "
        "answered. Send it again in a moment.",
    }
    retry_after = 1


class Invalid(BillorError):
    """Some fields are not acceptable."""

    CODES = {"validation_failed": "Some fields are not acceptable. See `errors`."}

    def __init__(self, errors: Mapping[str, list[str]]):
        """`errors` has messages by the wire names of fields."""
        super().__init__("validation_failed", errors=errors)


class Refused(BillorError):
    """The request as a whole is evidently a client's mistake."""

    CODES = {
        "idempotency_key_reused": "This Idempotency-Key came with another request before. Make a "
        "new key for each change.",
        "import_refused": "The file as a whole cannot be imported, and nothing of it was. Mend it, "
        "and send it again.",
    }


class Unsupported(BillorError):
    """The request body is of a kind that is not read here."""

    CODES = {
        "unsupported_media_type": "Send JSON, with `Content-Type: application/json`; for an import "
        "a file in CSV, `text/csv`, in NDJSON, `application/x-ndjson`, or an .xlsx workbook. Send "
        "it as it is, without a `Content-Encoding`.",
    }

    def __init__(self, detail: str | None = None):
        super().__init__("unsupported_media_type", detail)


class UnsupportedCoding(Unsupported):
    """The request body has a content coding, such as gzip."""


class Incomplete(BillorError):
    """The request body is incomplete."""

    CODES = {
        "body_incomplete": "The body ended before its Content-Length, or took too long. Nothing of "
        "it was done. Send it again.",
    }


class UntrustedHost(BillorError):
    """The request's host is not a trusted name of the API."""

    CODES = {
        "untrusted_host": "The API is not known by this host name. Use another one, or add it to "
        "the setting TRUSTED_HOSTS.",
    }


class PreconditionFailed(BillorError):
    """The resource has changed since the caller read it."""

    CODES = {
        "precondition_failed": "If-Match has no current ETag: somebody changed it meanwhile, or "
        "that was never its ETag. Get it again, and send its new ETag as If-Match.",
    }


class AuthenticationFailed(BillorError):
    """The token or the credentials are missing or wrong."""

    CODES = {
        "token_missing": "Log in with POST /auth/login and send `Authorization: Bearer …`.",
        "token_expired": "The token has expired. Get a new one with POST /auth/refresh, or log in "
        "again with POST /auth/login.",
        "token_invalid": "The token is not valid. Log in again with POST /auth/login.",
        "invalid_credentials": "The email address or the password is wrong. Check both.",
    }


class Forbidden(BillorError):
    """The user's role does not allow the operation."""

    CODES = {
        "role_missing": "Your role does not allow this. Ask an admin to do it, or for the role."
    }


class TooManyAttempts(BillorError):
    """A login exceeds a rate limit."""

    CODES = {
        "too_many_attempts": "Too many failed logins. Try again later.",
    }

    def __init__(self, retry_after: int):
        detail = f"Too many failed logins. Try again in {retry_after} seconds."
        super().__init__("too_many_attempts", detail)
        self.retry_after = retry_after


class Unavailable(BillorError):
    """A backing service that the request needs is unavailable."""

    CODES = {
        "database_unavailable": "The database is away. Try again soon.",
        "database_busy": "The database is busy. Try again in a moment.",
        "imports_busy": "Too many files are being imported. Try again soon.",
        "exports_busy": "Too many exports are running. Try again soon.",
        "streams_busy": "Too many streams of changes are open. Try again soon.",
        "request_timeout": "The request took too long. Try again soon.",
        "audit_unavailable": "The audit store is away. Its events are kept; try again soon.",
    }
    retry_after = 1

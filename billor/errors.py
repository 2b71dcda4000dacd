"""All errors of the API: their codes, each with its HTTP status, cause and remedy."""

import re
from collections.abc import Mapping
from typing import NamedTuple

THINGS = ("user", "driver", "load", "assignment", "webhook")  # what has a URL with an id
BY_STATUS: dict[int, dict[str, str]] = {
    400: {
        "malformed_request": "The request cannot be read. Check that its body is valid JSON.",
        "body_incomplete": "The body ended early, or took too long. Nothing was changed. Send it "
        "again.",
        "untrusted_host": "This host name is not trusted. Use another one, or add it to "
        "TRUSTED_HOSTS.",
    },
    401: {
        "token_missing": "Log in with POST /auth/login and send `Authorization: Bearer …`.",
        "token_expired": "The token has expired. Get a new one with POST /auth/refresh, or log in "
        "again with POST /auth/login. For an API key, ask an admin.",
        "token_invalid": "The token is not valid. Log in again with POST /auth/login. For an API "
        "key, ask an admin.",
        "invalid_credentials": "The email address or the password is wrong. Check both.",
    },
    403: {
        "role_missing": "Your role does not allow this. Ask an admin.",
        "api_key_refused": "This is for people, not for programs with an API key. Log in with POST "
        "/auth/login.",
    },
    404: {
        "not_found": "There is nothing at this URL. See /docs for all operations.",
        "no_active_assignment": "You have no active load. Ask your dispatcher for one.",
        "api_key_not_found": "No API key has this id. GET /api-keys lists them all.",
        "push_subscription_not_found": "You have no push subscription with this id. Make one with "
        "POST /me/push-subscriptions.",
        "event_not_found": "No event has this id: an older backup may have been restored. Use that "
        "of an earlier event, or fetch your lists and begin with `after=latest`.",
        "delivery_not_found": "The webhook has no such delivery. See its list of deliveries.",
        "document_not_found": "There is no document with this id. See the documents of its load.",
        "check_in_not_found": "The assignment has no such check-in. See its list of check-ins.",
    }
    | {
        f"{thing}_not_found": f"No {thing} has this id. GET /{thing}s lists them all."
        for thing in THINGS
    },
    405: {"method_not_allowed": "This URL does not support the method. See the Allow header."},
    409: {
        "email_taken": "Another user has this email address. Choose another one.",
        "license_number_taken": "Another driver has this license number. Check it for a typo.",
        "reference_taken": "Another load has this reference. Check it for a typo, or add a letter "
        "to it.",
        "driver_already_assigned": "The driver has an active load. Complete or cancel it first.",
        "load_already_assigned": "The load has a driver. Complete or cancel that assignment first.",
        "driver_already_planned": "The driver has a next load. Cancel or reassign that one first.",
        "load_already_planned": "The load is a driver's next one. Cancel or reassign that first.",
        "load_not_open": "Only an OPEN load can be assigned. If this one is CANCELLED, make it "
        "OPEN first.",
        "driver_inactive": "Only an ACTIVE driver gets loads. Make the driver ACTIVE first.",
        "driver_papers_expired": "A paper of the driver has expired. Check its date, or choose "
        "another driver.",
        "load_not_editable": "A COMPLETED load cannot be changed, nor the status of an ASSIGNED "
        "one. Cancel its assignment first, if that is active.",
        "last_admin": "No other admin can log in. Make somebody with a password an admin first.",
        "assignment_not_active": "The assignment is closed, or only planned. See GET "
        "/assignments/{id}.",
        "too_late_to_reopen": "The assignment was closed more than a day ago. Make a new load.",
        "too_late_to_undo": "Only its author can undo a check-in, within five minutes. "
        "Check in again instead.",
        "too_many_documents": "The load has 100 documents already. Ask an admin to delete some "
        "that nobody needs.",
        "too_many_webhooks": "There are 20 webhooks already. See GET /webhooks, and delete one.",
        "idempotency_key_in_use": "Another request with this Idempotency-Key is still running. Try "
        "again in a moment.",
    },
    412: {
        "precondition_failed": "It has changed since then, or If-Match is not its ETag. Get it "
        "again, and send the new ETag as If-Match.",
    },
    413: {
        "body_too_large": "The body is larger than 8 KiB without a token, 1 MiB, 10 MiB for a "
        "document, or 16 MiB for an import. Split it.",
    },
    414: {"uri_too_long": "The URL is too long. Leave out some parameters."},
    415: {
        "unsupported_media_type": "Send JSON, with `Content-Type: application/json`; for an "
        "import, CSV, NDJSON or a workbook. Send no `Content-Encoding`.",
    },
    416: {"range_not_satisfiable": "The document is shorter. Leave out the Range header."},
    417: {"expectation_failed": "Send no Expect header other than `100-continue`."},
    422: {
        "validation_failed": "Some fields are not valid. See `errors`.",
        "idempotency_key_reused": "This Idempotency-Key was used for another request. Use a new "
        "key for each change.",
        "document_refused": "Send a whole JPEG, PNG, WebP, HEIC or PDF, with nothing else in the "
        "file, and an image of at most 100 megapixels.",
        "reset_token_invalid": "The link is not valid: used, or too old. Ask for another one with "
        "POST /auth/password-reset.",
        "import_refused": "Nothing of the file was imported. Fix it, and send it again.",
    },
    429: {
        "too_many_attempts": "Too many attempts. Try again later.",
        "too_many_requests": "Too many requests with this API key. Try again later.",
    },
    431: {"headers_too_large": "The headers are too large or too many. Leave out some of them."},
    500: {
        "internal_error": "Something went wrong on the server. Report the X-Request-ID of this "
        "response.",
    },
    501: {"not_implemented": "This Transfer-Encoding is not supported. Send `chunked` or none."},
    503: {
        "database_unavailable": "The database is unavailable. Try again soon.",
        "database_busy": "The database is busy. Try again in a moment.",
        "imports_busy": "Too many imports are running. Try again soon.",
        "exports_busy": "Too many exports are running. Try again soon.",
        "streams_busy": "Too many streams of changes are open. Try again soon.",
        "request_timeout": "The request took too long. Try again soon.",
        "documents_unavailable": "The store of documents is unavailable. Try again soon.",
        "audit_unavailable": "The audit store is unavailable. No event is lost. Try again soon.",
    },
}


class Code(NamedTuple):
    status: int
    detail: str


CODES = {
    code: Code(status, detail)
    for status, details in BY_STATUS.items()
    for code, detail in details.items()
}


class BillorError(Exception):
    """An error of the API; `extra` adds members to the response, by their JSON names."""

    retry_after: int | None = None  # seconds after which a retry may succeed

    def __init__(self, code: str, detail: str | None = None, **extra):
        self.code = code
        self.detail = detail or CODES[code].detail
        self.extra = extra
        super().__init__(self.detail)

    @property
    def status(self) -> int:
        return CODES[self.code].status


class NotFound(BillorError):
    def __init__(self, thing: str, id_: int):
        """`thing` is the model's name."""
        code = re.sub(r"\B([A-Z])", r"_\1", thing).lower() + "_not_found"
        super().__init__(code, CODES[code].detail.replace("this id", f"the id {id_}"))


class Conflict(BillorError):
    """The request is well-formed, but the current state forbids it."""


class Taken(Conflict):
    """Another row has what must be unique, such as an email address."""

    def __init__(self, code: str, thing: str, id_: int | None):
        """`thing` is the model's name; `id_` is None if the other row was removed just now."""
        self.id, thing = id_, thing.lower()
        if id_ is None:
            super().__init__(code)
        else:
            detail = CODES[code].detail.replace(f"Another {thing}", f"{thing.capitalize()} {id_}")
            super().__init__(code, detail, **{f"{thing}Id": id_})


class Invalid(BillorError):
    def __init__(self, errors: Mapping[str, list[str]]):
        """`errors` maps the wire names of fields to messages."""
        super().__init__("validation_failed", errors=errors)


class TooMany(BillorError):
    def __init__(self, code: str, retry_after: int):
        super().__init__(code, CODES[code].detail.replace("later", f"in {retry_after} seconds"))
        self.retry_after = retry_after


class Unavailable(BillorError):
    """A service that the request needs is unavailable or busy. A retry may succeed."""

    retry_after = 1

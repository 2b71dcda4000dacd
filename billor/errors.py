"""What can go wrong in Billor's own terms. Knows no HTTP: `problems` gives each its status."""


class BillorError(Exception):
    """Base of all refusals. `code` is stable and machine-readable, `detail` tells a person what
    to do, `extra` holds more facts for the answer, by their wire names."""

    def __init__(self, code: str, detail: str, **extra):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.extra = extra


class NotFound(BillorError):
    """The thing a request names does not exist."""

    def __init__(self, thing: str, id_: int):
        super().__init__(f"{thing.lower()}_not_found", f"{thing} {id_} does not exist.")


CONFLICTS = {
    "email_taken": "Another user has this email address.",
    "license_number_taken": "Another driver has this license number.",
    "driver_already_assigned": "The driver has an active load. Complete or cancel that first.",
    "load_already_assigned": "The load has a driver. Complete or cancel that assignment first.",
    "load_not_open": "Only an OPEN load can be assigned.",
    "driver_inactive": "Only an ACTIVE driver gets loads.",
    "load_not_editable": "An ASSIGNED or COMPLETED load cannot be changed.",
    "assignment_not_active": "The assignment was completed or cancelled before.",
}


class Conflict(BillorError):
    """The request is well-formed, but the current state forbids it. `code` is in `CONFLICTS`."""

    def __init__(self, code: str, **extra):
        super().__init__(code, CONFLICTS[code], **extra)


class AuthenticationFailed(BillorError):
    """Nobody is logged in, or the credentials are wrong."""


class TooManyAttempts(BillorError):
    """Refused for a while; `retry_after` is in whole seconds."""

    def __init__(self, code: str, detail: str, retry_after: int):
        super().__init__(code, detail)
        self.retry_after = retry_after


class Unavailable(BillorError):
    """A backing service that this request cannot do without is away."""

"""What health checks find out, as metrics."""

from billor import metrics
from billor.deadlines import DeadlineExceeded, extend_deadline
from billor.health.checks import UNKNOWN, Readiness, State, check_dependencies

# Prometheus waits for ten seconds, by default, and then takes the API for down.
CHECK_SECONDS = 5
# Of all that is checked only PostgreSQL may hang for so long.
HANGING = metrics.Findings({"postgresql": False}, {}, {})


def find() -> metrics.Findings:
    """Check the dependencies, within `CHECK_SECONDS` and the time until that is noticed."""
    extend_deadline(CHECK_SECONDS)
    try:
        found = check_dependencies()
    except DeadlineExceeded:
        return HANGING
    finally:
        extend_deadline()
    return HANGING if found is UNKNOWN else _as_metrics(found)


def _as_metrics(found: Readiness) -> metrics.Findings:
    lag = found.lag._asdict() if found.lag else {}
    return metrics.Findings(
        up={name: state is State.OK for name, state in found.dependencies.items()},
        events={state: waiting.count for state, waiting in lag.items()},
        oldest_seconds={state: waiting.oldest_seconds or 0 for state, waiting in lag.items()},
    )

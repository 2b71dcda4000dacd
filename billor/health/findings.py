"""What health checks find out, as metrics."""

from billor import metrics
from billor.health.checks import UNKNOWN, Readiness, State, check_dependencies

# Another request's check has not ended: of all that is checked only PostgreSQL may hang.
HANGING = metrics.Findings({"postgresql": False}, {}, {})


def find() -> metrics.Findings:
    """Check the dependencies."""
    found = check_dependencies()
    return HANGING if found is UNKNOWN else _as_metrics(found)


def _as_metrics(found: Readiness) -> metrics.Findings:
    lag = found.lag._asdict() if found.lag else {}
    return metrics.Findings(
        up={name: state is State.OK for name, state in found.dependencies.items()},
        events={state: waiting.count for state, waiting in lag.items()},
        oldest_seconds={state: waiting.oldest_seconds or 0 for state, waiting in lag.items()},
    )

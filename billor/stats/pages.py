"""The figures as text, counted at most once in `KEPT_SECONDS` by all processes with one Redis."""

import json
from functools import partial
from threading import Lock

from flask import current_app

from billor.stats.schemas import StatsSchema
from billor.stats.service import count_all

KEPT_SECONDS = 15

_schema = StatsSchema()
_counting = Lock()


def stats_text(zone_name: str) -> str:
    """Return the figures as JSON. One request of a process counts them at a time."""
    pages = current_app.extensions["pages"]
    with _counting:
        return pages.shared_text(f"stats-1:{zone_name}", KEPT_SECONDS, partial(_count, zone_name))


def _count(zone_name: str) -> str:
    return json.dumps(_schema.dump(count_all(zone_name)))

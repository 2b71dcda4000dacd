"""The statements behind the figures. Days are told by the moments at which they begin.

`limits` are these moments, and the end of the last day: so only Python has to know time zones.
"""

from sqlalchemy import ARRAY, DateTime, bindparam, text

_MOMENTS = ARRAY(DateTime(timezone=True))


def _in_days(statement: str):
    return text(statement).bindparams(bindparam("limits", type_=_MOMENTS))


LOADS_BY_STATUS = text("SELECT status, count(*) FROM loads GROUP BY status")
DRIVERS = text("""
    SELECT
        (SELECT count(*) FROM drivers WHERE status = 'ACTIVE' AND NOT has_load) AS available,
        (SELECT count(*) FROM drivers WHERE status = 'ACTIVE' AND has_load) AS busy,
        (SELECT count(*) FROM drivers WHERE status = 'INACTIVE') AS inactive
""")
CREATED = _in_days("""
    SELECT width_bucket(created_at, :limits) AS day, count(*) AS total
    FROM loads
    WHERE created_at >= :start
    GROUP BY day
""")
ASSIGNED = _in_days("""
    SELECT width_bucket(assigned_at, :limits) AS day, count(*) AS total
    FROM driver_load_assignments
    WHERE assigned_at >= :start
    GROUP BY day
""")
CANCELLED = _in_days("""
    SELECT width_bucket(created_at, :limits) AS day, count(*) AS total
    FROM load_events
    WHERE type = 'load.cancelled' AND created_at >= :start
    GROUP BY day
""")
# Of each day, and of all days, where the day is null.
COMPLETED = _in_days("""
    SELECT day, count(*) AS total, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median
    FROM (
        SELECT width_bucket(closed_at, :limits) AS day,
            CAST(extract(epoch FROM closed_at - loads.created_at) AS float) AS seconds
        FROM driver_load_assignments JOIN loads ON loads.id = load_id
        WHERE driver_load_assignments.status = 'COMPLETED' AND closed_at >= :start
    ) AS completed
    GROUP BY GROUPING SETS ((day), ())
""")
# A load may have been assigned before these days only if it is older, and only to an assignment
# that was cancelled since.
FIRST_ASSIGNED = _in_days("""
    SELECT day, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median
    FROM (
        SELECT width_bucket(first.at, :limits) AS day,
            CAST(extract(epoch FROM first.at - loads.created_at) AS float) AS seconds
        FROM (
            SELECT load_id, min(assigned_at) AS at
            FROM driver_load_assignments
            WHERE assigned_at >= :start
            GROUP BY load_id
        ) AS first
        JOIN loads ON loads.id = first.load_id
        WHERE loads.created_at >= :start OR NOT EXISTS (
            SELECT FROM driver_load_assignments AS earlier
            WHERE earlier.load_id = loads.id AND earlier.assigned_at < :start
        )
    ) AS assigned
    GROUP BY GROUPING SETS ((day), ())
""")

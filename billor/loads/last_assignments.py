"""The last assignment of each of some loads, with its driver; for exports."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from billor.database import execute
from billor.models import Assignment, AssignmentStatus, Driver, joined


def _rows_of(values: ColumnElement, name: str) -> TableValuedAlias:
    return func.unnest(values).table_valued(name).render_derived()


_loads = _rows_of(bindparam("load_ids", type_=ARRAY(BigInteger)), "id")
_statuses = _rows_of(array([status.value for status in AssignmentStatus]), "status")
_last = (
    select(Assignment)
    .where(
        joined([cast(Assignment.load_id, Text), Assignment.status])
        == joined([cast(_loads.c.id, Text), _statuses.c.status])
    )
    .order_by(Assignment.assigned_at.desc(), Assignment.id.desc())
    .limit(1)
    .lateral()
)
LAST_OF_EACH_STATUS = (
    select(
        _last.c.load_id,
        _last.c.assigned_at,
        _last.c.closed_at,
        Driver.id.label("driver_id"),
        Driver.name.label("driver_name"),
        Driver.license_number.label("driver_license_number"),
    )
    .select_from(_loads.join(_statuses, true()))
    .join(_last, true())
    .join(Driver, Driver.id == _last.c.driver_id)
)


def last_assignments(load_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the last assignment of each load that has had one, with its driver, by the load's id.

    It is the active one if there is one. For each load this reads a few entries of one index.
    """
    rows = execute(LAST_OF_EACH_STATUS, {"load_ids": load_ids}).mappings()
    return {row["load_id"]: dict(row) for row in sorted(rows, key=itemgetter("assigned_at"))}

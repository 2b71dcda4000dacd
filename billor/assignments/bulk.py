"""Many assignments at once, in one transaction, with as few statements for 500 as for one.

All rows are locked up front, the drivers by rising id and then the loads by rising id, as every
other transaction does (`billor.locking`), so that none deadlocks with another. Assignments need no
lock: whoever changes one has its driver's.

Changes by hand take no locks and may still be in the way of a row. `ON CONFLICT DO NOTHING` leaves
out just that one; then the rows that were not done are decided again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Row, any_, bindparam, func, literal, select, union, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from billor.assignments.reading import IS_ACTIVE
from billor.assignments.rule import BLOCKED_BY, Pair, refusal
from billor.database import execute, table, transaction
from billor.errors import BillorError
from billor.loads import outbox
from billor.locking import RowsById
from billor.models import Assignment, AssignmentStatus, Driver, Load, LoadStatus

LOCK_DRIVERS = RowsById(Driver)
LOCK_LOADS = RowsById(Load)

_assignments = table(Assignment).c
_driver_ids, _load_ids = (
    bindparam(name, type_=ARRAY(BigInteger)) for name in ("driver_ids", "load_ids")
)
_ids = select(_assignments.id, _assignments.driver_id, _assignments.load_id).where(IS_ACTIVE)
ACTIVE = union(
    _ids.where(_assignments.driver_id == any_(_driver_ids)),
    _ids.where(_assignments.load_id == any_(_load_ids)),
)
_given = (
    func.unnest(_driver_ids, _load_ids)
    .table_valued("driver_id", "load_id", with_ordinality="number")
    .render_derived()
)
_inserted = (
    insert(table(Assignment))
    .from_select(
        ["driver_id", "load_id", "status", "assigned_at"],
        select(
            _given.c.driver_id,
            _given.c.load_id,
            literal(AssignmentStatus.ASSIGNED, _assignments.status.type),
            bindparam("now", type_=_assignments.assigned_at.type),
        ).order_by(_given.c.number),
    )
    .on_conflict_do_nothing()
    .returning(_assignments.id, _assignments.driver_id, _assignments.load_id)
    .cte("inserted")
)
# Assignments are written together with their loads.
INSERT = (
    update(table(Load))
    .where(table(Load).c.id == _inserted.c.load_id)
    .values(status=LoadStatus.ASSIGNED, updated_at=bindparam("now"))
    .returning(_inserted.c.id, _inserted.c.driver_id, _inserted.c.load_id)
)


def assign_many(assignments: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """Make those of the assignments that can be made, in order.

    Each has a `driver_id` and a `load_id`. Returns how many were `assigned` and `refused`, and of
    each of the `rows`, in the same order, its `row` from 1, `driver_id`, `load_id`, and either the
    `assignment_id` or the `error`, which is what `assign` would raise.
    """
    with transaction():
        batch = _Batch([Pair(**ids) for ids in assignments])
        while not batch.assign_all_possible():
            pass  # what is in the way by hand can be seen now
        outbox.record_assigned([*batch.made.values()])
    return {
        "assigned": len(batch.made),
        "refused": len(batch.refused),
        "rows": batch.outcomes(),
    }


class _Batch:
    """Pairs whose drivers and loads are locked.

    `made` and `refused` are by the number of the row, from 1.
    """

    def __init__(self, pairs: Sequence[Pair]):
        self._pairs = dict(enumerate(pairs, start=1))
        self._drivers, _ = LOCK_DRIVERS.rows({pair.driver_id for pair in pairs})
        self._loads, self._now = LOCK_LOADS.rows({pair.load_id for pair in pairs})
        self._active: dict[str, dict[int, int]] = {}
        self.made: dict[int, Assignment] = {}
        self.refused: dict[int, BillorError] = {}

    def assign_all_possible(self) -> bool:
        """Assign what can be assigned; return whether nothing was left out after all."""
        ids = {"driver_ids": [*self._drivers], "load_ids": [*self._loads]}
        self._active = {"driver_id": {}, "load_id": {}}
        self._note_active(execute(ACTIVE, ids).all())
        chosen = self._choose()
        inserted = self._insert(chosen)
        self._note_active(inserted)
        for id_, driver_id, load_id in inserted:
            pair = Pair(driver_id, load_id)
            self._note_made(chosen[pair], id_, pair)
        return len(inserted) == len(chosen)

    def outcomes(self) -> list[dict[str, Any]]:
        """Return each row with the `assignment_id` that was made, or the `error`."""
        return [
            {"row": row, **pair._asdict()}
            | (
                {"assignment_id": self.made[row].id}
                if row in self.made
                else {"error": self._name_blocker(self.refused[row], pair)}
            )
            for row, pair in self._pairs.items()
        ]

    def _choose(self) -> dict[Pair, int]:
        """Decide on the rows that are not done: refuse them, or return them."""
        chosen: dict[Pair, int] = {}
        drivers, loads = ({*self._active[name]} for name in ("driver_id", "load_id"))
        self.refused.clear()
        for row, pair in self._pairs.items():
            if row in self.made:
                continue
            refused = refusal(
                pair,
                self._drivers.get(pair.driver_id),
                self._loads.get(pair.load_id),
                driver_has_load=pair.driver_id in drivers,
                load_has_driver=pair.load_id in loads,
            )
            if refused is not None:
                self.refused[row] = refused
                continue
            chosen[pair] = row
            drivers.add(pair.driver_id)
            loads.add(pair.load_id)
        return chosen

    def _insert(self, pairs: Collection[Pair]) -> Sequence[Row]:
        """Return the id, the driver's and the load's of each assignment that was inserted."""
        if not pairs:
            return []
        driver_ids, load_ids = zip(*pairs, strict=True)
        values = {"driver_ids": [*driver_ids], "load_ids": [*load_ids], "now": self._now}
        return execute(INSERT, values).all()

    def _note_active(self, rows: Iterable[Row]) -> None:
        for id_, driver_id, load_id in rows:
            self._active["driver_id"][driver_id] = id_
            self._active["load_id"][load_id] = id_

    def _note_made(self, row: int, id_: int, pair: Pair) -> None:
        driver, load = self._drivers[pair.driver_id], self._loads[pair.load_id]
        load.status, load.updated_at = LoadStatus.ASSIGNED, self._now
        self.made[row] = Assignment(id=id_, driver=driver, load=load)

    def _name_blocker(self, refused: BillorError, pair: Pair) -> BillorError:
        if name := BLOCKED_BY.get(refused.code):
            blocking = self._active[name].get(getattr(pair, name))
            if blocking is not None:
                refused.extra["assignmentId"] = blocking
        return refused

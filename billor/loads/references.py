"""References of loads, the shippers' order numbers: one for each load that is not CANCELLED."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from billor.database import Insertion, table, without_default
from billor.errors import Taken
from billor.extensions import db
from billor.models import Load, LoadStatus, canonical_key
from billor.uniqueness import Unique

INSERTION = Insertion(Load, without_default(Load), returning=[*table(Load).c])
REFERENCE = Unique(
    Load.reference,
    canonical_key,
    "uq_loads_reference_key",
    "reference_taken",
    among=Load.reference.is_not(None) & (Load.status != LoadStatus.CANCELLED),
)


def insert_new_loads(loads: Sequence[Mapping[str, Any]]) -> Sequence[Row | Taken]:
    """Insert loads, in order, but none whose reference another load has, or an earlier one of them.

    Such a one's outcome is the refusal, which names the other load; that of others is the row.
    """
    references = [load.get("reference") for load in loads]
    if not any(references):
        return _insert(loads)
    while True:
        try:
            return _insert_those_not_there(loads, REFERENCE.keys(references))
        except IntegrityError as error:
            # Another transaction was quicker. It has ended, so its loads can be seen now.
            if not REFERENCE.is_violated_by(error):
                raise


def _insert_those_not_there(
    loads: Sequence[Mapping[str, Any]], keys: Sequence[tuple[str | None, int | None]]
) -> list[Row | Taken]:
    first_with: dict[str, int] = {}
    for place, (key, _) in enumerate(keys):
        if key is not None:
            first_with.setdefault(key, place)
    new = [
        place
        for place, (key, holder) in enumerate(keys)
        if holder is None and first_with.get(key or "", place) == place
    ]
    with db.session.connection().begin_nested():  # so that only this is undone
        rows = _insert([loads[place] for place in new])
    created = dict(zip(new, rows, strict=True))
    return [
        created.get(place) or REFERENCE.taken_by(holder or created[first_with[key or ""]].id)
        for place, (key, holder) in enumerate(keys)
    ]


def _insert(loads: Sequence[Mapping[str, Any]]) -> list[Row]:
    return sorted(INSERTION.run(loads), key=attrgetter("id")) if loads else []

"""Text that was stored before it had one form: its repair, and who becomes the same by it."""

import unicodedata
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, text

from billor.emails import stored_address
from billor.text import first_refused, normal

MOST_TOLD = 20
"""How many duplicates a message lists."""

# Visible, in some font or other, so they are kept.
NOT_INVISIBLE = ("Cn", "Co", "Cs")

LICENSE_NUMBERS = """
    SELECT canonical_key(license_number), id, license_number FROM drivers
    WHERE canonical_key(license_number) IN (
        SELECT canonical_key(license_number) FROM drivers GROUP BY 1 HAVING count(*) > 1
    )
    ORDER BY id
"""


@dataclass(frozen=True)
class Duplicates:
    """Rows that have the same license number or email address, as stored, by id."""

    rows: dict[int, str]

    def __str__(self) -> str:
        # In ASCII, since they may differ in what cannot be seen.
        return ", ".join(f"{id_} {stored!a}" for id_, stored in self.rows.items())


def repaired(stored: str) -> str:
    """Return the text in its one form, without characters that nobody can see.

    Text that is nothing else, or has characters that are not assigned, is returned as it is.
    """
    repaired = normal(" ".join(stored.splitlines()))
    while (place := first_refused(repaired)) is not None:
        if unicodedata.category(repaired[place]) in NOT_INVISIBLE:
            return stored
        repaired = normal(repaired[:place] + repaired[place + 1 :])
    return repaired or stored


def repaired_address(stored: str) -> str:
    """Return the one form of an email address, as `stored_address` does."""
    address = repaired(stored)
    # Of ASCII only the case may differ, which does not count.
    return address if address.isascii() or first_refused(address) else stored_address(address)


def duplicate_drivers(connection: Connection) -> list[Duplicates]:
    """Return the drivers who have the same license number; they cannot be told apart by it."""
    return _grouped([tuple(row) for row in connection.execute(text(LICENSE_NUMBERS))])


def duplicate_users(connection: Connection) -> list[Duplicates]:
    """Return the users who have the same email address in different forms."""
    rows = connection.execute(text("SELECT id, email FROM users ORDER BY id"))
    return _grouped([(repaired_address(email).lower(), id_, email) for id_, email in rows])


def _grouped(rows: list[tuple[str, int, str]]) -> list[Duplicates]:
    groups = defaultdict[str, dict[int, str]](dict)
    for key, id_, stored in rows:
        groups[key][id_] = stored
    return [Duplicates(group) for group in groups.values() if len(group) > 1]


def told(duplicates: list[Duplicates]) -> str:
    """Return one line for each of the first duplicates, and how many more there are."""
    lines = [str(each) for each in duplicates[:MOST_TOLD]]
    if more := len(duplicates) - len(lines):
        lines.append(f"and {more:,} more")
    return "\n".join(f"  {line}" for line in lines)

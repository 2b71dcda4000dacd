"""Backups and archiving keep out of each other's way, until their transactions end.

What is archived meanwhile could be in a backup's copy of the audit store, and not in its dump.
"""

from sqlalchemy import func, select

from billor.database import execute

# Arbitrary, but no other application on this database may use it.
BACKUP_LOCK = 0x6261636B7570


class BackupIsMade(Exception):
    """A backup is being made. The message is one line."""


def keep_backups_away() -> None:
    """Have backups refused until the caller's transaction ends. Raises `BackupIsMade`."""
    if not execute(select(func.pg_try_advisory_xact_lock_shared(BACKUP_LOCK))).scalar_one():
        raise BackupIsMade("A backup is being made: archive later. What was archived is complete.")

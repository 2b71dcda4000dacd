"""The roles of users. What each may do is in `auth/access.py`."""

from enum import StrEnum


class Role(StrEnum):
    ADMIN = "ADMIN"
    DISPATCHER = "DISPATCHER"
    DRIVER = "DRIVER"

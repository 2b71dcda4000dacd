"""Drivers: the people who move loads."""

"""Backups of PostgreSQL and the audit store, and how they are restored."""

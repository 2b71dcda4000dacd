"""Archives: what was settled long ago, moved from PostgreSQL and the audit store to files."""

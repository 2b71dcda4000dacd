"""Choice of the audit store by the settings."""

from billor.audit.store import AuditStore
from billor.config import Config


def connect_store(config: Config) -> AuditStore:
    """Return the CouchDB store if its URL is set, else the SQLite store. Opens nothing yet.

    Only the chosen one is imported: CouchDB's client takes 7 MB and a fifth of a second.
    """
    if config.couchdb_url is None:
        from billor.audit.sqlite import SqliteStore

        return SqliteStore(config.audit_file)
    from billor.audit.couchdb import CouchStore

    return CouchStore(config.couchdb_url, config.couchdb_database)

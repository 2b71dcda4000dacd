"""Choice of the audit store by the settings."""

from billor.audit.couchdb import CouchStore
from billor.audit.sqlite import SqliteStore
from billor.audit.store import AuditStore
from billor.config import Config


def connect_store(config: Config) -> AuditStore:
    """Return the CouchDB store if its URL is set, else the SQLite store. Opens nothing yet."""
    if config.couchdb_url is None:
        return SqliteStore(config.audit_file)
    return CouchStore(config.couchdb_url, config.couchdb_database)

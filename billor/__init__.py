"""Billor: drivers, loads and assignments for a trucking company."""

from typing import cast

import click
from flask import Flask
from flask.json.provider import DefaultJSONProvider

from billor import board, cli
from billor.api import docs
from billor.api.blueprint import IdConverter
from billor.api.middleware import init_cors, note_route, refuse_encoded_body, with_middleware
from billor.api.problems import init_problems
from billor.api.responses import compress, enclose, tag, with_one_form
from billor.assignments import mine
from billor.assignments import routes as assignments_routes
from billor.audit import routes as audit_routes
from billor.audit.store import connect_store
from billor.auth import api_keys, me
from billor.auth import routes as auth_routes
from billor.auth.guard import Guard
from billor.auth.sessions import jwt
from billor.cache import CachedPages, init_cache
from billor.changes import routes as changes_routes
from billor.changes import webhooks
from billor.changes.feed import Feed
from billor.config import API_VERSION, Config, load_config
from billor.database import ENGINE_OPTIONS, init_database, init_migrations
from billor.drivers import routes as drivers_routes
from billor.health import routes as health_routes
from billor.loads import document_routes, stats
from billor.loads import routes as loads_routes
from billor.loads.documents import DocumentStore
from billor.observe import logs, metrics
from billor.observe.traces import init_traces
from billor.users import routes as users_routes

RESOURCES = (
    *(auth_routes, me, users_routes, api_keys, drivers_routes, loads_routes, document_routes),
    *(assignments_routes, mine, changes_routes, webhooks, stats, audit_routes, health_routes),
)
MAX_BODY_BYTES = 1024 * 1024


def create_app(config: Config | None = None) -> Flask:
    """Create the Flask application, by default with the settings of the environment.

    Opens no connection and starts no thread. Raises `ConfigError` for an invalid setting.
    """
    config = config or load_config()
    logs.init_logging(config)

    app = Flask("billor", static_folder=None)
    app.config.from_mapping(
        BILLOR=config,
        JWT_SECRET_KEY=config.jwt_secret_key,  # no SECRET_KEY: there are no cookie sessions
        JWT_ACCESS_TOKEN_EXPIRES=config.access_token_seconds,
        JWT_REFRESH_JSON_KEY="refreshToken",
        JWT_DECODE_LEEWAY=10,  # seconds of clock skew between servers
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        TRUSTED_HOSTS=list(config.trusted_hosts) or None,
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=ENGINE_OPTIONS | {"pool_size": config.database_pool_size},
        API_VERSION=API_VERSION,
    )
    cast(DefaultJSONProvider, app.json).sort_keys = False

    app.after_request(compress)  # the last one, as Flask calls them in reverse order
    app.after_request(tag)
    app.after_request(enclose)
    init_problems(app)
    app.before_request(note_route)
    init_cors(app)
    guard = Guard(app)
    app.before_request(refuse_encoded_body)
    engine = init_database(app)
    metrics.watch_connections(engine)
    jwt.init_app(app)
    init_cache(app)
    app.extensions["audit_store"] = connect_store(
        config.couchdb_url, config.couchdb_database, config.home
    )
    app.extensions["documents"] = DocumentStore(config)
    app.extensions["changes"] = Feed(app, engine)

    app.url_map.converters["id"] = IdConverter
    for resource in (*RESOURCES, docs, board):
        app.register_blueprint(resource.blueprint)
    cli.init_cli(app)
    if click.get_current_context(silent=True):  # the `flask` command, which may be `flask db`
        init_migrations(app)

    cached_pages = with_one_form(CachedPages(app, guard.authorise))
    app.wsgi_app = with_middleware(cached_pages, app)  # type: ignore
    init_traces(app, config)
    return app

"""The one place that reads the environment: every setting, typed, with its default beside it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_DEMO_PASSWORD = "demo-password"  # noqa: S105 - public on purpose, refused in production
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
SERVICES_FILE = "services.env"
"""Written into BILLOR_HOME by the local launcher while it runs: the URLs of what it started."""

HINTS = {
    "DATABASE_URL": "start everything with `make run`, or set it (see .env.example)",
    "JWT_SECRET_KEY": "set it to at least 32 random characters, or start with `make run`",
}


class ConfigError(Exception):
    """A setting is missing or wrong. The message is one line that names it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything Billor can be told from outside. Secrets and URLs stay out of `repr`."""

    environment: str
    home: Path
    host: str
    port: int
    web_workers: int
    database_pool_size: int
    log_level: str
    trusted_proxies: int
    trusted_hosts: tuple[str, ...]
    """By what names clients may ask for the API; none stands for any."""
    cors_origins: tuple[str, ...]
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    pubsub_project_id: str | None
    pubsub_emulator_host: str | None
    pubsub_topic: str
    pubsub_subscription: str
    couchdb_url: str | None = field(repr=False)
    couchdb_database: str
    jwt_secret_key: str = field(repr=False)
    access_token_seconds: int
    demo_email: str
    demo_password: str = field(repr=False)

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def audit_file(self) -> Path:
        """Where the audit store lives while COUCHDB_URL is unset."""
        return self.home / "audit.sqlite3"


class PostgresUrl(fields.String):
    """A PostgreSQL URL, as SQLAlchemy wants it: always with the psycopg2 driver."""

    default_error_messages = {"invalid": "is not a PostgreSQL URL (postgresql://user@host/name)."}

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            url = make_url(super()._deserialize(value, attr, data, **kwargs))
        except (ArgumentError, ValueError) as error:
            raise self.make_error("invalid") from error
        if url.get_backend_name() not in ("postgresql", "postgres"):
            raise self.make_error("invalid")
        return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


class Names(fields.Field):
    """Names of one form, separated by commas."""

    def __init__(self, pattern: str, error: str, **options):
        super().__init__(**options)
        self._pattern, self._error = pattern, error

    def _deserialize(self, value, attr, data, **kwargs):
        names = tuple(name.strip() for name in value.split(","))
        if not all(re.fullmatch(self._pattern, name) for name in names):
            raise ValidationError(self._error)
        return names


def _url(setting: str, *schemes: str) -> fields.String:
    def check(url: str) -> None:
        if not re.match(rf"({'|'.join(schemes)})://.", url):
            starts = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValidationError(f"must start with {starts}.")
        try:
            _ = urlsplit(url).port
        except ValueError as error:
            raise ValidationError("is not a URL with a valid host and port.") from error

    return fields.String(data_key=setting, load_default=None, validate=check)


def _text(setting: str, default: str | None, *checks: validate.Validator) -> fields.String:
    return fields.String(data_key=setting, load_default=default, validate=list(checks))


def _whole_number(setting: str, default: int, minimum: int, maximum: int) -> fields.Integer:
    limits = validate.Range(
        minimum, maximum, error=f"must be a whole number from {minimum} to {maximum}."
    )
    return fields.Integer(data_key=setting, load_default=default, validate=limits)


# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
PUBSUB_NAME = validate.Regexp(
    r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}\Z", error="is not a Pub/Sub resource name."
)


class EnvironmentSchema(Schema):
    """The environment's variables, their defaults and the checks they must pass."""

    class Meta:
        unknown = EXCLUDE

    environment = _text("BILLOR_ENV", "development", validate.OneOf(["development", "production"]))
    home = _text("BILLOR_HOME", ".billor")
    host = _text("HOST", "127.0.0.1")
    port = _whole_number("PORT", 8000, 1, 65535)
    web_workers = _whole_number("WEB_WORKERS", 2, 1, 64)
    database_pool_size = _whole_number("DATABASE_POOL_SIZE", 8, 4, 64)
    log_level = _text("LOG_LEVEL", "INFO", validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
    trusted_proxies = _whole_number("TRUSTED_PROXIES", 0, 0, 10)
    trusted_hosts = Names(
        r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]",
        "must be names like api.example.com, without ports, or .example.com, with commas.",
        data_key="TRUSTED_HOSTS",
        load_default=None,
    )
    cors_origins = Names(  # RFC 6454; `*` stands for any
        r"\*|https?://[A-Za-z0-9.-]+(:[0-9]+)?",
        "must be origins like https://example.com, with commas.",
        data_key="CORS_ORIGINS",
        load_default=(),
    )
    database_url = PostgresUrl(data_key="DATABASE_URL", required=True)
    redis_url = _url("REDIS_URL", "redis", "rediss", "unix")
    pubsub_project_id = _text("PUBSUB_PROJECT_ID", None)
    pubsub_emulator_host = _text("PUBSUB_EMULATOR_HOST", None)
    pubsub_topic = _text("PUBSUB_TOPIC", "load-events", PUBSUB_NAME)
    pubsub_subscription = _text("PUBSUB_SUBSCRIPTION", None, PUBSUB_NAME)
    couchdb_url = _url("COUCHDB_URL", "http", "https")
    couchdb_database = _text(
        "COUCHDB_DATABASE",
        "billor-audit",
        validate.Regexp(r"[a-z][a-z0-9_$()+/-]*\Z", error="is not a CouchDB database name."),
    )
    jwt_secret_key = fields.String(
        data_key="JWT_SECRET_KEY",
        required=True,
        validate=validate.Length(min=32, error="must be at least 32 characters long."),
    )
    access_token_seconds = _whole_number("ACCESS_TOKEN_SECONDS", 3600, 60, 604_800)
    demo_email = _text("DEMO_EMAIL", "demo@billor.example", validate.Email())
    demo_password = _text("DEMO_PASSWORD", DEFAULT_DEMO_PASSWORD, validate.Length(min=8))


def read_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Merge what the settings come from, first wins: the process's environment, `.env` in the
    working folder, and the services file of a running local launcher.

    `JWT_SECRET_KEY_FILE` names a file to take the key from, as container secrets are mounted.
    Variables that are set but empty count as unset.
    """
    merged = _without_empty(environ)
    merged = _env_file(Path(".env")) | merged
    merged = _env_file(Path(merged.get("BILLOR_HOME", ".billor")) / SERVICES_FILE) | merged
    key_file = merged.get("JWT_SECRET_KEY_FILE")
    if key_file and "JWT_SECRET_KEY" not in merged:
        try:
            merged["JWT_SECRET_KEY"] = Path(key_file).read_text().strip()
        except (OSError, ValueError) as error:
            raise ConfigError(f"JWT_SECRET_KEY_FILE cannot be read: {error}.") from error
    return merged


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Turn environment variables into a `Config`.

    Takes a complete mapping instead of the process's surroundings when given one.
    Raises `ConfigError` naming the first setting that is missing or wrong.
    """
    variables = read_environment() if environ is None else _without_empty(environ)
    try:
        values = EnvironmentSchema().load(variables)
    except ValidationError as error:
        raise ConfigError(_one_line(error.normalized_messages(), variables)) from error
    values["home"] = Path(values["home"]).absolute()
    if values["pubsub_subscription"] is None:
        # Whoever sets only the topic does not share a subscription.
        values["pubsub_subscription"] = f"{values['pubsub_topic']}-audit"
    if values["trusted_hosts"] is None:
        is_local = values["host"] in LOOPBACK_HOSTS and not values["trusted_proxies"]
        values["trusted_hosts"] = LOOPBACK_HOSTS if is_local else ()
    config = Config(**values)
    if config.pubsub_emulator_host and not config.pubsub_project_id:
        raise ConfigError("PUBSUB_PROJECT_ID is not set, and PUBSUB_EMULATOR_HOST needs one.")
    return config


def _without_empty(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}


def _env_file(path: Path) -> dict[str, str]:
    """The variables of a file like `.env`; none if it is not there."""
    try:
        return _without_empty(dotenv_values(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error


def _one_line(messages: dict[str, list[str]], variables: Mapping[str, str]) -> str:
    setting, problems = next(iter(messages.items()))
    if setting not in variables:
        return f"{setting} is not set: {HINTS[setting]}."
    hint = f" ({HINTS[setting]})" if setting in HINTS else ""
    return f"{setting} {problems[0][0].lower()}{problems[0][1:].rstrip('.')}{hint}."

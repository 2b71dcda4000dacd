"""The settings, each declared once. Only this module reads the environment."""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from billor.text import RefusedText, clean

DEFAULT_DEMO_PASSWORD = "demo-password"  # noqa: S105 - public on purpose, refused in production
FEWEST_WORKERS, MOST_WORKERS = 2, 8
"""API processes without a setting. With the worker and 8 connections each, 72 at most."""
LEAST_RETENTION_DAYS = 35
"""`GET /stats` shows 30 days in any time zone, and Pub/Sub may bring a message again for 31."""
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# In BILLOR_HOME while the launcher runs: the URLs of the services that it has started.
SERVICES_FILE = "services.env"
HINTS = {
    "DATABASE_URL": "start everything with `make run`, or set it (see .env.example)",
    "JWT_SECRET_KEY": "set it to at least 32 random characters, or start with `make run`",
}


class ConfigError(Exception):
    """A setting is missing or wrong. The message is one line that names it."""


class PostgresUrl(fields.String):
    """A PostgreSQL URL, converted for SQLAlchemy with the psycopg2 driver."""

    default_error_messages = {"invalid": "is not a PostgreSQL URL (postgresql://user@host/name)."}

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            url = make_url(super()._deserialize(value, attr, data, **kwargs))
        except (ArgumentError, ValueError) as error:
            raise self.make_error("invalid") from error
        if url.get_backend_name() not in ("postgresql", "postgres"):
            raise self.make_error("invalid")
        return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


class Host(fields.String):
    """A host name, or an IP address, without the brackets that IPv6 has in a URL."""

    default_error_messages = {
        "invalid": "must be a host name or an address, like 127.0.0.1 or ::1, without a port."
    }

    def _deserialize(self, value, attr, data, **kwargs):
        host = super()._deserialize(value, attr, data, **kwargs)
        if address := _ip_address(re.sub(r"\A\[(.*)\]\Z", r"\1", host)):
            return str(address)
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", host):
            raise self.make_error("invalid")
        return host.lower()


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address, or None for a name and for an address with a zone."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if getattr(address, "scope_id", None) else address


def in_url(host: str) -> str:
    """Return the host as URLs and gunicorn write it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


class Names(fields.Field):
    """Comma-separated names that match a pattern."""

    def __init__(self, pattern: str, error: str, **options):
        super().__init__(**options)
        self._pattern, self._error = pattern, error

    def _deserialize(self, value, attr, data, **kwargs):
        names = tuple(name.strip() for name in value.split(","))
        if not all(re.fullmatch(self._pattern, name) for name in names):
            raise ValidationError(self._error)
        return names


HEADER = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=(.*)")


class Headers(fields.Field):
    """Comma-separated headers, `name=value`, with what is special in a value percent-encoded."""

    default_error_messages = {"invalid": "must be like name=value,name=value."}

    def _deserialize(self, value, attr, data, **kwargs):
        given = [HEADER.fullmatch(header) for header in value.split(",")]
        headers = {match[1]: unquote(match[2]).strip() for match in given if match}
        if None in given or not all(t.isascii() and t.isprintable() for t in headers.values()):
            raise self.make_error("invalid")
        return headers


def _url(*schemes: str) -> fields.String:
    """Return the field of a URL of one of the schemes; its host may be several, with commas."""

    def check(url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme not in schemes or not rest:
            starts = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValidationError(f"must start with {starts}.")
        try:
            for host in urlsplit(url).netloc.rpartition("@")[2].split(","):
                _ = urlsplit(f"//{host}").port
        except ValueError as error:
            raise ValidationError("is not a URL with a valid host and port.") from error
        if scheme.endswith("+sentinel") and not re.fullmatch(
            r"/[^/]+(/[0-9]+)?", urlsplit(url).path
        ):
            raise ValidationError("must name the master, as in redis+sentinel://host/master.")

    return fields.String(validate=check)


def _text(*checks: Callable[[str], object]) -> fields.String:
    return fields.String(validate=list(checks))


def _is_text(value: str) -> None:
    try:
        clean(value)
    except RefusedText as error:
        raise ValidationError(str(error)) from error


def _whole_number(minimum: int, maximum: int) -> fields.Integer:
    limits = validate.Range(
        minimum, maximum, error=f"must be a whole number from {minimum} to {maximum}."
    )
    return fields.Integer(validate=limits)


# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
PUBSUB_NAME = validate.Regexp(
    r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}\Z", error="is not a Pub/Sub resource name."
)


def setting(
    field: fields.Field,
    default: Any = missing,
    *,
    help: str,  # noqa: A002 - the usual name
    name: str | None = None,
    default_help: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare a setting of `Config`, required unless it has a default.

    `name` is the environment variable, by default the attribute's name in upper case.
    `default_help` describes what happens without it. A `secret` is left out of `repr`.
    """
    field.data_key = name
    field.load_default = default
    field.required = default is missing
    metadata = {"field": field, "help": help, "default_help": default_help}
    return dataclasses.field(repr=not secret, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings, validated and typed."""

    database_url: str = setting(
        PostgresUrl(),
        help="`postgresql://user:password@host:5432/name`",
        default_help="embedded PostgreSQL",
        secret=True,
    )
    database_migration_url: str | None = setting(
        PostgresUrl(),
        None,
        help="PostgreSQL itself, for `flask db upgrade`, if `DATABASE_URL` is that of a connection "
        "pooler such as PgBouncer",
        default_help="`DATABASE_URL`",
        secret=True,
    )
    redis_url: str | None = setting(
        _url(
            *("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"),
            *("redis+sentinel", "rediss+sentinel"),
        ),
        None,
        help="`redis://`, `unix://`, `redis+cluster://host,host` or "
        "`redis+sentinel://host,host/master`; with TLS `rediss…`",
        default_help="embedded Redis or Valkey",
        secret=True,
    )
    pubsub_project_id: str | None = setting(
        _text(),
        None,
        help="a Google Cloud project",
        default_help="the emulator if installed, else in process",
    )
    pubsub_emulator_host: str | None = setting(
        _text(), None, help="`host:port` of an emulator instead of Google Cloud"
    )
    pubsub_topic: str = setting(_text(PUBSUB_NAME), "load-events", help="created if missing")
    pubsub_subscription: str = setting(
        _text(PUBSUB_NAME),
        None,
        help="created if missing; refused if it belongs to another topic",
        default_help="the topic's name and `-audit`",
    )
    couchdb_url: str | None = setting(
        _url("http", "https"),
        None,
        help="`http://user:password@host:5984/`; a server admin, or, once a worker has created the "
        "databases as one, a member of both",
        default_help="SQLite file in `BILLOR_HOME`",
        secret=True,
    )
    couchdb_database: str = setting(
        _text(validate.Regexp(r"[a-z][a-z0-9_$()+/-]*\Z", error="is not a CouchDB database name.")),
        "billor-audit",
        help="created if missing, and `…-dead-letters` with it",
    )
    jwt_secret_key: str = setting(
        _text(validate.Length(min=32, error="must be at least 32 characters long.")),
        help="at least 32 characters; signs tokens and cursors",
        default_help="generated by `make run`",
        secret=True,
    )
    access_token_seconds: int = setting(
        _whole_number(60, 604_800), 3600, help="how long an access token lasts"
    )
    session_seconds: int = setting(
        _whole_number(60, 604_800),
        43_200,
        help="how long a login lasts if its tokens are refreshed; at least as long as an access "
        "token",
    )
    demo_email: str = setting(
        _text(validate.Email(), _is_text),
        "demo@billor.example",
        help="the user that `flask seed` creates",
    )
    demo_password: str = setting(
        _text(validate.Length(min=8)),
        DEFAULT_DEMO_PASSWORD,
        help="its password until somebody changes it; production refuses the default",
        secret=True,
    )
    environment: str = setting(
        _text(validate.OneOf(["development", "production"])),
        "development",
        name="BILLOR_ENV",
        help="or `production`",
    )
    home: Path = setting(  # noqa: RUF009 - a declaration
        _text(),
        ".billor",
        name="BILLOR_HOME",
        help="embedded data, and the output of all parts in `logs/`; private to its owner",
    )
    host: str = setting(
        Host(), "127.0.0.1", help="where the API listens: a name or an address, `::1` or `::`, too"
    )
    port: int = setting(_whole_number(1, 65535), 8000, help="the port of the API")
    web_workers: int = setting(
        _whole_number(1, 64),
        None,
        help="API processes",
        default_help=f"one for each core, {FEWEST_WORKERS} to {MOST_WORKERS}",
    )
    database_pool_size: int = setting(
        _whole_number(4, 64), 8, help="database connections of each process, the worker too"
    )
    trusted_proxies: int = setting(
        _whole_number(0, 10),
        0,
        help="how many proxies' `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix` to "
        "trust, each of which adds a value",
    )
    trusted_hosts: tuple[str, ...] = setting(
        Names(
            r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]",
            "must be names like api.example.com, without ports, or .example.com, with commas.",
        ),
        None,
        help="names of the API, e.g. `api.example.com`, or `.example.com` with subdomains; "
        "comma-separated",
        default_help="loopback names if `HOST` is one, without proxies, and in compose; else any",
    )
    cors_origins: tuple[str, ...] = setting(  # RFC 6454; `*` stands for any
        Names(
            r"\*|https?://[A-Za-z0-9.-]+(:[0-9]+)?",
            "must be origins like https://example.com, with commas.",
        ),
        (),
        help="origins that may call the API, e.g. `https://dispatch.example.com`; comma-separated",
    )
    metrics_token: str | None = setting(
        _text(validate.Length(min=16, error="must be at least 16 characters long.")),
        None,
        help="at least 16 characters; Prometheus sends it as bearer token of `/metrics`",
        default_help="only admins may read the API's metrics",
        secret=True,
    )
    metrics_port: int | None = setting(
        _whole_number(1, 65535),
        None,
        help="the port, on `HOST`, where a worker serves its metrics at `/metrics`",
        default_help="it serves none",
    )
    retention_days: int | None = setting(
        _whole_number(LEAST_RETENTION_DAYS, 36_500),
        None,
        help="for how long `flask events archive` leaves what is settled; from "
        f"{LEAST_RETENTION_DAYS} on",
        default_help="for ever",
    )
    log_level: str = setting(
        _text(validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])),
        "INFO",
        help="`DEBUG`, `INFO`, `WARNING` or `ERROR`",
    )
    log_format: str = setting(
        _text(validate.OneOf(["text", "json"])),
        "text",
        help="or `json`: one object a line; text has colours on a terminal",
    )
    no_color: str | None = setting(_text(), None, help="anything: no colours")
    otel_exporter_otlp_endpoint: str | None = setting(
        _url("http", "https"),
        None,
        help="where OpenTelemetry's spans go, over HTTP: `http://host:4318`; without it there are "
        "none",
        secret=True,
    )
    otel_exporter_otlp_headers: Mapping[str, str] | None = setting(
        Headers(), None, help="headers for it: `name=value,name=value`", secret=True
    )
    otel_service_name: str = setting(_text(), "billor", help="whose spans they are")

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def address(self) -> str:
        """The host and the port where the API listens, as in a URL."""
        return f"{in_url(self.host)}:{self.port}"

    @property
    def audit_file(self) -> Path:
        """The file of the SQLite audit store, used while COUCHDB_URL is unset."""
        return self.home / "audit.sqlite3"


@dataclass(frozen=True)
class Setting:
    """A setting, by the environment variable `name`."""

    name: str
    field: fields.Field
    help: str
    default_help: str | None


def _settings() -> Iterator[Setting]:
    for attribute in dataclasses.fields(Config):
        field = attribute.metadata["field"]
        field.data_key = field.data_key or attribute.name.upper()
        yield Setting(name=field.data_key, **attribute.metadata)


SETTINGS = list(_settings())
_Schema = Schema.from_dict(
    {field.name: field.metadata["field"] for field in dataclasses.fields(Config)}
)


def read_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that settings are read from.

    In order of precedence: the process's environment, `.env` in the working directory, and the
    services file of a running launcher. `JWT_SECRET_KEY_FILE` names a file with the key, such as a
    mounted container secret. Empty variables count as unset.
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
    """Return the settings from `environ`, by default from `read_environment`.

    Raises `ConfigError` naming the first setting that is missing or wrong.
    """
    variables = read_environment() if environ is None else _without_empty(environ)
    try:
        values = _Schema(unknown=EXCLUDE).load(variables)
    except ValidationError as error:
        raise ConfigError(_one_line(error.normalized_messages(), variables)) from error
    values["home"] = Path(values["home"]).absolute()
    if values["pubsub_subscription"] is None:
        # Derived from the topic, so that another topic has another subscription.
        values["pubsub_subscription"] = f"{values['pubsub_topic']}-audit"
    if values["web_workers"] is None:
        values["web_workers"] = min(max(os.cpu_count() or 1, FEWEST_WORKERS), MOST_WORKERS)
    if values["trusted_hosts"] is None:
        is_local = _is_loopback(values["host"]) and not values["trusted_proxies"]
        names = dict.fromkeys((*LOOPBACK_HOSTS, in_url(values["host"])))
        values["trusted_hosts"] = tuple(names) if is_local else ()
    config = Config(**values)
    if config.pubsub_emulator_host and not config.pubsub_project_id:
        raise ConfigError("PUBSUB_PROJECT_ID is not set, and PUBSUB_EMULATOR_HOST needs one.")
    return config


def _is_loopback(host: str) -> bool:
    address = _ip_address(host)
    return host in LOOPBACK_HOSTS if address is None else address.is_loopback


def _without_empty(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}


def _env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file like `.env`; none if it does not exist."""
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

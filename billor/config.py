"""The settings, one line each. Only this module reads the environment."""

import os
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from cryptography.hazmat.primitives.asymmetric import ec
from dotenv import dotenv_values
from marshmallow import Schema, ValidationError, missing
from marshmallow.fields import Integer, String
from marshmallow.validate import Email, Length, OneOf, Range, Regexp
from phonenumbers import SUPPORTED_REGIONS

API_VERSION = "1.0.0"
DEFAULT_DEMO_PASSWORD = "demo-password"  # noqa: S105 - public on purpose, refused in production
SERVICES_FILE = "services.env"  # in BILLOR_HOME: the URLs of services that the launcher runs
_AUTHORITY = r"(.*@)?(\[[^]]+\]|[^][:/@?]+)(:\d+)?([/?].*)?"
POSTGRESQL = Regexp(
    rf"postgres(ql)?(\+\w+)?://({_AUTHORITY}|/.+)\Z",
    error="Must be like postgresql://user@host/name. You have DATABASE_URL set to something else, "
    "in the environment or in .env: unset it to use the embedded PostgreSQL.",
)
REDIS = Regexp(rf"(rediss?://{_AUTHORITY}|unix:///.+)\Z", error="Must be like redis://host:port.")
HTTP = Regexp(rf"https?://{_AUTHORITY}\Z", error="Must be like http://host:port.")
STORE = Regexp(r"(file|s3|gs|az)://\S+\Z", error="Must be like s3://bucket/folder.")
HOSTS = Regexp(r"[^/]+\Z", error="Must be like api.example.com,.example.com.")
REGION = OneOf(SUPPORTED_REGIONS, error="Must be the code of a country, like US or MX.")
ORIGINS = Regexp(r"(\*|,|\s|https?://[^,/]+)+\Z", error="Must be like https://a.example,http://b.")


time_zones = cache(available_timezones)


def check_time_zone(name: str) -> None:
    """Raise `ValidationError` unless the IANA database has this time zone."""
    if name not in time_zones():
        raise ValidationError("Must be the name of a time zone, like America/Chicago.")


def push_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key that this is in base64url. Raises `ValidationError`."""
    try:
        number = int.from_bytes(b64decode(f"{text}=", altchars=b"-_", validate=True))
        return ec.derive_private_key(number, ec.SECP256R1())
    except ValueError as error:
        raise ValidationError("Must be a private key of P-256, in base64url.") from error


class ConfigError(Exception):
    """A setting is missing or invalid. The message is one line that names it."""


def text(default: Any = None, *checks: Any, secret: bool = False) -> Any:
    """Declare a text setting, required if its default is `missing`."""
    text = String(required=default is missing, load_default=default, validate=list(checks))
    return field(repr=not secret, metadata={"field": text})


def number(default: int | None, low: int, high: int) -> Any:
    """Declare an integer setting."""
    return field(metadata={"field": Integer(load_default=default, validate=Range(low, high))})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings, validated and typed. Each has the name of its variable, in lower case."""

    database_url: str = text(missing, POSTGRESQL, secret=True)
    database_migration_url: str | None = text(None, POSTGRESQL, secret=True)
    redis_url: str | None = text(None, REDIS, secret=True)
    pubsub_project_id: str | None = text()
    pubsub_emulator_host: str | None = text()
    pubsub_topic: str = text("load-events")
    pubsub_subscription: str = text()  # by default the topic's name and `-audit`
    couchdb_url: str | None = text(None, HTTP, secret=True)
    couchdb_database: str = text("billor-audit")
    documents_url: str | None = text(None, STORE, secret=True)  # by default a folder in BILLOR_HOME
    notify_email_url: str | None = text(secret=True)
    notify_phone_url: str | None = text(secret=True)
    push_private_key: str | None = text(None, Length(equal=43), push_key, secret=True)
    public_url: str | None = text(None, HTTP)  # by default `local_url`
    private_webhooks: str = text("no", OneOf(["yes", "no"]))
    api_key_requests: int = number(600, 1, 1_000_000)
    jwt_secret_key: str = text(missing, Length(32), secret=True)
    access_token_seconds: int = number(3600, 60, 604_800)
    session_seconds: int = number(43_200, 60, 604_800)
    demo_email: str = text("demo@billor.example", Email())
    demo_password: str = text(DEFAULT_DEMO_PASSWORD, Length(8), secret=True)
    time_zone: str | None = text(None, check_time_zone)  # by default each browser's own
    phone_region: str = text("US", REGION)
    billor_env: str = text("development", OneOf(["development", "production"]))
    billor_home: str = text(".billor")
    bind: str = text("127.0.0.1")
    port: int = number(8000, 1, 65535)
    web_workers: int = number(None, 1, 64)  # by default one per core, 2 to 8
    database_pool_size: int = number(8, 4, 64)
    trusted_proxies: int = number(0, 0, 10)
    trusted_hosts: tuple[str, ...] = text(None, HOSTS)  # by default those of a loopback address
    cors_origins: tuple[str, ...] = text(None, ORIGINS)
    metrics_token: str | None = text(None, Length(16), secret=True)
    metrics_port: int | None = number(None, 1, 65535)
    log_level: str = text("INFO", OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
    log_format: str = text("text", OneOf(["text", "json"]))
    otel_exporter_otlp_endpoint: str | None = text(None, HTTP, secret=True)
    otel_exporter_otlp_headers: str | None = text(secret=True)
    otel_service_name: str = text("billor")

    @property
    def is_production(self) -> bool:
        return self.billor_env == "production"

    @property
    def has_public_demo(self) -> bool:
        """Whether everybody may know the demo account."""
        return not self.is_production and self.demo_password == DEFAULT_DEMO_PASSWORD

    @property
    def zone_of_days(self) -> str:
        return self.time_zone or "UTC"

    @property
    def home(self) -> Path:
        return Path(self.billor_home).absolute()

    @property
    def address(self) -> str:
        return f"[{self.bind}]:{self.port}" if ":" in self.bind else f"{self.bind}:{self.port}"

    @property
    def local_url(self) -> str:
        """The API's URL on this machine: loopback, if it listens on all addresses."""
        url = f"http://{self.address}"
        return url.replace("//0.0.0.0", "//127.0.0.1").replace("[::]", "[::1]")


_SCHEMA = Schema.from_dict({each.name: each.metadata["field"] for each in fields(Config)})()
SETTINGS = [name.upper() for name in _SCHEMA.fields]


def read_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for the settings, stripped, without empty ones.

    The environment overrides `.env`, which overrides the file of a running launcher.
    `JWT_SECRET_KEY_FILE` names a file with the key; so does `PUSH_PRIVATE_KEY_FILE`.
    """
    try:
        merged = _stripped(dotenv_values(".env")) | _stripped(environ)
        home = Path(merged.get("BILLOR_HOME", ".billor"))
        merged = _stripped(dotenv_values(home / SERVICES_FILE)) | merged
        for name in ("JWT_SECRET_KEY", "PUSH_PRIVATE_KEY"):
            if name not in merged and (file := merged.get(f"{name}_FILE")):
                merged[name] = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"A file with settings cannot be read: {error}.") from error
    return merged


def _stripped(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value.strip() for name, value in variables.items() if value and value.strip()}


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Return the settings. Raises `ConfigError` for the first one that is missing or invalid."""
    variables = read_environment() if environ is None else _stripped(environ)
    given = {name.lower(): variables[name] for name in SETTINGS if name in variables}
    given["log_level"] = given.get("log_level", "INFO").upper()
    try:
        values = _SCHEMA.load(given)
    except ValidationError as error:
        name, (problem, *_) = next(iter(error.normalized_messages().items()))
        if name not in given:
            problem = "is not set: start everything with `make run`, or set it (see .env.example)."
        raise ConfigError(f"{name.upper()} {problem[0].lower()}{problem[1:]}") from error
    if values["pubsub_emulator_host"] and not values["pubsub_project_id"]:
        raise ConfigError("PUBSUB_PROJECT_ID is not set, and PUBSUB_EMULATOR_HOST needs one.")
    for name in ("database_url", "database_migration_url"):
        values[name] = values[name] and re.sub(r"\A[^:]+", "postgresql+psycopg2", values[name])
    values["bind"] = values["bind"].strip("[]").lower()
    if not values["pubsub_subscription"]:
        values["pubsub_subscription"] = f"{values['pubsub_topic']}-audit"
    values["web_workers"] = values["web_workers"] or min(max(os.cpu_count() or 1, 2), 8)
    is_local = re.fullmatch(r"localhost|127\.[\d.]+|[0:]+:0*1", values["bind"])
    if values["trusted_hosts"] is None and is_local and not values["trusted_proxies"]:
        values["trusted_hosts"] = f"localhost,127.0.0.1,{values['bind']}"
    for name in ("trusted_hosts", "cors_origins"):
        values[name] = tuple(re.split(r"\s*,\s*", values[name])) if values[name] else ()
    return Config(**values)

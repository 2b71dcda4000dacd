"""Configuration: defaults, refused settings, and precedence of sources."""

from pathlib import Path

import pytest

from billor.config import ConfigError, load_config, read_environment
from billor.embedded import launcher

MINIMAL = {
    "DATABASE_URL": "postgresql://user:db-secret@host/name",
    "JWT_SECRET_KEY": "k" * 32,
}
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(**environ):
    return load_config(read_environment(MINIMAL | environ))


def test_everything_but_the_database_and_the_key_has_a_default(folder, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    config = load_config(MINIMAL)
    assert {
        name: value
        for name, value in vars(config).items()
        if name not in ("database_url", "jwt_secret_key")
    } == {
        "environment": "development",
        "home": folder / ".billor",
        "host": "127.0.0.1",
        "port": 8000,
        "web_workers": 4,
        "database_pool_size": 8,
        "metrics_token": None,
        "metrics_port": None,
        "log_level": "INFO",
        "log_format": "text",
        "no_color": None,
        "otel_exporter_otlp_endpoint": None,
        "otel_exporter_otlp_headers": None,
        "otel_service_name": "billor",
        "trusted_proxies": 0,
        "trusted_hosts": LOOPBACK,
        "cors_origins": (),
        "retention_days": None,
        "database_migration_url": None,
        "redis_url": None,
        "pubsub_project_id": None,
        "pubsub_emulator_host": None,
        "pubsub_topic": "load-events",
        "pubsub_subscription": "load-events-audit",
        "couchdb_url": None,
        "couchdb_database": "billor-audit",
        "access_token_seconds": 3600,
        "session_seconds": 43_200,
        "demo_email": "demo@billor.example",
        "demo_password": "demo-password",
    }
    assert config.audit_file == folder / ".billor" / "audit.sqlite3"
    assert not config.is_production


@pytest.mark.parametrize(("cores", "processes"), [(None, 2), (1, 2), (3, 3), (8, 8), (64, 8)])
def test_api_processes_follow_from_the_cores(monkeypatch, cores, processes):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert load_config(MINIMAL).web_workers == processes
    assert load_config(MINIMAL | {"WEB_WORKERS": "5"}).web_workers == 5


def test_settings_are_typed():
    given = {
        "BILLOR_ENV": "production",
        "PORT": "65535",
        "ACCESS_TOKEN_SECONDS": "60",
        "REDIS_URL": "rediss://:secret@host:6379/0",
        "COUCHDB_URL": "https://host",
        "CORS_ORIGINS": "https://a.example, http://localhost:3000",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20YQ==, x-tenant = 1",
        "UNKNOWN_TO_US": "is ignored",
    }
    config = load_config(MINIMAL | given)
    assert config.is_production
    assert (config.port, config.access_token_seconds) == (65535, 60)
    assert config.redis_url == given["REDIS_URL"]
    assert config.couchdb_url == given["COUCHDB_URL"]
    assert config.cors_origins == ("https://a.example", "http://localhost:3000")
    assert config.otel_exporter_otlp_headers == {"authorization": "Basic YQ==", "x-tenant": "1"}


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({"HOST": "localhost"}, LOOPBACK),
        ({"HOST": "LocalHost"}, LOOPBACK),
        ({"HOST": "[::1]"}, LOOPBACK),
        ({"HOST": "::1"}, LOOPBACK),
        ({"HOST": "0:0::0:1"}, LOOPBACK),
        ({"HOST": "127.0.0.2"}, (*LOOPBACK, "127.0.0.2")),
        ({"HOST": "::"}, ()),
        ({"HOST": "2001:db8::1"}, ()),
        ({"HOST": "192.0.2.1"}, ()),
        ({"TRUSTED_PROXIES": "1"}, ()),
        ({"TRUSTED_HOSTS": "a.example, .b.example,[::1]"}, ("a.example", ".b.example", "[::1]")),
        ({"HOST": "192.0.2.1", "TRUSTED_HOSTS": "a.example"}, ("a.example",)),
    ],
)
def test_trusted_hosts_are_set_or_follow_from_the_listening_address(given, hosts):
    assert load_config(MINIMAL | given).trusted_hosts == hosts


@pytest.mark.parametrize(
    ("host", "listening", "url"),
    [
        ("127.0.0.1", "127.0.0.1:81", "http://127.0.0.1:81"),
        ("0.0.0.0", "0.0.0.0:81", "http://127.0.0.1:81"),  # noqa: S104
        ("localhost", "localhost:81", "http://localhost:81"),
        ("::1", "[::1]:81", "http://[::1]:81"),
        ("[::1]", "[::1]:81", "http://[::1]:81"),
        ("::", "[::]:81", "http://[::1]:81"),
        ("[::]", "[::]:81", "http://[::1]:81"),
        ("0::0", "[::]:81", "http://[::1]:81"),
        ("[2001:DB8::1]", "[2001:db8::1]:81", "http://[2001:db8::1]:81"),
        ("my-host.example", "my-host.example:81", "http://my-host.example:81"),
    ],
)
def test_ipv6_hosts_have_brackets_where_a_port_follows(host, listening, url):
    config = load_config(MINIMAL | {"HOST": host, "PORT": "81"})
    assert (config.address, launcher._url(config)) == (listening, url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_any_postgresql_url_is_converted_for_sqlalchemy(scheme):
    config = load_config(MINIMAL | {"DATABASE_URL": f"{scheme}://user:p%40ss@host:5432/name"})
    assert config.database_url == "postgresql+psycopg2://user:p%40ss@host:5432/name"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://user:hidden@host/name"),
        ("DATABASE_URL", "postgresql://user:hidden@host:port/name"),
        ("JWT_SECRET_KEY", ""),
        ("JWT_SECRET_KEY", "hidden"),
        ("JWT_SECRET_KEY", "hidden".rjust(31)),
        ("BILLOR_ENV", "staging"),
        ("HOST", "127.0.0.1:8000"),
        ("HOST", "[::1]:8000"),
        ("HOST", "[::1"),
        ("HOST", "[localhost]"),
        ("HOST", "http://localhost"),
        ("HOST", "unix:/tmp/socket"),
        ("HOST", "fe80::1%eth0"),
        ("HOST", "a b"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("PORT", "http"),
        ("PORT", "9" * 5000),
        ("WEB_WORKERS", "0"),
        ("DATABASE_POOL_SIZE", "65"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hidden"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,,"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a name=hidden"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "name=hidden%0Aname:value"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_HOSTS", "https://example.com"),
        ("TRUSTED_HOSTS", "example.com:8000"),
        ("TRUSTED_HOSTS", "*.example.com"),
        ("TRUSTED_HOSTS", "example.com,,"),
        ("TRUSTED_HOSTS", "::1"),
        ("CORS_ORIGINS", "example.com"),
        ("CORS_ORIGINS", "https://example.com/page"),
        ("CORS_ORIGINS", "https://example.com,,"),
        ("REDIS_URL", "http://:hidden@host"),
        ("REDIS_URL", "redis://"),
        ("PUBSUB_TOPIC", "googles-own"),
        ("PUBSUB_SUBSCRIPTION", "1-begins-with-a-digit"),
        ("COUCHDB_URL", "couchdb://user:hidden@host"),
        ("COUCHDB_DATABASE", "Upper"),
        ("ACCESS_TOKEN_SECONDS", "59"),
        ("ACCESS_TOKEN_SECONDS", "604801"),
        ("DEMO_EMAIL", "nobody"),
        ("DEMO_EMAIL", "demo\u200b@billor.example"),
        ("DEMO_PASSWORD", "hidden"),
    ],
)
def test_a_bad_setting_is_named_in_one_line_without_secrets(setting, value):
    with pytest.raises(ConfigError, match=rf"\A{setting} [^\n]+\.\Z") as refusal:
        load_config(MINIMAL | {setting: value})
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("setting", MINIMAL)
def test_a_missing_setting_is_named_with_what_to_do(setting):
    environ = {name: value for name, value in MINIMAL.items() if name != setting}
    with pytest.raises(ConfigError, match=rf"\A{setting} is not set: [^\n]*make run[^\n]*\Z"):
        load_config(environ)


@pytest.mark.parametrize(
    ("setting", "value"), [("REDIS_URL", "redis://host:port"), ("COUCHDB_URL", "http://host:port")]
)
def test_a_url_with_a_bad_port_is_refused_like_any_bad_setting(setting, value):
    with pytest.raises(ConfigError, match=setting):
        load_config(MINIMAL | {setting: value})


def test_an_emulator_needs_a_project():
    emulator = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"}
    with pytest.raises(ConfigError, match=r"\APUBSUB_PROJECT_ID is not set[^\n]*\Z"):
        load_config(MINIMAL | emulator)
    config = load_config(MINIMAL | emulator | {"PUBSUB_PROJECT_ID": "project"})
    assert config.pubsub_emulator_host == "127.0.0.1:8085"


def test_empty_counts_as_unset(folder):
    (folder / ".env").write_text("PORT=9000\nHOST=\n")
    config = read(PORT="", REDIS_URL="", LOG_LEVEL="")
    assert (config.port, config.host, config.log_level) == (9000, "127.0.0.1", "INFO")
    assert config.redis_url is None


def test_the_environment_overrides_the_env_file_which_overrides_the_launchers_file(folder):
    home = folder / "home"
    home.mkdir()
    (folder / ".env").write_text("BILLOR_HOME=home\nPORT=2\nHOST=env-file\n")
    (home / "services.env").write_text("PORT=3\nHOST=services\nREDIS_URL='redis://services'\n")
    config = read(PORT="1")
    assert (config.port, config.host, config.redis_url) == (1, "env-file", "redis://services")
    assert config.home == home


def test_the_services_file_is_looked_for_in_the_default_home_too(folder):
    (folder / ".billor").mkdir()
    (folder / ".billor" / "services.env").write_text("PORT=3\n")
    assert read().port == 3


def test_a_given_mapping_is_the_only_source_of_settings(folder):
    (folder / ".env").write_text("PORT=9000\n")
    assert load_config(MINIMAL).port == 8000


def test_the_process_environment_is_read_by_default(folder, monkeypatch):
    for name, value in (MINIMAL | {"PORT": "9001", "BILLOR_HOME": str(folder)}).items():
        monkeypatch.setenv(name, value)
    assert load_config().port == 9001


@pytest.fixture
def key_file(folder) -> Path:
    return folder / "key"


def read_with(key_file, **environ):
    variables = {"DATABASE_URL": MINIMAL["DATABASE_URL"], "JWT_SECRET_KEY_FILE": str(key_file)}
    return load_config(read_environment(variables | environ))


def test_the_key_may_come_from_a_file_without_its_line_end(key_file):
    key_file.write_text("f" * 32 + "\n")
    assert read_with(key_file).jwt_secret_key == "f" * 32


def test_a_key_wins_over_a_key_file(key_file):
    key_file.write_text("f" * 32)
    assert read_with(key_file, JWT_SECRET_KEY="e" * 32).jwt_secret_key == "e" * 32


@pytest.mark.parametrize("content", [b"", b"short", b"f" * 31 + b"\n"])
def test_a_short_key_in_a_file_is_refused(key_file, content):
    key_file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"\AJWT_SECRET_KEY "):
        read_with(key_file)


def test_a_key_file_must_be_readable(key_file):
    for unreadable in (key_file, key_file.parent):
        with pytest.raises(ConfigError, match=r"\AJWT_SECRET_KEY_FILE cannot be read[^\n]*\Z"):
            read_with(unreadable)


def test_a_key_file_must_be_text(key_file):
    key_file.write_bytes(bytes(range(128, 192)))
    with pytest.raises(ConfigError, match=r"\AJWT_SECRET_KEY_FILE [^\n]*\Z"):
        read_with(key_file)


def test_secrets_stay_out_of_repr():
    config = load_config(
        {
            "DATABASE_URL": "postgresql://user:hidden@host/name",
            "REDIS_URL": "redis://:hidden@host",
            "COUCHDB_URL": "http://user:hidden@host",
            "JWT_SECRET_KEY": "hidden".ljust(32),
            "DEMO_PASSWORD": "hidden-password",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:hidden@host/hidden",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hidden",
        }
    )
    assert "environment='development'" in repr(config)
    assert "hidden" not in repr(config)

"""Configuration: defaults, refused settings, and precedence of sources."""

from pathlib import Path

import pytest

from billor.config import ConfigError, load_config, read_environment

MINIMAL = {"DATABASE_URL": "postgresql://user:db-secret@host/name", "JWT_SECRET_KEY": "k" * 32}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(**environ):
    return load_config(read_environment(MINIMAL | environ))


def test_everything_but_the_database_and_the_key_has_a_default(folder):
    config = load_config(MINIMAL)
    assert (config.address, config.database_pool_size) == ("127.0.0.1:8000", 8)
    assert (config.redis_url, config.couchdb_url, config.pubsub_project_id) == (None, None, None)
    assert (config.pubsub_topic, config.pubsub_subscription) == ("load-events", "load-events-audit")
    assert config.home == folder / ".billor"
    assert not config.is_production
    assert config.has_public_demo
    assert not read(DEMO_PASSWORD="of-this-server-only").has_public_demo


def test_settings_are_typed_and_stripped():
    given = {
        "BILLOR_ENV": "production",
        "PORT": " 65535\n",
        "REDIS_URL": "rediss://:p@ss@[::1]:6379/0?ssl_cert_reqs=none\n",
        "COUCHDB_URL": "https://host\t",
        "CORS_ORIGINS": "https://a.example, http://localhost:3000",
        "LOG_LEVEL": "info",
        "TIME_ZONE": "America/Chicago",
    }
    config = load_config(MINIMAL | given)
    assert config.is_production
    assert not config.has_public_demo
    assert (config.port, config.log_level, config.bind) == (65535, "INFO", "127.0.0.1")
    assert config.redis_url == given["REDIS_URL"].strip()
    assert config.couchdb_url == "https://host"
    assert config.cors_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
@pytest.mark.parametrize("rest", ["user:p%40ss@host:5432/name", "/name?host=/run/postgresql"])
def test_any_postgresql_url_is_converted_for_sqlalchemy(scheme, rest):
    config = load_config(MINIMAL | {"DATABASE_URL": f"{scheme}://{rest}\n"})
    assert config.database_url == f"postgresql+psycopg2://{rest}"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://user:hidden@host/name"),
        ("DATABASE_URL", "postgresql://user:hidden@host:port/name"),
        ("JWT_SECRET_KEY", "hidden"),
        ("BILLOR_ENV", "staging"),
        ("PORT", "65536"),
        ("LOG_LEVEL", "LOUD"),
        ("TIME_ZONE", "CST6"),
        ("PHONE_REGION", "USA"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("TRUSTED_HOSTS", "https://example.com"),
        ("CORS_ORIGINS", "https://example.com/page"),
        ("REDIS_URL", "http://:hidden@host"),
        ("COUCHDB_URL", "http://user:hidden@host:port"),
        ("DOCUMENTS_URL", "s3://hidden bucket/folder"),
        ("DEMO_EMAIL", "demo\u200b@billor.example"),
        ("DEMO_PASSWORD", "hidden"),
        ("PUSH_PRIVATE_KEY", "A" * 43),
        ("PUSH_PRIVATE_KEY", "hidden"),
    ],
)
def test_a_bad_setting_is_named_in_one_line_without_secrets(setting, value):
    with pytest.raises(ConfigError, match=rf"\A{setting} [^\n]+\.\Z") as refusal:
        load_config(MINIMAL | {setting: value})
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("setting", MINIMAL)
@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_missing_setting_is_named_with_what_to_do(setting, value):
    with pytest.raises(ConfigError, match=rf"\A{setting} is not set: [^\n]*make run[^\n]*\Z"):
        load_config(MINIMAL | {setting: value})


@pytest.mark.parametrize(("bind", "host"), [("[::]", "[::1]"), ("a.example", "a.example")])
def test_the_local_url_is_loopback_if_all_addresses_are_bound(bind, host):
    assert load_config(MINIMAL | {"BIND": bind}).local_url == f"http://{host}:8000"


def test_an_emulator_needs_a_project():
    with pytest.raises(ConfigError, match=r"\APUBSUB_PROJECT_ID is not set[^\n]*\Z"):
        load_config(MINIMAL | {"PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"})


def test_the_environment_overrides_the_env_file_which_overrides_the_launchers_file(folder):
    home = folder / "home"
    home.mkdir()
    (folder / ".env").write_text("BILLOR_HOME=home\nPORT=2\nBIND=env-file\n")
    (home / "services.env").write_text("PORT=3\nBIND=services\nREDIS_URL='redis://services'\n")
    config = read(PORT="1")
    assert (config.port, config.bind, config.redis_url) == (1, "env-file", "redis://services")
    assert config.home == home


def read_with(key_file, **environ):
    variables = {"DATABASE_URL": MINIMAL["DATABASE_URL"], "JWT_SECRET_KEY_FILE": str(key_file)}
    return load_config(read_environment(variables | environ))


def test_the_key_may_come_from_a_file(folder):
    key_file = folder / "key"
    key_file.write_text("f" * 32 + "\n")
    assert read_with(key_file).jwt_secret_key == "f" * 32
    assert read_with(key_file, JWT_SECRET_KEY="e" * 32).jwt_secret_key == "e" * 32
    key_file.write_text("f" * 31 + "\n")
    with pytest.raises(ConfigError, match=r"\AJWT_SECRET_KEY "):
        read_with(key_file)


def test_secrets_stay_out_of_repr():
    config = load_config(
        {
            "DATABASE_URL": "postgresql://user:hidden@host/name",
            "REDIS_URL": "redis://:hidden@host",
            "COUCHDB_URL": "http://user:hidden@host",
            "JWT_SECRET_KEY": "hidden".ljust(32, "-"),
            "DEMO_PASSWORD": "hidden-password",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:hidden@host/hidden",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hidden",
        }
    )
    assert "billor_env='development'" in repr(config)
    assert "hidden" not in repr(config)

"""Apps with other settings than the session's, and clients without a login."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

from flask import Flask
from flask_jwt_extended import create_access_token

from billor import create_app
from billor.cache import cache
from billor.config import load_config
from billor.models import Role, db
from tests.support.client import ApiClient
from tests.support.users import make_user

NEEDED = {"DATABASE_URL": "postgresql://unused/unused", "JWT_SECRET_KEY": "unused" * 6}
# Without a listener; a port that was just free may have one again.
DEAD_ADDRESS = "127.0.0.1:9"


@contextmanager
def another_app(settings: Mapping[str, str], **changes: str) -> Iterator[Flask]:
    """An app over the same services, except where `changes` name others."""
    app = create_app(load_config({**settings, **changes}))
    yield app
    close_connections(app)


def close_connections(app: Flask) -> None:
    """Close those to PostgreSQL and Redis, which the garbage collector would warn of later."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        if app.config["BILLOR"].redis_url:
            cache.cache.client.close()


def client_with_token(
    app: Flask,
    name: str = "Somebody",
    email: str = "somebody@billor.example",
    role: Role = Role.ADMIN,
    driver_id: int | None = None,
    password: str | None = None,
) -> ApiClient:
    """A client with the token of a new user, without a login."""
    with app.app_context():
        user = make_user(name, email, password, role, driver_id)
        return ApiClient(app.test_client(), create_access_token(str(user.id)))


def client_with_key(admin: ApiClient, app: Flask, **fields) -> ApiClient:
    """A program's client, with an API key that the admin makes."""
    made = admin.post("/api-keys", {"name": "Accounting", **fields})
    return ApiClient(app.test_client(), made.json["key"])


def give_driver_token(client: ApiClient, app: Flask, driver_id: int = 1) -> ApiClient:
    """Have the client do what only drivers may as this driver; return it."""
    driver = client_with_token(
        app, "Alex Carter", f"{uuid4()}@billor.example", role=Role.DRIVER, driver_id=driver_id
    )
    client.driver_token = driver.token
    return client

"""The commands of `flask users`."""

from typing import Any

import click
from sqlalchemy import select

from billor.cli.command import Group
from billor.models import Role, User, db
from billor.observe.logs import printable
from billor.users import service
from billor.users.schemas import UserSchema

PASSWORD = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="At least 8 characters. Prefer the prompt: other users can see command lines.",
)
ROLES = click.Choice([role.value for role in Role], case_sensitive=False)
DRIVER_ID = click.option("--driver-id", type=int, help="The driver's id, for the role DRIVER.")


users = Group("users", help="Manage the people who may log in.")


@users.command("list")
def list_users() -> None:
    """List all users: id, role, email address and name."""
    for user in db.session.scalars(select(User).order_by(User.id)):
        state = "" if user.is_active else " (deactivated)"
        click.echo(f"{user.id} {user.role} {printable(user.email)} {printable(user.name)}{state}")


@users.command("create")
@click.option("--name", prompt=True, help="Full name.")
@click.option("--email", prompt=True, help="Email address to log in with.")
@PASSWORD
@click.option("--role", type=ROLES, help="DISPATCHER by default, or ADMIN if none can log in yet.")
@DRIVER_ID
def create(role: str | None, driver_id: int | None, **fields: str) -> None:
    """Create a user. Prompts for what is missing."""
    role = role or (Role.DISPATCHER if service.has_admin() else Role.ADMIN)
    user = service.create_user(**UserSchema().load(fields | {"role": role, "driverId": driver_id}))
    click.echo(f"User {user.id} can log in as {user.email}, {user.role}.")


@users.command("set-password")
@click.argument("email")
@PASSWORD
def set_users_password(email: str, password: str) -> None:
    """Set the password of the user with this EMAIL, and log them out everywhere."""
    user = existing_user(email)
    service.update_user(user.id, **UserSchema(only=["password"]).load({"password": password}))
    click.echo(f"User {user.id} has a new password.")


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=ROLES)
@DRIVER_ID
def set_role(email: str, role: str, driver_id: int | None) -> None:
    """Set the role of the user with this EMAIL. A new role logs them out everywhere."""
    changes: dict[str, Any] = {"role": Role(role)}
    if driver_id is not None:
        changes["driver_id"] = driver_id
    user = service.update_user(existing_user(email).id, **changes)
    click.echo(f"User {user.id} is {user.role} now.")


@users.command("deactivate")
@click.argument("email")
def deactivate(email: str) -> None:
    """Deactivate the user with this EMAIL, and log them out everywhere."""
    user = service.update_user(existing_user(email).id, is_active=False)
    click.echo(f"User {user.id} can no longer log in.")


def existing_user(email: str) -> User:
    """Return the user with this email address. Raises `ClickException`."""
    user = service.find_user(email)
    if user is None:
        raise click.ClickException(f"No user has the email address {printable(email)}.")
    return user

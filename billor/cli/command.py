"""How commands report errors."""

import click
from flask.cli import AppGroup
from marshmallow import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from billor.config import ConfigError
from billor.database import from_database_error
from billor.errors import BillorError, Invalid
from billor.observe.logs import first_line, printable
from billor.worker.dead_letters import NotReplayed


class Command(click.Command):
    """A command that reports an error on standard error, a line for each field, with status 1."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except Invalid as error:
            raise click.ClickException("\n".join(by_field(error.extra["errors"]))) from error
        except (BillorError, ConfigError, NotReplayed) as error:
            raise click.ClickException(str(error)) from error
        except UnicodeEncodeError as error:
            raise click.ClickException("An argument is not in UTF-8.") from error
        except ValidationError as error:
            message = "\n".join(by_field(error.normalized_messages()))
            raise click.ClickException(message) from error
        except SQLAlchemyError as error:
            if refusal := from_database_error(error):
                raise click.ClickException(refusal.detail) from error
            reason = first_line(str(getattr(error, "orig", error)))
            message = f"The database refuses: {reason}. Is it migrated? See `flask db upgrade`."
            raise click.ClickException(message) from error


class Group(AppGroup):
    """A group of such commands, in an application context."""

    command_class = Command


def by_field(messages: dict[str, list[str]]) -> list[str]:
    """Return a line for each field."""
    lines = [f"{name}: {' '.join(texts)}" for name, texts in messages.items()]
    return [printable(line.removeprefix("_schema: ")) for line in lines]

"""The schema's history, run when the database is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from satchel.errors import Code, SatchelError

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic takes a third of a second to import and nothing else needs it, so it is imported where it is used.


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest revision, inside the connection's transaction.

    Raises DATABASE_UNAVAILABLE when a newer version of Satchel has been at it.
    """
    from alembic import command  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        command.upgrade(configuration(connection), "head")
    except CommandError as error:
        detail = "The database belongs to another version of this service."
        raise SatchelError(Code.DATABASE_UNAVAILABLE, detail) from error


def configuration(connection: Connection) -> "Config":
    """Alembic's configuration for the database of the connection."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config

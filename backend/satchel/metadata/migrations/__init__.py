"""The schema's history, run when the database is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

from satchel.errors import CannotStart

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic takes a third of a second to import, and most starts find nothing to do, so it is imported where it is used.

HEAD = "0005"
"""The newest revision."""

_version = table("alembic_version", column("version_num"))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the database to a revision, or to the newest, inside the connection's transaction.

    Raises CannotStart when a newer version of Satchel has been at it.
    """
    if _is_current(connection):
        return
    from alembic import command  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        command.upgrade(configuration(connection), revision)
    except CommandError as error:
        detail = "the database was used by a newer version of Satchel, which this one does not know"
        raise CannotStart(f"{detail} (SATCHEL_DATABASE_URL): {error}") from error


def _is_current(connection: Connection) -> bool:
    found = inspect(connection).has_table(_version.name)
    return found and connection.execute(select(_version.c.version_num)).scalars().all() == [HEAD]


def configuration(connection: Connection) -> "Config":
    """Alembic's configuration for the database of the connection."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config

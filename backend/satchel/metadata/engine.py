"""Which database a URL names."""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Table, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from .pool import Pool


class Database(Protocol):
    """A database: where to write, and where to read."""

    writer: Pool
    reader: Pool

    @property
    def insert(self) -> Callable[[Table], sqlite.Insert | postgresql.Insert]:
        """Its INSERT, which knows ON CONFLICT."""

    async def open(self) -> None:
        """Bring the tables up to date; servers that do so at once take turns. Raises CannotStart."""

    async def close(self) -> None:
        """Let the transactions under way end, then close all connections."""


def open_database(url: str, connections: int) -> Database:
    """The database of a URL, with at most so many connections where it is a server.

    Raises ValueError for a URL that names no database which Satchel can use.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not what they say: it may hold a piece of the password.
        raise ValueError("not the URL of a database (SATCHEL_DATABASE_URL)") from None
    if parsed.get_backend_name() == "sqlite":
        from .sqlite import SqliteDatabase  # noqa: PLC0415 - each with a driver that the other has no use for

        return SqliteDatabase(parsed)
    if parsed.get_backend_name() == "postgresql":
        from .postgresql import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(parsed, connections)
    raise ValueError(f"no such kind of database: {parsed.get_backend_name()} (SATCHEL_DATABASE_URL)")

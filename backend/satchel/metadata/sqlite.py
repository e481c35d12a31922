"""SQLite: how it is opened, and what its failures mean."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from satchel.errors import CannotStart, Code, SatchelError

from .migrations import upgrade
from .pool import Pool, damaged, no_room, reason, unavailable

READERS = 4
"""Connections, and so threads, that read at once."""
BUSY_TIMEOUT = timedelta(seconds=10)
"""How long SQLite waits for another process to let go of the database."""
RESERVE = 4 << 20
"""Bytes that SQLite sets aside twice, in its file and in its log, so that deleting works when the disk is full."""

PRAGMAS = (
    # First, so that the others wait too when another process is opening the same file.
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT // timedelta(milliseconds=1)}",
    # Readers and the writer do not block each other. The log is folded into the file every 2 MiB (pages of 4 KiB), well
    # within the reserve, and does not stay large after a burst.
    "PRAGMA journal_mode = WAL",
    "PRAGMA wal_autocheckpoint = 512",
    "PRAGMA journal_size_limit = 67108864",
    # What is acknowledged survives a power cut. NORMAL would lose the last commits in WAL mode.
    "PRAGMA synchronous = FULL",
    # Off by default in SQLite.
    "PRAGMA foreign_keys = ON",
    # A tampered database file cannot call functions with side effects.
    "PRAGMA trusted_schema = OFF",
)
_READER_PRAGMAS = (
    *PRAGMAS,
    # Reads cannot write by mistake, past the writer's turn.
    "PRAGMA query_only = ON",
    # A search of a million names looks into some thousand pages, more than the 2 MiB that are the default.
    "PRAGMA cache_size = -16384",
)

# Deleting a row writes, too. These two transactions stretch the log, which is written from its start again once it has
# been folded into the file, and leave as many free pages there; neither gives its room back.
_RESERVATION = (
    f"CREATE TABLE IF NOT EXISTS reserve AS SELECT zeroblob({RESERVE}) AS room",
    "DROP TABLE IF EXISTS reserve",
)

# https://www.sqlite.org/rescode.html: FULL; BUSY, LOCKED, READONLY, IOERR, CANTOPEN, PROTOCOL; CORRUPT, NOTADB
_NO_ROOM = frozenset({13})
_AWAY = frozenset({5, 6, 8, 10, 14, 15})
_DAMAGED = frozenset({11, 26})


class SqliteDatabase:
    """A file: one writer, because SQLite has one write lock, and some readers, each with a snapshot per transaction."""

    trouble: tuple[type[Exception], ...] = (DBAPIError,)

    def __init__(self, url: URL) -> None:
        """Raises ValueError where the URL names no file."""
        if url.database in {None, "", ":memory:"}:
            raise ValueError("the SQLite database needs a file")
        self._file = str(url.database)
        url = url.set(drivername="sqlite+aiosqlite")
        # IMMEDIATE takes the write lock at once. A transaction that begins by reading could not upgrade its snapshot
        # after someone else's commit, and would fail as busy without waiting.
        self._engines = [
            _engine(url, 1, "BEGIN IMMEDIATE", PRAGMAS),
            _engine(url, READERS, "BEGIN", _READER_PRAGMAS),
        ]
        self.writer = Pool(self._engines[0], asyncio.Semaphore(1), self)
        self.reader = Pool(self._engines[1], asyncio.Semaphore(READERS), self)
        self.insert = insert

    async def open(self) -> None:
        """Bring the tables up to date, under the write lock, and set room aside. Raises CannotStart."""
        try:
            # By the plain driver first: where a file cannot be opened, the other one leaves a thread that complains.
            await asyncio.to_thread(self._look)
            await self.writer.run(lambda c: c.run_sync(upgrade))
            await self._reserve_room()
        except (sqlite3.Error, SatchelError) as error:
            why = reason(error.__cause__ or error)
            raise CannotStart(
                f"the SQLite database {self._file} cannot be used: {why} (SATCHEL_DATABASE_URL)"
            ) from error

    async def close(self) -> None:
        """Let the transactions under way end; the writer last, because the last one folds the log into the file."""
        for pool, engine in ((self.reader, self._engines[1]), (self.writer, self._engines[0])):
            await pool.drain()
            await engine.dispose()

    def failure(self, error: Exception) -> SatchelError | None:
        """The failure that an exception of the driver is to a client."""
        code = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, DBAPIError) else 0
        primary = code & 0xFF  # the upper bits tell the kinds of one code apart
        if primary in _NO_ROOM:
            return no_room()
        if primary in _AWAY:
            return unavailable()
        return damaged() if primary in _DAMAGED else None

    def is_broken(self, _error: Exception) -> bool:
        """A file stays open, whatever fails."""
        return False

    def is_passing(self, _error: Exception) -> bool:
        """Nothing that SQLite has not waited for itself."""
        return False

    async def session(self, _c: AsyncConnection) -> int:
        """There is no server."""
        return 0

    async def end_session(self, _c: AsyncConnection, _session: int) -> bool:
        """What has not happened when the connection is closed will not happen any more."""
        return True

    def _look(self) -> None:
        with closing(sqlite3.connect(self._file, timeout=BUSY_TIMEOUT.total_seconds())) as connection:
            connection.execute("PRAGMA schema_version")

    async def _reserve_room(self) -> None:
        """Set room aside for deleting on a full disk, unless it is full already."""
        try:
            for statement in _RESERVATION:
                await self.writer.run(lambda c, statement=statement: c.exec_driver_sql(statement))  # type: ignore[misc]
        except SatchelError as error:
            if error.code is not Code.INSUFFICIENT_STORAGE:
                raise


def _engine(url: URL, size: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,  # from logs
        pool_size=size,
        max_overflow=0,
        # Without this the driver begins transactions by itself, late and not IMMEDIATE.
        connect_args={"isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine

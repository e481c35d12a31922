"""Connections: how each database is opened, how a transaction runs, and what its failures mean to us."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Table, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from satchel.errors import Code, SatchelError

T = TypeVar("T")

READERS = 4
"""Connections, and so threads, that read from SQLite at once."""
BUSY_TIMEOUT = timedelta(seconds=10)
"""How long SQLite waits for another process to let go of the database."""
RESERVE = 4 << 20
"""Bytes that SQLite sets aside twice, in its file and in its log, so that deleting works when the disk is full."""
TURN_TIMEOUT = 120.0
"""Seconds that a transaction waits for a free connection: a queue behind a disk that is busy with hundreds of uploads
is no database that does not answer."""


class Pool:
    """Runs transactions on one engine, as many at a time as it has connections."""

    def __init__(self, engine: AsyncEngine, size: int) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(size)
        self._running: set[asyncio.Task[Any]] = set()

    async def run(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        took_place: Callable[[T], Awaitable[bool]] | None = None,
    ) -> T:
        """Run `work` in one transaction: committed when it returns, rolled back when it raises.

        A caller that is cancelled while waiting for its turn leaves no trace. Once begun, the transaction runs to its
        end in a task of its own, whatever happens to the caller: no connection is ever abandoned in mid-statement.

        An exception out of COMMIT leaves open whether the transaction took place. Then `took_place` is asked, with
        what `work` returned; without it the answer is taken to be no.

        Raises DATABASE_UNAVAILABLE and INSUFFICIENT_STORAGE; mistakes of ours as SQLAlchemy's exceptions.
        """
        try:
            async with asyncio.timeout(TURN_TIMEOUT):
                await self._turns.acquire()
        except TimeoutError:
            raise _unavailable() from None
        task = asyncio.create_task(self._transaction(work, took_place))
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for the transactions that are under way, then close all connections."""
        while self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._turns.release()

    async def _transaction(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        took_place: Callable[[T], Awaitable[bool]] | None,
    ) -> T:
        try:
            async with self._engine.connect() as connection:  # rolls back on the way out, unless committed
                transaction = await connection.begin()
                result = await work(connection)
                try:
                    await transaction.commit()
                except DBAPIError:
                    # Close the connection first: what has not happened by then will not happen any more.
                    await connection.invalidate()
                    if took_place is None or not await took_place(result):
                        raise
                return result
        except DBAPIError as error:
            if (failure := _failure(error)) is None:
                raise
            raise failure from error


@dataclass(frozen=True)
class Database:
    """An open database: where to write, where to read, and its INSERT that knows ON CONFLICT."""

    writer: Pool
    reader: Pool
    insert: Callable[[Table], sqlite.Insert]
    reservation: Sequence[str]

    async def reserve_room(self) -> None:
        """Set room aside for deleting on a full disk, unless it is full already."""
        try:
            for statement in self.reservation:
                await self.writer.run(partial(_execute, statement=statement))
        except SatchelError as error:
            if error.code is not Code.INSUFFICIENT_STORAGE:
                raise

    async def close(self) -> None:
        """Close both pools; the writer last, because the last connection folds SQLite's log into the file."""
        await self.reader.close()
        await self.writer.close()


async def _execute(connection: AsyncConnection, statement: str) -> None:
    await connection.exec_driver_sql(statement)


def open_database(url: str) -> Database:
    """The database of a URL; connects with the first transaction.

    Raises ValueError for a URL that names no database which Satchel can use.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError("not the URL of a database") from error
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed)
    raise ValueError(f"no such kind of database: {parsed.get_backend_name()}")


_SQLITE = (
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
# Reads cannot write by mistake, past the writer's turn.
_SQLITE_READER = (*_SQLITE, "PRAGMA query_only = ON")


def _open_sqlite(url: URL) -> Database:
    """One writer, because SQLite has one write lock, and some readers, each with a snapshot per transaction."""
    if url.database in {None, "", ":memory:"}:
        raise ValueError("the SQLite database needs a file")
    url = url.set(drivername="sqlite+aiosqlite")
    # IMMEDIATE takes the write lock at once. A transaction that begins by reading could not upgrade its snapshot
    # after someone else's commit, and would fail as busy without waiting.
    writer = _sqlite_engine(url, 1, "BEGIN IMMEDIATE", _SQLITE)
    reader = _sqlite_engine(url, READERS, "BEGIN", _SQLITE_READER)
    # Deleting a row writes, too. These two transactions stretch the log, which is written from its start again once it
    # has been folded into the file, and leave as many free pages there; neither gives its room back.
    reservation = (
        f"CREATE TABLE IF NOT EXISTS reserve AS SELECT zeroblob({RESERVE}) AS room",
        "DROP TABLE IF EXISTS reserve",
    )
    return Database(Pool(writer, 1), Pool(reader, READERS), sqlite.insert, reservation)


def _sqlite_engine(url: URL, size: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        url,
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


# https://www.sqlite.org/rescode.html: FULL; BUSY, LOCKED, READONLY, IOERR, CANTOPEN, PROTOCOL; CORRUPT, NOTADB
_SQLITE_NO_ROOM = frozenset({13})
_SQLITE_AWAY = frozenset({5, 6, 8, 10, 14, 15})
_SQLITE_DAMAGED = frozenset({11, 26})


def _failure(error: DBAPIError) -> SatchelError | None:
    """The failure that a database error is to a client; None where it is a mistake of ours."""
    primary = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the upper bits tell the kinds of one code apart
    if primary in _SQLITE_NO_ROOM:
        return SatchelError(Code.INSUFFICIENT_STORAGE, "The database has no room left.")
    if primary in _SQLITE_AWAY:
        return _unavailable()
    if primary in _SQLITE_DAMAGED:
        return SatchelError(Code.DATABASE_UNAVAILABLE, "The database is damaged, or its file is not one.")
    return None


def _unavailable() -> SatchelError:
    return SatchelError(Code.DATABASE_UNAVAILABLE, "The database does not answer at the moment.")

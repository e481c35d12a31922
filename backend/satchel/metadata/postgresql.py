"""PostgreSQL: how it is reached, and what its failures mean."""

import asyncio
import socket
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import URL, NullPool, make_url, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from satchel.errors import CannotStart, SatchelError

from .migrations import upgrade
from .pool import Pool, damaged, no_room, reason, unavailable

CONNECT_TIMEOUT = timedelta(seconds=8)
"""How long the server may take to let us in."""
STATEMENT_TIMEOUT = timedelta(seconds=30)
"""How long one statement may take, waiting for locks included; the server ends it."""
ANSWER_TIMEOUT = STATEMENT_TIMEOUT + timedelta(seconds=5)
"""How long to wait for the answer to a statement: a server that stands still ends nothing."""
SILENCE_TIMEOUT = timedelta(seconds=10)
"""How long the other end may leave what was sent unconfirmed, before the connection is given up."""

_MIGRATION_LOCK = 7305808869229538924
"""The key of the advisory lock under which one server at a time changes the tables; any number, but always this one."""

_SERVER_SETTINGS = {
    "application_name": "satchel",
    # A server that stands still in mid-transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "60s",
    # No query is long enough to earn back its compilation.
    "jit": "off",
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_NO_ROOM = ("53100",)
_DAMAGED = ("XX001", "XX002")
# Connection; resources; shutdown, start-up and time-outs; locks; system; authorization; no such database; a standby.
_AWAY = ("08", "53", "57", "55P03", "58", "28", "3D", "25006")
_COLLIDED = ("40001", "40P01")
_CUT = ("08", "57P01", "57P02")


class PostgresDatabase:
    """A server: some connections, that readers and writers share.

    Writes are READ COMMITTED and lock the rows that they depend on; reads are REPEATABLE READ, one snapshot each.
    """

    # The last is what its driver says of a connection that the server is just ending.
    trouble: tuple[type[Exception], ...] = (DBAPIError, OSError, asyncpg.InternalClientError)

    def __init__(self, url: URL, connections: int) -> None:
        """Raises ValueError where the URL cannot be meant so."""
        if "@" in (url.host or ""):
            raise ValueError("the database's password needs percent-encoding: %40 for @, %2F for /, %3A for :")
        self._url = url
        self._engine = _engine(
            url,
            {"command_timeout": ANSWER_TIMEOUT.total_seconds()},
            {"statement_timeout": f"{STATEMENT_TIMEOUT // timedelta(milliseconds=1)}ms"},
            pool_size=connections,
            max_overflow=0,
        )
        turns = asyncio.Semaphore(connections)
        snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.writer, self.reader = Pool(self._engine, turns, self), Pool(snapshots, turns, self)
        self.insert = insert

    async def open(self) -> None:
        """Bring the tables up to date. Raises CannotStart."""
        # Another server may be at it for long, and so may we: on a connection without time-outs.
        patient = _engine(self._url, {}, {}, poolclass=NullPool)
        try:
            async with patient.begin() as c:
                await c.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                await c.run_sync(upgrade)
        except self.trouble as error:
            raise cannot_start(self._url, error) from error
        finally:
            await patient.dispose()

    async def close(self) -> None:
        """Let the transactions under way end, then close all connections."""
        await self.reader.drain()
        await self.writer.drain()
        await self._engine.dispose()

    def failure(self, error: Exception) -> SatchelError | None:
        """The failure that an exception of the driver is to a client."""
        state = _sqlstate(error)
        if state.startswith(_NO_ROOM):
            return no_room()
        if state.startswith(_DAMAGED):
            return damaged()
        if self.is_broken(error) or state.startswith(_AWAY + _COLLIDED):
            return unavailable()
        return None

    def is_broken(self, error: Exception) -> bool:
        """Time-outs too, which leave the connection in mid-statement."""
        return isinstance(error, OSError) or _is_cut(error)

    def is_passing(self, error: Exception) -> bool:
        """Deadlocks; connections that had died in the pool; statements prepared before a newer server's migration."""
        if _is_cut(error) or _sqlstate(error).startswith(_COLLIDED):
            return True
        return isinstance(error, DBAPIError) and isinstance(
            getattr(error.orig, "__cause__", None), asyncpg.InvalidCachedStatementError
        )

    async def session(self, c: AsyncConnection) -> int:
        """The id of the server's process."""
        driver: Any = (await c.get_raw_connection()).driver_connection
        pid: int = driver.get_server_pid()
        return pid

    async def end_session(self, c: AsyncConnection, session: int) -> bool:
        """Whether the server's process is gone: it may be in the midst of the commit, and unaware of a lost client."""
        # It leaves the view after it has ended its transaction.
        end = text(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid = :pid AND pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
        )
        return all((await c.scalars(end, {"pid": session})).all())


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # it comes without types
    """A connection that notices within seconds when the other end is unplugged."""

    def __init__(self, protocol: Any, transport: asyncio.BaseTransport, *args: Any, **kwargs: Any) -> None:
        super().__init__(protocol, transport, *args, **kwargs)
        sock = transport.get_extra_info("socket")
        if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        seconds = int(SILENCE_TIMEOUT.total_seconds())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Not every system has all of them.
        for name, value in (
            ("TCP_KEEPIDLE", seconds),
            ("TCP_KEEPINTVL", 2),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", seconds * 1000),
        ):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def connect(
    url: URL | str, *, server_settings: dict[str, str] | None = None, **options: Any
) -> asyncpg.Connection:
    """A connection of its own. What the URL leaves out comes from where libpq looks, such as PGPASSFILE."""
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT.total_seconds(),
        connection_class=_Connection,
        server_settings={**_SERVER_SETTINGS, **(server_settings or {})},
        **options,
    )


def cannot_start(url: URL | str, error: Exception) -> CannotStart:
    """Why the database of a URL cannot be used, without the URL's password."""
    url = make_url(url)
    where = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
    why = f"no answer in {CONNECT_TIMEOUT.seconds} seconds" if isinstance(error, TimeoutError) else reason(error)
    return CannotStart(f"the PostgreSQL database {where} cannot be used: {why} (SATCHEL_DATABASE_URL)")


def _engine(url: URL, options: dict[str, Any], server_settings: dict[str, str], **pooling: Any) -> AsyncEngine:
    connecting = partial(connect, url, server_settings=server_settings, **options)
    hidden = {"hide_parameters": True}  # from logs
    return create_async_engine("postgresql+asyncpg://", async_creator=connecting, **hidden, **pooling)


def _sqlstate(error: Exception) -> str:
    orig = error.orig if isinstance(error, DBAPIError) else error
    return getattr(orig, "sqlstate", None) or ""


def _is_cut(error: Exception) -> bool:
    """Whether the connection is gone, and the transaction with it."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _sqlstate(error).startswith(_CUT)
    return isinstance(error, asyncpg.InternalClientError)

"""Wake-ups between all processes that use one PostgreSQL database, by LISTEN and NOTIFY."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from satchel.metadata import postgresql

CHANNEL = "satchel_events"
STATEMENT_SECONDS = 10.0
LONGEST_PAUSE = 5.0
"""Seconds between two attempts to get a lost connection back, at most."""

_GONE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

log = structlog.get_logger(__name__)


class PostgresWakeup:
    """The `Wakeup` of a server that shares its database; it keeps one connection of its own.

    Whoever listens is told after the commit, not inside of it: PostgreSQL lets transactions that notify commit only one
    after the other. One notification is under way at a time, and stands for all that was committed until it is sent.

    While the connection is lost, nothing is heard from others until it is back, or the reader looks by itself.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._heard = asyncio.Event()
        self._unsent = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen. Raises CannotStart."""
        try:
            connection = await self._listen()
        except _GONE as error:
            raise postgresql.cannot_start(self._url, error) from error
        self._keeper = asyncio.create_task(self._keep(connection))

    async def close(self) -> None:
        """Stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    def notify(self) -> None:
        """Wake the tail readers of all processes, this one's at once."""
        self._heard.set()
        self._unsent.set()

    async def wait(self) -> None:
        """Return when anyone's `notify` was called since the last wait ended, or may have been unheard."""
        await self._heard.wait()
        self._heard.clear()

    async def _listen(self) -> asyncpg.Connection:
        connection = await postgresql.connect(self._url, command_timeout=STATEMENT_SECONDS)
        try:
            connection.add_termination_listener(self._lost)
            await connection.add_listener(CHANNEL, self._hear)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _hear(self, connection: Any, sender: int, _channel: str, _payload: object) -> None:
        if sender != connection.get_server_pid():  # this process's own have been heard already
            self._heard.set()

    def _lost(self, _connection: object) -> None:
        self._unsent.set()  # ends the wait in `_send`

    async def _keep(self, connection: asyncpg.Connection) -> None:
        """Send on a connection until it is lost, then get another one, for ever."""
        while True:
            try:
                await self._send(connection)
            except Exception as error:  # a keeper that ended here would leave this process deaf
                log.warning("event notifications interrupted", reason=str(error) or type(error).__name__)
            finally:
                connection.terminate()
            connection = await self._reconnect()
            self._heard.set()  # look at once: nobody knows what was said meanwhile
            self._unsent.set()  # nor what of ours was heard
            log.info("event notifications resumed")

    async def _send(self, connection: asyncpg.Connection) -> None:
        """Pass on what `notify` tells; raises when the connection is lost."""
        while True:
            await self._unsent.wait()
            self._unsent.clear()
            await connection.execute(f"NOTIFY {CHANNEL}")

    async def _reconnect(self) -> asyncpg.Connection:
        pause = 0.05
        while True:
            with suppress(Exception):
                return await self._listen()
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - no secret; servers should not come all at once
            pause = min(2 * pause, LONGEST_PAUSE)

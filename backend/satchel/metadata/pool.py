"""Transactions: how they run, which of them are run again, and what becomes of their failures."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from satchel.errors import Code, SatchelError

T = TypeVar("T")

TURN_TIMEOUT = 120.0
"""Seconds that a transaction waits for a free connection: a queue behind a disk that is busy with hundreds of uploads
is no database that does not answer."""
ATTEMPTS = 6
"""How often a transaction is begun that fails for reasons which pass."""
SETTLE_TIMEOUT = 10.0
"""Seconds in which the outcome of a COMMIT that was not answered must be found out."""


class Driver(Protocol):
    """What only one kind of database knows."""

    trouble: tuple[type[Exception], ...]
    """What is raised out of a transaction whose statement or connection failed."""

    def failure(self, error: Exception) -> SatchelError | None:
        """The failure that a driver's exception is to a client; None where it is a mistake of ours."""

    def is_broken(self, error: Exception) -> bool:
        """Whether the connection is of no more use after this exception."""

    def is_passing(self, error: Exception) -> bool:
        """Whether a transaction that was rolled back with this exception may succeed when it is begun again."""

    async def session(self, c: AsyncConnection) -> int:
        """A number for the server's end of the connection, got without asking the server."""

    async def end_session(self, c: AsyncConnection, session: int) -> bool:
        """Whether another connection's end is gone for certain; brings that about where it is not."""


class Pool:
    """Runs transactions on one engine, as many at a time as there are turns; pools may share both."""

    def __init__(self, engine: AsyncEngine, turns: asyncio.Semaphore, driver: Driver) -> None:
        self._engine = engine
        self._turns = turns
        self._driver = driver
        self._running: set[asyncio.Task[Any]] = set()

    async def run(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        took_place: Callable[[AsyncConnection, T], Awaitable[bool]] | None = None,
    ) -> T:
        """Run `work` in one transaction: committed when it returns, rolled back when it raises.

        Where the database rolled it back for a reason that passes (a deadlock, a connection that had died), `work` is
        called again.

        A caller that is cancelled while waiting for its turn leaves no trace. Once begun, the transaction runs to its
        end in a task of its own, whatever happens to the caller: no connection is ever abandoned in mid-statement.

        An exception out of COMMIT leaves open whether the transaction took place. Then `took_place` is asked, on a new
        connection and with what `work` returned, once the old connection can no longer change the answer; without it
        the exception is raised.

        Raises DATABASE_UNAVAILABLE and INSUFFICIENT_STORAGE; mistakes of ours as SQLAlchemy's exceptions.
        """
        try:
            async with asyncio.timeout(TURN_TIMEOUT):
                await self._turns.acquire()
        except TimeoutError:
            raise unavailable() from None
        task = asyncio.create_task(self._transaction(work, took_place))
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the transactions that are under way."""
        while self._running:
            await asyncio.wait(self._running)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._turns.release()
        if not task.cancelled():
            task.exception()  # where the caller is gone nobody else asks for it

    async def _transaction(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        took_place: Callable[[AsyncConnection, T], Awaitable[bool]] | None,
    ) -> T:
        attempt = 1
        while True:
            try:
                return await self._attempt(work, took_place)
            except self._driver.trouble as error:
                if attempt < ATTEMPTS and self._driver.is_passing(error):
                    # Those that stood in each other's way must not meet again at once.
                    await asyncio.sleep(random.random() * 0.01 * 2**attempt)  # noqa: S311 - no secret
                    attempt += 1
                    continue
                if (failure := self._driver.failure(error)) is None:
                    raise
                raise failure from error

    async def _attempt(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        took_place: Callable[[AsyncConnection, T], Awaitable[bool]] | None,
    ) -> T:
        """Begin, do the work and commit. Where this raises what the driver calls trouble, it was rolled back."""
        async with self._engine.connect() as connection:  # rolls back on the way out, unless committed
            transaction = await connection.begin()
            session = await self._driver.session(connection)
            try:
                result = await work(connection)
            except self._driver.trouble as error:
                if self._driver.is_broken(error):
                    await connection.invalidate()
                raise
            try:
                await transaction.commit()
            except self._driver.trouble as error:
                await connection.invalidate()
                if took_place is None and (failure := self._driver.failure(error)):
                    raise failure from error
                if took_place is None:
                    raise
                if not await self._took_place(session, took_place, result):
                    raise
            return result

    async def _took_place(
        self, session: int, took_place: Callable[[AsyncConnection, T], Awaitable[bool]], result: T
    ) -> bool:
        """Ask, when the answer cannot change any more. Raises DATABASE_UNAVAILABLE where nobody can tell."""
        end = time.monotonic() + SETTLE_TIMEOUT
        while True:
            try:
                async with self._engine.connect() as connection, connection.begin():
                    if await self._driver.end_session(connection, session):
                        return await took_place(connection, result)
            except self._driver.trouble as error:
                if time.monotonic() > end:
                    raise unavailable() from error
            else:
                if time.monotonic() > end:
                    raise unavailable()
            await asyncio.sleep(0.1)


def reason(error: BaseException) -> str:
    """A driver's exception in one line, without what SQLAlchemy wraps it in."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def unavailable() -> SatchelError:
    """DATABASE_UNAVAILABLE for now."""
    return SatchelError(Code.DATABASE_UNAVAILABLE, "The database does not answer at the moment.")


def no_room() -> SatchelError:
    """INSUFFICIENT_STORAGE."""
    return SatchelError(Code.INSUFFICIENT_STORAGE, "The database has no room left.")


def damaged() -> SatchelError:
    """DATABASE_UNAVAILABLE until someone has mended it."""
    return SatchelError(Code.DATABASE_UNAVAILABLE, "The database is damaged, or its file is not one.")

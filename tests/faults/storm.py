"""Clients at work while things go wrong, and the checker afterwards."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from check import Checker
from journal import Journal
from load import Load

from kept import PATIENCE, Kept
from raw import connected
from server import Server

CUT = {"unreachable", "ReadError", "WriteError", "RemoteProtocolError", "CloseError"}
"""What clients tell of a server that was killed."""


async def survived(
    servers: list[Server],
    directory: Path,
    disturb: Callable[[], Awaitable[None]],
    excused: Callable[[str, int], bool] | Collection[str],
    *,
    kept: Kept | None = None,
    large: float = 0.02,
) -> Checker:
    """Have clients at work while `disturb` runs, and check what came of it all when things are well again.

    Args:
        servers: they run before and after.
        directory: where the journal goes.
        disturb: makes things go wrong, and ends when they are mended.
        excused: the codes of failures that the faults account for, or a function as the checker takes.
        kept: what is looked at behind the servers; by default, where they keep everything.
        large: the share of uploads in several parts.
    """
    codes = None if callable(excused) else excused
    journal = Journal(directory / "journal")
    async with Load(servers, journal, large=large) as load:
        await disturb()
        await load.rest()
        judge = excused if callable(excused) else lambda code, _: code in (codes or ())
        checker = Checker(journal, kept or servers[0].kept, servers, judge)
        await checker.assert_nothing_was_lost()
    assert checker.acknowledged
    return checker


class Recovery:
    """How long servers took at most until they were ready again.

    Args:
        bound: the seconds that are promised; None where nothing is, because other tests run beside it.
    """

    def __init__(self, bound: float | None) -> None:
        self._bound = bound
        self._slowest = 0.0

    def __str__(self) -> str:
        return f"ready again within {self._slowest:.1f} s"

    async def of(self, server: Server, since: float) -> None:
        """Wait until a server is ready that was started, or got back what it had lost, at a moment."""
        async with asyncio.timeout(PATIENCE):
            while not await _is_ready(server):  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.01)
        took = time.monotonic() - since
        self._slowest = max(self._slowest, took)
        assert self._bound is None or took < self._bound, f"I10: ready again only after {took:.1f} s"


async def _is_ready(server: Server) -> bool:
    async with connected(server) as raw:
        await raw.request("GET", "/readyz", {})
        return (await raw.answer()).status == 200


class Kills:
    """Kills a server at random moments under load and starts it again.

    Args:
        server: the victim.
        recovery: takes how long that takes.
        kills: how often at most.
        seconds: how long at most; None for as long as it takes.
        pause: seconds from a start to the next kill, at most.
    """

    def __init__(self, server: Server, recovery: Recovery, kills: int, seconds: float | None, pause: float) -> None:
        self._server = server
        self._recovery = recovery
        self._kills = kills
        self._seconds = seconds
        self._pause = pause
        self.killed = 0

    async def __call__(self) -> None:
        moments = random.Random(1)
        end = None if self._seconds is None else time.monotonic() + self._seconds
        while self.killed < self._kills and (end is None or time.monotonic() < end):
            await asyncio.sleep(moments.uniform(0, self._pause))
            await self._server.kill()
            self.killed += 1
            began = time.monotonic()
            await self._server.start()
            await self._recovery.of(self._server, began)

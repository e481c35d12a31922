"""Clients at work while things go wrong, and the checker afterwards."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

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
    **clients: Any,
) -> Checker:
    """Have clients at work while `disturb` runs, and check what came of it all when things are well again.

    Args:
        servers: they run before and after.
        directory: where the journal goes.
        disturb: makes things go wrong, and ends when they are mended.
        excused: the codes of failures that the faults account for, or a function as the checker takes.
        kept: what is looked at behind the servers; by default, where they keep everything.
        clients: what differs for them, as `Load` takes it.
    """
    codes = None if callable(excused) else excused
    journal = Journal(directory / "journal")
    async with Load(servers, journal, **clients) as load:
        await disturb()
        await load.rest()
        judge = excused if callable(excused) else lambda code, _: code in (codes or ())
        checker = Checker(journal, kept or servers[0].kept, servers, judge)
        await checker.assert_nothing_was_lost()
    assert checker.acknowledged
    return checker


class Moment(NamedTuple):
    """When something was mended, and how many seconds the server and its clients had waited by then for a processor."""

    time: float
    server: float
    clients: float


def moment(server: Server) -> Moment:
    """Now."""
    return Moment(time.monotonic(), 0.0 if server.process is None else _waited(server.pid), _waited("self"))


def _waited(pid: int | str) -> float:
    # https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat, of the thread that does nearly all
    schedstat = Path(f"/proc/{pid}/schedstat")
    return int(schedstat.read_text().split()[1]) / 1e9 if schedstat.exists() else 0.0


class Recovery:
    """How long servers took at most until they were ready again.

    The processors may be busy with the clients of the run, and with other programs, who are not the server's to answer
    for: what it and they waited for them is told apart, and does not count against the bound.

    Args:
        bound: the seconds that are promised; None where nothing is, because other tests run beside it.
    """

    def __init__(self, bound: float | None) -> None:
        self._bound = bound
        self._slowest = self._own = 0.0

    def __str__(self) -> str:
        return f"ready again within {self._slowest:.1f} s, {self._own:.1f} s where a processor was free"

    async def of(self, server: Server, since: Moment) -> None:
        """Wait until a server is ready that was started, or got back what it had lost, at a moment."""
        async with asyncio.timeout(PATIENCE):
            while not await _is_ready(server):  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.01)
        now = moment(server)
        took = now.time - since.time
        own = took - max(now.server - since.server, now.clients - since.clients)  # they wait at the same time
        self._slowest, self._own = max(self._slowest, took), max(self._own, own)
        assert self._bound is None or own < self._bound, f"I10: ready again only after {own:.1f} s"


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
            began = moment(self._server)
            await self._server.start()
            await self._recovery.of(self._server, began)

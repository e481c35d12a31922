"""The event log: everything that was committed, in commit order, for any number of subscribers that lose nothing.

An event is a row written by the transaction that made the change. A subscriber is a place in the order, not a queue: it
reads what follows its place, from a ring of recent events that all subscribers of a process share, or, where it fell
behind the ring, from the table. Wake-ups carry no data, so a lost one costs time and never an event.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Protocol

import structlog

from satchel.errors import Code, SatchelError
from satchel.metadata import Event, Metadata, Position

PAGE = 500
AHEAD = 20
"""Events that a subscriber takes at once. Until they are told they are kept for it alone, and it may be slow."""
POLL_SECONDS = 1.0
SHORT_POLL_SECONDS = 0.01
"""How soon to look again where an event is committed that a running transaction holds back; doubles with each look."""

log = structlog.get_logger(__name__)


class Wakeup(Protocol):
    """Tells the tail readers of all processes on one database that there may be something new."""

    async def open(self) -> None:
        """Begin to hear of others. Raises CannotStart."""

    async def close(self) -> None:
        """Stop; harmless where nothing was opened."""

    def notify(self) -> None:
        """Something was committed. Returns at once, and may be called from any task of the event loop."""

    async def wait(self) -> None:
        """Return after a `notify`, anywhere, that came since the last `wait` ended; sometimes without one."""


class EventLog:
    """Follows the table of events for all subscribers of this process."""

    def __init__(self, metadata: Metadata, wakeup: Wakeup, ring_size: int) -> None:
        self._metadata = metadata
        self._wakeup = wakeup
        self._ring_size = ring_size
        self._ring: list[Event] = []
        self._ring_start = self._last = Position(0, 0)
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._tail: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start to follow the table from its end. Raises CannotStart."""
        await self._wakeup.open()
        try:
            self._ring_start = self._last = await self._metadata.event_head()
        except BaseException:
            await self._wakeup.close()
            raise
        self._tail = asyncio.create_task(self._follow_table())

    async def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.cancel()
            with suppress(asyncio.CancelledError):
                await self._tail
        await self._wakeup.close()

    def notify(self) -> None:
        """Something was committed."""
        self._wakeup.notify()

    async def head(self) -> Position:
        """The place after the last committed event."""
        return await self._metadata.event_head()

    def cursor(self, position: Position) -> str:
        """A place as clients see it."""
        return self._metadata.encode_cursor(position)

    async def resume(self, cursor: str | None) -> Position:
        """The place to go on from: that of a cursor, or the end. Raises CURSOR_EXPIRED or BAD_REQUEST."""
        if cursor is None:
            return await self.head()
        position = self._metadata.decode_cursor(cursor)
        await self._metadata.events_after(position, 1)  # raises CURSOR_EXPIRED before the subscription is confirmed
        return position

    async def follow(self, position: Position) -> AsyncGenerator[Event, None]:
        """All events after a place, without end. Raises CURSOR_EXPIRED where the reader fell behind what is kept."""
        while True:
            news = self._news  # taken before looking, so that what comes while looking ends the wait
            events = self._recent(position)
            if events is None:
                events = await self._metadata.events_after(position, AHEAD)
            for event in events:
                # What tells of an event takes a while, and a thousand subscribers wake at once, or one has a thousand
                # to catch up with: one event in each turn of the loop, so that others have theirs.
                async with self._turn:
                    await asyncio.sleep(0)
                yield event
                position = event.position
            if not events:
                await news.wait()

    def _recent(self, position: Position) -> list[Event] | None:
        """The next that the ring holds after a place; None where it does not reach back so far."""
        if position < self._ring_start:
            return None
        start = bisect_right(self._ring, position, key=lambda event: event.position)
        return self._ring[start : start + AHEAD]

    async def _follow_table(self) -> None:
        patience = SHORT_POLL_SECONDS
        while True:
            try:
                events = await self._metadata.events_after(self._last, PAGE)
                if events:
                    self._extend(events)
                    patience = SHORT_POLL_SECONDS
                if len(events) == PAGE:
                    continue
                held_back = await self._metadata.events_pending(self._last)
            except SatchelError as error:
                if error.code is Code.CURSOR_EXPIRED:
                    await self._start_over()
                else:
                    log.warning("event log not readable", code=error.code.name)
                    await asyncio.sleep(POLL_SECONDS)
                continue
            except Exception:  # a tail that ended here would leave every subscriber waiting
                log.exception("event log not readable")
                await asyncio.sleep(POLL_SECONDS)
                continue
            patience = min(2 * patience, POLL_SECONDS) if held_back else SHORT_POLL_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(patience if held_back else POLL_SECONDS):
                    await self._wakeup.wait()

    async def _start_over(self) -> None:
        """Fell behind what is kept: subscribers go on from the table, which tells each of them what it has lost."""
        with suppress(SatchelError):
            self._last = self._ring_start = await self._metadata.event_head()
            self._ring.clear()
        self._announce()
        await asyncio.sleep(POLL_SECONDS)

    def _extend(self, events: list[Event]) -> None:
        self._ring.extend(events)
        self._last = events[-1].position
        if len(self._ring) > 2 * self._ring_size:  # cut seldom, so that an event costs no move of all the others
            cut = len(self._ring) - self._ring_size
            self._ring_start = self._ring[cut - 1].position
            del self._ring[:cut]
        self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

"""The memory for bytes on their way to the store, which all uploads share."""

import asyncio
from collections import defaultdict, deque
from mmap import mmap

STALL = 1.0
"""Seconds without a buffer coming back after which a buffer too many is given out."""


class Memory:
    """Gives out buffers, in order of asking, as far as the limit goes.

    A store that is slow is waited for. Clients are not: when all buffers are with clients that fill them, and none has
    come back for a while, the limit yields by one buffer, which the faster ones then take turns with. So no number of
    slow clients stops the others, and the memory grows only by what the slow ones hold.

    Buffers are maps, because a disk can take whole pages straight from memory, and because an anonymous map costs only
    the pages that were written to.

    Args:
        limit: bytes that are given out at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._returns = 0
        self._with_store: set[int] = set()
        self._free: defaultdict[int, list[mmap]] = defaultdict(list)
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def take(self, size: int) -> mmap:
        """A buffer of `size` bytes, with any content. Give it back."""
        if self._waiting or not self._fits(size):
            await self._turn(size)
        else:
            self._used += size
        return self._free[size].pop() if self._free[size] else mmap(-1, size)

    def sent(self, buffer: mmap) -> None:
        """Note that a buffer is filled, and with the store."""
        self._with_store.add(id(buffer))

    def give(self, buffer: mmap) -> None:
        """Take a buffer back; nothing may use it any more."""
        self._with_store.discard(id(buffer))
        self._returns += 1
        self._release(len(buffer))
        if self._used == 0:
            self._free.clear()
        elif self._used + self._kept() + len(buffer) <= self._limit:
            self._free[len(buffer)].append(buffer)

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit

    def _kept(self) -> int:
        return sum(size * len(buffers) for size, buffers in self._free.items())

    def _release(self, size: int) -> None:
        self._used -= size
        while self._waiting and self._fits(self._waiting[0][1]):
            turn, wanted = self._waiting.popleft()
            if not turn.done():  # its upload may have been cancelled
                self._used += wanted
                turn.set_result(None)

    async def _turn(self, size: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        place = (turn, size)
        self._waiting.append(place)
        try:
            while not turn.done():
                seen = self._returns
                await asyncio.wait([turn], timeout=STALL)
                stalled = self._returns == seen and not self._with_store
                if not turn.done() and self._waiting[0] is place and stalled:
                    self._waiting.popleft()
                    self._used += size
                    return
        except asyncio.CancelledError:
            if turn.done():
                self._release(size)
            else:
                self._waiting.remove(place)
            raise

"""The memory for bytes on their way to the store, which all uploads share."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from mmap import mmap

LOOK = 1.0
"""Seconds between two looks for a buffer that can be had back, while one is waited for."""


class Memory:
    """Gives out buffers, in order of asking, as far as the limit goes.

    Whoever waits for a buffer fills none, so each one comes back: from the store, or from a client. Those that clients
    fill too slowly are asked for, at each look as many as are waited for, so that no number of slow clients stops the
    others.

    A buffer that is larger than most of the limit counts as most of it: one at a time is given out, and leaves room for
    small ones.

    Buffers are maps, because a disk can take whole pages straight from memory, and because an anonymous map costs only
    the pages that were written to.

    Args:
        limit: bytes that are given out at once.
        recall: called while a buffer is waited for; gives one back that is filled too slowly, if there is any.
    """

    def __init__(self, limit: int, recall: Callable[[], None]) -> None:
        self._limit = limit
        self._recall = recall
        self._used = 0
        self._free: defaultdict[int, list[mmap]] = defaultdict(list)
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def take(self, size: int) -> mmap:
        """A buffer of `size` bytes, with any content. Give it back."""
        if self._waiting or not self._fits(size):
            await self._turn(size)
        else:
            self._used += self._charge(size)
        return self._free[size].pop() if self._free[size] else mmap(-1, size)

    def give(self, buffer: mmap) -> None:
        """Take a buffer back; nothing may use it any more."""
        self._release(len(buffer))
        if self._used == 0:
            self._free.clear()
        elif self._used + self._kept() + len(buffer) <= self._limit:
            self._free[len(buffer)].append(buffer)

    def _charge(self, size: int) -> int:
        return min(size, self._limit - self._limit // 4)

    def _fits(self, size: int) -> bool:
        return self._used + self._charge(size) <= self._limit

    def _kept(self) -> int:
        return sum(size * len(buffers) for size, buffers in self._free.items())

    def _release(self, size: int) -> None:
        self._used -= self._charge(size)
        while self._waiting and self._fits(self._waiting[0][1]):
            turn, wanted = self._waiting.popleft()
            if not turn.done():  # its upload may have been cancelled
                self._used += self._charge(wanted)
                turn.set_result(None)

    async def _turn(self, size: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        place = (turn, size)
        self._waiting.append(place)
        try:
            while not turn.done():
                await asyncio.wait([turn], timeout=LOOK)
                if not turn.done():
                    self._recall()
        except asyncio.CancelledError:
            if turn.done():
                self._release(size)
            else:
                self._waiting.remove(place)
                self._release(0)  # the next one may want less
            raise

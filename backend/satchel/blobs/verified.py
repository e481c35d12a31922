"""A whole object on its way out, whose end is sent only if all of it is right.

The bytes are hashed beside their way to the client, not on it: where the kernel moves them from descriptor to
descriptor, they are read once more from the file, or from a second pipe that shares the pages of the first.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import suppress
from typing import TypeVar

from satchel.errors import Code, SatchelError
from satchel.pipes import tee, wide_pipe
from satchel.threads import run_in

from . import BlobReader, Slice, damaged
from .local import translated

PieceT = TypeVar("PieceT", bytes, Slice | bytes)

HELD_BACK = 64 * 1024
"""The last bytes of an object, which wait until it is known whether all are right."""

STEP = 256 * 1024
"""Bytes of a slice that are read at once to be hashed: so many stay in a core's own cache in between."""

WORTH_A_THREAD = 64 * 1024
"""Bytes that are hashed on a thread. Fewer take less time than the way there."""


LIFETIME = 600
"""Seconds for which an object that was right, and was not touched since, is taken to be right still."""

MOST = 10_000
"""Objects of which that is known at once."""


class Verified:
    """Objects that were right a short while ago: what many ask for is not hashed for each of them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Hashable, float]] = {}

    def add(self, name: str, state: Hashable) -> None:
        """Remember an object in a state as its store tells it; None of an object whose store does not."""
        self._known.pop(name, None)
        self._known[name] = state, time.monotonic() + LIFETIME
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def holds(self, name: str, state: Hashable) -> bool:
        """Whether the object was right in that state."""
        known, until = self._known.get(name, (None, 0.0))
        return state is not None and state == known and time.monotonic() < until


class VerifiedReader:
    """The `BlobReader` of a whole object: STORE_INTEGRITY is raised in place of the end of one that is not right.

    Args:
        reader: the object's bytes, all of them.
        name: the object's.
        size: the object's, in bytes.
        sha256: what they must hash to, in hex.
        verified: takes the object if it is right.
        report: called before STORE_INTEGRITY is raised.
    """

    def __init__(
        self,
        reader: BlobReader,
        name: str,
        size: int,
        sha256: str,
        verified: Verified,
        report: Callable[[], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._state = reader.state()
        self._verified = verified
        self._name = name
        self._sha256 = sha256
        self._report = report
        self._free = max(0, size - HELD_BACK)  # bytes that may still go before all are known
        self._digest = hashlib.sha256()
        self._hashing: asyncio.Task[None] | None = None
        self._closed = False
        self._echo: tuple[int, int] | None = None  # a pipe for what lies in the reader's

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._whole(self._reader)

    def slices(self) -> AsyncIterator[Slice | bytes] | None:
        """Those of the reader; but the last bytes come into this process."""
        slices = self._reader.slices()
        return None if slices is None else self._whole(slices)

    async def _whole(self, pieces: AsyncIterable[PieceT]) -> AsyncIterator[PieceT | bytes]:
        held = b""
        try:
            async for piece in pieces:
                rest = piece
                while size := _size(rest):
                    hashed = await self._hash(rest)
                    free = min(hashed, self._free)
                    self._free -= free
                    if free:
                        yield _cut(rest, 0, free)
                    held += await _bytes(_cut(rest, free, hashed))
                    rest = _cut(rest, hashed, size)
            if self._closed:  # what came is not all
                return
            await self._hashed()
            if (found := self._digest.hexdigest()) != self._sha256:
                raise damaged(self._name, f"bytes that hash to {found}, not {self._sha256}")
        except SatchelError as error:
            if error.code is Code.STORE_INTEGRITY:
                await self._report()
            raise
        self._verified.add(self._name, self._state)
        yield held

    def state(self) -> Hashable:
        """That of the reader."""
        return self._state

    async def _hash(self, piece: Slice | bytes) -> int:
        """Begin to hash a piece, or as many of its first bytes as there is room for; how many."""
        await self._hashed()
        if isinstance(piece, bytes):
            if len(piece) < WORTH_A_THREAD:
                self._digest.update(piece)
            else:
                self._hashing = asyncio.create_task(run_in(None, self._digest.update, piece))
            return len(piece)
        if piece.offset is None:
            self._echo = self._echo or wide_pipe()
            piece = Slice(self._echo[0], None, tee(piece.file, self._echo[1], piece.size))
        self._hashing = asyncio.create_task(run_in(None, self._update, piece))
        return piece.size

    def _update(self, piece: Slice) -> None:
        for data in _read(piece):
            self._digest.update(data)

    async def _hashed(self) -> None:
        """Wait until all is hashed that was begun."""
        hashing, self._hashing = self._hashing, None
        if hashing is not None:
            with translated():
                await hashing

    async def aclose(self) -> None:
        """Release the object, once no thread reads it any more."""
        self._closed = True
        try:
            with suppress(SatchelError):
                await self._hashed()
        finally:
            for fd in self._echo or ():
                os.close(fd)
            self._echo = None
            await self._reader.aclose()


def _size(piece: Slice | bytes) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.size


def _cut(piece: PieceT, start: int, stop: int) -> PieceT:
    """A part of it; of a pipe, what comes next."""
    if isinstance(piece, bytes):
        return piece[start:stop]
    return Slice(piece.file, None if piece.offset is None else piece.offset + start, stop - start)


async def _bytes(piece: Slice | bytes) -> bytes:
    if isinstance(piece, bytes):
        return piece
    with translated():
        return await run_in(None, b"".join, _read(piece))


def _read(piece: Slice) -> Iterator[bytes]:
    """What a slice holds, or what is left of that, in steps."""
    file, offset, left = piece
    while left:
        size = min(left, STEP)
        data = os.read(file, size) if offset is None else os.pread(file, size, offset)
        if not data:
            return
        yield data
        left -= len(data)
        offset = None if offset is None else offset + len(data)

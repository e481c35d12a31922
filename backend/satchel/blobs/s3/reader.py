"""An object on its way out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Self, TypeVar

import aiohttp
import structlog

from satchel.blobs import Slice, damaged

from .bucket import PAUSES, Bucket
from .failures import FAULTS, described, passes, translated
from .tap import Tap

T = TypeVar("T")

WORTH_A_TAP = 1024 * 1024
"""Bytes from which a connection is worth more tapped than kept for the next request."""

TURN = 2.0
"""Seconds for which a download has its connection while others wait for one."""

log = structlog.get_logger(__name__)


class S3BlobReader:
    """The `BlobReader` of a range: one request, and another from where it broke off or had to let others go first."""

    def __init__(self, bucket: Bucket, name: str, size: int, start: int, stop: int) -> None:
        self._bucket = bucket
        self._name = name
        self._size = size
        self._position = start
        self._stop = stop
        self._response: aiohttp.ClientResponse | None = None
        self._tap: Tap | None = None
        self._closed = False
        self._turn_ends = 0.0
        self._resting: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Ask for the range. Raises STORE_INTEGRITY, STORE_UNAVAILABLE."""
        with translated("read"):
            if self._position < self._stop:
                await self._ask()
                self._rest()
            elif (found := await self._bucket.size(self._name)) != self._size:  # there is no range of no bytes
                raise damaged(self._name, f"{found} bytes, not {self._size}")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._closed or self._position == self._stop:
            raise StopAsyncIteration
        chunk = await self._persist(lambda response: response.content.readany())
        self._taken(len(chunk))
        return chunk

    def slices(self) -> AsyncIterator[Slice | bytes] | None:
        """What comes over the connection, by a pipe; None with TLS, whose bytes have to be read."""
        return self._slices() if self._stop - self._position >= WORTH_A_TAP and Tap.fits(self._response) else None

    async def _slices(self) -> AsyncIterator[Slice]:
        while not self._closed and self._position < self._stop:
            drawn = await self._persist(self._draw)
            self._taken(drawn.size)
            yield drawn

    async def _draw(self, response: aiohttp.ClientResponse) -> Slice | None:
        tap = self._tap = self._tap or Tap()
        size = await tap.draw(response, self._stop - self._position)
        return Slice(tap.pipe, None, size) if size else None

    async def _persist(self, take: Callable[[aiohttp.ClientResponse], Awaitable[T | None]]) -> T:
        """Take what came in next; from another connection where one breaks, as the bytes of a name never change."""
        if self._resting is not None:
            self._resting.cancel()
        with translated("read"):
            for _ in range(1 + len(PAUSES)):
                response = self._response or await self._ask()  # which is tried again by itself
                try:
                    if taken := await take(response):
                        return taken
                    raise aiohttp.ClientPayloadError("the body ended early")
                except FAULTS as error:
                    self._release()
                    self._bucket.note(error)
                    if not passes(error):
                        raise
                    log.warning("download broke off", object_name=self._name, at=self._position, error=described(error))
                    broken = error
            raise broken

    async def _ask(self) -> aiohttp.ClientResponse:
        """Ask for what is left."""
        response = self._response = await self._bucket.get(self._name, self._size, self._position, self._stop)
        self._turn_ends = asyncio.get_running_loop().time() + TURN
        return response

    def _taken(self, size: int) -> None:
        self._position += size
        if self._position == self._stop:
            self._release()
        else:
            self._rest()

    def _rest(self) -> None:
        """Between two pieces, however long the client takes: let others have the connection after a turn with it."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._turn_ends:
            if self._bucket.turns.locked():
                self._release()
                return
            self._turn_ends = loop.time() + TURN
        self._resting = loop.call_at(self._turn_ends, self._rest)

    def state(self) -> Hashable:
        """What the store calls these bytes, and when it got them."""
        headers = {} if self._response is None else self._response.headers
        etag = headers.get("ETag")
        return etag and (etag, headers.get("Last-Modified"))

    async def aclose(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self._closed = True
        self._release()
        tap, self._tap = self._tap, None
        if tap is not None:
            tap.close()

    def _release(self) -> None:
        """Give the connection back; what was taken of it is still the client's."""
        if self._resting is not None:
            self._resting.cancel()
        if self._tap is not None:
            self._tap.let_go()
        response, self._response = self._response, None
        if response is not None:
            response.close()
            self._bucket.turns.release()

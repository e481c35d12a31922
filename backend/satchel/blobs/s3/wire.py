"""Bodies on the wire."""

import asyncio
import re
from http import HTTPStatus
from typing import NamedTuple, cast

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from miniopy_async.error import ServerError

CHUNK = 256 * 1024

SILENCE = 30.0
"""Seconds without a byte, in either direction, after which a connection is given up."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Body(aiohttp.Payload):
    """A request's body in the caller's memory: sent without a copy, and let go of before that memory is used again."""

    _autoclose = True

    def __init__(self, data: memoryview) -> None:
        super().__init__(data)
        self._size = len(data)
        self._data = data
        self.sent = False
        self._transport: asyncio.Transport | None = None

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it, in slices, each when there is room for it."""
        self.let_go()  # of a connection that turned out to be closed, where aiohttp takes another by itself
        self.sent = False
        self._transport = cast("StreamWriter", writer).transport
        # Once at least: the head goes with the first of it, and a head that aiohttp sends at the end of an empty body
        # fails where nobody listens.
        for start in range(0, max(1, len(self._data)), CHUNK):
            async with asyncio.timeout(SILENCE):  # the session's own times only what is received
                await writer.write(self._data[start : start + CHUNK])
        self.sent = True

    def let_go(self) -> None:
        """Make sure that nothing is sent from the memory any more: a transport that is merely closed sends the rest."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The bytes as text, for whoever prints a request."""
        return bytes(self._data).decode(encoding, errors)


class Given(NamedTuple):
    """What an answer holds: bytes from `start` to before `stop`, of an object of `size`."""

    start: int
    stop: int
    size: int


def given(response: aiohttp.ClientResponse) -> Given:
    """What the head of an answer says of its body. Raises ServerError where it does not tell."""
    length = response.content_length
    if response.status == HTTPStatus.OK and length is not None:
        return Given(0, length, length)
    told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if told:
        start, last, size = map(int, told.groups())
        if length == last + 1 - start:
            return Given(start, last + 1, size)
    raise ServerError("the answer does not tell its length", response.status)

"""A download whose bytes never come into this process."""

import asyncio
import os

import aiohttp

from satchel.pipes import wide_pipe
from satchel.readiness import readable

from .wire import SILENCE


class Tap:
    """The rest of answers' bodies, from their sockets into a pipe: the kernel moves the pages, and nobody copies them.

    https://man7.org/linux/man-pages/man2/splice.2.html

    A connection is of no use for another request after this.
    """

    def __init__(self) -> None:
        self._ahead = memoryview(b"")
        self._socket = -1
        self.pipe, self._inlet = wide_pipe()

    @staticmethod
    def fits(response: aiohttp.ClientResponse | None) -> bool:
        """Whether the body is still on its way, in the clear, and on a system that can move it."""
        on_its_way = response is not None and response.connection is not None and response.url.scheme == "http"
        return on_its_way and hasattr(os, "splice")

    async def draw(self, response: aiohttp.ClientResponse, most: int) -> int:
        """Move what comes next into the pipe, which must be empty, and give its size; 0 where the connection ended."""
        if self._socket < 0 and not self._ahead:
            self._take_over(response)
        if self._ahead:
            size = os.write(self._inlet, self._ahead)
            self._ahead = self._ahead[size:]
            return size
        while self._socket >= 0:
            try:
                return os.splice(self._socket, self._inlet, most, flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE)
            except BlockingIOError:
                async with asyncio.timeout(SILENCE):
                    await readable(self._socket)
        return 0

    def _take_over(self, response: aiohttp.ClientResponse) -> None:
        """Take what aiohttp has read ahead; once there is nothing more of it, the socket."""
        self._ahead = memoryview(response.content.read_nowait())
        connection = response.connection
        if self._ahead or connection is None:
            return
        protocol, transport = connection.protocol, connection.transport
        if protocol is not None and transport is not None:
            protocol.pause_reading()
            # A descriptor of our own: the loop keeps the transport's to itself.
            self._socket = os.dup(transport.get_extra_info("socket").fileno())

    def let_go(self) -> None:
        """Be done with this answer; what lies in the pipe stays there."""
        self._ahead = memoryview(b"")
        if self._socket >= 0:
            os.close(self._socket)
        self._socket = -1

    def close(self) -> None:
        """Close the pipe; what is left in it is gone."""
        self.let_go()
        os.close(self.pipe)
        os.close(self._inlet)

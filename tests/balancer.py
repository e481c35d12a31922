"""One address before several servers, as a load balancer is."""

import asyncio
from contextlib import suppress
from itertools import count

PIECE = 65536
SECONDS = 10


class Balancer:
    """Gives each new connection to the next server in turn, passing over those that do not take it.

    WebSockets take turns among themselves, so that two windows follow events at different servers. It stands where a
    `Server` would for clients: `host`, `port`, `url`, `ws_url`.
    """

    def __init__(self, *servers):
        self.servers = servers
        self.connections = [0] * len(servers)  # that were passed on, by server
        self.websockets = [0] * len(servers)
        self.host = "127.0.0.1"
        self.port = 0
        self._turns = {False: count(), True: count(1)}
        self._tasks = set()

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self):
        return f"ws://{self.host}:{self.port}/graphql"

    async def __aenter__(self):
        self._listening = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._listening.wait_closed()

    def _accept(self, reader, writer):
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader, writer):
        try:
            first = await reader.read(PIECE)  # the head of the first request
            is_websocket = b"upgrade: websocket" in first.lower()
            for _ in self.servers:
                turn = next(self._turns[is_websocket]) % len(self.servers)
                server = self.servers[turn]
                with suppress(ConnectionError):
                    behind_reader, behind_writer = await asyncio.open_connection(server.host, server.port)
                    self.connections[turn] += 1
                    self.websockets[turn] += is_websocket
                    behind_writer.write(first)
                    await _both_ways(reader, writer, behind_reader, behind_writer)
                    return
        except ConnectionError:
            pass  # the client is gone
        finally:
            writer.transport.abort()


async def _both_ways(reader, writer, behind_reader, behind_writer):
    ways = [
        asyncio.create_task(_one_way(reader, behind_writer)),
        asyncio.create_task(_one_way(behind_reader, writer)),
    ]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        behind_writer.transport.abort()


async def _one_way(reader, writer):
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    writer.write_eof()

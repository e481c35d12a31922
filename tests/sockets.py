"""A client of the graphql-transport-ws protocol, for what no client library sends.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from contextlib import asynccontextmanager, suppress

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PROTOCOL = "graphql-transport-ws"
SECONDS = 30  # a bound for each wait; nothing is measured by it

EVENTS = """subscription ($after: String) {
    fileEvents(after: $after) { cursor kind fileId file { id filename } }
}"""


class Socket:
    """One connection that speaks the protocol."""

    def __init__(self, connection):
        self.connection = connection

    async def send(self, kind, **members):
        await self.connection.send(orjson.dumps({"type": kind, **members}).decode())

    async def receive(self):
        async with asyncio.timeout(SECONDS):
            return orjson.loads(await self.connection.recv())

    async def initialise(self):
        await self.send("connection_init")
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query, operation="1", **variables):
        await self.send("subscribe", id=operation, payload={"query": query, "variables": variables})

    async def next(self, operation="1"):
        """The data of the next result, which must be of this operation."""
        message = await self.receive()
        assert (message["type"], message["id"]) == ("next", operation), message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def event(self, operation="1"):
        return (await self.next(operation))["fileEvents"]

    async def error(self, operation="1"):
        """The first error of an operation, however it is told, and that the operation is over."""
        message = await self.receive()
        assert message["id"] == operation
        if message["type"] == "error":
            return message["payload"][0]
        assert message["type"] == "next"
        assert await self.receive() == {"type": "complete", "id": operation}
        return message["payload"]["errors"][0]

    async def closed(self):
        """The code that the server closes with."""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code

    def cut(self):
        """Lose the connection, without a word."""
        self.connection.transport.abort()


@asynccontextmanager
async def opened(server, subprotocols=(PROTOCOL,), **options):
    """A connection on which nothing was said yet."""
    subprotocols = list(subprotocols) or None
    async with connect(server.ws_url, subprotocols=subprotocols, open_timeout=SECONDS, **options) as connection:
        yield Socket(connection)


@asynccontextmanager
async def ready(server, query=EVENTS, **variables):
    """A connection with one running subscription to events, behind its READY."""
    async with opened(server) as socket:
        await socket.initialise()
        await socket.subscribe(query, **variables)
        event = await socket.event()
        assert event["kind"] == "READY"
        socket.cursor = event["cursor"]
        yield socket

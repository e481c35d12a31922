import asyncio
import hashlib
import random
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson

HERE = Path(__file__).parent


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def files(result, field):
    """Name and hash of each uploaded file."""
    payloads = result["data"][field]
    return [
        (one["file"]["filename"], one["file"]["hash"])
        for one in (payloads if isinstance(payloads, list) else [payloads])
    ]


async def test_urql_uploads(run, node, shared_server):
    """@urql/core uploads one file and several, and is given the codes of failures."""
    result = orjson.loads(await run(node, HERE / "upload_with_urql.mjs", shared_server.url))
    assert files(result["one"], "uploadFile") == [("urql père.txt", sha256("by urql"))]
    assert files(result["several"], "uploadFiles") == [
        ("1.txt", sha256("first")),
        ("empty.txt", sha256("")),
        ("3.txt", sha256("third")),
    ]
    assert result["refused"]["codes"] == ["HASH_MISMATCH"]
    assert result["invalid"]["codes"] == ["BAD_REQUEST"]


async def test_apollo_uploads(run, node, shared_server):
    """Apollo Client uploads one file and several, one of them twice, and is given the codes of failures."""
    result = orjson.loads(await run(node, HERE / "upload_with_apollo.mjs", shared_server.url))
    assert files(result["one"], "uploadFile") == [("apollo père.txt", sha256("by apollo"))]
    assert files(result["several"], "uploadFiles") == [
        ("1.txt", sha256("first")),
        ("shared.txt", sha256("shared")),
        ("shared.txt", sha256("shared")),
    ]
    assert result["refused"]["codes"] == ["HASH_MISMATCH"]


class Proxy:
    """Passes connections on to a server, and cuts each of them when it likes."""

    def __init__(self, server):
        self.server = server
        self.cuts = 0
        self._chance = random.Random(5)

    async def pass_on(self, reader, writer):
        """One connection: both ways until either ends, or until it has carried a few pieces down to the client."""
        up_reader, up_writer = await asyncio.open_connection(self.server.host, self.server.port)
        pieces = self._chance.randrange(2, 8)  # the first one is the handshake's

        async def down():
            for _ in range(pieces):
                data = await up_reader.read(1 if self._chance.random() < 0.2 else 4096)
                if not data:
                    return
                writer.write(data)
                await writer.drain()
            self.cuts += 1

        async def up():
            while data := await reader.read(4096):
                up_writer.write(data)
                await up_writer.drain()

        ways = [asyncio.create_task(down()), asyncio.create_task(up())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            up_writer.transport.abort()


@asynccontextmanager
async def proxied(server):
    """A proxy before a server, and the address of the WebSocket through it."""
    proxy = Proxy(server)
    listening = await asyncio.start_server(proxy.pass_on, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    try:
        yield proxy, f"ws://{host}:{port}/graphql"
    finally:
        listening.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await listening.wait_closed()


async def test_graphql_ws_loses_nothing_over_a_connection_that_is_cut_again_and_again(
    start, node, shared_server, client
):
    """graphql-ws, sending its last cursor when it reconnects, is told every change once and in order."""
    rounds = 30
    async with proxied(shared_server) as (proxy, url):
        following = await start(node, HERE / "follow_with_graphql_ws.mjs", url, 2 * rounds)

        async def event():
            async with asyncio.timeout(60):
                line = await following.stdout.readline()
            assert line, (await following.stderr.read()).decode()
            return orjson.loads(line)

        assert (await event())["kind"] == "READY"
        expected = []

        async def change():
            for number in range(rounds):
                response = await client.post("/files/upload", files={"file": (f"{number}.txt", b"%d" % number)})
                file_id = response.json()["id"]
                await client.delete(f"/files/{file_id}")
                expected.extend([("UPLOADED", file_id), ("DELETED", file_id)])
                await asyncio.sleep(0.02)

        changing = asyncio.create_task(change())
        told = []
        while len(told) < 2 * rounds:
            one = await event()
            if one["kind"] != "READY":
                told.append((one["kind"], one["fileId"]))
        await changing
        async with asyncio.timeout(60):
            assert await following.wait() == 0
    assert told == expected
    assert proxy.cuts > 3

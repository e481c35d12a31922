"""Frames of a WebSocket, many in one read: the protocol of the server, on a connection in the test's own event loop."""

import asyncio
import socket
from itertools import pairwise
from types import SimpleNamespace

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from kept import eventually
from raw import connected
from satchel.config import KIB, MIB, Settings
from satchel.http.protocol import LimitedSocketProtocol, Limits
from stacks import one_is_enough

pytestmark = one_is_enough

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def frame(opcode, data=b""):
    return Frame(opcode, data).serialize(mask=True)


class Served(LimitedSocketProtocol):
    """The server's end of the one connection."""

    limits = Limits.of(Settings(_env_file=None))


@pytest.fixture
async def ends():
    """The client's end, the server's, and the messages for the application, each with the turn that it came in."""
    loop, messages, turns = asyncio.get_running_loop(), [], 0

    def turn():
        nonlocal turns, handle
        turns += 1
        handle = loop.call_soon(turn)

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            messages.append((message["text"], turns))

    config = Config(app, lifespan="off", log_config=None)
    config.load()
    protocol = Served(config, ServerState(), {})
    with socket.socket() as listening:
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listening.setsockopt(socket.SOL_SOCKET, buffer, 64 * KIB)
        listening.bind(("127.0.0.1", 0))
        host, port = listening.getsockname()
        async with (
            await loop.create_server(lambda: protocol, sock=listening),
            connected(SimpleNamespace(host=host, port=port)) as client,
        ):
            await client.request("GET", "/", HANDSHAKE)
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            handle = loop.call_soon(turn)
            yield client, protocol, messages
            handle.cancel()
            client.writer.transport.abort()


async def test_one_read_of_frames_takes_many_turns(ends):
    """Others have theirs between them, and what is in the frames comes whole and in its order."""
    client, protocol, messages = ends
    pings = frame(Opcode.PING) * (128 * KIB // 6)
    sent = [str(number) * 5000 for number in range(5)]
    protocol.data_received(pings.join(frame(Opcode.TEXT, text.encode()) for text in sent))
    await eventually(lambda: len(messages) == len(sent), "every message came")
    assert [text for text, _ in messages] == sent
    assert all(later - turn >= 10 for (_, turn), (_, later) in pairwise(messages))
    pongs = await client.reader.readexactly(2 * len(pings) // 6 * (len(sent) - 1))
    assert set(pongs) == {0x80 | Opcode.PONG, 0}


async def test_a_peer_that_takes_no_answers_is_not_read(ends):
    """Its pings wait with it, the answers to them take no memory, and once it reads all of them are answered."""
    client, protocol, messages = ends
    text = b"a" * 125
    pings = frame(Opcode.PING, text) * (4 * MIB // 131)
    client.writer.transport.pause_reading()
    client.writer.write(pings + frame(Opcode.TEXT, b"the end"))
    transport = protocol.transport
    await eventually(lambda: not protocol.writable.is_set() and not transport.is_reading(), "the server has paused")
    assert transport.get_write_buffer_size() < 64 * KIB + 2 * 8 * KIB  # asyncio's high-water mark
    assert client.writer.transport.get_write_buffer_size() > 2 * MIB
    client.writer.transport.resume_reading()
    pongs = await client.reader.readexactly(len(pings) // 131 * 127)
    assert set(pongs.split(text)) == {bytes([0x80 | Opcode.PONG, 125]), b""}
    await eventually(lambda: messages and messages[0][0] == "the end", "and what came behind them is read")

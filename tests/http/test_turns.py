"""Requests and frames, many in one read: the protocols of the server, on a connection in the test's own event loop."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from kept import eventually
from raw import HANDSHAKE, MULTIPART, chunk, connected
from satchel.config import KIB, MIB, Settings
from satchel.http.connections.limits import ConnectionLimits
from satchel.http.connections.requests import LimitedProtocol
from satchel.http.connections.websockets import LimitedSocketProtocol
from satchel.http.server import FileProtocol
from stacks import one_is_enough

pytestmark = one_is_enough

LIMITS = ConnectionLimits.of(Settings(_env_file=None))


@asynccontextmanager
async def ends(kind, app):
    """A client's end of a connection, with small buffers, and the protocol at the other one."""
    config = Config(
        app, ws=type("Socket", (LimitedSocketProtocol,), {"limits": LIMITS}), lifespan="off", log_config=None
    )
    config.load()
    protocol = type("Served", (kind,), {"limits": LIMITS})(config, ServerState(), {})
    with socket.socket() as listening:
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listening.setsockopt(socket.SOL_SOCKET, buffer, 64 * KIB)
        listening.bind(("127.0.0.1", 0))
        host, port = listening.getsockname()
        async with (
            await asyncio.get_running_loop().create_server(lambda: protocol, sock=listening),
            connected(SimpleNamespace(host=host, port=port)) as client,
        ):
            yield client, protocol
            client.writer.transport.abort()


# Requests


async def test_of_many_requests_in_one_read_few_are_parsed_ahead():
    """Each is answered, in its order; those that wait parsed take a hundred times their bytes."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["path"], len(protocol.pipeline)))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with ends(LimitedProtocol, app) as (client, protocol):
        await client.request("GET", "/first", {})
        await client.reader.readuntil(b"\r\n\r\n")
        requests = [b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(10_000)]
        protocol.data_received(b"".join(requests))
        answers = await client.reader.readexactly(len(requests) * len(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert answers.count(b"HTTP/1.1 204 ") == len(requests)
    assert [path for path, _ in seen[1:]] == [f"/{number}" for number in range(len(requests))]
    assert max(waiting for _, waiting in seen) < 2000


async def test_one_read_of_small_chunks_takes_many_turns(turns):
    """A body in chunks of a byte comes whole, with turns of others between; what waits of it is not added to."""
    body, began = bytearray(), []

    async def app(scope, receive, send):
        began.append(turns.count)
        more = True
        while more:
            message = await receive()
            body.extend(message["body"])
            more = message["more_body"]
        began.append(turns.count)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    data = bytes(range(256)) * 160
    head = f"POST / HTTP/1.1\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    async with ends(LimitedProtocol, app) as (client, protocol):
        await client.send(b"")
        await eventually(lambda: protocol.transport)
        protocol.data_received(head + b"".join(chunk(bytes([byte])) for byte in data) + chunk(b""))
        assert protocol.transport.is_reading() is False
        await client.reader.readuntil(b"\r\n\r\n")
        assert protocol.transport.is_reading()
    assert body == data
    assert began[1] - began[0] >= 6


async def test_one_read_of_a_body_takes_one_turn(turns):
    """Where the length is declared, and the bytes can be nothing else."""
    pieces = []

    async def app(scope, receive, send):
        more = True
        while more:
            message = await receive()
            pieces.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with ends(LimitedProtocol, app) as (client, protocol):
        await client.request("POST", "/", {"Content-Length": str(512 * KIB)})
        await eventually(lambda: protocol.cycle)
        for _ in range(2):
            protocol.data_received(bytes(256 * KIB))
            await asyncio.sleep(0)
        await client.reader.readuntil(b"\r\n\r\n")
    assert [size for size in pieces if size] in ([256 * KIB] * 2, [512 * KIB])


async def test_a_body_that_comes_byte_by_byte_comes_whole():
    """What stands around its chunks has a bound, but not what stands around all of them together."""
    body = bytearray()

    async def app(scope, receive, send):
        more = True
        while more:
            message = await receive()
            body.extend(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    data = bytes(range(256)) * 60
    async with ends(LimitedProtocol, app) as (client, protocol):
        await client.request("POST", "/", {"Transfer-Encoding": "chunked"})
        await eventually(lambda: protocol.cycle)
        framed = b"".join(chunk(bytes([byte])) for byte in data) + chunk(b"")
        assert len(framed) - len(data) > LIMITS.header_size
        for byte in framed:
            protocol.data_received(bytes([byte]))
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
    assert body == data


async def test_trailers_are_not_shown_as_headers():
    """The application looked at the headers before these came, so they add nothing (RFC 9110, 6.5.1)."""
    seen = []

    async def app(scope, receive, send):
        while (await receive())["more_body"]:
            pass
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with ends(LimitedProtocol, app) as (client, _):
        body = chunk(b"a") + b"0\r\nContent-Encoding: gzip\r\nX: a\r\n\r\n"
        await client.request("POST", "/", {"Transfer-Encoding": "chunked"}, body)
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
    assert [name for name, _ in seen] == [b"host", b"transfer-encoding"]


async def test_a_websocket_waits_for_the_answers_before_it():
    """They are made as they are taken, and so is what the socket says."""
    begun, waiting = [], []

    async def app(scope, receive, send):
        begun.append(scope["type"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            waiting.append(protocol.transport.get_write_buffer_size())
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % MIB)]})
        await send({"type": "http.response.body", "body": bytes(MIB)})

    async with ends(LimitedProtocol, app) as (client, protocol), AsyncExitStack() as exits:
        client.writer.transport.pause_reading()
        for _ in range(20):
            await client.request("GET", "/", {})
        await client.request("GET", "/", HANDSHAKE)
        await eventually(lambda: begun)
        exits.callback(protocol.flow.resume_writing)  # whoever was forgotten would wait for it past the test
        for _ in range(100):
            await asyncio.sleep(0)
        assert begun == ["http"] * len(begun)
        assert protocol.transport.get_write_buffer_size() < 3 * MIB
        client.writer.transport.resume_reading()
        for _ in range(20):
            assert len((await client.answer()).body) == MIB
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    assert waiting[0] < 64 * KIB  # asyncio's high-water mark


async def test_a_file_waits_for_what_is_before_it_and_does_not_ask(tmp_path):
    """The transport tells when all of that is gone, so nothing looks for it again and again."""
    (tmp_path / "file").write_bytes(b"the file")
    begun = []

    async def app(scope, receive, send):
        if scope["path"] == "/before":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not protocol.transport.get_write_buffer_size():
                await send({"type": "http.response.body", "body": bytes(16 * KIB), "more_body": True})
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        begun.append(scope["path"])
        with (tmp_path / "file").open("rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 0, "count": 8})

    async with ends(FileProtocol, app) as (client, protocol):
        client.writer.transport.pause_reading()
        await client.request("GET", "/before", {})
        await client.request("GET", "/file", {})
        await eventually(lambda: begun and protocol.flow.write_paused, "it waits to be told")
        client.writer.transport.resume_reading()
        received = b""
        while not received.endswith(b"content-length: 8\r\n\r\nthe file"):
            received = received[-100:] + await client.reader.read(64 * KIB)
        assert protocol.transport.get_write_buffer_limits()[1] == 64 * KIB


# Frames


def frame(opcode, data=b"", *, last=True):
    return Frame(opcode, data, last).serialize(mask=True)


@pytest.fixture
async def talk(turns):
    """The client's end, the server's, and the messages for the application, each with the turn that it came in."""
    messages = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            messages.append((message["text"], turns.count))

    async with ends(LimitedSocketProtocol, app) as (client, protocol):
        await client.request("GET", "/", HANDSHAKE)
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield client, protocol, messages


async def test_one_read_of_frames_takes_many_turns(talk):
    """Others have theirs between them, and what is in the frames comes whole and in its order."""
    client, protocol, messages = talk
    pings = frame(Opcode.PING) * (128 * KIB // 6)
    sent = [str(number) * 5000 for number in range(5)]
    protocol.data_received(pings.join(frame(Opcode.TEXT, text.encode()) for text in sent))
    await eventually(lambda: len(messages) == len(sent), "every message came")
    assert [text for text, _ in messages] == sent
    assert all(later - turn >= 10 for (_, turn), (_, later) in pairwise(messages))
    pongs = await client.reader.readexactly(2 * len(pings) // 6 * (len(sent) - 1))
    assert set(pongs) == {0x80 | Opcode.PONG, 0}


async def test_a_peer_that_takes_no_answers_is_not_read(talk):
    """Its pings wait with it, the answers to them take no memory, and once it reads all of them are answered."""
    client, protocol, messages = talk
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


async def test_the_frames_of_a_message_are_kept_joined(talk):
    """Many without a byte in them take no memory, and the message comes whole."""
    _, protocol, messages = talk
    protocol.data_received(frame(Opcode.TEXT, b"a", last=False))
    for _ in range(20):
        protocol.data_received(frame(Opcode.CONT, last=False) * 1000 + frame(Opcode.CONT, b"b", last=False))
    await eventually(lambda: len(protocol.frames[0]) == 21, "all are taken")
    assert len(protocol.frames) == 1
    protocol.data_received(frame(Opcode.CONT, b"c"))
    await eventually(lambda: messages, "the message came")
    assert messages[0][0] == "a" + "b" * 20 + "c"

"""HTTP/1.1 by hand, for what no client library sends."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import orjson

SECONDS = 30  # a bound for each wait; nothing is measured by it
BOUNDARY = b"raw-boundary"
MULTIPART = "multipart/form-data; boundary=" + BOUNDARY.decode()
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
}


@dataclass
class Answer:
    """A response that came in whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return orjson.loads(self.body)


class Raw:
    """One connection; `patience` bounds each wait, in seconds."""

    def __init__(self, reader, writer, patience):
        self.reader = reader
        self.writer = writer
        self.patience = patience

    async def send(self, *pieces: bytes):
        for piece in pieces:
            self.writer.write(piece)
        async with asyncio.timeout(self.patience):
            await self.writer.drain()

    async def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b""):
        """A request's head, and a piece of its body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {headers[name]}" for name in headers)]
        await self.send("\r\n".join([*lines, "", ""]).encode(), body)

    async def answer(self) -> Answer:
        """The next response."""
        async with asyncio.timeout(self.patience):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.rstrip("\r\n").split("\r\n")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Whether the server closes the connection, with nothing more sent on it."""
        async with asyncio.timeout(self.patience):
            with suppress(ConnectionError):
                return await self.reader.read(1) == b""
        return True

    async def flood(self, limit: int, chunk: bytes = b"x" * 65536) -> int:
        """Send until the server closes the connection or the limit is reached; gives the bytes that it took."""
        sent = 0
        with suppress(ConnectionError):
            while sent < limit:
                await self.send(chunk)
                sent += len(chunk)
        return sent


@asynccontextmanager
async def connected(server, patience=SECONDS):
    """A connection to a server, with small buffers: what was sent was nearly received, what is not read waits there."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (server.host, server.port))
    reader, writer = await asyncio.open_connection(sock=raw)
    try:
        yield Raw(reader, writer, patience)
    finally:
        writer.close()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await writer.wait_closed()


def head_of_part(name: str, filename: str | None = None) -> bytes:
    """What stands before the bytes of a part."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return b"--%s\r\nContent-Disposition: %s\r\n\r\n" % (BOUNDARY, disposition.encode())


END = b"\r\n--%s--\r\n" % BOUNDARY


def chunk(data: bytes) -> bytes:
    """A piece of a body in chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)

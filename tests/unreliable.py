"""A proxy in front of an HTTP server that does to chosen requests what networks and busy servers do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

CHUNK = 64 * 1024


@dataclass
class Request:
    """One request as it came in, and how much of its body was read."""

    method: str
    path: str
    query: dict[str, str]
    head: bytes
    length: int
    read: int = 0

    @property
    def is_part(self) -> bool:
        return self.method == "PUT" and "partNumber" in self.query

    @property
    def is_complete(self) -> bool:
        return self.method == "POST" and "uploadId" in self.query

    @property
    def is_begin(self) -> bool:
        return self.method == "POST" and "uploads" in self.query


class Exchange:
    """A request, and what can be done with it."""

    def __init__(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer
        self._upstream = upstream

    async def body(self, most: int | None = None) -> AsyncIterator[bytes]:
        """The body, or its first bytes, as they come in."""
        stop = self.request.length if most is None else min(most, self.request.length)
        while self.request.read < stop:
            chunk = await self._reader.read(min(CHUNK, stop - self.request.read))
            if not chunk:
                raise ConnectionResetError("the client left")
            self.request.read += len(chunk)
            yield chunk

    async def answer(
        self, status: int, body: bytes = b"", content_type: str = "application/xml", **headers: str
    ) -> None:
        """Answer in the server's place."""
        head = f"HTTP/1.1 {status} Planted\r\nContent-Type: {content_type}\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await self._writer.drain()

    async def truncate(self, size: int) -> None:
        """Let the server have so many bytes of the body less than there are."""
        length = self.request.length
        body = b"".join([chunk async for chunk in self.body()])[: length - size]
        head = self.request.head.replace(b"Content-Length: %d" % length, b"Content-Length: %d" % len(body))
        assert head != self.request.head
        reader, writer = await asyncio.open_connection(*self._upstream)
        writer.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"\r\n\r\n" + body)
        self._writer.write(await reader.read())
        writer.close()

    async def forward(
        self, *, answer: bool = True, cut: int | None = None, stop: int | None = None, pause: float = 0
    ) -> None:
        """Let the server do it.

        Args:
            answer: whether the client learns of it.
            cut: break off after so many bytes of the answer's body.
            stop: fall silent after so many.
            pause: seconds before each piece of the request's body.
        """
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(self.request.head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"\r\n\r\n")
            async for chunk in self.body():
                await asyncio.sleep(pause)
                writer.write(chunk)
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            if answer:
                self._writer.write(head)
            if stop is not None:
                self._writer.write(await reader.readexactly(stop))
                await asyncio.Event().wait()
            while chunk := await reader.read(CHUNK):
                if cut is not None:
                    chunk, cut = chunk[:cut], cut - len(chunk)
                if answer:
                    self._writer.write(chunk)
                    await self._writer.drain()
                if cut is not None and cut <= 0:
                    break
        finally:
            writer.transport.abort()
        if not answer or cut is not None:
            self.reset()

    def reset(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()


Fault = Callable[[Exchange], Awaitable[None]]


class UnreliableProxy:
    """Listens on a free port of the loopback and passes on what no fault is planted for, one request a connection."""

    def __init__(self, host: str, port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.seen: list[Request] = []
        self._upstream = (host, port)
        self._planted: list[tuple[Callable[[Request], bool], list[int], Fault]] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def plant(self, which: Callable[[Request], bool], fault: Fault, times: int = 1_000_000) -> None:
        """Do this to the next requests of that kind."""
        self._planted.append((which, [times], fault))

    def heal(self) -> None:
        """Pass on everything again."""
        self._planted.clear()

    def count(self, which: Callable[[Request], bool]) -> int:
        """How many requests of a kind came in."""
        return sum(which(request) for request in self.seen)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                request = _parsed((await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n"))
                self.seen.append(request)
                await self._fault(request)(Exchange(request, reader, writer, self._upstream))
        finally:
            self._connections.discard(task)
            writer.close()

    def _fault(self, request: Request) -> Fault:
        for which, left, fault in self._planted:
            if left[0] and which(request):
                left[0] -= 1
                return fault
        return Exchange.forward


def _parsed(head: bytes) -> Request:
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Request(method, url.path, query, head, int(headers.get("content-length", 0)))


def any_request(_: Request) -> bool:
    """All of them."""
    return True


def answering(status: int, code: str = "") -> Fault:
    """An answer that the server did not give; its body is read first."""

    async def fault(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        body = f"<Error><Code>{code}</Code><Message>planted /secret</Message></Error>" if code else ""
        await exchange.answer(status, b"" if exchange.request.method == "HEAD" else body.encode())

    return fault


def refusing(status: int, code: str) -> Fault:
    """An answer at once, with nothing of the body read, as busy servers do."""

    async def fault(exchange: Exchange) -> None:
        await exchange.answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    return fault


def resetting(after: int) -> Fault:
    """The connection breaks after so many bytes of the request's body."""

    async def fault(exchange: Exchange) -> None:
        async for _ in exchange.body(after):
            pass
        exchange.reset()

    return fault


def losing_the_answer() -> Fault:
    """The server does it, and the client does not hear of it."""
    return lambda exchange: exchange.forward(answer=False)


def cutting_the_answer(after: int) -> Fault:
    """The connection breaks after so many bytes of the answer's body."""
    return lambda exchange: exchange.forward(cut=after)


def stopping_the_answer(after: int) -> Fault:
    """Nothing more comes after so many bytes of the answer's body, and nobody hangs up."""
    return lambda exchange: exchange.forward(stop=after)


def slowly(pause: float) -> Fault:
    """A line that takes 64 KiB, and then none for a while."""
    return lambda exchange: exchange.forward(pause=pause)


def delayed(seconds: float) -> Fault:
    """A line on which everything takes its time."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.forward()

    return fault


def truncating(size: int = 1) -> Fault:
    """The end of the bytes gets lost on the way, and both sides are content."""
    return lambda exchange: exchange.truncate(size)


def redirecting(location: str) -> Fault:
    """A look elsewhere is asked for."""

    async def fault(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        await exchange.answer(307, Location=location + exchange.request.path)

    return fault


def lying() -> Fault:
    """The bytes are thrown away, and an ETag is answered that is not theirs."""

    async def fault(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        await exchange.answer(200, ETag='"0123456789abcdef0123456789abcdef"')

    return fault


def held(gate: asyncio.Event) -> Fault:
    """Nothing more than the head is read until the gate opens."""

    async def fault(exchange: Exchange) -> None:
        await gate.wait()
        await exchange.forward()

    return fault

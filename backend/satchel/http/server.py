"""The server: uvicorn, and the one thing that it lacks for a file service, sending files without copying them."""

import asyncio
import fcntl
import gc
import ipaddress
import os
import resource
import socket
import sys
import termios
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self, cast

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

import satchel
from satchel.config import Settings
from satchel.errors import CannotStart
from satchel.http.connections.limits import ConnectionLimits
from satchel.http.connections.requests import LimitedProtocol
from satchel.http.connections.websockets import LimitedSocketProtocol
from satchel.readiness import writable
from satchel.threads import run_in

_FILES = 4  # that may be open for each connection

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Serves an application, and says where it listens and keeps its data once both are true."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        limits = ConnectionLimits.of(settings)
        limits = replace(limits, connections=room_for(limits.connections))
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=type("Protocol", (FileProtocol,), {"limits": limits}),
            ws=type("SocketProtocol", (LimitedSocketProtocol,), {"limits": limits}),
            ws_max_size=int(settings.websocket_max_message),
            ws_ping_interval=settings.websocket_ping_interval.total_seconds(),
            ws_ping_timeout=settings.websocket_ping_interval.total_seconds(),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=cast("int", settings.keep_alive_timeout.total_seconds()),  # handed to the event loop
            timeout_graceful_shutdown=int(settings.shutdown_timeout.total_seconds()),
        )
        super().__init__(config)
        self._places = settings.places

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        # What was made until now stays for good. Looking through it again for garbage would take a tenth of a second
        # each time, in which nobody is served.
        gc.collect()
        gc.freeze()
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            print(f"Satchel {satchel.__version__} at http://{host}:{port} (data in {self._places})", flush=True)  # noqa: T201


def require_permission(settings: Settings) -> None:
    """Listen beyond this machine only where somebody said so: there are no accounts.

    Raises:
        CannotStart: nobody did.
        OSError: the address cannot be found.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _deaf(host, port, error) from error
    if not settings.open and not all(ipaddress.ip_address(place[4][0]).is_loopback for place in found):
        raise CannotStart(
            f"on {host or 'every address'}, whoever reaches port {port} may read, add and delete files; "
            "if that is meant, set SATCHEL_OPEN=true, else SATCHEL_HOST=127.0.0.1"
        )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. uvicorn would make one by itself, but on a failure it logs and exits.

    Raises:
        OSError: the address cannot be listened on.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise _deaf(host, port, error) from error


def _deaf(host: str, port: int, error: OSError) -> OSError:
    why = error.strerror or error
    return OSError(f"nothing can listen on {host} port {port} (SATCHEL_HOST, SATCHEL_PORT): {why}")


def room_for(connections: int) -> int:
    """How many of these connections the system has room for, once this process may open as many files as it can need.

    Each is a file to the system, and a transfer takes two more; as many again are there while they are refused.
    Where no file can be opened any more, libuv closes what comes, by means of a spare file (`uv__emfile_trick`); if a
    thread takes that one, uvloop gets an error instead and listens no longer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES * connections
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    room = wanted // _FILES
    if room < connections:
        log.warning("few files can be opened, so there are fewer connections", files=wanted, connections=room)
    return room


class FileProtocol(LimitedProtocol):
    """uvicorn's protocol for large bodies: two copies less on the way in, and none on the way out.

    The way out is the ASGI extension `http.response.zerocopysend`:
    https://asgi.readthedocs.io/en/latest/extensions.html#zero-copy-send
    """

    def on_body(self, body: bytes) -> None:
        """A piece of the request's body came."""
        if not self.cycle.body:
            self.cycle.body = cast("bytearray", _Pieces())
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, cast("Any", _ZeroCopy(app, cycle, self.transport, self.limits.send_timeout)))


class _Pieces:
    """What uvicorn does with its buffer of a body (add, measure, take as bytes), without copying a single piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def __iadd__(self, piece: bytes) -> Self:
        self._pieces.append(piece)
        self._size += len(piece)
        return self

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class _ZeroCopy:
    """One request of an application that may send files."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle, transport: asyncio.Transport, timeout: float) -> None:
        self._app = app
        self._cycle = cycle
        self._transport = transport
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Offer the extension, and answer its messages."""
        extensions: MutableMapping[str, Any] = scope.setdefault("extensions", {})
        if hasattr(os, "sendfile") and scope["scheme"] == "http":  # TLS has to see the bytes
            extensions["http.response.zerocopysend"] = {}

        async def sending(message: Message) -> None:
            if message["type"] != "http.response.zerocopysend":
                await send(message)
                return
            await self._send_file(message["file"], message.get("offset"), message["count"])
            await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})

        await self._app(scope, receive, sending)

    async def _send_file(self, file: int, offset: int | None, count: int) -> None:
        # The head of the response goes first: a transport tells when all that waits is gone if nothing may wait.
        if not self._gone:
            self._transport.set_write_buffer_limits(0)
            await self._cycle.flow.drain()
        if self._gone:
            self._cycle.disconnected = True
            return
        self._transport.set_write_buffer_limits()
        # A descriptor of our own: the loop keeps the transport's to itself, and may close it while a thread sends.
        out = os.dup(self._transport.get_extra_info("socket").fileno())
        try:
            while count:
                try:
                    sent = await _moved(file, out, offset, count)
                except BlockingIOError:
                    await self._room(out)
                    continue
                if sent == 0:
                    raise EOFError("the file ends too early")
                offset, count = None if offset is None else offset + sent, count - sent
                self._cycle.expected_content_length -= sent
        except (BrokenPipeError, ConnectionResetError):
            self._cycle.disconnected = True
        finally:
            os.close(out)

    async def _room(self, out: int) -> None:
        """Wait for a client that takes some of what waits for it. Raises TimeoutError where it takes nothing."""
        while True:
            before = _waiting(out)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    return await writable(out)
            # The kernel tells of room only when there is much, and a slow client is still one.
            if _waiting(out) >= before:
                raise TimeoutError("the client stopped reading")

    @property
    def _gone(self) -> bool:
        return self._cycle.disconnected or self._transport.is_closing()


def _waiting(out: int) -> int:
    """The bytes that wait in a socket for its peer."""
    return int.from_bytes(fcntl.ioctl(out, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


async def _moved(file: int, out: int, offset: int | None, count: int) -> int:
    """Move bytes into a socket, from the place in a file, or the next of a pipe; how many there was room for."""
    if offset is None:
        return os.splice(file, out, count, flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE)
    # On a thread, because pages that are not in memory are waited for.
    return await run_in(None, os.sendfile, out, file, offset, count)

"""How long, how large and how slow a request may be: what uvicorn leaves open with httptools.

A head has a size, a number of headers and a time; a body has a least rate, while the server waits for it; an answer is
given up when its client takes nothing of it. Whoever breaks a limit is told which setting it is, and then cut off: the
rest of what was sent is read for a while and dropped, because a connection that is closed over unread bytes is reset,
and the answer lost with it (https://www.rfc-editor.org/rfc/rfc9112#section-9.6).
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, Self, cast

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from satchel.config import KIB, Settings
from satchel.errors import Code, SatchelError
from satchel.http.guards import DRAIN_SECONDS, problem

AT_ONCE = 32 * KIB  # bytes of requests; the smallest have some twenty, and a chunk of a body has six
FRAMES_AT_ONCE = 8 * KIB  # bytes of a WebSocket, of which the smallest frame has six


@dataclass(frozen=True)
class Limits:
    """The bounds of one connection: sizes in bytes, times in seconds, the rate in bytes a second."""

    url_size: int
    header_size: int
    headers: int
    header_timeout: float
    body_timeout: float
    body_rate: int
    send_timeout: float
    drain: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the settings name."""
        return cls(
            url_size=int(settings.max_url_size),
            header_size=int(settings.max_header_size),
            headers=settings.max_headers,
            header_timeout=settings.header_timeout.total_seconds(),
            body_timeout=settings.body_timeout.total_seconds(),
            body_rate=int(settings.min_body_rate),
            send_timeout=settings.send_timeout.total_seconds(),
            drain=int(settings.refusal_drain),
        )


class Alarm:
    """One timer of a connection, which is at rest or set."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether it will go off."""
        return self._timer is not None and not self._timer.cancelled()

    def set(self, seconds: float, action: Any, *arguments: Any) -> None:
        """Let it go off after so many seconds, and not before; what it was set to is forgotten."""
        self.unset()
        self._timer = self._loop.call_later(seconds, self._go_off, action, arguments)

    def unset(self) -> None:
        """Put it to rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_off(self, action: Any, arguments: tuple[Any, ...]) -> None:
        self._timer = None
        action(*arguments)


class WriteWatch:
    """Gives up a connection whose client has taken nothing of what waits for it, for as long as is allowed.

    Also while the connection is closing: a transport waits for its last bytes without an end.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._alarm = Alarm(loop)

    def begin(self) -> None:
        """Watch, until all is written."""
        if not self._alarm.is_set and (waiting := self._transport.get_write_buffer_size()):
            self._alarm.set(self._seconds, self._look, waiting)

    def progress(self) -> None:
        """The client took something."""
        self.end()
        self.begin()

    def end(self) -> None:
        """The connection is lost, or another's."""
        self._alarm.unset()

    def _look(self, waited: int) -> None:
        if self._transport.get_write_buffer_size() == waited:
            self._transport.abort()
        else:
            self.begin()


class WatchedWrites(asyncio.Protocol):
    """What is written is watched, beside what the protocol does by itself; to be put before it."""

    limits: Limits
    loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came."""
        super().connection_made(transport)
        self._writes = WriteWatch(cast("asyncio.Transport", transport), self.loop, self.limits.send_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """They left."""
        self._writes.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """They take less than is sent."""
        super().pause_writing()
        self._writes.begin()

    def resume_writing(self) -> None:
        """They took much of it."""
        super().resume_writing()
        self._writes.progress()


class InTurns(WatchedWrites):
    """What comes is taken in pieces, between which others have their turn, and none while there is enough to do.

    One read can hold thousands of requests and tens of thousands of frames, and the parser does not stop within one.
    """

    transport: asyncio.Transport
    at_once = AT_ONCE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came."""
        self._untaken: deque[bytes] = deque()
        self._taking: asyncio.Handle | None = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """They left, and what they said last is not wanted."""
        self._untaken.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came, of which the first are taken at once if nothing is before them."""
        first = not self._untaken and self._may_take()
        self._untaken.extend(data[start : start + self.at_once] for start in range(0, len(data), self.at_once))
        if first:
            self._take()
        else:
            self._go_on()

    def taken(self, piece: bytes) -> None:
        """A piece has its turn."""
        super().data_received(piece)

    def _may_take(self) -> bool:
        """Whether what was taken is dealt with."""
        raise NotImplementedError

    def _hold(self, *, held: bool) -> None:
        """Read no more for now, or go on with that as far as the application lets."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Look again what comes next, since something is dealt with."""
        if self.transport.is_closing():
            return
        may = self._may_take()
        self._hold(held=bool(self._untaken) or not may)
        if self._untaken and may and self._taking is None:
            self._taking = self.loop.call_soon(self._take)

    def _take(self) -> None:
        self._taking = None
        if self._untaken and self._may_take():
            self.taken(self._untaken.popleft())
        self._go_on()


class Flow(FlowControl):
    """uvicorn's, where reading waits for the protocol as well as for the application."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._held = False

    def pause_reading(self) -> None:
        """The application has enough."""
        self._set(paused=True, held=self._held)

    def resume_reading(self) -> None:
        """The application wants more."""
        self._set(paused=False, held=self._held)

    def hold(self, *, held: bool) -> None:
        """The protocol has enough, or wants more."""
        self._set(paused=self.read_paused, held=held)

    def _set(self, *, paused: bool, held: bool) -> None:
        before, after = self.read_paused or self._held, paused or held
        self.read_paused, self._held = paused, held
        if after and not before:
            self._transport.pause_reading()
        elif before and not after:
            self._transport.resume_reading()


class LimitedProtocol(InTurns, HttpToolsProtocol):
    """uvicorn's protocol, within limits."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_head = True  # or behind a whole request, where the next head may begin
        self._ended = False  # a request, with the last bytes that came
        self._fed = 0
        self._head_size = 0  # of whole headers
        self._head_bytes = 0  # of all that came since the head began, but for the piece in which it did
        self._refusal: SatchelError | None = None
        self._dropped: int | None = None  # bytes that came after a refusal
        self._head_alarm = Alarm(self.loop)
        self._body_alarm = Alarm(self.loop)
        self._body_size = 0
        self._body_left = 0  # of a body whose length was declared
        self._waited_for_us = False

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, and has so long for the head of its first request."""
        super().connection_made(transport)
        self.flow: Flow = Flow(self.transport)
        self._head_alarm.set(self.limits.header_timeout, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """It left."""
        self._head_alarm.unset()
        self._body_alarm.unset()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """From here on, the limits of WebSockets hold."""
        self._head_alarm.unset()
        self._writes.end()
        self._untaken.clear()  # the peer was to wait for the answer
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Bytes came. Where they are of one body, there is no need for turns."""
        if not self._untaken and len(data) <= self._body_left:
            self.taken(data)
        else:
            super().data_received(data)

    def taken(self, data: bytes) -> None:
        """Of a head, of a body, or of what was refused."""
        if self._dropped is not None:
            self._dropped += len(data)
            if self._dropped > self.limits.drain:
                self.transport.close()
            return
        self._fed, self._ended = len(data), False
        super().taken(data)
        if self._dropped is not None or self.transport.is_closing():
            return
        if not self._in_head:
            if not self._body_alarm.is_set:
                self._begin_body_window()
        elif not self._ended:
            self._count_head()

    def _may_take(self) -> bool:
        return not self.pipeline

    def _hold(self, *, held: bool) -> None:
        self.flow.hold(held=held)

    # --- the head ---

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._ended = False
        self._head_size, self._head_bytes = 0, -self._fed

    def on_url(self, url: bytes) -> None:
        """A piece of its address came."""
        super().on_url(url)
        limit = self.limits.url_size
        if len(self.url) > limit:
            self._refuse(Code.URI_TOO_LONG, f"The address may have {limit:,} bytes at most (SATCHEL_MAX_URL_SIZE).")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers is in."""
        super().on_header(name, value)
        if len(self.headers) > self.limits.headers:
            most = self.limits.headers
            self._refuse(Code.HEADERS_TOO_LARGE, f"A request may have {most} headers (SATCHEL_MAX_HEADERS).")
        self._head_size += len(name) + len(value) + 4
        if self._head_size > self.limits.header_size:
            self._refuse(*self._too_large)

    def on_headers_complete(self) -> None:
        """The head is whole, and the body may begin."""
        self._in_head = False
        self._head_alarm.unset()
        super().on_headers_complete()
        self._body_size, self._waited_for_us = 0, False
        self._body_left = next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def _count_head(self) -> None:
        """The parser tells of a header only when that is whole, so all that comes is counted too, and timed."""
        self._head_bytes += self._fed
        if self._head_bytes > self.limits.header_size + self.limits.url_size:
            self._cut_off(SatchelError(*self._too_large))
        elif not self._head_alarm.is_set:
            self._head_alarm.set(self.limits.header_timeout, self._head_is_late)

    @property
    def _too_large(self) -> tuple[Code, str]:
        limit = self.limits.header_size
        return Code.HEADERS_TOO_LARGE, f"The headers may have {limit:,} bytes at most (SATCHEL_MAX_HEADER_SIZE)."

    def _head_is_late(self) -> None:
        if self._is_answering:  # and the next request is waiting behind that
            self._head_alarm.set(self.limits.header_timeout, self._head_is_late)
        elif self._fed == 0:  # nothing ever came
            self.transport.close()
        else:
            seconds = self.limits.header_timeout
            detail = f"The headers must arrive within {seconds:g} s (SATCHEL_HEADER_TIMEOUT)."
            self._cut_off(SatchelError(Code.REQUEST_TIMEOUT, detail))

    # --- the body ---

    def on_body(self, body: bytes) -> None:
        """A piece of the body came."""
        self._body_size += len(body)
        self._body_left -= len(body)
        super().on_body(body)
        self._waited_for_us = self._waited_for_us or self.flow.read_paused

    def on_message_complete(self) -> None:
        """The request is whole; what follows is the head of another one."""
        self._body_alarm.unset()
        self._in_head = self._ended = True
        self._head_size = self._head_bytes = 0
        super().on_message_complete()

    def _begin_body_window(self) -> None:
        self._body_size, self._waited_for_us = 0, self.flow.read_paused
        self._body_alarm.set(self.limits.body_timeout, self._look_at_body)

    def _look_at_body(self) -> None:
        """Whether enough came since the last look, where it was the client that was waited for."""
        ours = (
            self._waited_for_us
            or self.flow.read_paused
            or self.cycle.waiting_for_100_continue
            or bool(self.pipeline)
            or bool(self._untaken)
        )
        wanted = self.limits.body_rate * self.limits.body_timeout
        if not ours and self._body_size < wanted and not self.cycle.response_complete:
            detail = (
                f"The body must arrive with {self.limits.body_rate:,} bytes a second (SATCHEL_MIN_BODY_RATE), "
                f"measured over {self.limits.body_timeout:g} s (SATCHEL_BODY_TIMEOUT)."
            )
            self._cut_off(SatchelError(Code.REQUEST_TIMEOUT, detail))
        else:
            self._begin_body_window()

    # --- the answer ---

    def on_response_complete(self) -> None:
        """All is handed to the transport."""
        super().on_response_complete()
        self._writes.begin()
        self._go_on()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # --- refusals ---

    def _refuse(self, code: Code, detail: str) -> None:
        """Called by the parser; uvicorn answers what is raised there by `send_400_response`."""
        self._refusal = SatchelError(code, detail)
        raise self._refusal

    def send_400_response(self, msg: str) -> None:
        """The parser gave up, or was stopped."""
        self._cut_off(self._refusal or SatchelError(Code.BAD_REQUEST, msg))

    def _cut_off(self, error: SatchelError) -> None:
        """Answer, if that is not too late, and end the connection once the client had time to read it."""
        self._head_alarm.unset()
        self._body_alarm.unset()
        if self.transport.is_closing():
            return
        started = self._is_answering and (self.cycle.response_started or bool(self.pipeline))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if started:
            self.transport.close()
            return
        response = problem(error, {"Connection": "close"})
        lines = [STATUS_LINE[response.status_code]]
        lines += [b"%s: %s\r\n" % header for header in response.raw_headers]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(response.body)]))
        self._dropped = 0
        self.flow.resume_reading()
        self.transport.write_eof()
        self._writes.begin()
        self._head_alarm.set(DRAIN_SECONDS, self.transport.close)


class LimitedSocketProtocol(InTurns, WebSocketsSansIOProtocol):
    """uvicorn's protocol of WebSockets, which listens to nobody who takes no answers.

    A ping is answered where it is parsed. Peers that read nothing while the connection closes are given up.
    """

    at_once = FRAMES_AT_ONCE

    def resume_writing(self) -> None:
        """The peer took much of what waited for it."""
        super().resume_writing()
        self._go_on()

    async def receive(self) -> Any:
        """The next message."""
        message = await super().receive()
        self._go_on()
        return message

    async def send(self, message: Any) -> None:
        """Send a message; one that closes also waits for what the peer says to that."""
        await super().send(message)
        self._go_on()

    async def run_asgi(self) -> None:
        """Serve the connection; what a peer did not take until it was given up is not waited for again."""
        await super().run_asgi()
        if not self.writable.is_set():
            self.transport.abort()

    def _may_take(self) -> bool:
        return self.writable.is_set() and not self.read_paused

    def _hold(self, *, held: bool) -> None:
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

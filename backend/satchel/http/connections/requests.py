"""How long, how large and how slow a request may be: what uvicorn leaves open with httptools.

A head has a size, a number of headers and a time; a body has a least rate, while the server waits for it; an answer is
given up when its client takes nothing of it. Whoever breaks a limit is told which setting it is, and then cut off: the
rest of what was sent is read for a while and dropped, because a connection that is closed over unread bytes is reset,
and the answer lost with it (https://www.rfc-editor.org/rfc/rfc9112#section-9.6).
"""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from satchel.config import KIB
from satchel.errors import Code, SatchelError
from satchel.http.connections.limits import Alarm, refusal
from satchel.http.connections.turns import Flow, InTurns

AT_ONCE = 32 * KIB  # bytes; the smallest request has some twenty, and a chunk of a body has six


class LimitedProtocol(InTurns, HttpToolsProtocol):
    """uvicorn's protocol, within limits."""

    at_once = AT_ONCE

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
        self._framing = 0  # bytes in pieces without any of the body: sizes of chunks, their extensions, trailers
        self._waited_for_us = False
        self._upgrading = False

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, and has so long for the head of its first request, if there is room for it."""
        super().connection_made(transport)
        self.flow: Flow = Flow(self.transport)
        most = self.limits.connections
        if len(self.connections) > 2 * most:  # as many are told already
            self.transport.abort()
        elif len(self.connections) > most:
            detail = f"The server has {most:,} connections at once (SATCHEL_MAX_CONNECTIONS)."
            self._cut_off(SatchelError(Code.TOO_MANY_CONNECTIONS, detail))
        else:
            self._head_alarm.set(self.limits.header_timeout, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """It left."""
        self._head_alarm.unset()
        self._body_alarm.unset()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """From here on, the limits of WebSockets hold; what was asked before is answered first."""
        self._upgrading = self._is_answering
        if self._upgrading:
            return
        self._unset_keepalive_if_required()
        self._head_alarm.unset()
        self._writes.end()
        self._untaken.clear()  # the peer was to wait for the answer
        super().handle_websocket_upgrade()
        if self.flow.write_paused:  # which a transport tells once
            self.transport.get_protocol().pause_writing()

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
            self._count_framing()
        elif not self._ended:
            self._count_head()

    def _may_take(self) -> bool:
        return not self.pipeline and not self._upgrading

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
        """One of its headers is in, or a trailer, which is none and merely counts (RFC 9110, 6.5.1)."""
        if self._in_head:
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
        self._framing = -self._fed

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
        self._framing = -self._fed
        super().on_body(body)
        self._waited_for_us = self._waited_for_us or self.flow.read_paused

    def on_message_complete(self) -> None:
        """The request is whole; what follows is the head of another one."""
        self._body_alarm.unset()
        self._in_head = self._ended = True
        self._head_size = self._head_bytes = 0
        super().on_message_complete()

    def _count_framing(self) -> None:
        """The parser tells nothing of what stands around a body, and keeps a trailer until that is whole."""
        self._framing += self._fed
        if self._framing > self.limits.header_size:
            self._cut_off(SatchelError(*self._too_large))
        elif not self._body_alarm.is_set:
            self._begin_body_window()

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
        if self._upgrading and not self.transport.is_closing():
            self.handle_websocket_upgrade()
        else:
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
        self.transport.write(refusal(error))
        self._dropped = 0
        self.flow.resume_reading()
        self.transport.write_eof()
        self._writes.begin()
        self._head_alarm.set(self.limits.drain_timeout, self.transport.close)

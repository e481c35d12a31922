"""WebSockets: uvicorn's protocol, in turns, and for peers that listen."""

import sys
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.frames import Frame
from websockets.http11 import Request

from satchel.config import KIB
from satchel.errors import Code, SatchelError
from satchel.http.connections.limits import refusal
from satchel.http.connections.turns import InTurns

FRAMES_AT_ONCE = 8 * KIB  # bytes; the smallest frame has six

# A head comes here once it was parsed within the limits of all requests, which are settings and the only ones.
http11.MAX_LINE_LENGTH = http11.MAX_NUM_HEADERS = sys.maxsize


class LimitedSocketProtocol(InTurns, WebSocketsSansIOProtocol):
    """uvicorn's protocol of WebSockets, which listens to nobody who takes no answers.

    A ping is answered where it is parsed. Peers that read nothing while the connection closes are given up.
    """

    at_once = FRAMES_AT_ONCE

    def taken(self, piece: bytes) -> None:
        """Of the head, or of frames. A head that opens no WebSocket is answered, and the connection ends."""
        super().taken(piece)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.close_sent = True
            self.transport.write(refusal(SatchelError(Code.BAD_REQUEST, f"No WebSocket: {self.conn.handshake_exc}.")))
            self._writes.begin()
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Ask the application, unless there is nothing to ask."""
        self.conn.accept(event)
        if self.conn.handshake_exc is None:
            super().handle_connect(event)

    def handle_cont(self, event: Frame) -> None:
        """Join what came of a message: by itself, a frame takes memory even where there is nothing in it."""
        came = self.frames[0]
        message = came if isinstance(came, bytearray) else bytearray(came)
        message += event.data
        self.frames = [bytes(message) if event.fin else cast("bytes", message)]
        if event.fin:
            self.send_receive_event_to_app()

    def resume_writing(self) -> None:
        """The peer took much of what waited for it."""
        super().resume_writing()
        self._go_on()

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; an empty one for text that is not UTF-8, of which uvicorn would log a traceback."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
        super().send_receive_event_to_app()

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

"""WebSockets: uvicorn's protocol, in turns, and for peers that listen."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from satchel.config import KIB
from satchel.http.connections.turns import InTurns

FRAMES_AT_ONCE = 8 * KIB  # bytes; the smallest frame has six


class LimitedSocketProtocol(InTurns, WebSocketsSansIOProtocol):
    """uvicorn's protocol of WebSockets, which listens to nobody who takes no answers.

    A ping is answered where it is parsed. Peers that read nothing while the connection closes are given up.
    """

    at_once = FRAMES_AT_ONCE

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

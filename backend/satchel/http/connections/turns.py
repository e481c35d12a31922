"""What comes on a connection is taken in turns with the others, and not sooner than it is dealt with."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque

from uvicorn.protocols.http.flow_control import FlowControl

from satchel.http.connections.limits import WatchedWrites


class InTurns(WatchedWrites, ABC):
    """What comes is taken in pieces, between which others have their turn, and none while there is enough to do.

    One read can hold thousands of requests and tens of thousands of frames, and the parser does not stop within one.
    """

    transport: asyncio.Transport
    at_once: int

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

    @abstractmethod
    def _may_take(self) -> bool:
        """Whether what was taken is dealt with."""

    @abstractmethod
    def _hold(self, *, held: bool) -> None:
        """Read no more for now, or go on with that as far as the application lets."""

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

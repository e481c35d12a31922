"""The bounds of a connection, the answer to whoever breaks one, and the watch over what it does not take."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from satchel.config import Settings
from satchel.errors import SatchelError
from satchel.http.guards import problem


@dataclass(frozen=True)
class ConnectionLimits:
    """The bounds of a connection, and of their number: sizes in bytes, times in seconds, the rate in bytes a second."""

    connections: int
    url_size: int
    header_size: int
    headers: int
    header_timeout: float
    body_timeout: float
    body_rate: int
    send_timeout: float
    drain: int
    drain_timeout: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the settings name."""
        return cls(
            connections=settings.max_connections,
            url_size=int(settings.max_url_size),
            header_size=int(settings.max_header_size),
            headers=settings.max_headers,
            header_timeout=settings.header_timeout.total_seconds(),
            body_timeout=settings.body_timeout.total_seconds(),
            body_rate=int(settings.min_body_rate),
            send_timeout=settings.send_timeout.total_seconds(),
            drain=int(settings.refusal_drain),
            drain_timeout=settings.refusal_timeout.total_seconds(),
        )


def refusal(error: SatchelError) -> bytes:
    """The whole answer to what no application was asked, after which the connection ends."""
    response = problem(error, {"Connection": "close"})
    head = [STATUS_LINE[response.status_code], *(b"%s: %s\r\n" % header for header in response.raw_headers)]
    return b"".join([*head, b"\r\n", bytes(response.body)])


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

    limits: ConnectionLimits
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

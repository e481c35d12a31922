"""Several server processes on one machine, behind one listening socket."""

import asyncio
import os
import signal
import socket
import sys
from asyncio import FIRST_COMPLETED
from asyncio.subprocess import PIPE, Process

import structlog

from satchel.config import Settings

PAUSE = 1.0
"""Seconds before a worker that ended is replaced."""

log = structlog.get_logger(__name__)


class Workers:
    """Starts the workers, replaces those that end, and stops them all together.

    Each is a whole server of its own, started from the same settings: they share the socket, the database and the
    store, and no memory. A worker ends when its standard input does, so none outlives this process.

    Args:
        settings: how many, and what they serve.
        listening: the socket that they accept connections from.
    """

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self._count = settings.workers
        self._listening = listening  # kept, or it would be closed
        self._fd = listening.fileno()
        self._command = (sys.executable, "-m", "satchel", "serve", "--socket", str(self._fd))
        given = {"WORKERS": "1", "DATA_DIR": str(settings.data_dir), "HOST": settings.host}
        self._environment = {**os.environ, **{f"SATCHEL_{name}": value for name, value in given.items()}}
        self._running: set[Process] = set()
        self._serving = 0
        self._first_serves = asyncio.Event()
        self._stopping = False

    async def run(self) -> int:
        """Serve until SIGTERM or Ctrl-C; gives the exit code. A worker that cannot start ends them all."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stop)
        # The first alone: it brings the tables up to date, and if none can start, one says why.
        keepers = [asyncio.create_task(self._keep())]
        first_serves = asyncio.create_task(self._first_serves.wait())
        await asyncio.wait([*keepers, first_serves], return_when=FIRST_COMPLETED)
        if not first_serves.cancel():
            keepers += [asyncio.create_task(self._keep()) for _ in range(self._count - 1)]
        await asyncio.wait(keepers, return_when=FIRST_COMPLETED)
        if not self._stopping:  # a second SIGTERM would kill a worker that is about to end by itself
            self._stop()
        return max(await asyncio.gather(*keepers))

    async def _keep(self) -> int:
        """One worker after the other, until stopped; gives the exit code of the last."""
        while True:
            worker = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdin=PIPE, stdout=PIPE, pass_fds=[self._fd]
            )
            self._running.add(worker)
            if self._stopping:  # meanwhile
                worker.terminate()
            if worker.stdout and (line := await worker.stdout.readline()):
                self._started(line.decode())
            code = await worker.wait()
            self._running.discard(worker)
            if self._stopping and code == -signal.SIGTERM:  # it had not come to serve yet
                return 0
            if self._stopping or self._serving < self._count:
                return abs(code)
            log.error("worker ended and is replaced", pid=worker.pid, code=code)
            await asyncio.sleep(PAUSE)

    def _started(self, line: str) -> None:
        self._serving += 1
        self._first_serves.set()
        if self._serving == self._count:
            print(line, end="", flush=True)  # noqa: T201

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._running:
            worker.terminate()


def inherited(fd: int) -> socket.socket:
    """The listening socket, in a worker."""
    return socket.socket(fileno=fd)


def end_with_parent() -> None:
    """Let this process stop, as by SIGTERM, when its standard input ends; called by a worker inside its event loop."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            signal.raise_signal(signal.SIGTERM)

    loop.add_reader(sys.stdin.fileno(), look)

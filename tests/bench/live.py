"""How soon many windows of the file manager are told of an upload, and what each of them costs.

Another process holds their connections, which ask what the file manager asks and take packed messages, as browsers do.
"""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench import hostile
from bench.servers import satchel
from bench.wire import Address

Result = dict[str, Any]

PER_SECOND = 4
"""Uploads."""
FIELDS = "id filename size contentType kind hash uploadDate copies previewUrl downloadUrl"
FOLLOW = f"subscription {{ fileEvents {{ cursor kind fileId file {{ {FIELDS} }} }} }}"
PACKED = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
BEFORE = 2
"""Messages before the first event: that the connection is taken, and that the subscription is."""
TEXT = 0x1
PIECE = 2**16


def live(directory: Path, counts: Sequence[int], uploads: int, say: Callable[[str], None]) -> list[Result]:
    """For each number of windows: seconds from an answer to an upload until a window was told; memory and processor."""
    results = []
    with satchel(directory, max_websockets="100000") as server:
        for count in counts:
            context = multiprocessing.get_context("spawn")
            here, there = context.Pipe()
            process = context.Process(target=_follow, args=(server.address, count, uploads, there))
            with server.process.measured() as joined:
                process.start()
                here.recv()
            try:
                with server.process.measured() as sample:
                    answered = _upload(server.address, uploads, str(count))
                    told = here.recv()
            finally:
                process.kill()
            delays = sorted(max(0.0, at - since) for since, ats in zip(answered, told, strict=True) for at in ats)
            hundredths = quantiles(delays, n=100)
            results.append({"windows": count, "median": hundredths[49], "p99": hundredths[98], "worst": delays[-1],
                            "memory": joined.growth / count, "cpu": sample.cpu / uploads})  # fmt: skip
            say(f"  {count} windows: {hundredths[98] * 1000:.0f} ms, {joined.growth / count / 1024:.0f} KiB each")
    return results


def _upload(address: Address, uploads: int, name: str) -> list[float]:
    """When each was answered."""
    begin, answered = time.monotonic(), []
    for number in range(uploads):
        time.sleep(max(0, begin + number / PER_SECOND - time.monotonic()))
        hostile.uploaded(address, f"{name} {number}".encode(), f"{name} {number}.txt")
        answered.append(time.monotonic())
    return answered


def _follow(address: Address, count: int, events: int, parent: Connection) -> None:
    """Hold the connections, and tell when each of them had each event."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        client = socket.create_connection(address)
        hostile.upgrade(client, PACKED)
        client.sendall(hostile.greeting() + hostile.subscribe(1, FOLLOW))
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, _Messages())
    told: list[list[float]] = [[] for _ in range(BEFORE + events)]
    ready = False
    while len(told[-1]) < count:
        for key, _ in selector.select():
            messages: _Messages = key.data
            before = messages.count
            messages.take(key.fileobj.recv(PIECE))  # type: ignore[union-attr]  # it was registered as a socket
            for number in range(before, messages.count):
                told[number].append(time.monotonic())
        if not ready and len(told[BEFORE - 1]) == count:
            ready = True
            parent.send(None)
    parent.send(told[BEFORE:])


class _Messages:
    """Counts the text messages of a server, which has no masks and cuts none in pieces (RFC 6455, 5.2)."""

    def __init__(self) -> None:
        self.count = 0
        self._rest = b""

    def take(self, data: bytes) -> None:
        """What came."""
        data = self._rest + data
        while len(data) >= 2:
            more = {126: 2, 127: 8}.get(data[1], 0)
            size = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
            if len(data) < 2 + more + size:
                break
            self.count += data[0] & 0x0F == TEXT
            data = data[2 + more + size :]
        self._rest = data

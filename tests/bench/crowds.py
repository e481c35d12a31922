"""What everybody else waits while many clients mean harm at once, and what memory these take.

Another process asks again and again for the shortest answer of GraphQL, on a connection of its own, as long as a crowd
is there. Where a single request is looked at, see `stalls`.
"""

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench import hostile
from bench.servers import satchel
from bench.wire import Address

Result = dict[str, Any]
Crowd = Callable[[Address], None]

KIB, MIB = 2**10, 2**20
HELD = 10
"""Seconds for which a crowd that only waits is there."""
LEAST = 3
"""Seconds for which a crowd comes again and again."""
EVENTS = 40
"""Uploads while a crowd of subscribers is there."""
PAUSE = 0.005
"""Between an answer and the next question of the others: they are no crowd themselves."""
FEW_BYTES = 4096
"""The receive buffer of who takes nothing."""


def crowds(directory: Path, count: int, size: int, say: Callable[[str], None]) -> list[Result]:
    """Each crowd once, of so many connections or requests; what others waited, in seconds, and the growth in bytes.

    Args:
        directory: where the server keeps its data.
        count: connections of a crowd; ten times as many operations on one.
        size: of the one large upload, in bytes.
        say: hears of the progress.
    """
    results = []
    with satchel(directory, max_websockets="100000") as server:
        file_id = hostile.uploaded(server.address, bytes(8 * MIB), "large.bin")
        for name, crowd in _crowds(file_id, count, size).items():
            with server.process.measured() as sample, _others(server.address) as waits:
                end = time.monotonic() + LEAST
                crowd(server.address)
                while time.monotonic() < end:
                    crowd(server.address)
            hundredths = quantiles(waits, n=100)
            results.append({"what": name, "asked": len(waits), "median": hundredths[49], "p99": hundredths[98],
                            "worst": max(waits), "growth": sample.growth, "strays": server.strays()})  # fmt: skip
            say(f"  {name}: {hundredths[98] * 1000:.0f} ms, {sample.growth / MIB:.0f} MiB")
    return results


def _crowds(file_id: str, count: int, size: int) -> dict[str, Crowd]:
    subscriptions = [
        hostile.subscribe(number, "subscription { fileEvents { cursor } }") for number in range(10 * count)
    ]
    operations = [hostile.subscribe(number, "{ __typename }") for number in range(10 * count)]
    return {
        "nobody": lambda _: time.sleep(HELD),
        f"{count:,} heads that drip": _dripping(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", count),
        f"{count:,} bodies that drip": _dripping(hostile.head_of_upload(MIB), count),
        f"{count:,} downloads that nobody reads": _unread(hostile.get(f"/files/{file_id}"), count),
        f"{count:,} subscribers that never read": _deaf_subscribers(count),
        f"{10 * count:,} subscriptions on one connection": _once(hostile.talk(*subscriptions)),
        f"{10 * count:,} operations on one connection": _once(hostile.talk(*operations)),
        **{f"{count // 10} times {name}": _many(form, count // 10) for name, form in hostile.forms().items()},
        f"an upload of {size // MIB:,} MiB": _one_large(size),
    }


# --- crowds -----------------------------------------------------------------------------------------------------------


def _dripping(start: bytes, count: int) -> Crowd:
    """A byte each second, from everybody."""

    def crowd(address: Address) -> None:
        with _connected(address, count, lambda client: client.sendall(start)) as held:
            for _ in range(HELD):
                for client in held:
                    with suppress(OSError):
                        client.send(b"a")
                time.sleep(1)

    return crowd


def _unread(request: bytes, count: int) -> Crowd:
    def crowd(address: Address) -> None:
        with _connected(address, count, lambda client: client.sendall(request)):
            time.sleep(HELD)

    return crowd


def _deaf_subscribers(count: int) -> Crowd:
    """They ask for several KiB of each event."""
    fields = " ".join(f"f{number}: file {{ {hostile.FIELDS} }}" for number in range(12))
    request = hostile.greeting() + hostile.subscribe(1, f"subscription {{ fileEvents {{ {fields} }} }}")

    def join(client: socket.socket) -> None:
        hostile.upgrade(client)
        client.sendall(request)

    def crowd(address: Address) -> None:
        with _connected(address, count, join):
            for number in range(EVENTS):
                hostile.uploaded(address, b"%d" % time.time_ns(), f"{number}.txt")
                time.sleep(HELD / EVENTS)

    return crowd


def _once(request: bytes) -> Crowd:
    def crowd(address: Address) -> None:
        hostile.send(address, request)

    return crowd


def _many(request: bytes, count: int) -> Crowd:
    def crowd(address: Address) -> None:
        with ThreadPoolExecutor(10) as threads:
            for _ in threads.map(lambda _: hostile.send(address, request), range(count)):
                pass

    return crowd


def _one_large(size: int) -> Crowd:
    def crowd(address: Address) -> None:
        with socket.create_connection(address) as client:
            client.sendall(hostile.head_of_upload(size))
            piece = bytes(MIB)
            for _ in range(size // MIB):
                client.sendall(piece)
            client.sendall(b"\r\n" + hostile.END)
            assert client.recv(16).startswith(b"HTTP/1.1 200 ")

    return crowd


@contextmanager
def _connected(address: Address, count: int, begin: Callable[[socket.socket], None]) -> Iterator[list[socket.socket]]:
    """Clients with next to no room for what they are sent, who all have begun."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW_BYTES)
            client.connect(address)
            begin(client)
            clients.append(client)
        yield clients


# --- the others -------------------------------------------------------------------------------------------------------


@contextmanager
def _others(address: Address) -> Iterator[list[float]]:
    """Ask all the time, in another process, since the crowd's work here would be counted too; gives each wait."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    waits: list[float] = []
    process = context.Process(target=_ask, args=(address, there))
    process.start()
    try:
        here.recv()  # it asks
        yield waits
        here.send(None)
        waits += here.recv()
    finally:
        process.kill() if not waits else process.join()


def _ask(address: Address, parent: Connection) -> None:
    question = hostile.operation("{ __typename }").replace(b"Connection: close\r\n", b"")
    waits = []
    with socket.create_connection(address, timeout=hostile.SECONDS) as asking:
        asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        parent.send(None)
        while not parent.poll():
            start = time.perf_counter()
            asking.sendall(question)
            hostile.answer(asking)
            waits.append(time.perf_counter() - start)
            time.sleep(PAUSE)
    parent.send(waits)

"""Clients that leave, stand still or are sent away: F8, F9, F19 and F20; I8 of what was held for them."""

import asyncio
import random
import signal
import socket
import struct
from contextlib import AsyncExitStack

from aftermath import GRACE
from check import exceptions
from held import BUSY_SLACK, assert_given_back, held_by
from storm import survived

from clients import client_at
from kept import PATIENCE, eventually
from raw import END, MULTIPART, connected, head_of_part
from sockets import ready
from stacks import scaled_only

SIZE = 2_000_000
LARGE = 32 * 1024 * 1024  # more than fits between a server and a client that takes nothing
BODY = head_of_part("file", "a.bin") + b"x" * SIZE + END
HEADERS = {"Content-Type": MULTIPART, "Content-Length": str(len(BODY))}
PROMPT = {"upload_lease": "1s", "sweep_interval": "0.2s", "delete_grace": GRACE}


async def disconnect(server, at, *, rudely):
    """Begin an upload, and leave after so many bytes: with a FIN, or with a RST."""
    async with connected(server) as raw:
        await raw.request("POST", "/files/upload", HEADERS, BODY[:at])
        if rudely:
            linger = struct.pack("ii", 1, 0)
            raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.writer.transport.abort()


async def test_clients_that_leave_at_any_byte(start, count, report):
    """Nothing of their uploads is left, and nothing that the server held for them."""
    # Few connections to the database, because those that were made stay; those to the store end when nobody needs them.
    server, where, times = await start(**PROMPT, database_connections=3), random.Random(8), count(50, 200)
    for _ in range(4):
        await disconnect(server, SIZE, rudely=False)
    await eventually(lambda: server.kept.is_empty() and server.kept.count("garbage") == 0)
    before = await held_by(server)
    for _ in range(times // 10):
        batch = [(where.randrange(len(BODY)), rudely) for rudely in [True, False] * 5]
        await asyncio.gather(*(disconnect(server, at, rudely=rudely) for at, rudely in batch))
    await eventually(lambda: server.kept.is_empty() and server.kept.count("garbage") == 0)
    assert not server.kept.store.unfinished()
    await assert_given_back(server, before)
    assert not exceptions(server)
    report(f"F8: {times} clients left in mid-upload, nothing kept or held")


HASTY = {"body_timeout": "1s", "send_timeout": "2s", "sweep_interval": "0.2s", "delete_grace": GRACE}


async def drip(server):
    """Begin an upload, and send a byte now and then until the server cuts it off."""
    async with connected(server) as raw:
        await raw.request("POST", "/files/upload", HEADERS, BODY[:1000])
        answer = asyncio.create_task(raw.answer())
        while not answer.done():
            await raw.send(b"x")
            await asyncio.wait([answer], timeout=0.2)
        assert (await answer).json()["code"] == "REQUEST_TIMEOUT"
        assert await raw.is_closed()


async def test_clients_that_stall(start, tmp_path, count, report):
    """Slow uploads and downloads that nobody takes are cut off; whoever goes on does not notice."""
    server, clients, rounds = await start(**HASTY), count(15, 100), count(1, 10)

    async def stall(path):
        before = await held_by(server)
        async with AsyncExitStack() as exits:
            for _ in range(clients):
                reader = await exits.enter_async_context(connected(server))
                await reader.request("GET", path, {})
            await asyncio.gather(*(drip(server) for _ in range(clients)))
            await assert_given_back(server, before, BUSY_SLACK)

    async def disturb():
        async with client_at(server) as client:
            file = (await client.post("/files/upload", files={"file": ("large.bin", b"x" * LARGE)})).json()
            for _ in range(rounds):
                await stall(file["download_url"])
            await client.delete(f"/files/{file['id']}")

    checker = await survived([server], tmp_path, disturb, ())
    stalled = f"{rounds * clients} uploads and as many downloads stood still and were cut off"
    report(f"F9: {stalled}, of others {checker.summary()}")


async def asleep_until(condition, server):
    """Stop a server until a condition holds, then let it go on.

    Where it stopped inside a transaction it wakes and stops again: the database ends that one, with its locks, after a
    minute only. It may come to light late, because the last statement may still be on its way.
    """
    within = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    async with asyncio.timeout(PATIENCE):
        while True:
            server.process.send_signal(signal.SIGSTOP)
            looks = 0
            while looks < 5:  # another server's transactions pass
                if condition():
                    server.process.send_signal(signal.SIGCONT)
                    return
                await asyncio.sleep(0.05)
                looks = looks + 1 if server.kept.query(within) else 0
            server.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.05)


async def reclaimed_in_sleep(server, other):
    """Begin an upload at a server that then stands still until the other one took the upload; gives the answer."""
    async with connected(server) as raw:
        await raw.request("POST", "/files/upload", HEADERS, BODY[: SIZE // 2])
        await eventually(lambda: server.kept.count("uploads") == 1)
        await asleep_until(lambda: other.kept.count("uploads") == 0, server)
        await raw.send(BODY[SIZE // 2 :])
        return await raw.answer()


@scaled_only
async def test_a_server_that_sleeps_past_its_lease(start, count, report):
    """Another one takes the upload meanwhile; the first one says so, and publishes nothing."""
    server, other = [await start(**PROMPT) for _ in range(2)]
    for _ in range(count(3, 50)):
        answer = await reclaimed_in_sleep(server, other)
        assert (answer.status, answer.json()["code"]) == (409, "LEASE_LOST")
    await eventually(other.kept.is_empty)
    report(f"F19: {count(3, 50)} uploads reclaimed in their server's sleep, none published")


@scaled_only
async def test_a_server_that_sleeps_at_the_door_of_the_transaction(start, report):
    """The bytes are durable when it falls asleep; the fence in the transaction keeps it from publishing them."""
    other = await start(**PROMPT)
    server = await start(**PROMPT, failpoint="U3.durable:stop")
    async with connected(server) as raw:
        await raw.request("POST", "/files/upload", HEADERS, BODY)
        await eventually(lambda: server.kept.count("uploads") == 1)
        await eventually(lambda: other.kept.count("uploads") == 0)
        server.process.send_signal(signal.SIGCONT)
        answer = await raw.answer()
    assert (answer.status, answer.json()["code"]) == (409, "LEASE_LOST")
    await eventually(other.kept.is_empty)
    report("F19: asleep with durable bytes, nothing published")


async def test_a_stop_under_load(start, count, report):
    """Uploads that run are finished, subscribers are sent away in a way that lets them come back, the exit is clean."""
    server, uploads, subscribers = await start(), count(10, 50), count(20, 500)
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(ready(server)) for _ in range(subscribers)]
        running = [await exits.enter_async_context(connected(server)) for _ in range(uploads)]
        for raw in running:
            await raw.request("POST", "/files/upload", HEADERS, BODY[: SIZE // 2])
        await eventually(lambda: server.kept.count("uploads") == uploads)
        server.terminate()
        codes = await asyncio.gather(*(subscriber.closed() for subscriber in sockets))
        for raw in running:
            await raw.send(BODY[SIZE // 2 :])
        answers = await asyncio.gather(*(raw.answer() for raw in running))
        assert [answer.status for answer in answers] == [200] * uploads
    assert set(codes) <= {1001, 1012}
    assert await server.wait() == 0
    assert (server.kept.count("files"), server.kept.count("blobs")) == (uploads, 1)
    assert not exceptions(server)
    report(f"F20: stopped in {uploads} uploads and {subscribers} subscriptions, all uploads finished")

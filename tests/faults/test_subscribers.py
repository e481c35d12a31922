"""Subscribers that come back to another server, in numbers: F21; and some that never read: F22."""

import asyncio
import random
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from aftermath import GRACE
from held import assert_given_back, held_by
from storm import CUT, survived

from followers import Follower, committed, end_listening, stopped
from kept import PATIENCE, eventually
from sockets import opened, ready
from stacks import one_is_enough, scaled_only

MIB = 1024 * 1024
SETTINGS = {"upload_lease": "5s", "sweep_interval": "0.3s", "delete_grace": GRACE}


@scaled_only
async def test_subscribers_over_two_servers(start, postgres, tmp_path, count, report):
    """Each is told of every change, once and in order, while connections of all kinds end."""
    servers = await asyncio.gather(start(**SETTINGS), start(**SETTINGS))
    subscribers, changes, where = count(20, 1000), count(100, 1000), random.Random(21)
    kept, database = servers[0].kept, urlsplit(servers[0].settings["database_url"]).path.strip("/")
    connections = ended = kills = 0

    def next_server():
        nonlocal connections
        connections += 1
        return where.choice(servers)

    async def disturb():
        nonlocal ended, kills
        async with ready(servers[0]) as subscriber:
            begin = subscriber.cursor
        followers = [Follower(begin) for _ in range(subscribers)]
        seconds = (0.5, subscribers / 20)  # some tens of them change servers each second
        following = [asyncio.create_task(follower.follow(next_server, seconds)) for follower in followers]
        while len(happened := committed(kept, begin)) < changes:
            await asyncio.sleep(1)
            ended += await end_listening(postgres, database)
            if len(happened) > changes // 2 and not kills:
                kills += 1
                await servers[1].kill()
                await servers[1].start()
        async with asyncio.timeout(60 + subscribers):  # a bound for a hang; nothing is measured by it
            await asyncio.gather(*(follower.has_heard(len(happened)) for follower in followers))
        await stopped(following)
        settled = committed(kept, begin)[: len(happened)]  # some may have come late into a place between the others
        for follower in followers:
            assert follower.told[: len(happened)] == settled

    checker = await survived(
        servers, tmp_path, disturb, lambda code, at: at == 1 and code in CUT, uploaders=4, deleters=2, large=0
    )
    ends = f"{connections} connections, {ended} ends of a LISTEN and {kills} kill of a server"
    report(f"F21: {changes} changes to {subscribers} subscribers over {ends}: none missed; {checker.summary()}")


FIELDS = "id filename hash objectName downloadUrl contentType uploadDate"
LONG = f"subscription {{ fileEvents {{ {' '.join(f'f{number}: file {{ {FIELDS} }}' for number in range(12))} }} }}"
"""A few KiB for each event."""


@asynccontextmanager
async def deaf(server):
    """A subscriber that takes next to nothing of what it is sent."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # by which the other side sizes its buffer
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (server.host, server.port))
    async with opened(server, sock=narrow, max_queue=1, compression=None, ping_interval=None) as subscriber:
        await subscriber.initialise()
        await subscriber.subscribe(LONG)
        try:
            yield
        finally:
            subscriber.cut()


@one_is_enough
async def test_subscribers_that_never_read(start, tmp_path, count, report):
    """They are closed, cost no memory until then, and others do not notice."""
    server = await start(**SETTINGS, websocket_send_timeout="1s")
    subscribers, rounds, growth = count(20, 100), count(1, 3), 0

    async def disturb():
        nonlocal growth
        await eventually(lambda: server.kept.count("events") > 20, "all connections of the others are made")
        for number in range(1, rounds + 1):
            before, memory = await held_by(server), server.memory()
            async with AsyncExitStack() as exits:
                for _ in range(subscribers):
                    await exits.enter_async_context(deaf(server))
                async with asyncio.timeout(PATIENCE + 2 * subscribers):  # each event is made for each of them
                    while server.logged().count("subscriber stalled") < number * subscribers:  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
                await assert_given_back(server, before)
                growth = max(growth, server.memory() - memory)

    checker = await survived([server], tmp_path, disturb, (), uploaders=4, deleters=2, large=0)
    assert growth < 64 * MIB
    closed = f"{rounds * subscribers} subscribers that never read were closed, with {growth // MIB} MiB of memory more"
    report(f"F22: {closed}; of others {checker.summary()}")

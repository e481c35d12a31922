"""Servers that die at random moments, under load, again and again: F1 and F2."""

import asyncio
import random
import time

from check import Checker
from journal import Journal
from load import Load

from stacks import embedded_only, scaled_only

SETTINGS = {"upload_lease": "5s", "sweep_interval": "0.3s", "delete_grace": "0.001s"}
SMOKE_KILLS, SMOKE_SECONDS = 20, 30  # as many as there is time for, on a machine that does other things too
FULL_KILLS = 500
CUT = {"unreachable", "ReadError", "WriteError", "RemoteProtocolError", "CloseError"}  # what a kill looks like


async def storm(servers, tmp_path, full, report):
    """Kill the first of the servers again and again, some seconds after each start, and check what came of it all."""
    moments, slowest, killed, end = random.Random(1), 0.0, 0, time.monotonic() + SMOKE_SECONDS
    journal = Journal(tmp_path / "journal")
    async with Load(servers, journal) as load:
        while killed < (FULL_KILLS if full else SMOKE_KILLS) and (full or time.monotonic() < end):
            await asyncio.sleep(moments.uniform(0, 3 if full else 1))
            await servers[0].kill()
            killed += 1
            began = time.monotonic()
            await servers[0].start()
            slowest = max(slowest, time.monotonic() - began)
        await load.rest()
        checker = Checker(journal, servers[0].kept, servers, lambda code, at: at == 0 and code in CUT)
        await checker.assert_nothing_was_lost()
    assert checker.acknowledged
    report(f"{len(servers)} servers, {killed} kills, {checker.summary()}, slowest start {slowest:.1f} s")


@embedded_only
async def test_one_server_that_is_killed(place, new_server, tmp_path, full, report):
    """Whatever was acknowledged is there after each start, and nothing else is."""
    server = await new_server(**place, **SETTINGS).start()
    try:
        await storm([server], tmp_path, full, report)
    finally:
        await server.kill()


@scaled_only
async def test_one_of_two_servers_that_is_killed(place, new_server, tmp_path, full, report):
    """The same, and nobody who asks the other one notices."""
    servers = [new_server(**place, **SETTINGS) for _ in range(2)]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        await storm(servers, tmp_path, full, report)
    finally:
        await asyncio.gather(*(server.kill() for server in servers))

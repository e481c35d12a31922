"""Servers that die at random moments, under load, again and again: F1, F2 and F4."""

import asyncio

import pytest
from storm import CUT, Kills, moment, survived
from syscalls import needs_strace, tampered

from stacks import embedded_only, scaled_only

SETTINGS = {"upload_lease": "5s", "sweep_interval": "0.3s", "delete_grace": "0.001s"}
SMOKE_KILLS, SMOKE_SECONDS, SMOKE_PAUSE = 20, 20, 1  # as many as there is time for, on a machine that is busy too
FULL_KILLS, FULL_PAUSE = 500, 3


@pytest.fixture
def new_server(full, new_server, whole_server):
    """In full, servers are held to the time of their whole start."""
    return whole_server if full else new_server


@pytest.fixture
def kills(full, recovery):
    """Makes the kills of a server, as many as the run is for."""
    if full:
        return lambda server: Kills(server, recovery, FULL_KILLS, None, FULL_PAUSE)
    return lambda server: Kills(server, recovery, SMOKE_KILLS, SMOKE_SECONDS, SMOKE_PAUSE)


@embedded_only
async def test_one_server_that_is_killed(start, tmp_path, kills, recovery, report):
    """Whatever was acknowledged is there after each start, and nothing else is."""
    server = await start(**SETTINGS)
    storm = kills(server)
    checker = await survived([server], tmp_path, storm, CUT)
    report(f"F1: {storm.killed} kills, {checker.summary()}, {recovery}")


@scaled_only
async def test_one_of_two_servers_that_is_killed(start, tmp_path, kills, recovery, report):
    """The same, and nobody who asks the other one notices."""
    servers = await asyncio.gather(start(**SETTINGS), start(**SETTINGS))
    storm = kills(servers[0])
    checker = await survived(servers, tmp_path, storm, lambda code, at: at == 0 and code in CUT)
    report(f"F2: {storm.killed} kills of one of two, {checker.summary()}, {recovery}")


@embedded_only
@needs_strace
async def test_a_server_that_is_killed_at_a_system_call(start, tmp_path, full, recovery, report):
    """It dies when it asks for the Nth time for something to be made durable or removed."""
    server, calls, nths = await start(**SETTINGS), ("fsync", "fdatasync", "unlinkat"), range(1, 41) if full else (1, 4)

    async def disturb():
        for call in calls:
            for nth in nths:
                async with tampered(server, f"{call}:signal=KILL:when={nth}"):
                    await server.wait()
                began = moment(server)
                await server.start()
                await recovery.of(server, began)

    checker = await survived([server], tmp_path, disturb, CUT)
    report(f"F4: {len(calls) * len(nths)} kills at the Nth {'/'.join(calls)}, {checker.summary()}, {recovery}")

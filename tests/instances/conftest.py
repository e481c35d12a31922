"""Several real servers over one database and one store."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from nursery import ForkedServer
from postgres import Postgres
from seaweed import Seaweed


@pytest.fixture(scope="session")
def open_place(places, nursery, tmp_path_factory):
    """Makes places for servers: the block is given `start`, and each `await start()` adds one server to the place."""

    @asynccontextmanager
    async def open_place(**settings):
        async with AsyncExitStack() as exits:
            place = await exits.enter_async_context(places.new())

            async def start(**others):
                server = ForkedServer(nursery, tmp_path_factory.mktemp("instance"), **{**place, **settings, **others})
                exits.push_async_callback(server.kill)
                return await server.start()

            yield start

    return open_place


@pytest.fixture
async def start(open_place, chosen):
    """Starts servers of this test alone, over one database and one store."""
    async with open_place(**chosen) as start:
        yield start


@pytest.fixture
async def pair(start):
    """Two servers of this test alone."""
    return await asyncio.gather(start(), start())


@pytest.fixture(scope="session")
async def shared_pair(open_place):
    """Two servers for tests that leave them running and look only at what they made themselves."""
    async with open_place() as start:
        yield await asyncio.gather(start(), start())


@pytest.fixture
def own_postgres():
    """A database server of this test alone, to be killed."""
    with Postgres() as server:
        yield server


@pytest.fixture
def own_seaweed():
    """A store of this test alone, to be killed."""
    with Seaweed() as server:
        yield server

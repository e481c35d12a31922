"""Servers to be killed, in numbers."""

import asyncio

import pytest
from nursery import ForkedServer, Nursery

from server import STOP_SECONDS as SECONDS
from server import environment


@pytest.fixture(scope="session")
async def nursery():
    """Starts servers and commands."""
    async with Nursery() as nursery:
        yield nursery


@pytest.fixture
def new_server(nursery, tmp_path_factory):
    """Makes servers on the place that their settings name; the test kills what it starts."""

    def new_server(*, data_dir, **settings):
        server = ForkedServer(nursery, tmp_path_factory.mktemp("server"), **settings)
        server.data = data_dir
        return server

    return new_server


@pytest.fixture
def command(nursery, tmp_path):
    """Runs a command on a place, and gives its exit code and what it logged."""

    async def command(*arguments, data_dir, **settings):
        log = tmp_path / "log"
        log.touch()
        env = environment(settings, data_dir=data_dir, tmpdir=tmp_path)
        child = await nursery.launch(*arguments, cwd=tmp_path, env=env, log=log)
        try:
            async with asyncio.timeout(SECONDS):
                return await child.wait(), log.read_text()
        finally:
            child.kill()

    return command

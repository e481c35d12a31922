"""Servers to be killed, in numbers."""

from contextlib import AsyncExitStack

import pytest
from storm import Recovery

from nursery import ForkedServer
from server import Server, environment


def pytest_collection_modifyitems(config, items):
    if config.getoption("full"):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))  # the counts are what takes so long; each wait has its own bound


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "faults":
                terminalreporter.write_line(value)


@pytest.fixture
def full(request):
    """Whether the counts are those of `make faults`, and not those of every run of the tests."""
    return request.config.getoption("full")


@pytest.fixture
def recovery(full):
    """Takes how long servers need to be ready again; in full it holds them to what is promised."""
    return Recovery(5 if full else None)


@pytest.fixture
def report(record_property, stack_kind):
    """Takes what came of a run, for the table of `make faults`."""
    return lambda line: record_property("faults", f"{stack_kind}: {line}")


@pytest.fixture
def new_server(nursery, tmp_path_factory):
    """Makes servers on the place that their settings name; the test kills what it starts."""

    def new_server(*, data_dir, **settings):
        server = ForkedServer(nursery, tmp_path_factory.mktemp("server"), **settings)
        server.data = data_dir
        return server

    return new_server


@pytest.fixture
def whole_server(tmp_path_factory):
    """The same, but each start has all its imports before it."""

    def whole_server(*, data_dir, **settings):
        server = Server(tmp_path_factory.mktemp("server"), **settings)
        server.data = data_dir
        return server

    return whole_server


@pytest.fixture
async def start(place, new_server):
    """Starts servers of this test alone, on one place; `settings` may name another."""
    async with AsyncExitStack() as exits:

        async def start(**settings):
            server = new_server(**{**place, **settings})
            exits.push_async_callback(server.kill)
            return await server.start()

        yield start


@pytest.fixture
def command(begin, tmp_path):
    """Runs a command on a place, and gives its exit code and what it logged."""

    async def command(*arguments, data_dir, **settings):
        env = environment(settings, data_dir=data_dir, tmpdir=tmp_path)
        async with begin(*arguments, cwd=tmp_path, env=env) as process:
            _, logged = await process.communicate()
        return process.returncode, logged.decode()

    return command

"""What most tests start from: the embedded stack in this process, or the real server in another.

`@pytest.mark.settings(max_file_size=1000)` changes settings for one test, in either.
"""

import logging
import os
import shutil

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from clients import client_of
from directory import DataDirectory
from postgres import Postgres
from satchel.app import create_app, working
from satchel.config import Settings
from server import Server

# No setting of the person who runs the tests reaches them, but what is meant for the tests themselves.
_OURS = ("SATCHEL_TEST_", "SATCHEL_SCREENSHOTS")
for _name in [name for name in os.environ if name.startswith("SATCHEL_") and not name.startswith(_OURS)]:
    del os.environ[_name]

# No example is timed, and those that failed are printed, not kept in a directory.
hypothesis_settings.register_profile(
    "satchel", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("satchel")


# Lines without colours, and tracebacks without the values of all variables, which take seconds to write.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
)


def pytest_configure(config):
    config.addinivalue_line("markers", "settings(**values): settings for this test that differ from the defaults")


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; `await postgres.new_database()` gives the URL of an empty database."""
    server = Postgres().start()
    yield server
    server.stop()


@pytest.fixture
def chosen(request):
    """The settings that the test's marks ask for; the nearest mark wins."""
    marks = reversed(list(request.node.iter_markers("settings")))
    return {name: value for mark in marks for name, value in mark.kwargs.items()}


@pytest.fixture
def settings(tmp_path, chosen):
    """The settings of a new data directory."""
    return Settings(**{"_env_file": None, "data_dir": tmp_path / "data", **chosen})


@pytest.fixture
async def stack(settings):
    """Everything a server is made of, opened, with its background work."""
    async with working(settings) as stack:
        yield stack


@pytest.fixture
def directory(stack, settings):
    """The stack's data directory."""
    return DataDirectory(settings.data_dir)


@pytest.fixture
def app(stack):
    """The ASGI application."""
    return create_app(stack)


@pytest.fixture
async def client(app):
    """An HTTP client of the application."""
    async with client_of(app) as client:
        yield client


@pytest.fixture(scope="session")
async def shared_client(tmp_path_factory):
    """An HTTP client of one application, for tests that keep nothing."""
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("shared") / "data")
    async with working(settings) as stack, client_of(create_app(stack)) as client:
        yield client


@pytest.fixture
async def serve(tmp_path_factory):
    """Starts real servers, each with the given settings on a new data directory."""
    servers = []

    async def start(**settings):
        server = Server(tmp_path_factory.mktemp("server"), **settings)
        servers.append(server)
        return await server.start()

    yield start
    for server in servers:
        await server.kill()
        shutil.rmtree(server.data, ignore_errors=True)


@pytest.fixture
async def server(serve, chosen):
    """A real server of this test alone."""
    return await serve(**chosen)


@pytest.fixture(scope="session")
async def shared_server(tmp_path_factory):
    """A real server for tests that leave it running and look only at what they made themselves."""
    server = await Server(tmp_path_factory.mktemp("server")).start()
    yield server
    await server.kill()

"""What most tests start from: a whole stack in this process, or the real server in another.

Every test that uses one of them runs on both stacks, embedded and scaled. `@pytest.mark.stacks("embedded")` keeps it to
one: where it looks into the adapters of that stack, or where only what lies in front of every stack is tested.
`@pytest.mark.settings(max_file_size=1000)` changes settings for one test.
"""

import asyncio
import logging
import os
import shutil
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import SimpleNamespace

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from clients import client_of
from kept import kept_by
from nursery import ForkedServer, Nursery
from postgres import Postgres
from satchel.app import create_app, working
from satchel.blobs.local import LocalBlobStore
from satchel.config import Settings
from satchel.metadata import Metadata
from seaweed import Seaweed
from server import environment
from stacks import STACKS, EmbeddedPlaces, ScaledPlaces
from turns import Turns

# No setting of the person who runs the tests reaches them, but what is meant for the tests themselves.
_OURS = ("SATCHEL_TEST_", "SATCHEL_SCREENSHOTS")
for _name in [name for name in os.environ if name.startswith("SATCHEL_") and not name.startswith(_OURS)]:
    del os.environ[_name]

# No example is timed, and those that failed are printed, not kept in a directory.
hypothesis_settings.register_profile(
    "satchel", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("satchel")

SECONDS = 120  # a bound for a command that hangs; nothing is measured by it


# Lines without colours, and tracebacks without the values of all variables, which take seconds to write.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="the full counts of faults and floods, which take hours")


def pytest_xdist_auto_num_workers():
    """Half as many again as there are processors: a test mostly waits, for a server, a browser or a disk."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_configure(config):
    config.addinivalue_line("markers", "settings(**values): settings for this test that differ from the defaults")
    config.addinivalue_line("markers", "stacks(*names): the stacks that this test runs on, instead of both")


def pytest_generate_tests(metafunc):
    if "stack_kind" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("stacks")
        # For the whole session, so that what the tests of one stack share is made once.
        metafunc.parametrize("stack_kind", mark.args if mark else STACKS, indirect=True, scope="session")


@pytest.fixture
async def turns():
    """Counts the turns of this test's event loop."""
    turns = Turns()
    yield turns
    turns.stop()


@pytest.fixture(scope="session")
def count(request):
    """Gives how often something is done: few times in every run of the tests, and many with `--full`."""
    full = request.config.getoption("full")
    return lambda few, many: many if full else few


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; `await postgres.new_database()` gives the URL of an empty database."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
async def postgres_template(postgres):
    """The URL of a database that has the tables, to copy new ones from."""
    url = await postgres.new_database()
    metadata = Metadata(url)
    await metadata.open()
    await metadata.close()
    return url


@pytest.fixture
async def postgres_url(postgres, postgres_template):
    """The URL of a database of this test alone, on PostgreSQL."""
    url = await postgres.new_database(template=postgres_template)
    yield url
    await postgres.drop_database(url)


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory):
    """The bytes of an SQLite database that has the tables, to copy new ones from."""
    file = tmp_path_factory.mktemp("template") / "satchel.db"
    metadata = Metadata(f"sqlite:///{file}")
    await metadata.open()
    await metadata.close()
    return file.read_bytes()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, sqlite_template, tmp_path):
    """The URL of a database of this test alone, of each kind that Satchel knows."""
    if request.param == "sqlite":
        (tmp_path / "satchel.db").write_bytes(sqlite_template)
        return f"sqlite:///{tmp_path}/satchel.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def metadata(database_url):
    """The rows of that database, opened."""
    metadata = Metadata(database_url)
    await metadata.open()
    yield metadata
    await metadata.close()


@pytest.fixture
async def outside(postgres_url):
    """Another program at the same database."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def local(tmp_path):
    """A local blob store of this test alone."""
    store = LocalBlobStore(tmp_path / "objects")
    await store.open()
    yield store
    await store.close()


@pytest.fixture(scope="session")
def seaweed():
    """An S3 server; `seaweed.new_bucket_url()` gives the URL of a bucket that is not made yet."""
    with Seaweed() as server:
        yield server


@pytest.fixture(scope="session")
def stack_kind(request):
    """Which stack the test runs on; set by `pytest_generate_tests`."""
    return request.param


@pytest.fixture(scope="session")
def scaled_places(postgres, seaweed):
    """Gives places in PostgreSQL and S3."""
    return ScaledPlaces(postgres, seaweed)


@pytest.fixture(scope="session")
def places(stack_kind, sqlite_template, request):
    """Gives places to keep things in, of the test's stack."""
    return EmbeddedPlaces(sqlite_template) if stack_kind == "embedded" else request.getfixturevalue("scaled_places")


@pytest.fixture
def chosen(request):
    """The settings that the test's marks ask for; the nearest mark wins."""
    marks = reversed(list(request.node.iter_markers("settings")))
    return {name: value for mark in marks for name, value in mark.kwargs.items()}


@pytest.fixture
async def place(places, tmp_path):
    """Where the test's own stack keeps everything, as settings."""
    data_dir = tmp_path / "data"
    async with places.new(data_dir) as place:
        yield {"data_dir": data_dir, **place}


@pytest.fixture
def settings(place, chosen):
    """The settings of a stack that keeps nothing yet."""
    return Settings(**{"_env_file": None, **place, **chosen})


@pytest.fixture
async def stack(settings):
    """Everything a server is made of, opened, with its background work."""
    async with working(settings) as stack:
        yield stack


@pytest.fixture
def kept(stack, place):
    """What the stack keeps, seen from outside."""
    return kept_by(place)


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
def open_service(places, tmp_path_factory):
    """Opens services in this process, each with its settings and a place of its own.

    `async with open_service() as service` gives its `client`, its `stack`, and what is `kept`.
    """

    @asynccontextmanager
    async def open_service(**settings):
        data_dir = tmp_path_factory.mktemp("service") / "data"
        async with places.new(data_dir) as given:
            place = {"data_dir": data_dir, **given}
            async with (
                working(Settings(**{"_env_file": None, **place, **settings})) as stack,
                client_of(create_app(stack)) as client,
            ):
                yield SimpleNamespace(client=client, stack=stack, kept=kept_by(place))

    return open_service


@pytest.fixture(scope="session")
async def shared_client(open_service):
    """An HTTP client of one application, for tests that keep nothing."""
    async with open_service() as service:
        yield service.client


@pytest.fixture(scope="session")
async def nursery():
    """Starts servers and commands."""
    async with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def open_server(places, nursery, tmp_path_factory):
    """Runs real servers, each with its settings and a place of its own, for as long as a block runs."""

    @asynccontextmanager
    async def open_server(**settings):
        directory = tmp_path_factory.mktemp("server")
        async with places.new(directory / "data") as place:
            server = ForkedServer(nursery, directory, **{**place, **settings})
            try:
                yield await server.start()
            finally:
                await server.kill()
                shutil.rmtree(server.data, ignore_errors=True)

    return open_server


@pytest.fixture
def begin(nursery):
    """Begins a command, which ends with the block; `alone` in an interpreter that starts for it, as in a shell."""

    @asynccontextmanager
    async def begin(*arguments, cwd, env, alone=()):
        if not alone:
            process = await nursery.launch(*arguments, cwd=cwd, env=env)
        else:
            process = await asyncio.create_subprocess_exec(
                *alone,
                *arguments,
                cwd=cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # A shell that runs the tests in the background has Ctrl-C ignored, and so would this.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )
        try:
            async with asyncio.timeout(SECONDS):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return begin


@pytest.fixture
def run(begin, tmp_path):
    """Runs a command in an empty directory, and gives its exit code, output and errors."""

    async def run(*arguments, alone=(), **settings):
        env = {**environment(settings, data_dir=tmp_path / "data", tmpdir=tmp_path), "COLUMNS": "200"}
        async with begin(*arguments, cwd=tmp_path, env=env, alone=alone) as process:
            out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


@pytest.fixture
async def serve(open_server):
    """Starts real servers, each with the given settings on a place of its own."""
    async with AsyncExitStack() as servers:

        async def start(**settings):
            return await servers.enter_async_context(open_server(**settings))

        yield start


@pytest.fixture
async def server(serve, chosen):
    """A real server of this test alone."""
    return await serve(**chosen)


@pytest.fixture(scope="session")
async def shared_server(open_server):
    """A real server for tests that leave it running and look only at what they made themselves."""
    async with open_server() as server:
        yield server

"""What fuzzing starts from: servers in a hurry, which must have failed at nothing when it is done with.

A few examples of each kind run with all tests; `make fuzz` runs SATCHEL_TEST_EXAMPLES of them.
"""

import os
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from clients import client_at
from stacks import one_is_enough

FEW = 15
examples.register_profile(
    "fuzz",
    parent=examples.get_profile("satchel"),
    max_examples=int(os.environ.get("SATCHEL_TEST_EXAMPLES", FEW)),
    suppress_health_check=list(HealthCheck),
)

# What is waited for in vain, such as the rest of a request, is given up at once.
HASTY = {
    "keep_alive_timeout": "0.2s",
    "body_timeout": "0.3s",
    "websocket_init_timeout": "0.3s",
    "max_url_size": "2KiB",
    "max_header_size": "4KiB",
}
# Only with bytes that are no requests: a whole client that a busy machine holds up would be left without an answer.
HASTY_HEADS = {"header_timeout": "0.3s"}


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    """What reads requests lies in front of every stack."""
    metafunc.definition.add_marker(one_is_enough, append=False)


@pytest.fixture(scope="module")
async def fuzzed(open_server):
    """A server for clients that send whole heads."""
    async with _opened(open_server, **HASTY) as server:
        yield server


@pytest.fixture(scope="module")
async def fuzzed_heads(open_server):
    """A server that waits for no head."""
    async with _opened(open_server, **HASTY, **HASTY_HEADS) as server:
        yield server


@asynccontextmanager
async def _opened(open_server, **settings):
    """In the end it still serves, nothing unexpected stands in its log, and nothing half done is kept."""
    async with open_server(**settings) as server:
        yield server
        async with client_at(server) as client:
            assert (await client.get("/readyz")).status_code == 200
        assert "Traceback" not in server.logged()
        assert server.kept.is_clean()

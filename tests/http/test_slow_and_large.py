"""Requests that are too slow or too large for what they are, byte by byte, at the real server.

The times are set short, so that a test waits for what the server does and measures nothing.
"""

import asyncio
import resource
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from clients import client_at
from kept import PATIENCE, eventually
from raw import MULTIPART, chunk, connected, head_of_part
from satchel.http.server import room_for
from sockets import opened
from stacks import one_is_enough

pytestmark = one_is_enough

MIB = 1024**2
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HASTY = {"header_timeout": "0.5s", "keep_alive_timeout": "0.5s", "body_timeout": "0.5s", "send_timeout": "1s"}


@pytest.fixture(scope="module")
async def started(open_server):
    """A server that waits for nobody, and how many sockets it holds before anybody has come."""
    async with open_server(**HASTY) as server:
        yield server, sockets_of(server)


@pytest.fixture(scope="module")
def hasty(started):
    """That server."""
    return started[0]


@pytest.fixture
def idle(started):
    """Those sockets."""
    return started[1]


def refusal(answer):
    """Status, code, and the settings that the answer names; it says that the connection ends."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    problem = answer.json()
    words = problem["detail"].replace("(", " ").replace(")", " ").replace(".", " ").replace(",", " ").split()
    return answer.status, problem["code"], [word for word in words if word.startswith("SATCHEL_")]


# --- too large ---


async def test_an_address_has_a_length(shared_server):
    """Longer ones are refused, and up to there they are read."""
    async with connected(shared_server) as raw:
        await raw.request("GET", "/healthz?" + "a" * 8000, {})
        assert (await raw.answer()).status == 200
        await raw.request("GET", "/healthz?" + "a" * 8192, {})
        assert refusal(await raw.answer()) == (414, "URI_TOO_LONG", ["SATCHEL_MAX_URL_SIZE"])
        assert await raw.is_closed()


async def test_headers_have_a_number(shared_server):
    """A hundred are read, one more is refused."""
    async with connected(shared_server) as raw:
        await raw.request("GET", "/healthz", {f"X-{number}": "a" for number in range(99)})  # and Host
        assert (await raw.answer()).status == 200
        await raw.request("GET", "/healthz", {f"X-{number}": "a" for number in range(100)})
        assert refusal(await raw.answer()) == (431, "HEADERS_TOO_LARGE", ["SATCHEL_MAX_HEADERS"])
        assert await raw.is_closed()


@pytest.mark.parametrize("headers", [{"X-Big": "a" * 66_000}, {f"X-{n}": "a" * 2000 for n in range(40)}])
async def test_headers_have_a_size(shared_server, headers):
    """In one or in many."""
    async with connected(shared_server) as raw:
        await raw.request("GET", "/healthz", {"X-Some": "a" * 60_000})
        assert (await raw.answer()).status == 200
        await raw.request("GET", "/healthz", headers)
        assert refusal(await raw.answer()) == (431, "HEADERS_TOO_LARGE", ["SATCHEL_MAX_HEADER_SIZE"])
        assert await raw.is_closed()


async def test_a_header_without_end_is_cut_off_and_kept_nowhere(shared_server):
    """Of 100 MB that are sent, some are read before the connection ends, and the memory does not grow by them."""
    before = shared_server.memory()
    async with connected(shared_server) as raw:
        await raw.send(HEAD, b"X-Endless: ")
        sent = await raw.flood(100 * MIB)
    assert sent < 20 * MIB
    assert shared_server.memory() - before < 8 * MIB


async def test_many_small_requests_in_one_piece_are_not_one_large_head(shared_server):
    """What is counted begins anew with each request."""
    async with connected(shared_server) as raw:
        await raw.send((HEAD + b"X-Some: " + b"a" * 900 + b"\r\n\r\n") * 300)
        for _ in range(300):
            assert (await raw.answer()).status == 200


QUERY = chunk(b'{"query": "{ __typename }"}')
CHUNKED = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
AROUND_A_BODY = [
    pytest.param(chunk(b"")[:-2] + b"X: ", id="a-trailer"),
    pytest.param(b"1;x=", id="an-extension"),
]


@pytest.mark.parametrize("start", AROUND_A_BODY)
async def test_what_stands_around_a_body_has_a_size(shared_server, start):
    """It may be as large as the headers; without end it is cut off, and kept nowhere."""
    before = shared_server.memory()
    async with connected(shared_server) as raw:
        await raw.request("POST", "/graphql", CHUNKED, QUERY + start + b"a" * 200_000)
        status, code, settings = refusal(await raw.answer())
        assert await raw.flood(100 * MIB) < 20 * MIB
    assert (status, code, settings) == (431, "HEADERS_TOO_LARGE", ["SATCHEL_MAX_HEADER_SIZE"])
    assert shared_server.memory() - before < 8 * MIB


async def test_trailers_count_as_headers(shared_server):
    """Those of a request have one size together, before its body and behind it."""
    async with connected(shared_server) as raw:
        trailers = b"0\r\nX: %s\r\n" % (b"a" * 60_000)
        for _ in range(2):
            await raw.request("POST", "/graphql", CHUNKED, QUERY + trailers + b"\r\n")
            assert (await raw.answer()).status == 200
        await raw.request("POST", "/graphql", CHUNKED, QUERY + trailers + b"Y: %s\r\n\r\n" % (b"a" * 6000))
        assert refusal(await raw.answer()) == (431, "HEADERS_TOO_LARGE", ["SATCHEL_MAX_HEADER_SIZE"])
        assert await raw.is_closed()


# --- too many ---


@pytest.mark.settings(max_connections=3, header_timeout="60s")
async def test_there_are_so_many_connections_and_no_more(server):
    """One too many is told so; a WebSocket is one too, and a place that becomes free is given again."""

    async def asked():
        async with connected(server) as raw:
            await raw.request("GET", "/healthz", {})
            answer = await raw.answer()
            if answer.status != 200:
                assert answer.headers["retry-after"] == "5"
                assert refusal(answer) == (503, "TOO_MANY_CONNECTIONS", ["SATCHEL_MAX_CONNECTIONS"])
                assert await raw.is_closed()
            return answer.status

    async with opened(server) as socket, connected(server), connected(server) as used:
        await used.request("GET", "/healthz", {})
        assert (await used.answer()).status == 200
        for _ in range(5):
            assert await asked() == 503
        await socket.initialise()
        await used.request("GET", "/healthz", {})
        assert (await used.answer()).status == 200
    async with asyncio.timeout(PATIENCE):
        while await asked() != 200:
            pass


@pytest.mark.settings(max_connections=20, header_timeout="60s")
async def test_who_comes_while_many_are_refused_is_not_answered(server):
    """What waits to be told has a bound, too; once they left there is room again."""

    async def has_room():
        async with connected(server) as raw:
            with suppress(ConnectionError, asyncio.IncompleteReadError):  # it is not answered yet
                await raw.request("GET", "/healthz", {})
                return (await raw.answer()).status == 200

    async with AsyncExitStack() as exits:
        crowd = [await exits.enter_async_context(connected(server)) for _ in range(40)]
        for raw in crowd[20:]:
            assert (await raw.answer()).status == 503
        async with connected(server) as raw:
            assert await raw.is_closed()
    async with asyncio.timeout(PATIENCE):
        while not await has_room():
            pass


@pytest.fixture
def files():
    """Sets how many files this process may open, until the test is over."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_server_may_open_the_files_that_its_connections_need(files):
    """As far as the system lets; there are fewer connections where that is not enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files(1024)
    assert room_for(300) == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1200, hard)
    assert room_for(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1200, hard)
    if hard != resource.RLIM_INFINITY:
        assert room_for(hard) == hard // 4


# --- too slow ---


@pytest.mark.parametrize("start", [HEAD[:5], HEAD[:30], HEAD, HEAD + b"X-Slow: a"])
async def test_a_head_that_does_not_end_in_time_is_answered_and_cut(hasty, start):
    """Wherever it stops, on a new connection and on one that was used."""
    for used in (False, True):
        async with connected(hasty) as raw:
            if used:
                await raw.send(HEAD, b"\r\n")
                assert (await raw.answer()).status == 200
            await raw.send(start)
            assert refusal(await raw.answer()) == (408, "REQUEST_TIMEOUT", ["SATCHEL_HEADER_TIMEOUT"])
            assert await raw.is_closed()


async def test_a_head_that_drips_has_no_more_time_than_one_that_stops(hasty):
    """A byte now and then does not prolong it."""
    async with connected(hasty) as raw:
        await raw.send(HEAD)

        async def drip():
            while True:
                await raw.send(b"X-Drip: a\r\n")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        try:
            assert (await raw.answer()).status == 408
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize("said", [b"", HEAD + b"\r\n", HEAD + b"\r\n\r\n\r\n"])
async def test_a_connection_that_is_not_used_is_closed(hasty, said):
    """Before its first request, and after one, though line ends follow it."""
    async with connected(hasty) as raw:
        await raw.send(said)
        if said:
            assert (await raw.answer()).status == 200
        assert await raw.is_closed()


async def test_line_ends_do_not_keep_a_connection(hasty):
    """They begin no request, and time runs."""
    async with connected(hasty) as raw:
        await raw.send(HEAD, b"\r\n")
        assert (await raw.answer()).status == 200
        await raw.send(b"\r\n")
        assert (await raw.answer()).status == 408
        assert await raw.is_closed()


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [("/files/upload", MULTIPART, head_of_part("file", "a.txt")), ("/graphql", "application/json", b"{")],
)
@pytest.mark.parametrize("drips", [False, True])
async def test_a_body_that_stops_or_drips_is_answered_and_cut(hasty, path, kind, start, drips):
    """Nothing is kept of it."""
    async with connected(hasty) as raw:
        await raw.request("POST", path, {"Content-Type": kind, "Content-Length": "100000"}, start)

        async def drip():
            while drips:
                await raw.send(b"a")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        try:
            answer = await raw.answer()
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
        assert refusal(answer) == (408, "REQUEST_TIMEOUT", ["SATCHEL_MIN_BODY_RATE", "SATCHEL_BODY_TIMEOUT"])
        assert await raw.is_closed()
    await eventually(hasty.kept.is_clean)


async def test_a_body_that_is_slow_but_not_too_slow_goes_through(hasty):
    """For longer than the time over which its rate is measured."""
    form = head_of_part("file", "slow.bin")
    end = b"\r\n--raw-boundary--\r\n"
    async with connected(hasty) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": str(len(form) + 20 * 4096 + len(end))}
        await raw.request("POST", "/files/upload", headers, form)
        for _ in range(20):
            await raw.send(b"a" * 4096)
            await asyncio.sleep(0.1)
        await raw.send(end)
        answer = await raw.answer()
    assert (answer.status, answer.json()["size"]) == (200, 20 * 4096)
    async with client_at(hasty) as client:
        await client.delete(f"/files/{answer.json()['id']}")


def sockets_of(server):
    """How many sockets the server holds."""
    count = 0
    for entry in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += str(entry.readlink()).startswith("socket:")
    return count


@pytest.mark.parametrize("path", ["/files/{id}/download", "/openapi.json"])
async def test_a_client_that_takes_nothing_is_cut_off(hasty, idle, path):
    """The server keeps neither the connection nor what waits in it; others are served meanwhile."""
    async with client_at(hasty) as client:
        stored = (await client.post("/files/upload", files={"file": ("a.bin", b"a" * 32 * MIB)})).json()
    await eventually(lambda: sockets_of(hasty) == idle)
    async with connected(hasty) as raw:
        requests = 1 if "download" in path else 1000
        for _ in range(requests):
            raw.writer.write(f"GET {path.format(id=stored['id'])} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        async with client_at(hasty) as client:
            assert (await client.get("/healthz")).status_code == 200
        await eventually(lambda: sockets_of(hasty) == idle)
    async with client_at(hasty) as client:
        await client.delete(f"/files/{stored['id']}")


async def test_a_client_that_takes_little_gets_it_all(serve):
    """Whoever takes something now and then is slow, and not gone, though the kernel never has much room for more."""
    server = await serve(send_timeout="2s")
    async with client_at(server) as client:
        stored = (await client.post("/files/upload", files={"file": ("a.bin", b"a" * 32 * MIB)})).json()
    async with connected(server) as raw:
        await raw.request("GET", stored["download_url"], {})
        await raw.reader.readuntil(b"\r\n\r\n")
        slow = 200
        for _ in range(slow):  # for three times as long as nothing may be taken
            await raw.reader.readexactly(2048)
            await asyncio.sleep(0.03)
        assert await raw.reader.readexactly(32 * MIB - slow * 2048)

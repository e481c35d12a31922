"""While the database or the store is away, a server says so, and goes on when it is back."""

import asyncio

import pytest

from clients import client_at
from kept import PATIENCE
from server import Server
from sockets import ready
from stacks import scaled_only

pytestmark = scaled_only

INSIDE = ("asyncpg", "sqlalchemy", "postgres", "connect", "server", "127.0.0.1", "localhost")
"""Words of drivers, of which no answer has any."""


@pytest.fixture
async def exposed(own_postgres, own_seaweed, tmp_path):
    """A server whose database and store are its own."""
    server = Server(
        tmp_path,
        database_url=await own_postgres.new_database(),
        storage_url=own_seaweed.new_bucket_url(),
        s3_access_key=own_seaweed.access_key,
        s3_secret_key=own_seaweed.secret_key,
    )
    yield await server.start()
    await server.kill()


async def is_ready(client):
    """Wait until the server says that it can work."""
    for _ in range(PATIENCE * 10):
        if (await client.get("/readyz")).status_code == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the server did not recover")


async def assert_not_ready(client, code):
    """The server lives, and says by its code what it cannot reach."""
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, code)
    assert response.headers["retry-after"].isdigit()
    assert (await client.get("/healthz")).status_code == 200


async def upload(client, data):
    return await client.post("/files/upload", files={"file": ("a.txt", data)})


async def test_a_database_that_is_away(exposed, own_postgres):
    """Requests that need it are answered with 503 until it is back; subscriptions are told what came afterwards."""
    async with client_at(exposed) as client, ready(exposed) as socket:
        before = (await upload(client, b"before")).json()
        assert (await socket.event())["fileId"] == before["id"]
        for _ in range(2):
            own_postgres.kill()
            await assert_not_ready(client, "DATABASE_UNAVAILABLE")
            for response in (await upload(client, b"lost"), await client.get("/files")):
                assert (response.status_code, response.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
                assert not any(word in response.text.lower() for word in INSIDE)
            own_postgres.launch()
            await is_ready(client)
            after = await upload(client, b"after")
            assert after.status_code == 200
            assert (await socket.event())["fileId"] == after.json()["id"]
        assert (await client.get(before["download_url"])).content == b"before"
    assert "Traceback" not in exposed.logged()


async def test_a_store_that_is_away(exposed, own_seaweed):
    """Uploads and downloads are answered with 503 until it is back; what needs no bytes goes on."""
    async with client_at(exposed) as client:
        before = (await upload(client, b"before")).json()
        own_seaweed.kill()
        await assert_not_ready(client, "STORE_UNAVAILABLE")
        for response in (await upload(client, b"lost"), await client.get(before["download_url"])):
            assert (response.status_code, response.json()["code"]) == (503, "STORE_UNAVAILABLE")
        assert [file["id"] for file in (await client.get("/files")).json()][-1] == before["id"]
        own_seaweed.restart()
        await is_ready(client)
        assert (await upload(client, b"after")).status_code == 200
        assert (await client.get(before["download_url"])).content == b"before"
    assert "Traceback" not in exposed.logged()

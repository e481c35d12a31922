"""A server that cannot reach its database or its store does not start, and says in one line which setting is wrong."""

import re
import socket

import pytest

from stacks import scaled_only

pytestmark = scaled_only


@pytest.fixture
def closed_port():
    """A port of the loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def wrong_port(url, port):
    return re.sub(r":\d+/", f":{port}/", url)


@pytest.fixture
def fails(run, place):
    """Start a server with some settings changed; it must end with one line, which is given."""

    async def fails(command="serve", **changed):
        settings = {name: value for name, value in {**place, **changed}.items() if name != "data_dir"}
        code, out, err = await run(command, *(["--port", "0"] if command == "serve" else []), **settings)
        assert (code, out) == (2, "")
        [line] = [line for line in err.splitlines() if line.startswith("satchel: ")]
        assert err.splitlines()[-1] == line
        assert "Traceback" not in err
        assert place["s3_secret_key"] not in err
        return line

    return fails


@pytest.mark.parametrize("command", ["serve", "sweep"])
async def test_a_wrong_access_key(fails, command):
    """The store does not know who asks."""
    assert "SATCHEL_S3_ACCESS_KEY" in await fails(command, s3_access_key="nobody")


async def test_a_wrong_secret_key(fails):
    """The store knows who asks, and does not believe it; the key is not shown."""
    line = await fails(s3_secret_key="not-the-secret")
    assert "SATCHEL_S3_SECRET_KEY" in line
    assert "not-the-secret" not in line


@pytest.mark.parametrize("missing", ["s3_access_key", "s3_secret_key"])
async def test_a_missing_key(fails, missing):
    """An S3 store without a key is refused before anything is asked of it."""
    assert f"SATCHEL_{missing.upper()}" in await fails(**{missing: ""})


async def test_no_store_at_the_address(fails, place, closed_port):
    """Nobody answers where the store should be."""
    line = await fails(storage_url=wrong_port(place["storage_url"], closed_port))
    assert "SATCHEL_STORAGE_URL" in line
    assert str(closed_port) in line


async def test_a_bucket_that_cannot_be(fails, place):
    """The name of the bucket is missing, or none that S3 allows."""
    store = place["storage_url"].rpartition("/")[0]
    for url in (store, f"{store}/", f"{store}/No_Bucket", f"{store}/x"):
        assert "SATCHEL_STORAGE_URL" in await fails(storage_url=url)


async def test_something_else_at_the_address_of_the_store(fails, place, postgres):
    """What answers there is no S3 store."""
    assert "SATCHEL_STORAGE_URL" in await fails(storage_url=wrong_port(place["storage_url"], postgres.port))


async def test_no_database_at_the_address(fails, place, closed_port):
    """Nobody answers where the database should be."""
    line = await fails(database_url=wrong_port(place["database_url"], closed_port))
    assert "SATCHEL_DATABASE_URL" in line
    assert str(closed_port) in line


async def test_a_database_that_does_not_exist(fails, place):
    """The server is there, and has no such database."""
    line = await fails(database_url=place["database_url"] + "_missing")
    assert "SATCHEL_DATABASE_URL" in line
    assert "_missing" in line


async def test_a_wrong_password_of_the_database(fails, own_postgres):
    """The password is refused, and not shown; with the right one the same database is served."""
    await own_postgres.demand_password()
    url = await own_postgres.new_database()
    line = await fails(database_url=url.replace(":secret@", ":wr0ng@"))
    assert "SATCHEL_DATABASE_URL" in line
    assert "password" in line
    assert "wr0ng" not in line


@pytest.mark.parametrize("url", ["postgresql://", "postgresql://host:port/db", "postgresql://a@b@host/db"])
async def test_a_database_url_that_is_none(fails, url):
    """What cannot be read as an address is refused as such."""
    assert "SATCHEL_DATABASE_URL" in await fails(database_url=url)


async def test_redirects_need_a_store_to_redirect_to(run):
    """Downloads from a local directory go through the server."""
    code, out, err = await run("serve", "--port", "0", downloads="redirect")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"satchel: SATCHEL_DOWNLOADS: [^\n]*SATCHEL_STORAGE_URL[^\n]*\n", err)

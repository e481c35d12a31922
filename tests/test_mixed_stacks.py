"""Database and store are chosen each by itself: either of them may be the embedded one."""

import pytest

from clients import client_at
from kept import eventually
from server import Server


@pytest.fixture(params=["PostgreSQL and a directory", "SQLite and S3"])
async def server(request, scaled_places, tmp_path):
    """A server with one half of each stack."""
    async with scaled_places.new() as place:
        other = "storage_url" if request.param == "PostgreSQL and a directory" else "database_url"
        half = {name: value for name, value in place.items() if name != other}
        server = Server(tmp_path, **half, delete_grace="0.01s", sweep_interval="0.2s")
        try:
            yield await server.start()
        finally:
            await server.kill()


async def test_a_file_lives_and_goes(server):
    """A file is stored, listed, kept over a restart, downloaded and deleted without a trace."""
    async with client_at(server) as client:
        file = (await client.post("/files/upload", files={"file": ("a.txt", b"data")})).json()
    assert await server.stop() == 0
    await server.start()
    async with client_at(server) as client:
        assert (await client.get("/files")).json() == [file]
        assert (await client.get(file["download_url"])).content == b"data"
        assert server.kept.objects() == {file["minio_object_name"]}
        assert (await client.delete(f"/files/{file['id']}")).status_code == 200
    await eventually(server.kept.is_empty)


async def test_a_second_server_is_refused(server, run):
    """What lies in the data directory is for one server alone."""
    code, out, err = await run("serve", "--port", "0", "--data-dir", str(server.data), **server.settings)
    assert (code, out) == (2, "")
    assert "another server runs on" in err
    assert "SATCHEL_DATA_DIR" in err

"""A server of which files can only be read (SATCHEL_READ_ONLY): every door says so, and nothing changes."""

import json

import pytest

from clients import client_at
from raw import MULTIPART, connected
from stacks import one_is_enough

UPLOAD = "mutation ($file: Upload!) { uploadFile(file: $file) { file { id } } }"
MUTATIONS = {
    "rename": 'mutation { renameFile(id: "%s", filename: "other") { id } }',
    "delete": 'mutation { deleteFile(id: "%s") { id } }',
    "delete many": 'mutation { deleteFiles(ids: ["%s"]) { ids } }',
}


@pytest.fixture
async def file_and_client(serve):
    """A file that was stored before, and a client of the server that is read-only since."""
    server = await serve()
    async with client_at(server) as client:
        file = (await client.post("/files/upload", files={"file": ("a.txt", b"bytes")})).json()
    await server.restart(read_only="true")
    async with client_at(server) as client:
        yield file, client


@one_is_enough
async def test_files_can_be_read_and_nothing_changes(file_and_client):
    """Uploads, renames and deletions are refused with one code and the setting's name; the file stays as it was."""
    file, client = file_and_client
    path = f"/files/{file['id']}"

    for refused in (
        await client.post("/files/upload", files={"file": ("b.txt", b"more")}),
        await client.delete(path),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "READ_ONLY")
        assert "SATCHEL_READ_ONLY" in refused.json()["detail"]
    operations = json.dumps({"query": UPLOAD, "variables": {"file": None}})
    form = {"operations": operations, "map": '{"0": ["variables.file"]}'}
    uploaded = await client.post("/graphql", data=form, files={"0": ("b.txt", b"more")})
    assert uploaded.status_code == 403
    assert uploaded.json()["errors"][0]["extensions"]["code"] == "READ_ONLY"
    for mutation in MUTATIONS.values():
        answer = (await client.post("/graphql", json={"query": mutation % file["id"]})).json()
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["READ_ONLY"]

    assert (await client.get("/files")).json() == [file]
    assert (await client.get(f"{path}/download")).content == b"bytes"
    assert (await client.get(path)).content == b"bytes"


@one_is_enough
@pytest.mark.parametrize("path", ["/files/upload", "/graphql"])
async def test_an_upload_is_refused_before_its_body_is_read(serve, path):
    """Nobody sends a film to be told at its end."""
    server = await serve(read_only="true")
    async with connected(server) as raw:
        await raw.request("POST", path, {"Content-Type": MULTIPART, "Content-Length": "1000000"})
        answer = await raw.answer()
    assert answer.status == 403
    assert b"READ_ONLY" in answer.body


@one_is_enough
@pytest.mark.parametrize("read_only", [True, False])
async def test_whether_it_is_can_be_asked(open_service, read_only):
    """The file manager offers what can be done."""
    async with open_service(read_only=read_only) as service:
        answer = await service.client.post("/graphql", json={"query": "{ readOnly }"})
    assert answer.json() == {"data": {"readOnly": read_only}}

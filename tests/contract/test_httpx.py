import hashlib

import orjson

QUERY = "mutation ($files: [Upload!]!) { uploadFiles(files: $files) { file { filename hash } } }"


async def test_an_upload_with_fields(client, tmp_path):
    """Httpx writes a form of fields and files, from a file that is read while it is sent."""
    path = tmp_path / "grüße.txt"
    path.write_bytes(b"data" * 100_000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("rb") as file:
        response = await client.post("/files/upload", data={"hash": digest}, files={"file": file})
    assert (response.json()["filename"], response.json()["hash"]) == ("grüße.txt", digest)


async def test_a_graphql_request_with_files(client):
    """The parts of a GraphQL request are written in order: first the fields, then the files."""
    operations = {"query": QUERY, "variables": {"files": [None, None]}}
    file_map = {"0": ["variables.files.0"], "1": ["variables.files.1"]}
    response = await client.post(
        "/graphql",
        data={"operations": orjson.dumps(operations).decode(), "map": orjson.dumps(file_map).decode()},
        files={"0": ("a.txt", b"a"), "1": ("b.txt", b"b")},
    )
    assert [one["file"]["filename"] for one in response.json()["data"]["uploadFiles"]] == ["a.txt", "b.txt"]

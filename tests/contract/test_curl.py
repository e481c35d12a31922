import hashlib
import random

import orjson
import pytest

from stacks import one_is_enough

DATA = random.Random(1).randbytes(300_000)


@pytest.fixture
def upload(run, curl, shared_server, tmp_path):
    """Upload a file by curl, and give its metadata."""

    async def upload(*options, name="père noël.bin", data=DATA):
        (tmp_path / name).write_bytes(data)
        out = await run(curl, "-sS", "-F", f"file=@{name}", *options, f"{shared_server.url}/files/upload")
        return orjson.loads(out)

    return upload


async def test_an_upload(upload, client):
    """`curl -F` keeps name and bytes."""
    file = await upload()
    assert (file["filename"], file["hash"]) == ("père noël.bin", hashlib.sha256(DATA).hexdigest())
    assert (await client.get(file["download_url"])).content == DATA


@one_is_enough
@pytest.mark.parametrize("name", ['a "quoted" name.txt', "back\\slash.txt", "semi;colon, comma.txt", "100%25.txt"])
async def test_names_that_curl_escapes(run, curl, shared_server, tmp_path, name):
    """Quotes come through as curl writes them, and are cleaned as any name is; other punctuation stays."""
    (tmp_path / "plain").write_bytes(b"data")
    given = name.replace("\\", "\\\\").replace('"', '\\"')
    form = f'file=@plain;filename="{given}"'
    file = orjson.loads(await run(curl, "-sS", "-F", form, f"{shared_server.url}/files/upload"))
    assert file["filename"] == name.replace('"', "").rpartition("\\")[2]


@one_is_enough
@pytest.mark.parametrize(
    "options", [["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http1.0"]]
)
async def test_ways_to_send_a_body(upload, options):
    """Chunked, after an interim answer, and in the older protocol."""
    assert (await upload(*options))["hash"] == hashlib.sha256(DATA).hexdigest()


async def test_an_upload_from_a_pipe(run, curl, shared_server):
    """Of a pipe nobody knows the length."""
    out = await run(curl, "-sS", "-F", "file=@-;filename=piped.bin", f"{shared_server.url}/files/upload", stdin=DATA)
    assert (orjson.loads(out)["filename"], orjson.loads(out)["size"]) == ("piped.bin", len(DATA))


async def test_a_declared_hash(upload):
    """`-F hash=…` is checked, before the file or behind it."""
    digest = hashlib.sha256(DATA).hexdigest()
    assert (await upload("-F", f"hash={digest}"))["hash"] == digest
    assert (await upload("-F", f"hash={'0' * 64}"))["code"] == "HASH_MISMATCH"


async def test_a_repeated_upload(upload):
    """An upload that is tried again under its key is the same file."""
    key = ("-H", "Idempotency-Key: by-curl")
    assert await upload(*key) == await upload(*key)


@one_is_enough
async def test_a_refusal_is_seen_while_the_body_is_still_sent(run, curl, shared_server, tmp_path):
    """Curl shows why a large upload was refused, and does not fail by a broken connection."""
    with (tmp_path / "large").open("wb") as large:
        large.truncate(64 * 1024 * 1024)
    out = await run(curl, "-sS", "-w", "\n%{http_code}", "-F", "other=@large", f"{shared_server.url}/files/upload")
    body, _, status = out.rpartition(b"\n")
    assert (status, orjson.loads(body)["code"]) == (b"400", "BAD_MULTIPART")


async def test_a_download_under_its_name(run, curl, shared_server, tmp_path, upload):
    """`curl -OJ` saves the bytes under the name of the file."""
    file = await upload(name="report 1.bin")
    (tmp_path / "report 1.bin").unlink()
    await run(curl, "-sSOJ", shared_server.url + file["download_url"])
    assert (tmp_path / "report 1.bin").read_bytes() == DATA


async def test_a_download_that_is_resumed(run, curl, shared_server, tmp_path, upload):
    """`curl -C -` fetches what is missing, and nothing else."""
    file = await upload()
    (tmp_path / "part").write_bytes(DATA[:100_000])
    report = await run(
        curl,
        "-sS",
        "-C",
        "-",
        "-o",
        "part",
        "-w",
        "%{http_code} %{size_download}",
        shared_server.url + file["download_url"],
    )
    assert report == b"206 200000"
    assert (tmp_path / "part").read_bytes() == DATA


async def test_a_download_that_did_not_change(run, curl, shared_server, tmp_path, upload):
    """`curl --etag-compare` is not sent the bytes again."""
    address = shared_server.url + (await upload())["download_url"]
    await run(curl, "-sS", "--etag-save", "etag", "-o", "first", address)
    status = await run(curl, "-sS", "--etag-compare", "etag", "-o", "second", "-w", "%{http_code}", address)
    assert status == b"304"
    assert (tmp_path / "first").read_bytes() == DATA


async def test_headers_alone(run, curl, shared_server, upload):
    """`curl -I` shows length and hash without the bytes."""
    file = await upload()
    head = (await run(curl, "-sSI", shared_server.url + file["download_url"])).decode().lower()
    assert head.startswith("http/1.1 200")
    assert f"content-length: {len(DATA)}" in head
    assert file["hash"] in head


async def test_a_deletion(run, curl, shared_server, upload):
    """`curl -X DELETE` deletes, and then there is nothing."""
    file = await upload()
    address = f"{shared_server.url}/files/{file['id']}"
    assert orjson.loads(await run(curl, "-sS", "-X", "DELETE", address))["id"] == file["id"]
    assert await run(curl, "-sS", "-o", "gone", "-w", "%{http_code}", address) == b"404"


async def test_a_graphql_upload(run, curl, shared_server, tmp_path):
    """The example of the multipart specification works as it stands there."""
    (tmp_path / "a.txt").write_bytes(b"Alpha file content.")
    out = await run(
        curl,
        "-sS",
        f"{shared_server.url}/graphql",
        "-F",
        'operations={ "query": "mutation ($file: Upload!) { uploadFile(file: $file) { file { filename size } } }",'
        ' "variables": { "file": null } }',
        "-F",
        'map={ "0": ["variables.file"] }',
        "-F",
        "0=@a.txt",
    )
    assert orjson.loads(out) == {"data": {"uploadFile": {"file": {"filename": "a.txt", "size": 19}}}}

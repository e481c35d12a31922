import asyncio
import errno
import hashlib
import random
import threading
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
from problems import assert_problem

from kept import eventually
from raw import BOUNDARY, END, MULTIPART, chunk, connected, head_of_part
from satchel import intake
from satchel.blobs.local import MAX_STEP as STEP
from satchel.blobs.local import LocalBlobWriter
from satchel.config import MIB
from stacks import embedded_only, one_is_enough

quick_to_reclaim = pytest.mark.settings(
    delete_grace=timedelta(microseconds=1), sweep_interval=timedelta(milliseconds=100)
)
LIMIT = 100_000
CODED = {"Transfer-Encoding": "chunked"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file_part(data, filename="a.txt", content_type="text/plain"):
    return {"file": (filename, data, content_type)}


async def upload(client, data, filename="a.txt", **options):
    return await client.post("/files/upload", files=file_part(data, filename), **options)


async def uploaded(client, data, filename="a.txt", **options):
    """The metadata of a new file."""
    response = await upload(client, data, filename, **options)
    assert response.status_code == 200, response.text
    return response.json()


async def streamed(*pieces):
    for piece in pieces:
        yield piece


def form(*parts):
    """A body of parts given as (name, filename, bytes)."""
    joined = b"\r\n".join(head_of_part(name, filename) + data for name, filename, data in parts)
    return joined + END


async def post_form(client, body, **headers):
    """Send a body that is written by hand."""
    return await client.post("/files/upload", content=body, headers={"Content-Type": MULTIPART, **headers})


@pytest.fixture(params=["in process", "over a socket"])
def door(request, places):
    """A client of the application without a network, and one of a real server."""
    return request.getfixturevalue({"in process": "client", "over a socket": "remote"}[request.param])


@pytest.fixture
async def remote(shared_server):
    async with httpx.AsyncClient(base_url=shared_server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def strict_server(open_server):
    """A real server that takes small files only, and is quick to give bytes up."""
    quick = {"delete_grace": "0.001s", "sweep_interval": "0.2s"}
    async with open_server(max_file_size=LIMIT, log_level="debug", **quick) as server:
        yield server


@pytest.fixture
async def strict(strict_server):
    async with httpx.AsyncClient(base_url=strict_server.url, timeout=60) as client:
        yield client


# What is kept


async def test_an_upload_answers_with_all_that_is_known_of_the_file(door):
    """The answer holds the whole metadata object, and the file is there with its bytes."""
    data = b"the quick brown fox\n"
    file = await uploaded(door, data, "père noël 🎅.txt")
    assert set(file) == {
        *("id", "filename", "size", "content_type", "hash", "upload_date", "minio_object_name"),
        *("kind", "preview_url", "download_url"),
    }
    assert (file["filename"], file["size"], file["hash"]) == ("père noël 🎅.txt", len(data), sha256(data))
    assert (file["content_type"].split(";")[0], file["kind"]) == ("text/plain", "TEXT")
    assert (await door.get(f"/files/{file['id']}/metadata")).json() == file
    assert (await door.get(file["download_url"])).content == data


@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP + 7])
async def test_every_size_comes_back_byte_for_byte(door, size):
    """Sizes around the steps in which bytes are hashed and stored are kept whole."""
    data = random.Random(size).randbytes(size)
    file = await uploaded(door, data, "bytes.bin")
    assert (file["size"], file["hash"]) == (size, sha256(data))
    assert (await door.get(file["download_url"])).content == data


async def test_a_body_without_a_length_is_taken(remote):
    """Chunked transfer coding is as good as a Content-Length, in any chunks."""
    data = random.Random(1).randbytes(300_000)
    body = form(("file", "chunked.bin", data))
    pieces = [body[at : at + 9973] for at in range(0, len(body), 9973)]
    response = await post_form(remote, streamed(*pieces))
    assert response.request.headers["transfer-encoding"] == "chunked"
    assert response.json()["hash"] == sha256(data)


async def test_a_body_that_trickles_in_is_taken(shared_server):
    """One byte in each chunk makes the same file."""
    data = b"slow\r\n--" * 10
    async with connected(shared_server) as raw:
        await raw.request("POST", "/files/upload", {"Content-Type": MULTIPART, "Transfer-Encoding": "chunked"})
        for byte in form(("file", "slow.txt", data)):
            await raw.send(chunk(bytes([byte])))
        await raw.send(chunk(b""))
        answer = await raw.answer()
    assert (answer.status, answer.json()["hash"]) == (200, sha256(data))


async def test_a_connection_goes_on_after_an_upload(shared_server):
    """One connection carries one upload after the other."""
    async with connected(shared_server) as raw:
        for data in (b"first", b"second"):
            body = form(("file", "a.txt", data))
            headers = {"Content-Type": MULTIPART, "Content-Length": str(len(body))}
            await raw.request("POST", "/files/upload", headers, body)
            answer = await raw.answer()
            assert (answer.status, answer.json()["hash"]) == (200, sha256(data))


async def test_the_declared_type_does_not_decide(client):
    """The type is told from the bytes, whatever the client says."""
    page = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
    response = await client.post("/files/upload", files=file_part(page, "photo.png", "image/png"))
    file = response.json()
    assert (file["content_type"].split(";")[0], file["preview_url"]) != ("image/png", None)
    assert file["kind"] != "IMAGE"


# A declared hash


@one_is_enough
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("write", [str.lower, str.upper])
async def test_a_declared_hash_that_matches_is_accepted(client, order, write):
    """The hash may stand before the file or after it, in either case of letters."""
    parts = [("hash", None, write(sha256(b"data")).encode()), ("file", "a.txt", b"data")]
    response = await post_form(client, form(*(parts if order == "before" else reversed(parts))))
    assert (response.status_code, response.json()["hash"]) == (200, sha256(b"data"))


async def test_a_hash_field_that_was_left_empty_declares_nothing(client):
    """A form in a page sends its empty fields too."""
    response = await post_form(client, form(("hash", None, b""), ("file", "a.txt", b"data")))
    assert response.status_code == 200


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize(
    ("declared", "status", "code"),
    [
        (sha256(b"other").encode(), 422, "HASH_MISMATCH"),
        (sha256(b"data").encode()[:-1], 400, "BAD_REQUEST"),
        (sha256(b"data").encode() + b"0", 400, "BAD_REQUEST"),
        (b"sha256:" + sha256(b"data").encode()[7:], 400, "BAD_REQUEST"),
        (sha256(b"data").encode() + b"\n", 400, "BAD_REQUEST"),
        ("é".encode() * 64, 400, "BAD_REQUEST"),
    ],
)
async def test_a_declared_hash_that_does_not_match_keeps_nothing(client, kept, order, declared, status, code):
    """A wrong or malformed hash is refused, before the file or after it, and nothing of the upload is kept."""
    parts = [("hash", None, declared), ("file", "a.txt", b"data")]
    response = await post_form(client, form(*(parts if order == "before" else reversed(parts))))
    assert_problem(response, status, code)
    await eventually(kept.is_empty)


@one_is_enough
async def test_a_hash_is_never_taken_for_bytes(client, kept):
    """Who knows the hash of a file has no file by that: the bytes must come, and be those."""
    known = sha256(b"known")
    await uploaded(client, b"known")
    assert_problem(await post_form(client, form(("hash", None, known.encode()))), 400, "BAD_MULTIPART", "missing")
    response = await post_form(client, form(("hash", None, known.encode()), ("file", "a.txt", b"")))
    assert_problem(response, 422, "HASH_MISMATCH")
    await eventually(kept.is_clean)
    assert kept.count("files") == 1


# Idempotency keys


async def test_the_same_upload_sent_again_gives_the_same_file(client, kept):
    """A client that got no answer may send the upload again under its key: there is one file, and one object."""
    key = {"Idempotency-Key": "my-upload"}
    first = await uploaded(client, b"data", headers=key)
    assert await uploaded(client, b"data", headers=key) == first
    assert kept.count("files") == 1
    await eventually(lambda: len(kept.objects()) == 1)


async def test_the_same_upload_sent_at_once_many_times_gives_one_file(client, kept):
    """A key holds when the same upload is under way several times."""
    files = await asyncio.gather(*(uploaded(client, b"data", headers={"Idempotency-Key": "k"}) for _ in range(10)))
    assert len({file["id"] for file in files}) == kept.count("files") == 1


@pytest.mark.parametrize(("data", "filename"), [(b"other", "a.txt"), (b"data", "b.txt")])
async def test_a_key_used_for_another_upload_is_refused(client, kept, data, filename):
    """A key names one name with one content; the first file stays, and nothing of the second is kept."""
    key = {"Idempotency-Key": "my-upload"}
    await uploaded(client, b"data", headers=key)
    assert_problem(await upload(client, data, filename, headers=key), 409, "IDEMPOTENCY_CONFLICT")
    await eventually(kept.is_clean)
    assert kept.count("files") == 1


async def test_an_upload_that_failed_does_not_use_its_key_up(client):
    """A key belongs to the file that it made; what made none may be tried again."""
    key = {"Idempotency-Key": "my-upload"}
    response = await client.post("/files/upload", files=file_part(b"data"), data={"hash": "0" * 64}, headers=key)
    assert_problem(response, 422, "HASH_MISMATCH")
    await uploaded(client, b"data", headers=key)


@one_is_enough
async def test_a_key_has_255_characters_at_most(client):
    """The longest one is taken."""
    await uploaded(client, b"data", headers={"Idempotency-Key": "k" * 255})


@one_is_enough
@pytest.mark.parametrize(
    ("headers", "first"),
    [
        pytest.param({"Idempotency-Key": ""}, b"", id="empty key"),
        pytest.param({"Idempotency-Key": "k" * 256}, b"", id="long key"),
        pytest.param({}, head_of_part("hash") + b"abc\r\n--" + BOUNDARY + b"\r\n", id="hash"),
    ],
)
async def test_what_no_upload_could_fit_is_refused_before_a_byte_of_it(shared_server, headers, first):
    """A key has 1 to 255 characters, and a hash 64 digits; whoever declares another is told so, and cut off."""
    before = shared_server.kept.count("uploads"), shared_server.kept.objects()
    async with connected(shared_server) as raw:
        sizes = {"Content-Type": MULTIPART, "Content-Length": str(2**30)}
        await raw.request("POST", "/files/upload", {**sizes, **headers}, first)
        answer = await raw.answer()
        assert (answer.status, answer.json()["code"], answer.headers["connection"]) == (400, "BAD_REQUEST", "close")
    assert (shared_server.kept.count("uploads"), shared_server.kept.objects()) == before


# Sizes


@pytest.mark.parametrize("coding", ["length", "chunked", "one chunk"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT])
async def test_the_size_limit_is_counted_to_the_byte(strict, strict_server, size, coding):
    """A file of the limit is taken and one byte more is not, whether the length is declared or not."""
    data = random.Random(size).randbytes(size)
    body = form(("file", "a.bin", data))
    pieces = [body] if coding == "one chunk" else [body[at : at + 8192] for at in range(0, len(body), 8192)]
    response = await post_form(strict, body if coding == "length" else streamed(*pieces))
    if size <= LIMIT:
        assert (response.status_code, response.json()["size"]) == (200, size)
        await strict.delete(f"/files/{response.json()['id']}")
    else:
        assert_problem(response, 413, "FILE_TOO_LARGE", "SATCHEL_MAX_FILE_SIZE")
    await eventually(strict_server.kept.is_empty)


@one_is_enough
@pytest.mark.parametrize(
    ("path", "files"), [pytest.param("/files/upload", 1, id="http"), pytest.param("/graphql", 10, id="graphql")]
)
async def test_a_file_that_is_too_large_by_its_length_is_not_read(strict_server, path, files):
    """The refusal comes before the first byte of the body, and the connection is cut."""
    async with connected(strict_server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": str((files + 20) * LIMIT)}
        await raw.request("POST", path, headers)
        answer = await raw.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert b"FILE_TOO_LARGE" in answer.body
        assert b"SATCHEL_MAX_FILE_SIZE" in answer.body


@pytest.mark.parametrize("size", [1000, LIMIT - 1, LIMIT, LIMIT + 1])
async def test_a_length_that_is_too_short_for_the_form_is_a_broken_form(strict_server, size):
    """A Content-Length that lies cuts the form, and what stands behind it is not taken for a file."""
    body = form(("file", "a.bin", b"x" * size))
    async with connected(strict_server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": str(len(body) - 100)}
        await raw.request("POST", "/files/upload", headers, body)
        answer = await raw.answer()
        assert answer.status == 400
        assert await raw.is_closed()
    await eventually(strict_server.kept.is_empty)


@pytest.mark.parametrize("size", [1000, LIMIT - 1, LIMIT])
async def test_a_length_that_is_too_long_keeps_nothing(strict_server, size):
    """A whole form from a client that leaves before its Content-Length is reached is not taken."""
    body = form(("file", "a.bin", b"x" * size))
    async with connected(strict_server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": str(len(body) + 100)}
        await raw.request("POST", "/files/upload", headers, body)
        await eventually(strict_server.kept.objects)
    await eventually(strict_server.kept.is_empty)


# Searches of PDFs


@one_is_enough
async def test_pdfs_are_searched_on_a_thread_of_their_own(client, monkeypatch):
    """A search may take long; as many as there are threads would hold up all that is hashed, read and sent."""
    search, names = intake.ScriptSearch.update, set()

    def noted(*args):
        names.add(threading.current_thread().name)
        search(*args)

    monkeypatch.setattr(intake.ScriptSearch, "update", noted)
    await asyncio.gather(*(uploaded(client, b"%%PDF-1.7 %d" % number, "searched.pdf") for number in range(20)))
    shared = await asyncio.to_thread(threading.current_thread)
    assert len(names) == 1
    assert names.pop().split("_")[0] != shared.name.split("_")[0]


# Refusals


@one_is_enough
@pytest.mark.parametrize("filename", ["", "/", "..", "a/", "\x01\x02", "\u202e", " . "])
async def test_a_name_of_which_nothing_is_left_is_refused(client, kept, filename):
    """A name that is empty once it is cleaned is refused."""
    assert_problem(await post_form(client, form(("file", filename, b"data"))), 400, "INVALID_FILENAME")
    await eventually(kept.is_empty)


@one_is_enough
@pytest.mark.parametrize(
    ("filename", "cleaned"),
    [("../../etc/passwd", "passwd"), ("C:\\Users\\me\\cv.pdf", "cv.pdf"), ("a\x00b.txt", "ab.txt")],
)
async def test_a_name_never_reaches_the_disk(client, kept, filename, cleaned):
    """Paths in names are cut off, and objects are named by the service alone."""
    response = await post_form(client, form(("file", filename, b"data")))
    assert response.json()["filename"] == cleaned
    assert kept.objects() == {response.json()["minio_object_name"]}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        pytest.param([], "'file' is missing", id="empty"),
        pytest.param([("hash", None, b"0" * 64)], "'file' is missing", id="no-file"),
        pytest.param([("file", None, b"data")], "no filename", id="file-as-a-field"),
        pytest.param([("file", "a", b"1"), ("other", None, b"2")], "'other'", id="extra-field"),
        pytest.param([("other", "b", b"2"), ("file", "a", b"1")], "'other'", id="extra-file-first"),
        pytest.param([("file", "a", b"1"), ("file", "b", b"2")], "more than one part named 'file'", id="two-files"),
        pytest.param([("File", "a", b"1")], "'File'", id="other-case"),
    ],
)
async def test_a_form_of_another_shape_keeps_nothing(client, kept, parts, words):
    """A part too few or too many is refused by its name, and nothing is kept, not even a file that came whole."""
    assert_problem(await post_form(client, form(*parts)), 400, "BAD_MULTIPART", words)
    await eventually(kept.is_empty)


@one_is_enough
async def test_a_body_that_is_no_form_is_refused(client):
    """Only multipart/form-data is an upload."""
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed"):
        response = await client.post("/files/upload", content=b"{}", headers={"Content-Type": content_type})
        assert_problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_problem(await client.post("/files/upload"), 415, "UNSUPPORTED_MEDIA_TYPE")


@one_is_enough
async def test_a_hash_field_without_end_is_refused_while_it_comes(client, kept):
    """A form field is held in memory, so it has a limit."""
    parts = form(("hash", None, b"0" * 20_000), ("file", "a", b"data"))
    assert_problem(await post_form(client, parts), 413, "PAYLOAD_TOO_LARGE", "SATCHEL_MAX_MAP_SIZE")
    await eventually(kept.is_empty)


@one_is_enough
@pytest.mark.parametrize(
    ("first", "status", "code"),
    [
        (head_of_part("file", ".."), 400, "INVALID_FILENAME"),
        (head_of_part("other", "a"), 400, "BAD_MULTIPART"),
        (head_of_part("file", "a") + b"x" * (LIMIT + 1), 413, "FILE_TOO_LARGE"),
        (head_of_part("hash") + b"0" * 20_000, 413, "PAYLOAD_TOO_LARGE"),
        (b"x" * 2000, 400, "BAD_MULTIPART"),
    ],
)
async def test_a_refusal_comes_before_the_body_and_the_connection_is_cut(strict_server, first, status, code):
    """The client reads why it was refused, and the server takes no more than a bounded rest of the body."""
    most = 64 * MIB
    async with connected(strict_server) as raw:
        await raw.request("POST", "/files/upload", {"Content-Type": MULTIPART, **CODED}, chunk(first))
        answer = await raw.answer()  # while the body has not even begun to flow
        assert (answer.status, answer.json()["code"]) == (status, code)
        assert answer.headers["connection"] == "close"
        assert await raw.flood(most, chunk(b"x" * 65536)) < most / 2  # 4 MiB, and what the kernel's buffers hold
        assert await raw.is_closed()


def part(*headers):
    """A part with exactly these headers, and no end."""
    return b"--%s\r\n%s\r\n\r\nx" % (BOUNDARY, b"\r\n".join(headers))


FILE = b'Content-Disposition: form-data; name="file"; filename="a"'


@one_is_enough
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(part(b'Content-Disposition: form-data; name="x"; name="file"; filename="a"'), id="two-names"),
        pytest.param(part(FILE + b'; filename="b"'), id="two-filenames"),
        pytest.param(part(FILE, FILE), id="two-dispositions"),
        pytest.param(part(FILE, b"Content-Type: a/b", b"content-type: c/d"), id="two-types"),
        pytest.param(part(b'Content-Disposition: form-data; name*=file; filename="a"'), id="only-an-extended-name"),
        pytest.param(part(b'Content-Disposition: form-data; name*0="file"; filename="a"'), id="only-a-piece-of-a-name"),
        pytest.param(part(FILE, *(b"X-%d: y" % number for number in range(8))), id="nine-headers"),
        pytest.param(part(FILE, b"X: " + b"y" * 8192), id="a-long-header"),
        pytest.param(part(FILE, *(b"X-%d: " % n + b"y" * 4000 for n in range(3))), id="long-headers-together"),
        pytest.param(b"--" + BOUNDARY + b"\r\nX: " + b"y" * 9000, id="a-header-without-end"),
        pytest.param(b"x" * 1100 + b"\r\n" + part(FILE), id="a-long-preamble"),
        pytest.param(b"x" * 1100, id="a-preamble-without-end"),
    ],
)
async def test_a_form_that_no_browser_sends_is_refused_and_cut(strict_server, start):
    """What two readers could understand differently, and what only fills memory, is refused while it comes."""
    async with connected(strict_server) as raw:
        await raw.request("POST", "/files/upload", {"Content-Type": MULTIPART, "Content-Length": "50000"}, start)
        answer = await raw.answer()
        assert (answer.status, answer.json()["code"]) == (400, "BAD_MULTIPART")
        assert answer.headers["connection"] == "close"
    await eventually(strict_server.kept.is_empty)


@one_is_enough
async def test_a_boundary_has_a_length(client):
    """One of 70 characters is taken, and one more is not."""
    for length, status in ((70, 200), (71, 400)):
        body = form(("file", "a", b"data")).replace(BOUNDARY, b"b" * length)
        headers = {"Content-Type": f"multipart/form-data; boundary={'b' * length}"}
        assert (await client.post("/files/upload", content=body, headers=headers)).status_code == status


@one_is_enough
async def test_an_extended_filename_is_no_filename(client):
    """`filename*` means nothing in a form, so it cannot smuggle in another name (RFC 7578, 4.2)."""
    for extended in (b"filename*=UTF-8''evil.exe", b'filename*0="evil.exe"'):
        body = form(("file", "a.txt", b"data")).replace(b'filename="a.txt"', b'filename="a.txt"; ' + extended)
        assert (await post_form(client, body)).json()["filename"] == "a.txt"


@one_is_enough
async def test_what_follows_a_form_is_dropped_and_the_connection_cut(strict, strict_server):
    """A form that is whole is answered, whatever is said to follow it, and no more of that is read."""
    async with connected(strict_server) as raw:
        whole = form(("file", "a.txt", b"data"))
        await raw.request("POST", "/files/upload", {"Content-Type": MULTIPART, **CODED}, chunk(whole))
        await eventually(strict_server.kept.objects)
        await raw.send(chunk(b"x" * 4000))
        answer = await raw.answer()
        assert (answer.status, answer.json()["size"], answer.headers["connection"]) == (200, 4, "close")
        assert await raw.flood(64 * MIB, chunk(b"x" * 65536)) < 32 * MIB
        assert await raw.is_closed()
    await strict.delete(f"/files/{answer.json()['id']}")
    await eventually(strict_server.kept.is_empty)


@one_is_enough
async def test_of_a_refused_body_no_more_than_the_drain_is_read(app, settings):
    """Of an endless body, 4 MiB are read after the refusal, to the chunk."""
    piece = b"x" * 65536
    taken, sent = 0, []

    async def receive():
        nonlocal taken
        taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", MULTIPART.encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/files/upload", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert taken <= int(settings.refusal_drain) + 2 * len(piece)


@embedded_only
@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_is_said_and_leaves_nothing(client, kept, monkeypatch, fault):
    """An upload that finds no room answers 507, leaves nothing, and does not stop the next one."""

    def full(*_):
        raise OSError(fault, "planted")

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobWriter, "_write", full)
        assert_problem(await upload(client, b"data"), 507, "INSUFFICIENT_STORAGE")
    await eventually(kept.is_empty)
    await uploaded(client, b"data")


@embedded_only
async def test_a_failing_disk_is_said_without_its_details(client, kept, monkeypatch):
    """An input or output error answers 503 with a time to come back, and shows no path."""

    def broken(*_):
        raise OSError(errno.EIO, "planted", "/secret/path")

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobWriter, "_commit", broken)
        response = await upload(client, b"data")
    assert_problem(response, 503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"].isdigit()
    assert "secret" not in response.text
    assert kept.count("files") == 0


async def test_an_upload_whose_lease_was_taken_is_refused(client, stack, kept):
    """What the sweeper has given up is never published, even if all its bytes come in after all."""

    async def body():
        yield head_of_part("file", "a.txt") + b"data"
        await eventually(lambda: stack.files.uploads._leased)
        [upload_id] = stack.files.uploads._leased
        await stack.metadata.abandon_upload(upload_id)
        yield END

    assert_problem(await post_form(client, body()), 409, "LEASE_LOST")
    await eventually(kept.is_empty)


@pytest.mark.settings(upload_lease=timedelta(milliseconds=300))
async def test_an_upload_whose_lease_is_gone_stops(client, stack, kept):
    """Once the loss is noticed, what is still to come of its body is not taken any more."""

    async def body():
        yield head_of_part("file", "a.txt")
        await eventually(lambda: stack.files.uploads._leased)
        [upload_id] = stack.files.uploads._leased
        await stack.metadata.abandon_upload(upload_id)
        for _ in range(600):
            yield bytes(MIB)
            await asyncio.sleep(0.05)
        pytest.fail("all of it was taken")

    assert_problem(await post_form(client, body()), 409, "LEASE_LOST")
    await eventually(kept.is_empty)


@pytest.mark.settings(upload_lease=timedelta(seconds=2))
async def test_an_upload_longer_than_its_lease_goes_through(client, stack, kept):
    """The lease of a running upload is renewed, however slow its bytes come."""
    leases = set()

    def renewed():
        """So often that the first one is over: each is kept for a third of its time, and the first for less."""
        leases.update(kept.query("SELECT lease_until FROM uploads"))
        return len(leases) > 4

    async def body():
        yield head_of_part("file", "a.txt") + b"x"
        await eventually(renewed)
        await stack.sweeper.sweep()
        yield b"x"
        yield END

    assert (await post_form(client, body())).json()["size"] == 2


# Disconnection


@pytest.mark.parametrize("cut", [0, 1, 50_000, LIMIT - 1])
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(strict_server, cut):
    """Of an upload that stops half way there is no file, no row and no object."""
    kept = strict_server.kept
    async with connected(strict_server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": str(LIMIT + 1000)}
        await raw.request("POST", "/files/upload", headers, head_of_part("file", "a.bin") + b"x" * cut)
        await eventually(lambda: kept.count("uploads") == 1)
    await eventually(kept.is_empty)


async def test_a_client_that_leaves_before_the_answer_has_still_uploaded_all_or_nothing(strict, strict_server):
    """A whole body whose client does not wait is a file with its bytes, or nothing."""
    ended = '"path":"/files/upload"'
    before = strict_server.logged().count(ended)
    for number in range(5):
        body = form(("file", "gone.bin", b"%d" % number * 1000))
        async with connected(strict_server) as raw:
            headers = {"Content-Type": MULTIPART, "Content-Length": str(len(body))}
            await raw.request("POST", "/files/upload", headers, body)
    await eventually(lambda: strict_server.logged().count(ended) == before + 5)
    await eventually(strict_server.kept.is_clean)
    for file in (await strict.get("/files")).json():
        assert sha256((await strict.get(file["download_url"])).content) == file["hash"]
        await strict.delete(f"/files/{file['id']}")
    await eventually(strict_server.kept.is_empty)


# Deduplication


@quick_to_reclaim
async def test_identical_bytes_uploaded_at_once_are_stored_once(client, stack, kept):
    """Many files of the same bytes share one object; each keeps its name, and each is deleted alone."""
    data = random.Random(2).randbytes(100_000)
    files = await asyncio.gather(*(uploaded(client, data, f"copy {number}.bin") for number in range(50)))
    assert len({file["id"] for file in files}) == kept.count("files") == 50
    assert len({file["minio_object_name"] for file in files}) == kept.count("blobs") == 1
    await eventually(lambda: kept.objects() == {files[0]["minio_object_name"]})

    *others, last = files
    for file in others:
        assert (await client.delete(f"/files/{file['id']}")).status_code == 200
    await stack.sweeper.sweep()
    assert (await client.get(last["download_url"])).content == data

    await client.delete(f"/files/{last['id']}")
    await eventually(kept.is_empty)


@quick_to_reclaim
async def test_a_copy_that_comes_while_the_last_file_is_deleted_keeps_its_bytes(client, kept):
    """Uploads and deletions of the same bytes at the same time never leave a file without its bytes."""
    data = b"contended"

    async def churn(number):
        for _ in range(5):
            file = await uploaded(client, data, f"{number}.txt")
            assert (await client.get(file["download_url"])).content == data
            await client.delete(f"/files/{file['id']}")

    await asyncio.gather(*(churn(number) for number in range(6)))
    survivor = await uploaded(client, data)
    await eventually(kept.is_clean)
    assert (await client.get(survivor["download_url"])).content == data


@quick_to_reclaim
@pytest.mark.settings(upload_lease=timedelta(seconds=1))
async def test_after_a_sweep_the_store_holds_what_files_need_and_nothing_else(client, kept):
    """Duplicates, refused, cut and deleted uploads leave no object behind."""
    files = [await uploaded(client, b"kept %d" % number) for number in range(3)]
    await uploaded(client, b"kept 0", "again.txt")
    gone = await uploaded(client, b"gone")
    await client.delete(f"/files/{gone['id']}")
    await client.post("/files/upload", files=file_part(b"refused"), data={"hash": "0" * 64})
    await post_form(client, form(("file", "a", b"extra"), ("x", None, b"")))
    await post_form(client, form(("file", "a", b"cut"))[:-20])
    await eventually(lambda: kept.count("garbage") == 0)
    assert kept.objects() == {file["minio_object_name"] for file in files}


# Resources


@embedded_only
async def test_no_byte_is_written_anywhere_but_into_the_store(shared_server):
    """While an upload runs, the server writes into its data directory alone, and uses no temporary file."""
    server = shared_server
    objects = server.data / "objects"
    async with connected(server) as raw:
        headers = {"Content-Type": MULTIPART, "Transfer-Encoding": "chunked"}
        await raw.request("POST", "/files/upload", headers, chunk(head_of_part("file", "a.bin")))
        for _ in range(64):
            await raw.send(chunk(b"x" * 65536))
        await eventually(lambda: any(path.is_relative_to(objects) for path in server.open_files()))
        assert {path for path in server.open_files() if not path.is_relative_to(server.data)} == {server.log}
        assert list(server.temporary.iterdir()) == []
        await raw.send(chunk(END), chunk(b""))
        assert (await raw.answer()).status == 200
    assert list(server.temporary.iterdir()) == []


# Requests that two servers could read differently

EMPTY = b"0\r\n\r\n"  # five bytes, and a whole body in chunks: whichever is believed, a request could follow
CHUNKED = "Transfer-Encoding: chunked"


@one_is_enough
@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(["Content-Length: 5", CHUNKED], EMPTY, id="length-and-chunked"),
        pytest.param([CHUNKED, "Content-Length: 5"], EMPTY, id="chunked-and-length"),
        pytest.param(["Content-Length: 5", "Content-Length: 6"], EMPTY, id="two-lengths"),
        pytest.param(["Content-Length: 5", "Content-Length: 5"], EMPTY, id="the-same-length-twice"),
        pytest.param(["Content-Length: 5, 5"], EMPTY, id="a-list-of-lengths"),
        pytest.param(["Content-Length:"], EMPTY, id="empty-length"),
        pytest.param(["Content-Length: -1"], EMPTY, id="negative-length"),
        pytest.param(["Content-Length: 5x"], EMPTY, id="length-with-letters"),
        pytest.param(["Content-Length: 0x5"], EMPTY, id="length-in-hex"),
        pytest.param(["Content-Length: +5"], EMPTY, id="length-with-sign"),
        pytest.param(["Content-Length: 18446744073709551621"], EMPTY, id="length-beyond-64-bits"),
        pytest.param(["Transfer-Encoding: chunked, identity"], EMPTY, id="chunked-not-last"),
        pytest.param(["Transfer-Encoding: chunked, chunked"], EMPTY, id="chunked-twice"),
        pytest.param([CHUNKED, "Transfer-Encoding: identity"], EMPTY, id="two-codings"),
        pytest.param(["Transfer-Encoding: gzip, chunked"], EMPTY, id="packed-and-chunked"),
        pytest.param(["Transfer-Encoding: xchunked"], EMPTY, id="unknown-coding"),
        pytest.param(["Transfer-Encoding: \x0bchunked"], EMPTY, id="coding-behind-a-control"),
        pytest.param(["Transfer-Encoding : chunked"], EMPTY, id="space-before-colon"),
        pytest.param(["Transfer-Encoding:", " chunked"], EMPTY, id="coding-in-a-folded-line"),
        pytest.param(["X: a\nTransfer-Encoding: chunked"], EMPTY, id="bare-line-feed"),
        pytest.param(["X: a\rTransfer-Encoding: chunked"], EMPTY, id="bare-carriage-return"),
        pytest.param(["X: a\0b", "Content-Length: 5"], EMPTY, id="NUL-in-a-header"),
        pytest.param([CHUNKED], b"zz\r\nx\r\n" + EMPTY, id="bad-chunk-size"),
        pytest.param([CHUNKED], b"0x1\r\nx\r\n" + EMPTY, id="chunk-size-with-prefix"),
        pytest.param([CHUNKED], b"-1\r\nx\r\n" + EMPTY, id="negative-chunk-size"),
        pytest.param([CHUNKED], b"10000000000000001\r\nx\r\n" + EMPTY, id="chunk-size-beyond-64-bits"),
        pytest.param([CHUNKED], b"1\r\nxyz\r\n" + EMPTY, id="chunk-longer-than-its-size"),
        pytest.param([CHUNKED], b"1\nx\n0\n\n", id="chunks-in-bare-line-feeds"),
        pytest.param([CHUNKED], b"1;a\nb\r\nx\r\n" + EMPTY, id="line-feed-in-an-extension"),
    ],
)
async def test_a_request_with_an_ambiguous_length_is_refused_and_cut(shared_server, head, body):
    """Nothing that follows an ambiguous length is read as a request."""
    async with connected(shared_server) as raw:
        lines = ["POST /files/upload HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {MULTIPART}", *head, "", ""]
        await raw.send("\r\n".join(lines).encode(), body, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = b""
        with suppress(ConnectionError):  # cut with what followed unread, which can destroy the answer
            async with asyncio.timeout(30):
                while piece := await raw.reader.read(65536):
                    received += piece
    assert b"alive" not in received
    assert received[:13] in {b"HTTP/1.1 400 ", b""}

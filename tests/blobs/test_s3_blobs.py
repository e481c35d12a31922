"""The S3 store behind the port: where it is, how it starts, which requests it makes, and its links."""

import asyncio
import inspect
import random
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from miniopy_async import Minio
from miniopy_async.datatypes import CompleteMultipartUploadResult, ListMultipartUploadsResult
from miniopy_async.error import InvalidResponseError
from stored import SHARE, code_of, either_way, get, put
from yarl import URL

from satchel.blobs import new_object_name
from satchel.blobs.s3 import Bucket, S3BlobStore
from satchel.blobs.s3.address import parse_public_url, parse_url
from satchel.blobs.s3.tap import Tap
from satchel.blobs.s3.writer import FIRST_PART, LARGE, MAX_PART, MAX_PARTS, MIB, MIN_PART, equal_parts, part_size
from satchel.errors import CannotStart, Code, SatchelError
from seaweed import Seaweed

GIB, TIB = 1024**3, 1024**4
PATIENCE = 60  # a bound for what hangs; nothing is measured by it


# Addresses


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("s3+http://localhost:9000/files", ("localhost:9000", False, "files")),
        ("s3+https://s3.example.org/my-files", ("s3.example.org", True, "my-files")),
        ("s3+https://s3.example.org/a.b.c/", ("s3.example.org", True, "a.b.c")),
        ("s3+http://[::1]:9000/files", ("[::1]:9000", False, "files")),
    ],
)
def test_the_url_of_a_bucket_is_read(url, location):
    """A URL holds the host, the port, whether to use TLS, and the bucket."""
    assert parse_url(url) == location


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9000/files",
        "s3://files",
        "s3+http://",
        "s3+http:///files",
        "s3+http://localhost:9000",
        "s3+http://localhost:9000/",
        "s3+http://localhost:9000/files/below",
        "s3+http://localhost:port/files",
        "s3+http://localhost:99999/files",
        "s3+http://key:secret@localhost:9000/files",
        "s3+http://localhost:9000/files?region=x",
        "s3+http://local host/files",
        "s3+http://localhost/Files",
        "s3+http://localhost/ab",
        "s3+http://localhost/a..b",
        "s3+http://localhost/-ab",
        "s3+http://localhost/192.168.1.1",
        "s3+http://localhost/" + "a" * 64,
    ],
)
def test_what_is_no_url_of_a_bucket_is_refused(url):
    """The refusal is one line that names the setting and repeats no secret."""
    with pytest.raises(ValueError, match=r"^SATCHEL_STORAGE_URL: .*$") as raised:
        parse_url(url)
    assert "key:secret" not in str(raised.value)


def test_a_public_url_has_no_path():
    """Signatures cover the path, so a server in front may change the host and nothing else."""
    assert parse_public_url("https://files.example.org/") == ("files.example.org", True)
    assert parse_public_url("http://localhost:9000") == ("localhost:9000", False)
    for url in ("files.example.org", "ftp://files.example.org", "https://files.example.org/s3", "https://"):
        with pytest.raises(ValueError, match=r"^SATCHEL_S3_PUBLIC_URL: "):
            parse_public_url(url)


# Parts


@pytest.mark.parametrize("share", [1, FIRST_PART])
def test_the_largest_file_fits(share):
    """5 TiB need no more than 10,000 parts, of which none is smaller or larger than S3 allows."""
    sizes = [part_size(number, share) for number in range(1, MAX_PARTS + 1)]
    assert sum(sizes) >= 5 * TIB
    assert min(sizes) >= MIN_PART
    assert max(sizes) == MAX_PART
    assert sizes == sorted(sizes)


def test_small_files_have_small_parts():
    """The first parts are of 8 MiB, or of the 5 that S3 wants at least where memory is short; then they double."""
    assert part_size(1, FIRST_PART) == part_size(1000, FIRST_PART + 1) == 8 * MIB
    assert part_size(1, FIRST_PART - 1) == part_size(1000, 1) == 5 * MIB
    assert [part_size(number, 1) for number in (1001, 2000, 2001, 3001)] == [16 * MIB, 16 * MIB, 32 * MIB, 64 * MIB]


async def test_large_parts_go_one_at_a_time(s3):
    """Several parts are sent at once while they are small, so that memory is not held twice over."""
    writer = await s3.create(new_object_name())
    assert writer.parallel == 3
    writer._begun = next(number for number in range(MAX_PARTS) if part_size(number + 1, 1) > LARGE)
    assert writer.parallel == 1


@pytest.mark.parametrize(("part", "taken"), [(0, False), (6 * MIB, True)])
async def test_parts_are_alike_for_a_store_that_takes_no_others(s3_at, proxy, bucket, part, taken):
    """With a size set, neither the memory that is left nor the number of parts changes it."""

    async def strict(exchange):
        sizes = [request.length for request in proxy.seen if request.is_part]
        await (exchange.forward() if len(set(sizes[:-1])) == 1 else exchange.answer(400, b"not of one size"))

    proxy.plant(lambda request: request.is_complete, strict)
    async with s3_at(f"s3+http://{proxy.host}:{proxy.port}/{bucket}", part) as store:
        writer = await store.create(name := new_object_name())
        for share in (FIRST_PART, 1, FIRST_PART):
            await writer.write(memoryview(bytes(writer.step(share))))
        await writer.write(memoryview(b"x"))
        with nullcontext() if taken else pytest.raises(SatchelError):
            await writer.commit()
        assert await store.size(name) == (3 * part + 1 if taken else None)
        await writer.abort()


def test_a_size_of_parts_must_do_for_the_largest_file():
    """S3 takes 10,000 parts of 5 MiB to 5 GiB; what cannot come true is refused at the start."""
    assert equal_parts(64 * MIB, 600 * GIB) == 64 * MIB
    for size, largest in [(5 * MIB - 1, 1), (5 * GIB + 1, 1), (64 * MIB, 640_001 * MIB)]:
        with pytest.raises(ValueError, match=r"^SATCHEL_S3_PART_SIZE: "):
            equal_parts(size, largest)


# Requests


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, ["PUT", "HEAD"]),
        (1, ["PUT", "HEAD"]),
        (MIN_PART - 1, ["PUT", "HEAD"]),
        (MIN_PART, ["begin", "part 1", "complete", "HEAD"]),
        (MIN_PART + 1, ["begin", "part 1", "part 2", "complete", "HEAD"]),
    ],
)
async def test_a_small_file_is_one_put(faulty, proxy, size, expected):
    """Only a file that fills a part is uploaded in parts; what is stored is always looked at."""
    data = random.Random(size).randbytes(size)
    name = await put(faulty, data)
    assert [_named(request) for request in proxy.seen] == expected
    assert await get(faulty, name, size) == data


def _named(request):
    if request.is_part:
        return f"part {request.query['partNumber']}"
    return "begin" if request.is_begin else "complete" if request.is_complete else request.method


async def test_a_file_between_two_sizes_of_parts_is_one_put(faulty, proxy):
    """What is shorter than the part that was asked for is the whole file."""
    name = new_object_name()
    writer = await faulty.create(name)
    assert writer.step(FIRST_PART) == FIRST_PART
    await writer.write(memoryview(b"x" * (FIRST_PART - 1)))
    await writer.commit()
    assert [_named(request) for request in proxy.seen] == ["PUT", "HEAD"]
    assert await get(faulty, name, FIRST_PART - 1) == b"x" * (FIRST_PART - 1)


async def test_only_the_last_write_is_short(s3):
    """A short write in the middle is a mistake, which S3 would refuse much later."""
    writer = await s3.create(new_object_name())
    await writer.write(memoryview(b"x" * MIN_PART))
    await writer.write(memoryview(b"short"))
    with pytest.raises(ValueError, match="only the last"):
        await writer.write(memoryview(b"more"))
    await writer.abort()


async def test_a_range_is_asked_of_the_store(faulty, proxy):
    """Nothing is fetched but what is wanted."""
    data = random.Random(3).randbytes(MIB)
    name = await put(faulty, data)
    proxy.seen.clear()
    assert await get(faulty, name, MIB, 1000, 10) == data[1000:1010]
    [request] = proxy.seen
    assert b"\r\nRange: bytes=1000-1009\r\n" in request.head + b"\r\n"


async def test_few_bytes_are_read_and_keep_their_connection(s3):
    """A connection that was tapped cannot be used again, so only many bytes are worth one."""
    reader = await s3.read(await put(s3, b"data"), 4, 0, 4)
    assert reader.slices() is None
    await reader.aclose()


async def test_bytes_behind_tls_are_read():
    """What comes encrypted has to be seen; moving it would give the client the ciphertext."""
    for scheme, fits in (("http", True), ("https", False)):
        response = SimpleNamespace(connection=object(), url=URL(f"{scheme}://localhost/bucket/name"))
        assert Tap.fits(response) is fits
    assert not Tap.fits(SimpleNamespace(connection=None, url=URL("http://localhost/all/there")))
    assert not Tap.fits(None)


async def test_the_files_of_other_names_stay(s3, seaweed, bucket):
    """Deleting aborts the uploads of exactly the name, and no other, however alike."""
    name = new_object_name()
    async with seaweed.client() as client:
        for other in (name, name, name + "x", name[:-1]):
            await client._create_multipart_upload(bucket, other, {})
        await s3.delete(name)
        left = await seaweed.multiparts(bucket)
        assert name not in left
        assert {name + "x", name[:-1]} <= set(left)
        for upload in (await client._list_multipart_uploads(bucket)).uploads:
            await client._abort_multipart_upload(bucket, upload.object_name, upload.upload_id)


async def test_an_upload_that_a_crash_left_is_deleted(s3, seaweed, bucket):
    """Parts whose upload nobody recorded are found by the name."""
    name = new_object_name()
    writer = await s3.create(name)
    await writer.write(memoryview(b"x" * MIN_PART))
    assert name in await seaweed.multiparts(bucket)
    await s3.delete(name)
    assert name not in await seaweed.multiparts(bucket)


async def test_more_uploads_of_a_name_than_a_listing_holds(faulty, proxy, seaweed, bucket):
    """A listing is followed to its end."""
    name = new_object_name()
    async with seaweed.client() as client:
        for _ in range(5):
            await client._create_multipart_upload(bucket, name, {})
    real = faulty._bucket._client._list_multipart_uploads
    faulty._bucket._client._list_multipart_uploads = lambda *args, **kwargs: real(*args, max_uploads=2, **kwargs)
    await faulty.delete(name)
    assert name not in await seaweed.multiparts(bucket)
    assert proxy.count(lambda request: request.method == "GET") == 3


# Links


async def test_a_link_gives_the_object_its_type_and_name(s3):
    """Whoever has the link gets the bytes from the store, as a file of that name and type."""
    name = await put(s3, b"data")
    disposition = "attachment; filename=\"a b.txt\"; filename*=UTF-8''%E2%82%AC.txt"
    url = await s3.link(name, "text/x-test; charset=utf-8", disposition)
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        part = await client.get(url, headers={"Range": "bytes=1-2"})
        changed = await client.get(url.replace("a%20b.txt", "other.txt"))
        other = await client.get(url.replace(name, await put(s3, b"other")))
    assert (answer.status_code, answer.content) == (200, b"data")
    assert answer.headers["Content-Type"] == "text/x-test; charset=utf-8"
    assert answer.headers["Content-Disposition"] == disposition
    assert (part.status_code, part.content) == (206, b"at")
    assert changed.status_code == other.status_code == 403


async def test_a_link_leads_to_where_clients_reach_the_store(s3_at, bucket_url, proxy):
    """The host that is signed is the public one."""
    public = f"http://{proxy.host}:{proxy.port}"
    async with s3_at(bucket_url, public_url=public) as store, httpx.AsyncClient() as client:
        url = await store.link(await put(store, b"data"), "text/plain", "inline")
        assert url.startswith(public)
        assert (await client.get(url)).content == b"data"
    assert len(proxy.seen) == 1


async def test_a_link_ends(s3_at, bucket_url):
    """A link carries how long it works, and the store keeps to it."""
    async with s3_at(bucket_url, link_lifetime=timedelta(seconds=1)) as store, httpx.AsyncClient() as client:
        url = await store.link(await put(store, b"data"), "text/plain", "inline")
        assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["1"]
        for _ in range(100):
            answer = await client.get(url)
            if answer.status_code != 200:
                break
            await asyncio.sleep(0.1)
        assert answer.status_code == 403


# Starting


async def test_a_missing_bucket_is_made(s3_at, seaweed):
    """The first start makes the bucket, also when several servers start at once; later ones find it."""
    url = seaweed.new_bucket_url()

    async def start():
        async with s3_at(url) as store:
            await store.ping()
            return await put(store, b"data")

    names = await asyncio.gather(*(start() for _ in range(3)))
    assert await seaweed.objects(urlsplit(url).path.strip("/")) == dict.fromkeys(names, 4)
    async with s3_at(url) as store:
        assert await get(store, names[0], 4) == b"data"


async def _why(store):
    with pytest.raises(CannotStart, match=r"^SATCHEL_\w+: [^\n]+$") as raised:
        await store.open()
    assert all(session.closed for session in store._bucket._sessions)
    return str(raised.value)


async def test_a_wrong_key_stops_the_start(bucket_url, seaweed):
    """The line names the setting that is wrong, key or secret, and repeats neither."""
    unknown = S3BlobStore(Bucket(bucket_url, access_key="unknown-key", secret_key=seaweed.secret_key))
    assert "SATCHEL_S3_ACCESS_KEY" in await _why(unknown)
    wrong = S3BlobStore(Bucket(bucket_url, access_key=seaweed.access_key, secret_key="wrong-secret"))
    reason = await _why(wrong)
    assert reason.startswith("SATCHEL_S3_SECRET_KEY: ")
    assert "wrong-secret" not in reason


async def test_a_wrong_address_stops_the_start(seaweed, unused_tcp_port, s3_keys):
    """Where nothing answers, where there is no TLS, and where something else answers, the line names the URL."""
    nothing = S3BlobStore(Bucket(f"s3+http://127.0.0.1:{unused_tcp_port}/files", **s3_keys))
    assert "nothing answers" in await _why(nothing)
    plain = S3BlobStore(Bucket(f"s3+https://127.0.0.1:{seaweed.port}/files", **s3_keys))
    assert "no TLS" in await _why(plain)
    unknown = S3BlobStore(Bucket("s3+http://no-such-host.invalid/files", **s3_keys))
    assert (await _why(unknown)).startswith("SATCHEL_STORAGE_URL: ")


async def test_another_server_stops_the_start(proxy, s3_keys):
    """A web server that is no S3 store is told apart, whatever it answers."""
    for status, body in ((200, b"<html>hello</html>"), (404, b"<html>"), (405, b""), (201, b"{}")):
        proxy.heal()
        proxy.plant(lambda _: True, lambda exchange, s=status, b=body: exchange.answer(s, b, "text/html"))
        store = S3BlobStore(Bucket(f"s3+http://{proxy.host}:{proxy.port}/files", **s3_keys))
        assert "does not act as an S3 store" in await _why(store)


async def test_what_speaks_no_http_stops_the_start(proxy, s3_keys):
    """A port of another service, or one for TLS, is told apart too."""

    async def greet(exchange):
        exchange._writer.write(b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n")
        await exchange._writer.drain()

    proxy.plant(lambda _: True, greet)
    store = S3BlobStore(Bucket(f"s3+http://{proxy.host}:{proxy.port}/files", **s3_keys))
    assert "no HTTP" in await _why(store)


@pytest.mark.parametrize(
    ("status", "code", "setting"),
    [
        (403, "AccessDenied", "SATCHEL_S3_ACCESS_KEY"),
        (400, "AuthorizationHeaderMalformed", "SATCHEL_S3_REGION"),
        (400, "IllegalLocationConstraintException", "SATCHEL_S3_REGION"),
        (409, "BucketAlreadyExists", "SATCHEL_STORAGE_URL"),
        (400, "InvalidBucketName", "SATCHEL_STORAGE_URL"),
        (403, "RequestTimeTooSkewed", "SATCHEL_STORAGE_URL"),
    ],
)
async def test_a_refusal_names_its_setting(proxy, s3_keys, status, code, setting):
    """What AWS and MinIO answer to a bucket that is not ours, a wrong region or a wrong clock."""
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    proxy.plant(lambda _: True, lambda exchange: exchange.answer(status, body))
    store = S3BlobStore(Bucket(f"s3+http://{proxy.host}:{proxy.port}/files", **s3_keys))
    assert (await _why(store)).startswith(f"{setting}: ")


def test_a_setting_that_cannot_be_is_refused_at_once(s3_keys):
    """What needs no store to be seen as wrong does not wait for one."""
    with pytest.raises(ValueError, match="SATCHEL_S3_REGION"):
        S3BlobStore(Bucket("s3+http://localhost/files", region="no region", **s3_keys))
    with pytest.raises(ValueError, match="SATCHEL_S3_PUBLIC_URL"):
        S3BlobStore(Bucket("s3+http://localhost/files", public_url="localhost", **s3_keys))


async def test_a_store_that_is_gone_says_so(s3_at, seaweed):
    """A bucket that was removed, and a server that does not answer, are stores that are not there."""
    url = seaweed.new_bucket_url()
    async with s3_at(url) as store:
        await store.ping()
        async with seaweed.client() as client:
            await client.remove_bucket(urlsplit(url).path.strip("/"))
        assert await code_of(store.ping()) is Code.STORE_UNAVAILABLE
        assert await code_of(store.read(new_object_name(), 4, 0, 4)) is Code.STORE_UNAVAILABLE


async def test_a_store_that_comes_back_is_used_again():
    """A store that crashed and started again needs no restart of ours."""
    own = Seaweed().start()
    try:
        store = S3BlobStore(Bucket(own.new_bucket_url(), access_key=own.access_key, secret_key=own.secret_key))
        await store.open()
        name = await put(store, b"data")
        reader = await store.read(name, 4, 0, 4)
        await reader.aclose()
        own.kill()
        for attempt in (store.ping(), store.read(name, 4, 0, 4), put(store, b"data"), store.delete(name)):
            assert await code_of(attempt) is Code.STORE_UNAVAILABLE
        own.restart()
        await store.ping()
        await put(store, b"other")
        await store.delete(name)
        await store.close()
    finally:
        own.stop()


async def test_downloads_do_not_take_the_connections_of_others(s3_at, bucket_url):
    """Where clients that read slowly hold all connections for downloads, uploads and checks go on."""
    async with s3_at(bucket_url, connections=1) as store:
        name = await put(store, bytes(16 * MIB))
        reader = await store.read(name, 16 * MIB, 0, 16 * MIB)
        await anext(reader)
        await store.ping()
        await put(store, bytes(2 * MIN_PART))
        await reader.aclose()
        assert await get(store, name, 16 * MIB, 0, 5) == bytes(5)


@either_way
async def test_downloads_take_turns_where_connections_are_few(s3_at, bucket_url, monkeypatch, way):
    """Clients that read slowly, or not at all, do not keep others from the store; each gets all its bytes."""
    monkeypatch.setattr("satchel.blobs.s3.reader.TURN", 0.01)
    data = random.Random(5).randbytes(4 * MIB)
    async with asyncio.timeout(PATIENCE), s3_at(bucket_url, connections=1) as store:
        name = await put(store, data)
        still = await store.read(name, len(data), 0, len(data))
        pieces = way(still)
        begun = await anext(pieces)
        readers = [await store.read(name, len(data), 0, len(data)) for _ in range(2)]
        taken = [b"", b""]
        async for both in zipped(*(way(reader) for reader in readers)):
            taken = [so_far + piece for so_far, piece in zip(taken, both, strict=True)]
        assert await get(store, name, len(data), 7, 5) == data[7:12]
        assert taken == [data, data]
        assert begun + b"".join([piece async for piece in pieces]) == data
        for reader in (still, *readers):
            await reader.aclose()
        assert not store._bucket.turns.locked()


async def zipped(*iterators):
    """What each gives next, or nothing where it has ended, until all have."""
    while any(pieces := [await anext(iterator, b"") for iterator in iterators]):
        yield pieces


# The client


def test_the_private_methods_of_the_client_are_as_we_use_them():
    """miniopy-async has no public call for the steps of a multipart upload, so a new release must be looked at."""
    expected = {
        Minio._create_multipart_upload: ["self", "bucket_name", "object_name", "headers"],
        Minio._complete_multipart_upload: ["self", "bucket_name", "object_name", "upload_id", "parts"],
        Minio._abort_multipart_upload: ["self", "bucket_name", "object_name", "upload_id"],
    }
    for method, names in expected.items():
        assert inspect.iscoroutinefunction(method)
        assert list(inspect.signature(method).parameters) == names
    listing = inspect.signature(Minio._list_multipart_uploads).parameters
    assert {"bucket_name", "prefix", "key_marker", "upload_id_marker"} <= set(listing)
    assert {"bucket_name", "query_params"} <= set(inspect.signature(Minio._execute).parameters)
    assert {"is_truncated", "next_key_marker", "next_upload_id_marker", "uploads"} <= set(
        dir(ListMultipartUploadsResult)
    )
    assert "etag" in dir(CompleteMultipartUploadResult)
    assert InvalidResponseError(418, None, None)._code == 418


async def test_an_address_is_signed_without_a_request(faulty, proxy):
    """With a region given, the client asks nobody where the bucket is."""
    await faulty._bucket._signed("PUT", new_object_name(), {"partNumber": "1", "uploadId": "x"})
    await faulty.link(new_object_name(), "text/plain", "inline")
    assert proxy.seen == []


async def test_parts_are_as_small_as_memory_wants(s3):
    """Where many uploads share the memory, each takes less of it."""
    writer = await s3.create(new_object_name())
    assert writer.step(SHARE) == MIN_PART
    assert writer.step(100 * MIB) == FIRST_PART

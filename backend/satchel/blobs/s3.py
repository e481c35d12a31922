"""Blobs as objects of one bucket, in MinIO or any store that speaks S3.

Bytes go over connections of our own, to addresses that miniopy-async signs, so that nothing between the caller's memory
and the socket copies or hashes them; everything else is a call of miniopy-async.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, Self, TypeVar, cast
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import aiohttp
import structlog
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from miniopy_async.api import Minio
from miniopy_async.datatypes import Part
from miniopy_async.error import InvalidResponseError, MinioException, S3Error, ServerError
from yarl import URL

from satchel.blobs import checked, damaged
from satchel.errors import CannotStart, Code, SatchelError
from satchel.tasks import Tasks

T = TypeVar("T")

MIB = 1024 * 1024

# What S3 allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000
MIN_PART = 5 * MIB  # but for the last

FIRST_PART = 8 * MIB
PARTS_OF_A_SIZE = 1_000
MAX_PART = 1616 * MIB
"""Parts double until here, and no further: so the largest file takes no more memory than it must."""

MANY, LARGE = 3, 16 * MIB
"""Parts that are sent at once, and the size from which only one is, because one then fills the line."""

CONNECT_TIMEOUT = 5.0
SILENCE = 30.0
"""Seconds without a byte, in either direction, after which a connection is given up."""
POOL_TIMEOUT = 10.0
"""Seconds that a download waits for a connection while others have them all."""
PING_TIMEOUT = 3.0
ABORT_TIMEOUT = 10.0

PAUSES = (0.2, 0.8, 3.2)
"""Seconds before the second and each further attempt, at most; at least half of it."""

SLICE = 256 * 1024
SIGNED_FOR = timedelta(hours=1)  # a request begins at once; the rest is for a clock that goes wrong

_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*(\.\.|\.-|-\.))[a-z0-9.-]{1,61}[a-z0-9]")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_FULL = {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"}
_BUSY = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "OperationAborted"}

# Why a server cannot start, by the code of the answer, and by the error where there was no answer.
_OTHER_REGION = "SATCHEL_S3_REGION: the store at {address} is in another region ({answer})"
_FORBIDDEN = "SATCHEL_S3_ACCESS_KEY: the store at {address} does not let this key use the bucket {bucket!r} ({answer})"
_UNLIKE_S3 = "SATCHEL_STORAGE_URL: what answers at {address} does not act as an S3 store ({answer})"
_REFUSED = {
    "InvalidAccessKeyId": "SATCHEL_S3_ACCESS_KEY: the store at {address} does not know this key",
    "SignatureDoesNotMatch": "SATCHEL_S3_SECRET_KEY: is not the secret of SATCHEL_S3_ACCESS_KEY at {address}",
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "InvalidRegion": _OTHER_REGION,
    "PermanentRedirect": _OTHER_REGION,
    "BucketAlreadyExists": "SATCHEL_STORAGE_URL: the bucket {bucket!r} at {address} belongs to somebody else",
    "InvalidBucketName": "SATCHEL_STORAGE_URL: the store at {address} takes no bucket of the name {bucket!r}",
    "RequestTimeTooSkewed": "SATCHEL_STORAGE_URL: the clock of the store at {address} differs too much from ours",
}
_UNREACHABLE: dict[type[BaseException], str] = {
    aiohttp.ClientConnectorCertificateError: (
        "SATCHEL_STORAGE_URL: the certificate of {address} is not trusted (SSL_CERT_FILE names those that are)"
    ),
    aiohttp.ClientConnectorSSLError: "SATCHEL_STORAGE_URL: no TLS at {address}; s3+http:// goes without",
    aiohttp.ClientResponseError: "SATCHEL_STORAGE_URL: no HTTP at {address}; s3+https:// is with TLS",
    BaseException: "SATCHEL_STORAGE_URL: nothing answers at {address} ({error})",
}

# What a call of the client, or a request of our own, fails with where the fault is not ours.
_FAULTS = (MinioException, aiohttp.ClientError, OSError, ParseError, UnicodeDecodeError)

log = structlog.get_logger(__name__)


class Location(NamedTuple):
    """Where a bucket is: `host` or `host:port`, whether by TLS, and its name."""

    endpoint: str
    secure: bool
    bucket: str


def parse_url(url: str) -> Location:
    """Read `s3+http://host:port/bucket` or `s3+https://host/bucket`.

    Raises:
        ValueError: it is neither; in one line that names the setting, without what may be a password.
    """
    if not url.startswith(("s3+http://", "s3+https://")):
        raise ValueError("SATCHEL_STORAGE_URL: an S3 store is s3+http://host:port/bucket or s3+https://host/bucket")
    endpoint, secure, path = _parse(url.removeprefix("s3+"), "SATCHEL_STORAGE_URL")
    bucket = path.strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            f"SATCHEL_STORAGE_URL: {bucket!r} is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens"
        )
    return Location(endpoint, secure, bucket)


def parse_public_url(url: str) -> tuple[str, bool]:
    """Read `http://host:port` or `https://host`: the endpoint, and whether by TLS. Raises ValueError as `parse_url`."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("SATCHEL_S3_PUBLIC_URL: must be http://host:port or https://host")
    endpoint, secure, path = _parse(url, "SATCHEL_S3_PUBLIC_URL")
    if path.strip("/"):
        raise ValueError("SATCHEL_S3_PUBLIC_URL: must end with the host; a path would break the signatures")
    return endpoint, secure


def _parse(url: str, setting: str) -> tuple[str, bool, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    if not host or re.search(r"[\s\\%]", host):
        raise ValueError(f"{setting}: names no host")
    if "@" in parts.netloc:
        raise ValueError(f"{setting}: keys do not go here but into SATCHEL_S3_ACCESS_KEY and SATCHEL_S3_SECRET_KEY")
    if parts.query or parts.fragment:
        raise ValueError(f"{setting}: must end with the path")
    name = f"[{host}]" if ":" in host else host
    return (name if port is None else f"{name}:{port}"), parts.scheme == "https", parts.path


def part_size(number: int, share: int) -> int:
    """Bytes of the part with this number, from 1, where memory allows for `share`.

    Parts are small for small files, and grow so that 10,000 of them hold the largest.
    """
    doubled = (number - 1) // PARTS_OF_A_SIZE
    if doubled == 0:
        return MIN_PART if share < FIRST_PART else FIRST_PART
    return min(FIRST_PART << doubled, MAX_PART)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Turn what the store answered, or that it did not, into the table's failures; the cause stays in the log."""
    try:
        yield
    except _FAULTS as error:
        log.error("store failed", doing=doing, error=_described(error))
        status, code = _answer(error)
        if status == HTTPStatus.INSUFFICIENT_STORAGE or code in _FULL:
            raise SatchelError(Code.INSUFFICIENT_STORAGE, "There is no room left to store the file.") from error
        raise SatchelError(Code.STORE_UNAVAILABLE, "The blob store failed; try again later.") from error


class S3BlobStore:
    """The `BlobStore` on a bucket; any number of servers may share it.

    Args:
        url: the bucket; see `parse_url`.
        access_key: the name of the key.
        secret_key: the key.
        region: the store's.
        connections: how many there may be to the store: for uploads, for downloads, and for all else.
        public_url: where clients reach the store; see `parse_public_url`. Empty: as we do.
        link_lifetime: how long a link works, 7 days at most.

    Raises:
        ValueError: one of them cannot be; the line names the setting.
    """

    def __init__(
        self,
        url: str,
        *,
        access_key: str,
        secret_key: str,
        region: str = "us-east-1",
        connections: int = 64,
        public_url: str = "",
        link_lifetime: timedelta = timedelta(minutes=5),
    ) -> None:
        endpoint, secure, self._bucket = parse_url(url)
        public = parse_public_url(public_url) if public_url else (endpoint, secure)
        try:
            # With a region the client does not ask the store for it; so signing needs no request.
            self._client = Minio(endpoint, access_key, secret_key, secure=secure, region=region)
            self._public = Minio(public[0], access_key, secret_key, secure=public[1], region=region)
        except ValueError as error:
            raise ValueError(f"SATCHEL_S3_REGION, SATCHEL_STORAGE_URL or SATCHEL_S3_PUBLIC_URL: {error}") from error
        self._address = f"{'https' if secure else 'http'}://{endpoint}"
        self._connections = connections
        self._lifetime = link_lifetime
        self._sessions: list[aiohttp.ClientSession] = []
        self.tasks = Tasks()

    async def open(self) -> None:
        """Look for the bucket, with the key, and make it when it is missing."""
        # Uploads wait for a connection as long as it takes, since what they wait for is a part, and not a slow client.
        self._uploads = self._new_session()
        self._downloads = self._new_session(pool=POOL_TIMEOUT)
        self._client.set_session(self._new_session())
        try:
            await self._persist("open", self._find_bucket)
        except _FAULTS as error:
            await self.close()
            raise CannotStart(self._reason(error)) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Wait for what goes on in the background, such as removals, and close the connections."""
        await self.tasks.drain()
        for session in self._sessions:
            await session.close()

    async def ping(self) -> None:
        """Ask for the bucket, once and not for long."""
        with _translated("ping"):
            async with asyncio.timeout(PING_TIMEOUT):
                if not await self._client.bucket_exists(self._bucket):
                    raise ServerError("the bucket is gone", HTTPStatus.NOT_FOUND)

    async def create(self, name: str) -> "S3BlobWriter":
        """Start an object; the store learns of it with the first bytes."""
        return S3BlobWriter(self, checked(name))

    async def read(self, name: str, size: int, start: int, length: int) -> "S3BlobReader":
        """Ask for the bytes, and check the size of the whole in the answer."""
        reader = S3BlobReader(self, checked(name), size, start, start + length)
        await reader.open()
        return reader

    async def link(self, name: str, content_type: str, disposition: str) -> str | None:
        """A presigned GET (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)."""
        overrides: dict[str, Any] = {"response-content-type": content_type, "response-content-disposition": disposition}
        return await self._public.get_presigned_url(
            "GET", self._bucket, checked(name), expires=self._lifetime, response_headers=overrides
        )

    async def delete(self, name: str) -> None:
        """Abort every multipart upload of the name, and remove the object."""
        checked(name)
        with _translated("delete"):
            await self._persist("delete", lambda: self._remove(name))

    # For the writer and the reader: these raise what the store answered.

    async def put(self, name: str, data: memoryview, **query: str) -> str:
        """Send an object, or one part of it, and give its ETag."""

        async def send() -> str:
            address = await self._signed("PUT", name, query)
            body = _Body(data)
            return await self._settled(answer(address, body), lambda: body.sent)

        async def answer(address: URL, body: _Body) -> str:
            try:
                async with self._uploads.put(address, data=body, allow_redirects=False) as response:
                    if response.status != HTTPStatus.OK:
                        raise await _refusal(response)
                    if "ETag" not in response.headers:
                        raise ServerError("the answer has no ETag", HTTPStatus.BAD_GATEWAY)
                    return response.headers["ETag"].strip('"')
            except BaseException:
                body.let_go()
                raise

        return await self._persist("put", send)

    async def get(self, name: str, size: int, start: int, stop: int) -> aiohttp.ClientResponse:
        """Ask for a range of an object, with its body yet to be read. Raises STORE_INTEGRITY for another size."""
        headers = {"Accept-Encoding": "identity"}
        if stop - start < size:
            headers["Range"] = f"bytes={start}-{stop - 1}"

        async def ask() -> aiohttp.ClientResponse:
            response = await self._downloads.get(await self._signed("GET", name), headers=headers)
            try:
                if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise damaged(name, f"ends before {stop}, {size} bytes wanted")
                if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                    raise await _refusal(response)
                given = _given(response)
                if given.size != size:
                    raise damaged(name, f"{given.size} bytes, not {size}")
                if (given.start, given.stop) != (start, stop):
                    raise ServerError(f"asked for {start}-{stop}, got {given.start}-{given.stop}", response.status)
            except BaseException:
                response.close()
                raise
            return response

        try:
            return await self._persist("get", ask)
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise damaged(name, "missing") from error
            raise

    async def size(self, name: str) -> int | None:
        """How many bytes the object has; None where there is none."""
        try:
            found = await self._persist("head", lambda: self._client.stat_object(self._bucket, name))
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return found.size

    async def begin_multipart(self, name: str) -> str:
        """Begin a multipart upload, and give its id."""

        async def begin() -> str:
            try:
                return await self._client._create_multipart_upload(self._bucket, name, {})
            except ValueError as error:
                raise ServerError("the answer has no upload id", HTTPStatus.BAD_GATEWAY) from error

        return await self._persist("create multipart", begin)

    async def complete_multipart(self, name: str, upload_id: str, etags: dict[int, str]) -> None:
        """Make one object of the parts, in the order of their numbers; each is named by its ETag."""
        parts = [Part(number, etags[number]) for number in sorted(etags)]

        async def complete() -> None:
            request = self._client._complete_multipart_upload(self._bucket, name, upload_id, parts)
            try:
                result = await self._settled(request, lambda: True)
                # The status is sent before the work is done, so a failure comes in the body of a 200, with no ETag.
                # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
                if not result.etag:
                    raise ServerError("a failure in a 200", HTTPStatus.INTERNAL_SERVER_ERROR)
            except _FAULTS as error:
                # The object may be there all the same: an answer can get lost, and then asking again is refused.
                log.warning("complete not confirmed", object_name=name, error=_described(error))
                if await self.size(name) is None:
                    raise

        await self._persist("complete multipart", complete)

    async def give_up(self, name: str, multipart: asyncio.Task[str] | None) -> None:
        """Remove what was written, once and without much patience. Never raises.

        Args:
            name: the object's.
            multipart: the beginning of its multipart upload, which may not have ended yet.
        """
        try:
            async with asyncio.timeout(ABORT_TIMEOUT):
                if multipart is not None:
                    await asyncio.wait([multipart])
                await self._remove(name)
        except _FAULTS as error:
            log.warning("not removed; left to the sweeper", object_name=name, error=_described(error))

    def _new_session(self, pool: float | None = None) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=None, connect=pool, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=SLICE,
        )
        self._sessions.append(session)
        return session

    async def _signed(self, method: str, name: str, query: dict[str, str] | None = None) -> URL:
        """An address for one request; its body is not part of the signature."""
        url = await self._client.get_presigned_url(
            method, self._bucket, name, expires=SIGNED_FOR, extra_query_params=dict(query or {})
        )
        return URL(url, encoded=True)

    async def _persist(self, doing: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Do it, and again after faults that pass: each attempt must be harmless after one whose end is unknown."""
        for pause in PAUSES:
            try:
                return await attempt()
            except _FAULTS as error:
                if not _passes(error):
                    raise
                log.warning("store failed, asked again", doing=doing, error=_described(error))
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # servers must not come back in step
        return await attempt()

    async def _settled(self, request: Coroutine[Any, Any, T], sent: Callable[[], bool]) -> T:
        """The answer to a request that makes something; a cancelled caller waits for it too, though not for long.

        The store goes on with a request that it has whole when the client leaves, so whatever is removed before the
        answer may come back. A request that it does not have whole has no effect.
        """
        task = self.tasks.spawn(request)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if sent():
                await _ended(task, ABORT_TIMEOUT)
            task.cancel()
            await _ended(task)
            raise

    async def _remove(self, name: str) -> None:
        # In this order: an upload that is completed just now leaves an object, and that is removed after.
        for upload_id in await self._unfinished(name):
            try:
                await self._client._abort_multipart_upload(self._bucket, name, upload_id)
            except S3Error as error:
                if error.code != "NoSuchUpload":
                    raise
        await self._client.remove_object(self._bucket, name)

    async def _unfinished(self, name: str) -> list[str]:
        """The ids of all multipart uploads of this very name."""
        found: list[str] = []
        after: dict[str, Any] = {}
        while True:
            listing = await self._client._list_multipart_uploads(self._bucket, prefix=name, **after)
            found += [str(upload.upload_id) for upload in listing.uploads if upload.object_name == name]
            if not listing.is_truncated:
                return found
            after = {"key_marker": listing.next_key_marker, "upload_id_marker": listing.next_upload_id_marker}

    # Starting

    async def _find_bucket(self) -> None:
        # A HEAD would not tell a wrong key from a wrong secret: its answer has no body.
        try:
            response = await self._client._execute("GET", self._bucket, query_params={"max-keys": "1"})
            if b"ListBucketResult" not in await response.content.read():
                raise InvalidResponseError(response.status, response.headers.get("Content-Type"), None)
        except S3Error as error:
            if error.code != "NoSuchBucket":
                raise
            await self._make_bucket()

    async def _make_bucket(self) -> None:
        try:
            await self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code == "BucketAlreadyOwnedByYou":  # by another server that starts now
                return
            raise
        log.info("bucket made", bucket=self._bucket)

    def _reason(self, error: BaseException) -> str:
        """Why the store cannot be used, in one line that names the setting."""
        status, code = _answer(error)
        if status is None:
            reason = next(text for kind, text in _UNREACHABLE.items() if isinstance(error, kind))
        else:
            unlike = _FORBIDDEN if status == HTTPStatus.FORBIDDEN else _UNLIKE_S3
            reason = _REFUSED.get(code or "", unlike)
        return reason.format(address=self._address, bucket=self._bucket, answer=code or status, error=_described(error))


class S3BlobWriter:
    """The `BlobWriter` of one object: each write is a part of a multipart upload, or a small file as a whole."""

    def __init__(self, store: S3BlobStore, name: str) -> None:
        self._store = store
        self._name = name
        self._size = 0
        self._begun = 0  # writes
        self._first_step = 0
        self._short = False  # the last write was
        self._whole = False  # sent without parts
        self._multipart: asyncio.Task[str] | None = None
        self._etags: dict[int, str] = {}

    @property
    def parallel(self) -> int:
        """Several, while parts are small enough that one alone does not fill the line."""
        return MANY if part_size(self._begun + 1, FIRST_PART) <= LARGE else 1

    def step(self, share: int) -> int:
        """The size of the next part."""
        size = part_size(self._begun + 1, share)
        self._first_step = self._first_step or size
        return size

    async def write(self, data: memoryview) -> None:
        """Store a part, or an object that is smaller than one."""
        if self._short:
            raise ValueError("only the last write may be short")
        if self._begun == MAX_PARTS:
            raise SatchelError(Code.FILE_TOO_LARGE, "The blob store takes no file as large as this.")
        number = self._begun = self._begun + 1
        full = self._first_step or MIN_PART if number == 1 else MIN_PART
        self._short = len(data) < full
        self._size += len(data)
        with _translated("write"):
            if number == 1 and self._short:
                self._whole = True
                await self._store.put(self._name, data)
            else:
                query = {"partNumber": str(number), "uploadId": await self._upload_id()}
                self._etags[number] = await self._store.put(self._name, data, **query)

    async def commit(self) -> None:
        """Complete the object, and see that the store has all of it."""
        with _translated("commit"):
            if self._multipart is not None:
                await self._store.complete_multipart(self._name, await self._upload_id(), self._etags)
            elif not self._whole:
                self._whole = True
                await self._store.put(self._name, memoryview(b""))
            found = await self._store.size(self._name)
        if found != self._size:
            raise damaged(self._name, f"{found} bytes stored of {self._size}")

    async def abort(self) -> None:
        """Abort the multipart upload, or remove the object."""
        if self._whole or self._multipart is not None:
            await asyncio.shield(self._store.tasks.spawn(self._store.give_up(self._name, self._multipart)))

    async def _upload_id(self) -> str:
        """The id of the multipart upload, begun by whoever asks first, for all; a cancelled write leaves it running."""
        if self._multipart is None:
            self._multipart = self._store.tasks.spawn(self._store.begin_multipart(self._name))
        return await asyncio.shield(self._multipart)


class S3BlobReader:
    """The `BlobReader` of a range: one request, and another from where it broke off."""

    file: int | None = None

    def __init__(self, store: S3BlobStore, name: str, size: int, start: int, stop: int) -> None:
        self.position = start
        self.stop = stop
        self._store = store
        self._name = name
        self._size = size
        self._response: aiohttp.ClientResponse | None = None
        self._closed = False

    async def open(self) -> None:
        """Ask for the range. Raises STORE_INTEGRITY, STORE_UNAVAILABLE."""
        with _translated("read"):
            if self.position < self.stop:
                self._response = await self._store.get(self._name, self._size, self.position, self.stop)
            elif (found := await self._store.size(self._name)) != self._size:  # there is no range of no bytes
                raise damaged(self._name, f"{found} bytes, not {self._size}")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._closed or self.position == self.stop:
            raise StopAsyncIteration
        with _translated("read"):
            chunk = await self._read()
        self.position += len(chunk)
        return chunk

    async def _read(self) -> bytes:
        """What came in next; from another connection where one breaks, since the bytes of a name never change."""
        for _ in range(1 + len(PAUSES)):
            try:
                if self._response is None:
                    self._response = await self._store.get(self._name, self._size, self.position, self.stop)
                if chunk := await self._response.content.readany():
                    return chunk
                raise aiohttp.ClientPayloadError("the body ended early")
            except _FAULTS as error:
                self._release()
                if not _passes(error):
                    raise
                log.warning("download broke off", object_name=self._name, at=self.position, error=_described(error))
                broken = error
        raise broken

    async def aclose(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self._closed = True
        self._release()

    def _release(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


class _Body(aiohttp.Payload):
    """A request's body in the caller's memory: sent without a copy, and let go of before that memory is used again."""

    _autoclose = True

    def __init__(self, data: memoryview) -> None:
        super().__init__(data)
        self._size = len(data)
        self._data = data
        self.sent = False
        self._transport: asyncio.Transport | None = None

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it, in slices, each when there is room for it."""
        self.let_go()  # of a connection that turned out to be closed, where aiohttp takes another by itself
        self.sent = False
        self._transport = cast("StreamWriter", writer).transport
        for start in range(0, len(self._data), SLICE):
            async with asyncio.timeout(SILENCE):  # the session's own times only what is received
                await writer.write(self._data[start : start + SLICE])
        self.sent = True

    def let_go(self) -> None:
        """Make sure that nothing is sent from the memory any more: a transport that is merely closed sends the rest."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not asked for; only texts are."""
        raise NotImplementedError


class _Given(NamedTuple):
    """What an answer holds: bytes from `start` to before `stop`, of an object of `size`."""

    start: int
    stop: int
    size: int


def _given(response: aiohttp.ClientResponse) -> _Given:
    length = response.content_length
    if response.status == HTTPStatus.OK and length is not None:
        return _Given(0, length, length)
    told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if told:
        start, last, size = map(int, told.groups())
        if length == last + 1 - start:
            return _Given(start, last + 1, size)
    raise ServerError("the answer does not tell its length", response.status)


async def _refusal(response: aiohttp.ClientResponse) -> MinioException:
    """What the client would raise for an answer that is no success."""
    body = (await response.content.read(SLICE)).decode(errors="replace")
    try:
        return cast("MinioException", S3Error.fromxml(response, body))
    except ParseError:
        return cast("MinioException", InvalidResponseError(response.status, response.headers.get("Content-Type"), body))


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """The status and the code that the store answered with; None where it did not."""
    if isinstance(error, S3Error):
        return error.response.status, error.code
    if isinstance(error, ServerError):
        return error.status_code, None
    if isinstance(error, InvalidResponseError):
        return error._code, None
    return None, None


async def _ended(task: asyncio.Task[Any], within: float | None = None) -> None:
    """Wait for a task, whatever comes of it; a caller that is cancelled once more waits all the same."""
    loop = asyncio.get_running_loop()
    end = None if within is None else loop.time() + within
    while not task.done() and (end is None or loop.time() < end):
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=None if end is None else end - loop.time())


def _passes(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    status, code = _answer(error)
    if status is None:
        return not isinstance(error, aiohttp.ClientSSLError | aiohttp.InvalidURL | aiohttp.TooManyRedirects)
    if code in _FULL or status in {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.INSUFFICIENT_STORAGE}:
        return False
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or code in _BUSY


def _described(error: BaseException) -> str:
    """The error for the log, in one short line, without the signatures of addresses."""
    text = re.sub(r"\?\S*", "?", f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:500]

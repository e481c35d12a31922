"""Requests to one bucket, and their repetition.

Bytes go over connections of our own, to addresses that miniopy-async signs, so that nothing between the caller's memory
and the socket copies or hashes them; everything else is a call of miniopy-async.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import structlog
from miniopy_async.api import Minio
from miniopy_async.datatypes import Part
from miniopy_async.error import InvalidResponseError, S3Error, ServerError
from yarl import URL

from satchel.blobs import damaged
from satchel.errors import CannotStart
from satchel.tasks import Tasks

from .address import parse_public_url, parse_url
from .failures import FAULTS, described, passes, refusal, why_not
from .wire import CHUNK, SILENCE, Body, given

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0
PING_TIMEOUT = 3.0
ABORT_TIMEOUT = 10.0

PAGE = 1000
"""Objects that are listed by one request, which is what S3 gives at most."""

PAUSES = (0.2, 0.8, 3.2)
"""Seconds before the second and each further attempt, at most; at least half of it."""

SIGNED_FOR = timedelta(hours=1)  # a request begins at once; the rest is for a clock that goes wrong

log = structlog.get_logger(__name__)


class Bucket:
    """One bucket, for the store, its writers and its readers. Raises what the store answered; see `failures`.

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
        endpoint, secure, self._name = parse_url(url)
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
        self.turns = asyncio.Semaphore(connections)
        """Of downloads with a connection: each takes one when it asks, and releases it with the answer."""
        self._silent = False  # the last request was not answered in time

    async def open(self) -> None:
        """Look for the bucket, with the key, and make it when it is missing."""
        # Each waits for a connection as long as it takes: what it waits for is a part or a turn, and no slow client.
        self._uploads = self._new_session()
        self._downloads = self._new_session()
        self._client.set_session(self._new_session())
        try:
            await self._persist("open", self._find_bucket)
        except FAULTS as error:
            await self.close()
            raise CannotStart(why_not(error, self._address, self._name)) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Wait for what goes on in the background, such as removals, and close the connections."""
        await self.tasks.drain()
        for session in self._sessions:
            await session.close()

    async def look(self) -> None:
        """Return when the bucket is there; asks once and not for long."""
        if not await self._exists():
            raise ServerError("the bucket is gone", HTTPStatus.NOT_FOUND)

    def note(self, error: BaseException) -> None:
        """Learn from a failure whether the store is silent: one that is gets no request without a sign of life first.

        Each would hold its client, its connection and its memory for as long as the one that found out.
        """
        self._silent = isinstance(error, TimeoutError)

    async def link(self, name: str, content_type: str, disposition: str) -> str:
        """A presigned GET (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)."""
        overrides: dict[str, Any] = {"response-content-type": content_type, "response-content-disposition": disposition}
        return await self._public.get_presigned_url(
            "GET", self._name, name, expires=self._lifetime, response_headers=overrides
        )

    async def put(self, name: str, data: memoryview, **query: str) -> str:
        """Send an object, or one part of it, and give its ETag."""

        async def send() -> str:
            address = await self._signed("PUT", name, query)
            body = Body(data)
            return await self._settled(answer(address, body), lambda: body.sent)

        async def answer(address: URL, body: Body) -> str:
            try:
                async with self._uploads.put(address, data=body) as response:
                    if response.status != HTTPStatus.OK:
                        raise await refusal(response)
                    if "ETag" not in response.headers:
                        raise ServerError("the answer has no ETag", HTTPStatus.BAD_GATEWAY)
                    return response.headers["ETag"].strip('"')
            except BaseException:
                body.let_go()
                raise

        return await self._persist("put", send)

    async def get(self, name: str, size: int, start: int, stop: int) -> aiohttp.ClientResponse:
        """Ask for a range of an object, with its body yet to be read; whoever closes it releases one of `turns`.

        Raises STORE_INTEGRITY for another size.
        """
        headers = {"Accept-Encoding": "identity"}
        if stop - start < size:
            headers["Range"] = f"bytes={start}-{stop - 1}"

        async def ask() -> aiohttp.ClientResponse:
            response = await self._downloads.get(await self._signed("GET", name), headers=headers)
            try:
                if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise damaged(name, f"ends before {stop}, {size} bytes wanted")
                if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                    raise await refusal(response)
                told = given(response)
                if told.size != size:
                    raise damaged(name, f"{told.size} bytes, not {size}")
                if (told.start, told.stop) != (start, stop):
                    raise ServerError(f"asked for {start}-{stop}, got {told.start}-{told.stop}", response.status)
            except BaseException:
                response.close()
                raise
            return response

        await self.turns.acquire()
        try:
            return await self._persist("get", ask)
        except BaseException as error:
            self.turns.release()
            if isinstance(error, S3Error) and error.code == "NoSuchKey":
                raise damaged(name, "missing") from error
            raise

    async def size(self, name: str) -> int | None:
        """How many bytes the object has; None where there is none."""
        try:
            found = await self._persist("head", lambda: self._client.stat_object(self._name, name))
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return found.size

    async def objects(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        """The names and sizes of all objects whose names begin like this, in the order of their names."""
        after: str | None = None
        while True:

            async def page(after: str | None = after) -> list[Any]:
                entries = []
                async for entry in self._client._list_objects(self._name, prefix=prefix, start_after=after):
                    entries.append(entry)
                    if len(entries) == PAGE:
                        break
                return entries

            entries = await self._persist("list", page)
            for entry in entries:
                yield str(entry.object_name), int(entry.size)
            if len(entries) < PAGE:
                return
            after = entries[-1].object_name

    async def unfinished(self, prefix: str) -> AsyncIterator[tuple[str, str]]:
        """The names and ids of all multipart uploads whose names begin like this."""
        after: dict[str, Any] = {}
        while True:
            listing = await self._client._list_multipart_uploads(self._name, prefix=prefix, **after)
            for upload in listing.uploads:
                yield str(upload.object_name), str(upload.upload_id)
            if not listing.is_truncated:
                return
            after = {"key_marker": listing.next_key_marker, "upload_id_marker": listing.next_upload_id_marker}

    async def begin_multipart(self, name: str) -> str:
        """Begin a multipart upload, and give its id."""
        again = False

        async def begin() -> str:
            nonlocal again
            if again:  # what was begun before, and whose id nobody was told, would stay for ever
                await self._abort_unfinished(name)
            again = True
            try:
                return await self._client._create_multipart_upload(self._name, name, {})
            except ValueError as error:
                raise ServerError("the answer has no upload id", HTTPStatus.BAD_GATEWAY) from error

        return await self._persist("create multipart", begin)

    async def complete_multipart(self, name: str, upload_id: str, etags: dict[int, str]) -> None:
        """Make one object of the parts, in the order of their numbers; each is named by its ETag."""
        parts = [Part(number, etags[number]) for number in sorted(etags)]

        async def complete() -> None:
            request = self._client._complete_multipart_upload(self._name, name, upload_id, parts)
            try:
                result = await self._settled(request, lambda: True)
            except S3Error as error:
                # It was completed, and the answer to that got lost. Until the store says so itself it is asked again,
                # even where the object is there: one that broke off before its end keeps the multipart upload as well.
                if error.code != "NoSuchUpload" or await self.size(name) is None:
                    raise
                log.warning("completed before", object_name=name)
                return
            # The status is sent before the work is done, so a failure comes in the body of a 200, with no ETag.
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
            if not result.etag:
                raise ServerError("a failure in a 200", HTTPStatus.INTERNAL_SERVER_ERROR)

        await self._persist("complete multipart", complete)

    async def remove(self, name: str) -> None:
        """Abort every multipart upload of the name, and remove the object."""
        await self._persist("delete", lambda: self._delete(name))

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
                await self._await_sign_of_life()
                await self._delete(name)
        except FAULTS as error:
            log.warning("not removed; left to the sweeper", object_name=name, error=described(error))
        finally:
            if multipart is not None:
                multipart.cancel()  # else one that is still tried may begin after the sweeper was here

    def _new_session(self) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_refuse_redirect)
        session = aiohttp.ClientSession(
            trace_configs=[tracing],
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=CHUNK,
        )
        self._sessions.append(session)
        return session

    async def _signed(self, method: str, name: str, query: dict[str, str] | None = None) -> URL:
        """An address for one request; its body is not part of the signature."""
        url = await self._client.get_presigned_url(
            method, self._name, name, expires=SIGNED_FOR, extra_query_params=dict(query or {})
        )
        return URL(url, encoded=True)

    async def _persist(self, doing: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Do it, and again after faults that pass: each attempt must be harmless after one whose end is unknown."""
        await self._await_sign_of_life()
        for pause in PAUSES:
            try:
                return await self._noted(attempt)
            except FAULTS as error:
                if not passes(error):
                    raise
                log.warning("store failed, asked again", doing=doing, error=described(error))
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # servers must not come back in step
            await self._await_sign_of_life()
        return await self._noted(attempt)

    async def _await_sign_of_life(self) -> None:
        """Where the store was silent, wait until it answers, whatever it does; raises where it soon does not."""
        if self._silent:
            try:
                await self._noted(self._exists)
            except FAULTS:
                if self._silent:
                    raise

    async def _noted(self, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await attempt()
        except FAULTS as error:
            self.note(error)
            raise
        self._silent = False
        return result

    async def _exists(self) -> bool:
        async with asyncio.timeout(PING_TIMEOUT):
            return await self._client.bucket_exists(self._name)

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

    async def _delete(self, name: str) -> None:
        # In this order: an upload that is completed just now leaves an object, and that is removed after.
        await self._abort_unfinished(name)
        await self._client.remove_object(self._name, name)

    async def _abort_unfinished(self, name: str) -> None:
        for upload_id in await self._unfinished(name):
            try:
                await self._client._abort_multipart_upload(self._name, name, upload_id)
            except S3Error as error:
                if error.code != "NoSuchUpload":
                    raise

    async def _unfinished(self, name: str) -> list[str]:
        """The ids of all multipart uploads of this very name."""
        return [upload_id async for found, upload_id in self.unfinished(name) if found == name]

    # Starting

    async def _find_bucket(self) -> None:
        # A HEAD would not tell a wrong key from a wrong secret: its answer has no body.
        try:
            response = await self._client._execute("GET", self._name, query_params={"max-keys": "1"})
            if b"ListBucketResult" not in await response.content.read():
                raise InvalidResponseError(response.status, response.headers.get("Content-Type"), None)
        except S3Error as error:
            if error.code != "NoSuchBucket":
                raise
            await self._make_bucket()

    async def _make_bucket(self) -> None:
        try:
            await self._client.make_bucket(self._name)
        except S3Error as error:
            if error.code == "BucketAlreadyOwnedByYou":  # by another server that starts now
                return
            raise
        log.info("bucket made", bucket=self._name)


async def _refuse_redirect(_: aiohttp.ClientSession, __: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    """Whoever answers in the store's place must not have us ask servers that only we reach."""
    response = redirect.response
    if "Location" in response.headers:  # else it is a refusal with a body that tells why
        response.close()
        raise InvalidResponseError(response.status, response.headers.get("Content-Type"), None)


async def _ended(task: asyncio.Task[Any], within: float | None = None) -> None:
    """Wait for a task, whatever comes of it; a caller that is cancelled once more waits all the same."""
    loop = asyncio.get_running_loop()
    end = None if within is None else loop.time() + within
    while not task.done() and (end is None or loop.time() < end):
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=None if end is None else end - loop.time())

"""Bytes on their way in: received, hashed and stored under a lease, until they are published or given up.

Steps U1 to U3 of the write protocol; see `satchel.files`.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from math import inf
from mmap import mmap
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from satchel.blobs import BlobStore, BlobWriter, new_object_name
from satchel.config import Settings
from satchel.errors import Code, SatchelError, too_large
from satchel.failpoints import reach
from satchel.filenames import clean_filename
from satchel.media import HEAD_SIZE, PDF, SCRIPTED_PDF, detect_type, kind_of
from satchel.memory import Memory
from satchel.metadata import Metadata, Publication
from satchel.pdf import ScriptSearch
from satchel.tasks import Tasks
from satchel.threads import run_in

MIN_RATE = 64 * 1024
"""The least bytes a second with which a client fills memory that others wait for."""

log = structlog.get_logger(__name__)


class Upload:
    """Bytes on their way in: counted, hashed and stored in steps, under a lease.

    Written by one task at a time; hashing and writing run on threads, while the caller receives the next bytes.
    """

    def __init__(
        self,
        uploads: "Uploads",
        upload_id: UUID,
        object_name: str,
        filename: str,
        declared_type: str | None,
        writer: BlobWriter,
    ) -> None:
        self.id = upload_id
        self.filename = filename
        self.size = 0
        self.sha256 = ""
        self.published = False
        self._uploads = uploads
        self.object_name = object_name
        self._declared_type = declared_type
        self._writer = writer
        self._limit = uploads.max_size
        self._max_pdf_unpacked = uploads.max_pdf_unpacked
        self._digest = hashlib.sha256()
        self._head = b""
        self._content_type = ""
        self._scripts: ScriptSearch | None = None
        self._filling: mmap | None = None
        self._filled = 0
        self._since = inf
        self._hashed: asyncio.Task[None] | None = None
        self._storing: set[asyncio.Task[None]] = set()
        self._open = True
        self._given_up: SatchelError | None = None

    async def write(self, data: memoryview) -> None:
        """Take the next bytes (U2).

        Raises:
            SatchelError: FILE_TOO_LARGE, LEASE_LOST, REQUEST_TIMEOUT, INSUFFICIENT_STORAGE or STORE_UNAVAILABLE.
        """
        self._raise_if_given_up()
        self.size += len(data)
        if self.size > self._limit:
            raise too_large(self._limit)
        if len(self._head) < HEAD_SIZE:
            self._head += bytes(data[: HEAD_SIZE - len(self._head)])
        while data:
            if self._filling is None:
                self._filling = await self._uploads.memory.take(self._writer.step(self._uploads.share()))
                self._since = monotonic()
            taken = min(len(data), len(self._filling) - self._filled)
            self._filling[self._filled : self._filled + taken] = data[:taken]
            self._filled += taken
            data = data[taken:]
            if self._filled == len(self._filling):
                await self._flush()

    async def finish(self) -> None:
        """Store the rest and make all of it durable (U3). Raises as `write` does."""
        await self._flush()
        await self._settled(asyncio.ALL_COMPLETED)
        reach("U3.written")
        await self._writer.commit()
        reach("U3.durable")
        self._open = False
        self.sha256 = self._digest.hexdigest()

    async def abort(self) -> None:
        """Remove what was stored, if it was not made durable; that is left to the sweeper. Never raises."""
        if not self._open:
            return
        self._open = False
        for task in self._storing:
            task.cancel()
        await asyncio.gather(*self._storing, return_exceptions=True)
        self._let_go()
        await self._writer.abort()

    def publication(self, idempotency_key: str | None) -> Publication:
        """What the publishing transaction needs to know."""
        content_type = SCRIPTED_PDF if self._scripts and self._scripts.may_run else self._content_type
        return Publication(
            upload_id=None if self.published else self.id,
            object_name=self.object_name,
            sha256=self.sha256,
            size=self.size,
            filename=self.filename,
            content_type=content_type,
            kind=kind_of(content_type),
            idempotency_key=idempotency_key,
        )

    def released(self) -> None:
        """Note that the object belongs to a blob, or to the sweeper, and no longer to this upload."""
        self.published = True

    def lease_lost(self) -> None:
        """Note that the sweeper took the upload."""
        detail = "The upload stood still for too long and was reclaimed; send it again."
        self._given_up = SatchelError(Code.LEASE_LOST, detail)

    def lag(self) -> float:
        """Seconds that the client is behind MIN_RATE in filling the buffer that it has."""
        return monotonic() - self._since - self._filled / MIN_RATE

    def recall(self) -> None:
        """Give the buffer that the client fills back to the others, and the upload up."""
        self._let_go()
        detail = "The file came too slowly while others waited for memory (SATCHEL_UPLOAD_MEMORY); send it again."
        self._given_up = SatchelError(Code.REQUEST_TIMEOUT, detail)

    def _let_go(self) -> None:
        if self._filling is not None:
            self._uploads.memory.give(self._filling)
        self._filling, self._filled, self._since = None, 0, inf

    def _raise_if_given_up(self) -> None:
        if self._given_up is not None:
            raise self._given_up

    async def _flush(self) -> None:
        """Hand over what was filled, once few enough writes are under way."""
        self._since = inf  # from here on it is the store that is waited for
        while len(self._storing) >= self._writer.parallel:
            await self._settled(asyncio.FIRST_COMPLETED)
        self._raise_if_given_up()
        self._detect()
        if self._filling is None:
            return
        buffer, step = self._filling, memoryview(self._filling)[: self._filled]
        self._filling, self._filled = None, 0
        self._hashed = asyncio.create_task(self._hash(step, self._hashed))
        self._storing.add(asyncio.create_task(self._store(buffer, step, self._hashed)))

    def _detect(self) -> None:
        """Tell the type, once the head is there: with the first bytes that go on, or with the last."""
        if not self._content_type:
            self._content_type = detect_type(self._head, self.filename, self._declared_type)
            self._scripts = ScriptSearch(self._max_pdf_unpacked) if self._content_type == PDF else None

    async def _settled(self, when: str) -> None:
        """Wait for writes under way, and raise what they raised."""
        if self._storing:
            done, self._storing = await asyncio.wait(self._storing, return_when=when)
            if failures := [error for task in done if (error := task.exception())]:
                raise failures[0]

    async def _hash(self, step: memoryview, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await run_in(None, self._digest.update, step)
        if self._scripts is not None:
            await run_in(self._uploads.searching, self._scripts.update, step)

    async def _store(self, buffer: mmap, step: memoryview, hashed: asyncio.Task[None]) -> None:
        try:
            # All of them, also after a failure: the buffer must be nobody's when it is given back.
            results = await asyncio.gather(hashed, self._writer.write(step), return_exceptions=True)
        finally:
            self._uploads.memory.give(buffer)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        reach("U2.written")


class Uploads:
    """The uploads under way at this server: their leases, their memory, and their end where they are not published.

    Args:
        metadata: the rows.
        blobs: the bytes.
        settings: the bounds.
        tasks: holds what must not be interrupted.
        reclaim: called when bytes were given up, to wake the sweeper.
    """

    def __init__(
        self, metadata: Metadata, blobs: BlobStore, settings: Settings, tasks: Tasks, reclaim: Callable[[], None]
    ) -> None:
        self.memory = Memory(int(settings.upload_memory), self._recall)
        self.max_size = int(settings.max_file_size)
        self.max_pdf_unpacked = int(settings.max_pdf_unpacked)
        # A PDF may take long to search, and must not keep others' bytes from a thread.
        self.searching = ThreadPoolExecutor(1, "search")
        self._metadata = metadata
        self._blobs = blobs
        self._settings = settings
        self._tasks = tasks
        self._reclaim = reclaim
        self._leased: dict[UUID, Upload] = {}

    async def begin(self, filename: str, declared_type: str | None) -> "Upload":
        """Write the intent (U1) and open its object."""
        filename = clean_filename(filename)
        object_name = new_object_name()
        reach("U1.admitted")
        # The row comes before the file: a crash between the two leaves a name for the sweeper, never a lost file.
        upload_id = await self._metadata.begin_upload(object_name, self._settings.upload_lease)
        reach("U1.intended")
        try:
            writer = await self._blobs.create(object_name)
        except BaseException:
            await asyncio.shield(self._tasks.spawn(self._abandon(upload_id)))
            raise
        reach("U2.created")
        upload = Upload(self, upload_id, object_name, filename, declared_type, writer)
        self._leased[upload_id] = upload
        return upload

    def share(self) -> int:
        """How many bytes one buffer of an upload may have: half its part of the memory, because two take turns."""
        return int(self._settings.upload_memory) // (2 * max(1, len(self._leased)))

    def _recall(self) -> None:
        """Give up the upload whose client is most behind, if it is so by more than a pause that any body may make."""
        slowest = max(self._leased.values(), key=Upload.lag, default=None)
        if slowest is not None and slowest.lag() > self._settings.body_timeout.total_seconds():
            slowest.recall()

    async def discard(self, uploads: Sequence["Upload"]) -> None:
        """Give up the uploads that were not published, and their bytes; safe after an unknown outcome too."""
        for upload in uploads:
            self._leased.pop(upload.id, None)
            if upload.published:
                continue
            await upload.abort()
            reach("X.aborted")
            # A store that hung may yet finish a write that nobody waits for any more: look again after a while.
            grace = timedelta(0) if upload.sha256 else self._settings.upload_lease
            await self._abandon(upload.id, grace, upload.object_name)

    async def end(self, uploads: Sequence["Upload"]) -> None:
        """`discard`, whether the caller is cancelled or not."""
        await asyncio.shield(self._tasks.spawn(self.discard(uploads)))

    async def renew_leases(self) -> None:
        """Keep the leases of running uploads, until cancelled; an upload whose lease is gone stops at its next byte."""
        while True:
            await asyncio.sleep(self._settings.upload_lease.total_seconds() / 3)
            running = dict(self._leased)
            if not running:
                continue
            try:
                kept = await self._metadata.renew_uploads(running.keys(), self._settings.upload_lease)
            except SatchelError as error:
                log.warning("leases not renewed", code=error.code.name)
                continue
            except Exception:  # a loop that ended here would cost every upload its lease
                log.exception("leases not renewed")
                continue
            for upload_id in running.keys() - kept:
                running[upload_id].lease_lost()

    async def _abandon(self, upload_id: UUID, grace: timedelta = timedelta(0), object_name: str | None = None) -> None:
        # Harmless if the upload was published after all: the row that this turns into garbage is gone then, and the
        # object is a blob's.
        with suppress(SatchelError):
            await self._metadata.abandon_upload(upload_id, grace, object_name)
        reach("X.abandoned")
        self._reclaim()


class Intake:
    """The uploads of one request: `async with files.intake() as intake`."""

    def __init__(self, uploads: Uploads) -> None:
        self._all = uploads
        self._own: list[Upload] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._all.end(self._own)

    async def start(self, filename: str, declared_type: str | None) -> Upload:
        """Start an upload under the client's name for it; the name is cleaned first. Raises INVALID_FILENAME."""
        upload = await self._all.begin(filename, declared_type)
        self._own.append(upload)
        return upload

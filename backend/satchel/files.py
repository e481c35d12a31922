"""The domain: what can be done with files, and in which order the effects happen.

Uploads: bytes, then row, then event. Deletes: row and event, then (by the sweeper, after a grace time) bytes. The steps
are named U0 to U6 as in the write protocol:

    U0  the door parses and admits the request           `Intake.start` refuses a bad name
    U1  an intent with a lease is written                `Intake.start`
    U2  bytes stream to a new object, hashed in step     `Upload.write`
    U3  the object is made durable                       `Upload.finish`
    U4  one transaction publishes it                     `FileService.publish`
    U5  the door answers
    U6  subscribers are woken                            `FileService.publish`

A crash before U4 leaves an intent whose lease runs out and whose bytes the sweeper removes; after U4 the file exists.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from mmap import mmap
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from satchel import media
from satchel.blobs import BlobReader, BlobStore, BlobWriter, new_object_name
from satchel.config import Settings
from satchel.errors import Code, SatchelError, not_found
from satchel.memory import Memory
from satchel.metadata import (
    FileFilter,
    FileOrder,
    FilePage,
    FileRecord,
    Metadata,
    Publication,
    Published,
    StorageUsage,
)
from satchel.tasks import Tasks
from satchel.threads import run_in

MAX_KEY_LENGTH = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")

log = structlog.get_logger(__name__)


class FileService:
    """Files, whole: every door calls this and nothing below it.

    Args:
        metadata: the rows.
        blobs: the bytes.
        settings: the bounds.
        changed: called after each committed change, to wake the subscribers.
        reclaim: called when bytes were given up, to wake the sweeper.
    """

    def __init__(
        self,
        metadata: Metadata,
        blobs: BlobStore,
        settings: Settings,
        changed: Callable[[], None],
        reclaim: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._metadata = metadata
        self._blobs = blobs
        self._changed = changed
        self._reclaim = reclaim
        self.memory = Memory(int(settings.upload_memory))
        self._leased: dict[UUID, Upload] = {}
        self.tasks = Tasks()

    # Uploads

    def intake(self) -> "Intake":
        """The uploads of one request, as a context: what is not published when it ends is discarded."""
        return Intake(self)

    async def publish(
        self, upload: "Upload", *, sha256: str | None = None, idempotency_key: str | None = None
    ) -> Published:
        """Turn a finished upload into a file (U4), and wake the subscribers (U6).

        Publishing the same upload again makes another file of the same bytes.

        Args:
            upload: a finished upload.
            sha256: what the client says the bytes hash to, in hex.
            idempotency_key: the client's name for this upload; sent again with the same content, it gives the file
                of the first time.

        Raises:
            SatchelError: BAD_REQUEST, HASH_MISMATCH, IDEMPOTENCY_CONFLICT, LEASE_LOST; nothing is kept then.
        """
        if sha256 is not None:
            sha256 = sha256.lower()
            if not _SHA256.fullmatch(sha256):
                raise SatchelError(Code.BAD_REQUEST, "A declared hash must be a SHA-256 in 64 hexadecimal digits.")
            if sha256 != upload.sha256:
                raise SatchelError(Code.HASH_MISMATCH, f"The bytes that arrived hash to {upload.sha256}.")
        if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY_LENGTH:
            raise SatchelError(Code.BAD_REQUEST, f"An idempotency key has 1 to {MAX_KEY_LENGTH} characters.")
        [published] = await self._publish([upload], idempotency_key)
        return published

    async def publish_all(self, uploads: Sequence["Upload"]) -> list[Published]:
        """Turn finished uploads into files, all of them or none; the results are in the given order."""
        return await self._publish(uploads, None)

    async def _publish(self, uploads: Sequence["Upload"], idempotency_key: str | None) -> list[Published]:
        async def commit() -> list[Published]:
            publications = [upload.publication(idempotency_key) for upload in uploads]
            published = await self._metadata.publish(publications, key_lifetime=self.settings.idempotency_lifetime)
            for upload in uploads:
                upload.released()
            self._changed()
            if any(one.deduplicated for one in published):
                self._reclaim()
            for one in published:
                log.info("uploaded", file_id=str(one.record.id), size=one.record.size, deduplicated=one.deduplicated)
            return published

        # A client that leaves now must not leave the outcome open: the transaction runs to its end.
        return await asyncio.shield(self.tasks.spawn(commit()))

    async def adopt(self, records: Sequence[FileRecord], uploads: Sequence["Upload"]) -> list[FileRecord]:
        """Take over files of another stack (U4, U6) with their ids, names, types and dates, all of them or none.

        Args:
            records: the files as they are there.
            uploads: the bytes of those whose bytes are not here yet, finished; one for each hash.

        Returns:
            The files as they are here. Those whose id is taken here are left out.

        Raises:
            SatchelError: LEASE_LOST where an upload was reclaimed, or bytes without one are not here. Nothing has
                happened then.
        """
        sent = {upload.sha256: upload for upload in uploads}

        async def commit() -> list[FileRecord]:
            offered = [replace(r, object_name=sent[r.sha256].object_name) if r.sha256 in sent else r for r in records]
            adopted = await self._metadata.adopt(offered, {sha256: upload.id for sha256, upload in sent.items()})
            for upload in uploads:
                upload.released()
            self._changed()
            return adopted

        return await asyncio.shield(self.tasks.spawn(commit()))

    async def renew_leases(self) -> None:
        """Keep the leases of running uploads, until cancelled; an upload whose lease is gone stops at its next byte."""
        while True:
            await asyncio.sleep(self.settings.upload_lease.total_seconds() / 3)
            running = dict(self._leased)
            if not running:
                continue
            try:
                kept = await self._metadata.renew_uploads(running.keys(), self.settings.upload_lease)
            except SatchelError as error:
                log.warning("leases not renewed", code=error.code.name)
                continue
            except Exception:  # a loop that ended here would cost every upload its lease
                log.exception("leases not renewed")
                continue
            for upload_id in running.keys() - kept:
                running[upload_id].lease_lost()

    # Everything else

    async def get(self, file_id: str) -> FileRecord:
        """The file with this id. Raises NOT_FOUND, for an id that is no UUID too."""
        record = await self._metadata.file(_parse_id(file_id))
        if record is None:
            raise not_found(file_id)
        return record

    async def find(self, *, first: int, after: str | None, where: FileFilter, order: FileOrder) -> FilePage:
        """One page of a listing. Raises BAD_REQUEST for a size out of bounds or a cursor of another listing."""
        if not 0 < first <= self.settings.max_page_size:
            raise SatchelError(
                Code.BAD_REQUEST,
                f"A page holds 1 to {self.settings.max_page_size} files (SATCHEL_MAX_PAGE_SIZE).",
            )
        return await self._metadata.list_files(first, after, where, order)

    async def count(self, where: FileFilter) -> int:
        """How many files match."""
        return await self._metadata.count_files(where)

    async def copies(self, hashes: Sequence[str]) -> dict[str, int]:
        """How many files share the bytes of each SHA-256."""
        return await self._metadata.copies(hashes)

    async def usage(self) -> StorageUsage:
        """What is stored, in files and bytes."""
        return await self._metadata.usage()

    async def read(self, record: FileRecord, start: int, length: int) -> BlobReader:
        """Open `length` bytes of a file from `start`; close them when done.

        Raises STORE_INTEGRITY where the store does not hold what the record says.
        """
        return await self._blobs.read(record.object_name, record.size, start, length)

    async def link(self, record: FileRecord, disposition: str) -> str | None:
        """An address at the store from which a client can download the file for a while.

        None where downloads go through the server (SATCHEL_DOWNLOADS).
        """
        if self.settings.downloads == "proxy":
            return None
        return await self._blobs.link(record.object_name, record.content_type, disposition)

    async def rename(self, file_id: str, filename: str) -> FileRecord:
        """Give a file another name. Raises NOT_FOUND or INVALID_FILENAME."""
        record = await self._metadata.rename_file(_parse_id(file_id), media.clean_filename(filename))
        self._changed()
        log.info("renamed", file_id=file_id)
        return record

    async def delete(self, file_id: str) -> FileRecord:
        """Delete a file and give what it was. Raises NOT_FOUND."""
        deleted, _ = await self.delete_all([file_id])
        if not deleted:
            raise not_found(file_id)
        return deleted[0]

    async def delete_all(self, file_ids: Sequence[str]) -> tuple[list[FileRecord], list[str]]:
        """Delete many files in one transaction; gives those deleted, and the ids that name no file."""
        wanted: dict[str, UUID] = {}
        for file_id in file_ids:
            with suppress(SatchelError):
                wanted[file_id] = _parse_id(file_id)
        deleted = await self._metadata.delete_files(list(wanted.values()), self.settings.delete_grace)
        if deleted:
            self._changed()
            log.info("deleted", file_ids=[str(record.id) for record in deleted])
        gone = {record.id for record in deleted}
        missing = [file_id for file_id in dict.fromkeys(file_ids) if wanted.get(file_id) not in gone]
        return deleted, missing

    async def ping(self) -> None:
        """Return when database and store both answer; raise DATABASE_UNAVAILABLE or STORE_UNAVAILABLE."""
        await self._metadata.ping()
        await self._blobs.ping()

    # For `Intake` and `Upload`

    async def begin(self, filename: str, declared_type: str | None) -> "Upload":
        """Write the intent (U1) and open its object; called by `Intake`."""
        filename = media.clean_filename(filename)
        object_name = new_object_name()
        # The row comes before the file: a crash between the two leaves a name for the sweeper, never a lost file.
        upload_id = await self._metadata.begin_upload(object_name, self.settings.upload_lease)
        try:
            writer = await self._blobs.create(object_name)
        except BaseException:
            await asyncio.shield(self.tasks.spawn(self._abandon(upload_id)))
            raise
        upload = Upload(self, upload_id, object_name, filename, declared_type, writer)
        self._leased[upload_id] = upload
        return upload

    def share(self) -> int:
        """How many bytes one buffer of an upload may have: half its part of the memory, because two take turns."""
        return int(self.settings.upload_memory) // (2 * max(1, len(self._leased)))

    async def discard(self, uploads: Sequence["Upload"]) -> None:
        """Give up the uploads that were not published, and their bytes; safe after an unknown outcome too."""
        for upload in uploads:
            self._leased.pop(upload.id, None)
            if upload.published:
                continue
            await upload.abort()
            # A store that hung may yet finish a write that nobody waits for any more: look again after a while.
            await self._abandon(upload.id, timedelta(0) if upload.sha256 else self.settings.upload_lease)

    async def _abandon(self, upload_id: UUID, grace: timedelta = timedelta(0)) -> None:
        # Harmless if the upload was published after all: the row that this turns into garbage is gone then.
        with suppress(SatchelError):
            await self._metadata.abandon_upload(upload_id, grace)
        self._reclaim()


class Intake:
    """The uploads of one request: `async with files.intake() as intake`."""

    def __init__(self, service: FileService) -> None:
        self._service = service
        self._uploads: list[Upload] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._service.tasks.spawn(self._service.discard(self._uploads)))

    async def start(self, filename: str, declared_type: str | None) -> "Upload":
        """Start an upload under the client's name for it; the name is cleaned first. Raises INVALID_FILENAME."""
        upload = await self._service.begin(filename, declared_type)
        self._uploads.append(upload)
        return upload


class Upload:
    """Bytes on their way in: counted, hashed and stored in steps, under a lease.

    Written by one task at a time; hashing and writing run on threads, while the caller receives the next bytes.
    """

    def __init__(
        self,
        service: FileService,
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
        self._service = service
        self.object_name = object_name
        self._declared_type = declared_type
        self._writer = writer
        self._limit = int(service.settings.max_file_size)
        self._digest = hashlib.sha256()
        self._head = b""
        self._filling: mmap | None = None
        self._filled = 0
        self._hashed: asyncio.Task[None] | None = None
        self._storing: set[asyncio.Task[None]] = set()
        self._open = True
        self._lost = False

    async def write(self, data: memoryview) -> None:
        """Take the next bytes (U2).

        Raises:
            SatchelError: FILE_TOO_LARGE, LEASE_LOST, INSUFFICIENT_STORAGE or STORE_UNAVAILABLE.
        """
        self.size += len(data)
        if self.size > self._limit:
            raise SatchelError(
                Code.FILE_TOO_LARGE, f"A file may have {self._limit:,} bytes at most (SATCHEL_MAX_FILE_SIZE)."
            )
        if len(self._head) < media.HEAD_SIZE:
            self._head += bytes(data[: media.HEAD_SIZE - len(self._head)])
        while data:
            if self._filling is None:
                self._filling = await self._service.memory.take(self._writer.step(self._service.share()))
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
        await self._writer.commit()
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
        if self._filling is not None:
            self._service.memory.give(self._filling)
            self._filling = None
        await self._writer.abort()

    def publication(self, idempotency_key: str | None) -> Publication:
        """What the publishing transaction needs to know."""
        content_type = media.detect_type(self._head, self.filename, self._declared_type)
        return Publication(
            upload_id=None if self.published else self.id,
            object_name=self.object_name,
            sha256=self.sha256,
            size=self.size,
            filename=self.filename,
            content_type=content_type,
            kind=media.kind_of(content_type),
            idempotency_key=idempotency_key,
        )

    def released(self) -> None:
        """Note that the object belongs to a blob, or to the sweeper, and no longer to this upload."""
        self.published = True

    def lease_lost(self) -> None:
        """Note that the sweeper took the upload."""
        self._lost = True

    async def _flush(self) -> None:
        """Hand over what was filled, once few enough writes are under way."""
        while len(self._storing) >= self._writer.parallel:
            await self._settled(asyncio.FIRST_COMPLETED)
        if self._lost:
            raise SatchelError(Code.LEASE_LOST, "The upload stood still for too long and was reclaimed; send it again.")
        if self._filling is None:
            return
        buffer, step = self._filling, memoryview(self._filling)[: self._filled]
        self._filling, self._filled = None, 0
        self._service.memory.sent(buffer)
        self._hashed = asyncio.create_task(self._hash(step, self._hashed))
        self._storing.add(asyncio.create_task(self._store(buffer, step, self._hashed)))

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

    async def _store(self, buffer: mmap, step: memoryview, hashed: asyncio.Task[None]) -> None:
        try:
            # All of them, also after a failure: the buffer must be nobody's when it is given back.
            results = await asyncio.gather(hashed, self._writer.write(step), return_exceptions=True)
        finally:
            self._service.memory.give(buffer)
        for error in results:
            if isinstance(error, BaseException):
                raise error


def _parse_id(file_id: str) -> UUID:
    try:
        parsed = UUID(file_id)
    except ValueError:
        raise not_found(file_id) from None
    if str(parsed) != file_id.lower():  # UUID() also reads braces and URNs, which would be a second name for a file
        raise not_found(file_id)
    return parsed

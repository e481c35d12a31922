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
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import structlog

from satchel.blobs import BlobReader, BlobStore
from satchel.blobs.verified import Verified, VerifiedReader
from satchel.config import Settings
from satchel.errors import Code, SatchelError, not_found
from satchel.failpoints import reach
from satchel.filenames import clean_filename
from satchel.intake import Intake, Upload, Uploads
from satchel.metadata import (
    FileFilter,
    FileKind,
    FileOrder,
    FilePage,
    FileRecord,
    Metadata,
    Published,
    StorageUsage,
)
from satchel.tasks import Tasks

MAX_KEY_LENGTH = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")
# UUID() also reads braces and URNs, which would be a second name for a file.
_FILE_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

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
        self._verified = Verified()
        self.tasks = Tasks()
        self.uploads = Uploads(metadata, blobs, settings, self.tasks, reclaim)

    # Uploads

    def intake(self) -> Intake:
        """The uploads of one request, as a context: what is not published when it ends is discarded.

        Raises READ_ONLY, before anything of the request is read.
        """
        self._may_change()
        return Intake(self.uploads)

    async def publish(
        self, upload: Upload, *, sha256: str | None = None, idempotency_key: str | None = None
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
        check_declared(sha256, idempotency_key)
        if sha256 is not None and sha256.lower() != upload.sha256:
            raise SatchelError(Code.HASH_MISMATCH, f"The bytes that arrived hash to {upload.sha256}.")
        [published] = await self._publish([upload], idempotency_key)
        return published

    async def publish_all(self, uploads: Sequence[Upload]) -> list[Published]:
        """Turn finished uploads into files, all of them or none; the results are in the given order."""
        return await self._publish(uploads, None)

    async def _publish(self, uploads: Sequence[Upload], idempotency_key: str | None) -> list[Published]:
        async def commit() -> list[Published]:
            publications = [upload.publication(idempotency_key) for upload in uploads]
            published = await self._metadata.publish(publications, key_lifetime=self.settings.idempotency_lifetime)
            reach("U4.committed")
            for upload in uploads:
                upload.released()
            self._changed()
            reach("U6.woken")
            if any(one.deduplicated for one in published):
                self._reclaim()
            for one in published:
                log.info("uploaded", file_id=str(one.record.id), size=one.record.size, deduplicated=one.deduplicated)
            return published

        # A client that leaves now must not leave the outcome open: the transaction runs to its end, and only then are
        # bytes given up that are not published.
        publishing = self.tasks.spawn(commit())
        try:
            published = await asyncio.shield(publishing)
        except asyncio.CancelledError:
            await asyncio.wait([publishing])
            raise
        reach("U5.before_answer")
        return published

    async def adopt(self, records: Sequence[FileRecord], uploads: Sequence[Upload]) -> list[FileRecord]:
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

    async def count_kinds(self, where: FileFilter) -> dict[FileKind, int]:
        """How many files of each kind match, whatever kind the filter asks for."""
        return await self._metadata.count_kinds(where)

    async def copies(self, hashes: Sequence[str]) -> dict[str, int]:
        """How many files share the bytes of each SHA-256."""
        return await self._metadata.copies(hashes)

    async def usage(self) -> StorageUsage:
        """What is stored, in files and bytes."""
        return await self._metadata.usage()

    async def read(self, record: FileRecord, start: int, length: int) -> BlobReader:
        """Open `length` bytes of a file from `start`; close them when done.

        Raises STORE_INTEGRITY where the store does not hold what the record says, and so does the reader of a whole
        file, before its end; the next upload of the same bytes heals that.
        """

        async def note_damage() -> None:
            with suppress(SatchelError):
                await self._metadata.note_damage(record.object_name, damaged=True)

        try:
            reader = await self._blobs.read(record.object_name, record.size, start, length)
        except SatchelError as error:
            if error.code is Code.STORE_INTEGRITY:
                await note_damage()
            raise
        known = self._verified.holds(record.object_name, reader.state())
        if length < record.size or known or not self.settings.verify_reads:
            return reader
        return VerifiedReader(
            reader, record.object_name, record.size, record.sha256, verified=self._verified, report=note_damage
        )

    async def link(self, record: FileRecord, disposition: str) -> str | None:
        """An address at the store from which a client can download the file for a while.

        None where downloads go through the server (SATCHEL_DOWNLOADS).
        """
        if self.settings.downloads == "proxy":
            return None
        return await self._blobs.link(record.object_name, record.content_type, disposition)

    async def rename(self, file_id: str, filename: str) -> FileRecord:
        """Give a file another name. Raises NOT_FOUND, INVALID_FILENAME or READ_ONLY."""
        self._may_change()
        record = await self._metadata.rename_file(_parse_id(file_id), clean_filename(filename))
        self._changed()
        log.info("renamed", file_id=file_id)
        return record

    async def delete(self, file_id: str) -> FileRecord:
        """Delete a file and give what it was. Raises NOT_FOUND or READ_ONLY."""
        deleted, _ = await self.delete_all([file_id])
        if not deleted:
            raise not_found(file_id)
        return deleted[0]

    async def delete_all(self, file_ids: Sequence[str]) -> tuple[list[FileRecord], list[str]]:
        """Delete many files at once; gives those deleted, and the ids that name no file. Raises READ_ONLY."""
        self._may_change()
        wanted = {file_id: UUID(file_id) for file_id in file_ids if _FILE_ID.fullmatch(file_id)}
        deleted = await self._metadata.delete_files(list(wanted.values()), self.settings.delete_grace)
        reach("D.committed")
        if deleted:
            self._changed()
            log.info("deleted", file_ids=[str(record.id) for record in deleted])
        gone = {record.id for record in deleted}
        missing = [file_id for file_id in dict.fromkeys(file_ids) if wanted.get(file_id) not in gone]
        return deleted, missing

    def _may_change(self) -> None:
        if self.settings.read_only:
            raise SatchelError(Code.READ_ONLY, "Files can only be read here (SATCHEL_READ_ONLY).")

    async def ping(self) -> None:
        """Return when database and store both answer; raise DATABASE_UNAVAILABLE or STORE_UNAVAILABLE."""
        await asyncio.gather(self._metadata.ping(), self._blobs.ping())


def check_declared(sha256: str | None, idempotency_key: str | None) -> None:
    """Judge what a client says of its upload by the form alone: the doors ask before they read a byte of it (U0).

    Raises BAD_REQUEST for what no upload could fit.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise SatchelError(Code.BAD_REQUEST, "A declared hash must be a SHA-256 in 64 hexadecimal digits.")
    if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY_LENGTH:
        raise SatchelError(Code.BAD_REQUEST, f"An idempotency key has 1 to {MAX_KEY_LENGTH} characters.")


def _parse_id(file_id: str) -> UUID:
    if not _FILE_ID.fullmatch(file_id):
        raise not_found(file_id)
    return UUID(file_id)

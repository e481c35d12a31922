"""Copies everything from one stack to another: files with their ids, names, types and dates, all bytes hashed anew.

What is there already is asked of the target, file by file, so a copy that was stopped or killed goes on where it was.
The bytes go the way of an upload: an intent with a lease, then the object, then one transaction that publishes it. So a
crash leaves nothing that the target's sweeper does not remove.

Not copied: events, because each log has an order of its own (a client with a cursor of the source gets CURSOR_EXPIRED
and loads its list again); uploads under way; and garbage. What was deleted at the source since an earlier copy stays at
the target.
"""

import asyncio
import shutil
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TextIO, TypeVar
from urllib.parse import urlsplit

from satchel.blobs import BlobStore, new_object_name
from satchel.config import Settings
from satchel.errors import CannotStart, Code, SatchelError
from satchel.files import FileService
from satchel.intake import Intake, Upload
from satchel.metadata import FileFilter, FileOrder, FileRecord, Metadata, StorageUsage

T = TypeVar("T")

Batch = dict[str, list[FileRecord]]
"""Files by the hash of their bytes."""

PAGE = 500
AT_ONCE = 4
"""Batches that are copied at the same time. Their memory is that of uploads: SATCHEL_COPY_TO_UPLOAD_MEMORY."""
BATCH_BLOBS = 16
BATCH_SIZE = 4 * 1024 * 1024
"""Small blobs are published together, because a transaction takes longer than their bytes."""
PATIENCE = (1.0, 5.0, 25.0)
"""Seconds before each new try at what may pass, such as a server that restarts."""
MARK_LEASE = timedelta(minutes=1)
_PASSING = {Code.LEASE_LOST, Code.REQUEST_TIMEOUT, Code.STORE_UNAVAILABLE, Code.DATABASE_UNAVAILABLE}


def check(source: Settings, target: Settings) -> None:
    """Look whether the settings are those of two stacks, of which the first exists.

    Raises:
        CannotStart: they are not.
    """
    if not target.model_fields_set & {"data_dir", "database_url", "storage_url"}:
        raise CannotStart("say where to copy to: --to-data-dir, or --to-database-url and --to-storage-url")
    if place(source.database) == place(target.database):
        raise CannotStart("source and target have the same database (SATCHEL_DATABASE_URL, --to-database-url)")
    if place(source.storage) == place(target.storage):
        raise CannotStart("source and target have the same store (SATCHEL_STORAGE_URL, --to-storage-url)")
    if not (source.is_shared or target.is_shared) and source.data_dir.resolve() == target.data_dir.resolve():
        raise CannotStart("source and target need a data directory each (SATCHEL_DATA_DIR, --to-data-dir)")
    database = place(source.database)
    if isinstance(database, Path) and not database.exists():
        raise CannotStart(f"there is nothing to copy: {database} does not exist")


def place(url: str) -> Path | tuple[str | None, int | None, str]:
    """What a URL leads to, however it is written, and whoever may go there."""
    for prefix in ("sqlite:///", "file://"):
        if url.startswith(prefix):
            return Path(url.removeprefix(prefix)).resolve()
    parts = urlsplit(url)
    usual = {"postgresql": 5432, "s3+http": 80, "s3+https": 443}
    return parts.hostname, parts.port or usual.get(parts.scheme), parts.path.strip("/")


@dataclass
class Tally:
    """How far a copy is: files by outcome; the blobs, and their bytes, that arrived; bytes read in all."""

    total: int = 0
    copied: int = 0
    present: int = 0
    renamed: int = 0
    conflicts: int = 0
    failed: int = 0
    blobs: int = 0
    size: int = 0
    read: int = 0

    @property
    def done(self) -> int:
        """Files whose outcome is known."""
        return self.copied + self.present + self.renamed + self.conflicts + self.failed

    @property
    def complete(self) -> bool:
        """Whether the target has all that the source has."""
        return self.conflicts == self.failed == 0


class Copier:
    """One copy from a source to a target.

    The source may be served meanwhile, where its ports allow several servers: files are taken in the order of their
    dates, so new ones come last, and what still slips through is taken by the next copy.

    Args:
        source: the rows to copy, and `blobs`, their bytes.
        target: the rows of the target, and `files`, its domain.
        say: takes a line about each file that could not be copied.
    """

    def __init__(
        self, source: Metadata, blobs: BlobStore, target: Metadata, files: FileService, say: Callable[[str], None]
    ) -> None:
        self.tally = Tally()
        self._source = source
        self._blobs = blobs
        self._target = target
        self._files = files
        self._say = say

    async def run(self) -> Tally:
        """Copy all that the target has not, and tell what came of it.

        Bytes that cannot be read, or are not what the record says, cost their own files only.

        Raises:
            CannotStart: source and target are one database.
            SatchelError: one side has stopped to answer, or the target is full; another run goes on from here.
        """
        await self._distinguish()
        renewing = asyncio.create_task(self._files.uploads.renew_leases())
        try:
            self.tally.total = (await self._source.usage()).files
            async with asyncio.TaskGroup() as copies:
                await self._copy_files(copies)
            await self._copy_idempotency_keys()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        return self.tally

    async def _distinguish(self) -> None:
        """Refuse two names of one database: only then can the source see what was just written to the target."""
        mark = await self._target.begin_upload(new_object_name(), MARK_LEASE)
        seen = await self._source.renew_uploads({mark}, MARK_LEASE)
        await self._target.abandon_upload(mark)
        if seen:
            raise CannotStart("the target's database is the source's, under another name")

    async def _copy_files(self, copies: asyncio.TaskGroup) -> None:
        """Start to copy what the target has not, in batches, at most AT_ONCE of them at a time."""
        slots = asyncio.Semaphore(AT_ONCE)
        running: dict[str, asyncio.Task[None]] = {}

        def ended(batch: Batch, task: asyncio.Task[None]) -> None:
            slots.release()
            for sha256 in batch:
                if running.get(sha256) is task:  # the next one with the same bytes may have begun already
                    del running[sha256]

        cursor = None
        while True:
            list_page = partial(self._source.list_files, PAGE, cursor, FileFilter(), FileOrder.UPLOAD_DATE_ASC)
            page = await _patiently(list_page)
            for batch in _batches(await self._missing(page.records)):
                if same := {running[sha256] for sha256 in batch if sha256 in running}:
                    await asyncio.wait(same)  # bytes of the page before: they are sent once
                await slots.acquire()
                task = copies.create_task(self._copy(batch))
                running.update(dict.fromkeys(batch, task))
                task.add_done_callback(partial(ended, batch))
            if not page.has_next:
                return
            cursor = page.cursors[-1]

    async def _missing(self, records: Sequence[FileRecord]) -> Batch:
        """Those of the files that the target has not, by hash; a name that has changed at the source is taken over."""
        found = await _patiently(partial(self._target.files_by_id, [record.id for record in records]))
        missing: Batch = {}
        for record in records:
            other = found.get(record.id)
            if other is None:
                missing.setdefault(record.sha256, []).append(record)
            elif replace(other, filename=record.filename, object_name=record.object_name) != record:
                self.tally.conflicts += 1
                self._say(f"conflict: {_named([record])}: the target has another file with this id, and keeps it")
            elif other.filename != record.filename:
                await self._files.rename(str(record.id), record.filename)
                self.tally.renamed += 1
            else:
                self.tally.present += 1
        return missing

    async def _copy(self, batch: Batch) -> None:
        """Copy a batch; a failure that is one blob's own is counted and told, and costs the others time at most."""
        try:
            await _patiently(partial(self._take_over, batch))
        except SatchelError as error:
            if error.code is Code.INSUFFICIENT_STORAGE:
                raise
            await self._ping()
            if len(batch) > 1:
                for sha256, records in batch.items():
                    await self._copy({sha256: records})
                return
            [records] = batch.values()
            # A source that is served may have deleted them meanwhile, and their bytes.
            kept = await self._source.files_by_id([record.id for record in records])
            self.tally.total -= len(records) - len(kept)
            if kept:
                self.tally.failed += len(kept)
                self._say(f"failed: {_named(list(kept.values()))}: {error.detail}")

    async def summary(self) -> Iterator[str]:
        """What came of it, and what both sides hold now, in lines for people."""
        return _summary(self.tally, await self._source.usage(), await self._target.usage())

    async def _ping(self) -> None:
        """Raise what ails a side that does not answer any more."""
        await self._source.ping()
        await self._blobs.ping()
        await self._files.ping()

    async def _take_over(self, batch: Batch) -> None:
        """Bring files to the target, with the bytes that it has not."""
        known = await self._target.copies(list(batch))
        async with self._files.intake() as intake:
            uploads = [await self._send(intake, batch[sha256][0]) for sha256 in batch if sha256 not in known]
            records = [record for group in batch.values() for record in group]
            adopted = await self._files.adopt(records, uploads)
        self.tally.blobs += len(uploads)
        self.tally.size += sum(upload.size for upload in uploads)
        self.tally.copied += len(adopted)
        others = {record.id for record in records} - {record.id for record in adopted}
        if others:  # another copy to the same target was faster
            missing = await self._missing([record for record in records if record.id in others])
            if missing:
                await self._take_over(missing)

    async def _send(self, intake: Intake, record: FileRecord) -> Upload:
        """Stream the bytes of a file from store to store, and look whether they are what the record says.

        Raises STORE_INTEGRITY where they are not.
        """
        reader = await self._blobs.read(record.object_name, record.size, 0, record.size)
        try:
            upload = await intake.start(record.filename, record.content_type)
            async for chunk in reader:
                await upload.write(memoryview(chunk))
                self.tally.read += len(chunk)
            await upload.finish()
        finally:
            await reader.aclose()
        if (upload.size, upload.sha256) != (record.size, record.sha256):
            found = f"The store gave {upload.size:,} bytes that hash to {upload.sha256}."
            raise SatchelError(Code.STORE_INTEGRITY, found)
        return upload

    async def _copy_idempotency_keys(self) -> None:
        after = ""
        while keys := await _patiently(partial(self._source.list_idempotency_keys, after, PAGE)):
            await _patiently(partial(self._target.adopt_idempotency_keys, keys))
            after = keys[-1].key


def _batches(missing: Batch) -> Iterator[Batch]:
    """Divide files into what is published together: few blobs, and small ones unless it is one alone."""
    batch: Batch = {}
    size = 0
    for sha256, records in missing.items():
        if batch and (len(batch) == BATCH_BLOBS or size + records[0].size > BATCH_SIZE):
            yield batch
            batch, size = {}, 0
        batch[sha256] = records
        size += records[0].size
    if batch:
        yield batch


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work, again after a while where it fails for a reason that may pass."""
    for pause in PATIENCE:
        try:
            return await work()
        except SatchelError as error:
            if error.code not in _PASSING:
                raise
        await asyncio.sleep(pause)
    return await work()


def _named(records: Sequence[FileRecord]) -> str:
    """Files on the same bytes, for a line of text."""
    more = f" and {len(records) - 1:,} more with the same bytes" if len(records) > 1 else ""
    return f"{records[0].filename!r} (id {records[0].id}){more}"


class Progress:
    """Tells how far a copy is: on a terminal in one line that is written over, elsewhere in a line now and then."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._shown: deque[tuple[float, int]] = deque(maxlen=10)

    @asynccontextmanager
    async def watching(self, tally: Tally) -> AsyncGenerator[None, None]:
        """Show the tally while the context lasts."""
        task = asyncio.create_task(self._watch(tally))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._write("")

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._write(f"{line}\n")

    async def _watch(self, tally: Tally) -> None:
        while True:
            if tally.total:  # it has been counted
                self._show(tally)
            await asyncio.sleep(0.5 if self._terminal else 10)

    def _show(self, tally: Tally) -> None:
        self._shown.append((time.monotonic(), tally.read))
        (before, read_before), (now, read) = self._shown[0], self._shown[-1]
        speed = (read - read_before) / max(now - before, 1e-3)
        line = f"{tally.done:,} of {tally.total:,} files, {_size(read)} read, {_size(speed)}/s"
        if tally.conflicts + tally.failed:
            line += f", {tally.conflicts + tally.failed:,} failed"
        self._write(line[: shutil.get_terminal_size().columns - 1] if self._terminal else f"{line}\n")

    def _write(self, text: str) -> None:
        # https://en.wikipedia.org/wiki/ANSI_escape_code: from the first column, clear to the end of the line
        self._out.write(f"\r\x1b[K{text}" if self._terminal else text)
        self._out.flush()


def _summary(tally: Tally, source: StorageUsage, target: StorageUsage) -> Iterator[str]:
    yield f"copied:    {_count(tally.copied, 'file')}; {_count(tally.blobs, 'blob')} sent, {_size(tally.size)}"
    yield f"skipped:   {_count(tally.present, 'file')} that the target has already"
    if tally.renamed:
        yield f"renamed:   {_count(tally.renamed, 'file')} as the source has been since"
    if tally.conflicts:
        yield f"conflicts: {_count(tally.conflicts, 'file')}"
    yield f"failed:    {_count(tally.failed, 'file')}"
    for name, usage in (("source", source), ("target", target)):
        files, blobs = _count(usage.files, "file"), _count(usage.blobs, "blob")
        yield f"{name}:    {files}, {usage.logical_bytes:,} bytes; {blobs}, {usage.stored_bytes:,} bytes"
    more = target.files - source.files
    if not tally.complete:
        yield "The target does not hold all of the source."
    elif more < 0:
        yield f"{_count(-more, 'file')} came to the source meanwhile; another copy takes them over."
    else:
        yield "The target holds all of the source" + (f", and {_count(more, 'file')} of its own." if more else ".")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"

"""The metadata port: one class, with the same statements for every database, each method a transaction."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from satchel.errors import SatchelError, not_found
from satchel.failpoints import reach

from . import blocks, counting, cursors, eventlog, garbage, grams, listing, publishing, scrub
from .clock import now
from .engine import open_database
from .pool import unavailable
from .records import (
    BlobRecord,
    Event,
    EventKind,
    FileFilter,
    FileKind,
    FileOrder,
    FilePage,
    FileRecord,
    IdempotencyKey,
    Position,
    Publication,
    Published,
    StorageUsage,
)
from .rows import FILES, select_files, to_record
from .tables import blobs, event_log, files, idempotency_keys, uploads
from .tables import garbage as garbage_table

PING_TIMEOUT = 3.0
"""Seconds. Whoever asks whether the database answers asks again soon."""

P = ParamSpec("P")
T = TypeVar("T")
_Method = Callable[Concatenate["Metadata", AsyncConnection, P], Awaitable[T]]
_Public = Callable[Concatenate["Metadata", P], Coroutine[Any, Any, T]]


def _reads(method: _Method[P, T]) -> _Public[P, T]:
    """Give the method a connection that shows one snapshot of the database."""

    @wraps(method)
    async def run(self: "Metadata", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.reader.run(lambda c: method(self, c, *args, **kwargs))

    return run


def _writes(method: _Method[P, T]) -> _Public[P, T]:
    """Give the method a connection inside a transaction of its own."""

    @wraps(method)
    async def run(self: "Metadata", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.writer.run(lambda c: method(self, c, *args, **kwargs))

    return run


class Metadata:
    """What is known about files, apart from their bytes.

    Every method is one transaction: all or nothing, and durable when it returns. Cancelling a method that has begun
    does not stop the transaction. All times are the database's clock. Every method may raise DATABASE_UNAVAILABLE
    (a write may then have taken place all the same, if it was the commit that failed), and those that write
    INSUFFICIENT_STORAGE. Dates must be aware.
    """

    def __init__(self, url: str, connections: int = 10) -> None:
        """Prepare for the database of a URL, such as `sqlite:////var/lib/satchel/satchel.db`.

        `connections` is how many are opened at most, where the database is a server.

        Raises ValueError where the URL names no database that can be used.
        """
        self._database = open_database(url, connections)
        self._log_id = ""

    async def open(self) -> None:
        """Connect and bring the tables up to date. The directory of a SQLite file must exist.

        Raises CannotStart where there is no such database, it does not let us in, or a newer version has been at it.
        """
        try:
            await self._database.open()
            await self._disown_foreign_log()
            self._log_id = await self._read_log_id()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the transactions under way end, then close all connections."""
        await self._database.close()

    async def ping(self) -> None:
        """Return when the database answers, which is not waited for as long as by those who need it."""
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await self._look()
        except TimeoutError:
            raise unavailable() from None

    @_reads
    async def _look(self, c: AsyncConnection) -> None:
        await c.execute(select(event_log.c.id))

    # Uploads: from the first byte to the file

    @_writes
    async def begin_upload(self, c: AsyncConnection, object_name: str, lease: timedelta) -> UUID:
        """Announce an object before its first byte is written, and return the upload's id.

        From here on the object is either renewed, published or abandoned, or swept once the lease has run out.
        """
        upload_id = uuid7()
        await c.execute(insert(uploads).values(id=upload_id, object_name=object_name, lease_until=now(lease)))
        return upload_id

    @_writes
    async def renew_uploads(self, c: AsyncConnection, upload_ids: Collection[UUID], lease: timedelta) -> set[UUID]:
        """Extend the leases to `lease` from now, and return the ids of the uploads that still exist.

        A lease that has run out may be renewed as long as no sweeper took it.
        """
        renewal = update(uploads).where(uploads.c.id.in_(upload_ids)).values(lease_until=now(lease))
        return set((await c.scalars(renewal.returning(uploads.c.id))).all())

    @_writes
    async def abandon_upload(
        self, c: AsyncConnection, upload_id: UUID, grace: timedelta = timedelta(0), written: str | None = None
    ) -> None:
        """End an upload and make its object garbage, due after the grace. One that is gone already is fine.

        With `written`, the name of its object, that is looked at too where the upload is gone: a sweeper may have
        removed it before its last bytes were written. It is garbage unless it was published after all.
        """
        ended = delete(uploads).where(uploads.c.id == upload_id).returning(uploads.c.object_name)
        object_names = (await c.scalars(ended)).all()
        await garbage.discard(c, object_names, grace)
        if not object_names and written is not None:
            await garbage.discard_again(c, written, grace)

    async def publish(self, publications: Sequence[Publication], *, key_lifetime: timedelta) -> list[Published]:
        """Turn finished uploads into files, all in one transaction; the results are in the given order.

        The bytes must be durable by now. A blob that is there already is shared, and the object that is not needed
        becomes garbage. Publications may share an upload: the same bytes, used twice in one request. An idempotency
        key that was used within its `key_lifetime` gives the file of then, and nothing new happens.

        Raises, and then no upload has ended:
        LEASE_LOST where a sweeper took an upload, or where bytes said to be published before are gone;
        IDEMPOTENCY_CONFLICT where a key was used for another filename or other bytes;
        NOT_FOUND where the file of a key has been deleted since;
        STORE_INTEGRITY where the same hash is on record with another size.
        After DATABASE_UNAVAILABLE the files may exist nevertheless, if the database was lost during the commit and
        could not be asked again: never remove the objects then, leave them to the lease.
        """
        insert = self._database.insert
        published = await self._database.writer.run(
            lambda c: publishing.publish(c, insert, publications, key_lifetime), took_place=self._published
        )
        await self._split_grown({one.record.id for one in published})
        return published

    @staticmethod
    async def _published(c: AsyncConnection, results: Sequence[Published]) -> bool:
        return await publishing.are_there(c, {result.record.id for result in results})

    # Files

    @_reads
    async def file(self, c: AsyncConnection, file_id: UUID) -> FileRecord | None:
        """The file of an id, or None."""
        row = (await c.execute(select_files(files.c.id == file_id))).first()
        return None if row is None else to_record(row)

    @_reads
    async def list_files(
        self, c: AsyncConnection, first: int, after: str | None, where: FileFilter, order: FileOrder
    ) -> FilePage:
        """The `first` files that match, or of those behind the cursor `after`, which must be of the same order.

        Paging is by key: files that come and go in between neither repeat nor hide others.
        Raises BAD_REQUEST for a cursor that is malformed or of another order, and for text that no file can hold.
        """
        return await listing.page(c, first, after, where, order)

    @_reads
    async def count_files(self, c: AsyncConnection, where: FileFilter) -> int:
        """How many files match. Raises BAD_REQUEST for text that no file can hold."""
        return await counting.count(c, where)

    @_reads
    async def count_kinds(self, c: AsyncConnection, where: FileFilter) -> dict[FileKind, int]:
        """How many files of each kind match, whatever kind the filter asks for. Raises as `count_files` does."""
        return await counting.count_kinds(c, where)

    @_reads
    async def copies(self, c: AsyncConnection, sha256s: Collection[str]) -> dict[str, int]:
        """How many files share the bytes of each hash; hashes without a file are left out."""
        query = select(blobs.c.sha256, func.count()).select_from(FILES).where(blobs.c.sha256.in_(sha256s))
        return {row[0]: row[1] for row in await c.execute(query.group_by(blobs.c.sha256))}

    @_reads
    async def usage(self, c: AsyncConnection) -> StorageUsage:
        """What is stored in total. Counted, not kept: the time grows with the number of files."""
        (file_count, logical), (blob_count, stored) = [
            (await c.execute(select(func.count(), func.coalesce(func.sum(size), 0)))).one()
            for size in (files.c.size, blobs.c.size)
        ]
        return StorageUsage(files=file_count, blobs=blob_count, logical_bytes=int(logical), stored_bytes=int(stored))

    @_writes
    async def rename_file(self, c: AsyncConnection, file_id: UUID, filename: str) -> FileRecord:
        """Give a file another name and return it. The name that it has already changes nothing.

        Raises NOT_FOUND.
        """
        query = select_files(files.c.id == file_id).add_columns(blocks.shared_lock())
        row = (await c.execute(query.with_for_update(of=files))).first()
        if row is None:
            raise not_found(file_id)
        record = to_record(row)
        if record.filename != filename:
            record = replace(record, filename=filename)
            await grams.remove(c, [file_id])
            await c.execute(update(files).where(files.c.id == file_id).values(publishing.name_columns(filename)))
            await grams.add(c, [file_id])
            await blocks.add(c, [record])
            await eventlog.announce(c, EventKind.RENAMED, [record])
        return record

    @_writes
    async def delete_files(self, c: AsyncConnection, file_ids: Sequence[UUID], grace: timedelta) -> list[FileRecord]:
        """Delete files, and return those that were there, each once, in the given order.

        Bytes that no file is left on become garbage, due after the `grace`, for the sake of downloads under way.
        """
        # Files and blobs are locked together: nobody publishes on these blobs until it is known whether they stay.
        query = select_files(files.c.id.in_(file_ids)).add_columns(files.c.blob_id)
        rows = (await c.execute(query.order_by(blobs.c.sha256, files.c.id).with_for_update())).all()
        found = {row.id: to_record(row) for row in rows}
        await grams.remove(c, found)
        await c.execute(delete(files).where(files.c.id.in_(found)))
        reach("D.file_deleted")
        await garbage.drop_unused(c, {row.blob_id for row in rows}, grace)

        records = [found[file_id] for file_id in dict.fromkeys(file_ids) if file_id in found]
        await eventlog.announce(c, EventKind.DELETED, records)
        reach("D.before_commit")
        return records

    # Copying, from one database to another

    @_reads
    async def files_by_id(self, c: AsyncConnection, file_ids: Collection[UUID]) -> dict[UUID, FileRecord]:
        """The files of some ids; ids without a file are left out."""
        rows = await c.execute(select_files(files.c.id.in_(file_ids)))
        return {row.id: to_record(row) for row in rows}

    async def adopt(self, records: Sequence[FileRecord], upload_ids: Mapping[str, UUID]) -> list[FileRecord]:
        """Take over files of another database, in one transaction, with their ids, names, types and dates.

        Returns them as they are here. An id that has a file already is left out, and that file is left alone.
        Where there is an upload for a hash, the records of that hash name its object; it ends, and the object is the
        blob's, or garbage where the blob was there already. Without an upload the bytes must be here.

        Raises, and then nothing has happened: LEASE_LOST where a sweeper took an upload, or where bytes are not here;
        STORE_INTEGRITY where a hash is on record with another size.
        After DATABASE_UNAVAILABLE the files may be here nevertheless, as with `publish`.
        """
        insert = self._database.insert
        adopted = await self._database.writer.run(
            lambda c: publishing.adopt(c, insert, records, upload_ids), took_place=self._adopted
        )
        await self._split_grown({record.id for record in adopted})
        return adopted

    @staticmethod
    async def _adopted(c: AsyncConnection, records: Sequence[FileRecord]) -> bool:
        return await publishing.are_there(c, {record.id for record in records})

    @_reads
    async def list_idempotency_keys(self, c: AsyncConnection, after: str, limit: int) -> list[IdempotencyKey]:
        """At most `limit` of the keys that still hold, behind the key `after`, in order."""
        keys = idempotency_keys.c
        query = select(keys.key, keys.fingerprint, keys.file_id, keys.expires_at)
        query = query.where(keys.key > after, keys.expires_at > now()).order_by(keys.key).limit(limit)
        return [IdempotencyKey(*row) for row in await c.execute(query)]

    @_writes
    async def adopt_idempotency_keys(self, c: AsyncConnection, adopted: Sequence[IdempotencyKey]) -> None:
        """Take over keys of another database; one that is here already stays as it is."""
        if adopted:
            put = self._database.insert(idempotency_keys).on_conflict_do_nothing()
            await c.execute(put, [key._asdict() for key in adopted])

    # Checking

    @_reads
    async def list_blobs(self, c: AsyncConnection, after: str, limit: int) -> list[BlobRecord]:
        """At most `limit` blobs behind the object name `after`, in the order of their object names."""
        return await scrub.list_blobs(c, after, limit)

    @_writes
    async def claim_scrub(self, c: AsyncConnection, limit: int) -> list[BlobRecord]:
        """The next blobs to hash again, of which no other caller is given any in this round; none where it is over."""
        return await scrub.claim(c, limit)

    @_writes
    async def note_damage(self, c: AsyncConnection, object_name: str, *, damaged: bool) -> bool:
        """Note that a blob's object is damaged, or is not. Returns whether that is news.

        The next upload of the same bytes replaces a damaged one.
        """
        return await scrub.note(c, object_name, damaged=damaged)

    @_reads
    async def named(self, c: AsyncConnection, object_names: Collection[str]) -> set[str]:
        """Those of the objects that a blob, an upload or a row of garbage names."""
        return await garbage.named(c, object_names, blobs, uploads, garbage_table)

    @_reads
    async def is_blob(self, c: AsyncConnection, object_name: str) -> bool:
        """Whether a blob has this object."""
        return bool(await garbage.named(c, [object_name], blobs))

    # The sweeper

    @_writes
    async def expire_uploads(self, c: AsyncConnection, limit: int) -> int:
        """End at most `limit` uploads whose leases have run out, and make their objects garbage. Returns how many."""
        return await garbage.expire_uploads(c, limit)

    @_writes
    async def claim_garbage(self, c: AsyncConnection, limit: int, claim: timedelta) -> list[str]:
        """At most `limit` objects to remove from the store now, kept from other sweepers for the time of `claim`.

        Call `forget_garbage` for those that are removed; others come up again when the claim has run out.
        An object that a blob or an upload names is never returned: its row is dropped, and logged as an error.
        """
        return await garbage.claim(c, limit, claim)

    @_writes
    async def put_off_garbage(self, c: AsyncConnection, object_names: Collection[str], wait: timedelta) -> None:
        """Let others go before claimed objects that could not be removed."""
        await garbage.put_off(c, object_names, wait)

    @_writes
    async def forget_garbage(self, c: AsyncConnection, object_names: Collection[str]) -> None:
        """Drop the rows of objects that are no longer in the store."""
        await garbage.forget(c, object_names)

    @_writes
    async def prune_events(self, c: AsyncConnection, max_age: timedelta, max_rows: int) -> int:
        """Drop events older than `max_age`, and the oldest of more than `max_rows`. Returns how many.

        The horizon moves along: cursors from before it expire.
        """
        return await eventlog.prune(c, max_age, max_rows)

    @_writes
    async def prune_idempotency_keys(self, c: AsyncConnection) -> int:
        """Drop the keys whose lifetime is over. Returns how many."""
        return (await c.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at <= now()))).rowcount

    # Events

    @_reads
    async def event_head(self, c: AsyncConnection) -> Position:
        """The position of the newest event; where nothing has happened yet, the one before the first.

        All that is committed from now on lies behind it, and so may what was committed just before: see `events_after`.
        """
        return await eventlog.head(c)

    @_reads
    async def events_after(self, c: AsyncConnection, position: Position, limit: int) -> list[Event]:
        """At most `limit` events behind the position, in the order that is the same for everyone.

        An event is given as soon as no other can come before it any more. Where transactions run side by side, one that
        began earlier and goes on holds it back; `events_pending` tells.

        Raises CURSOR_EXPIRED where events behind the position have been pruned, and where the log has never come as
        far as the position (the database is not the one that it was).
        """
        return await eventlog.after(c, position, limit)

    @_reads
    async def events_pending(self, c: AsyncConnection, position: Position) -> bool:
        """Whether something is committed behind the position, also where `events_after` does not give it yet."""
        return await eventlog.pending(c, position)

    def encode_cursor(self, position: Position) -> str:
        """An opaque cursor for a position in this database's log."""
        return cursors.pack(self._log_id, *position)

    def decode_cursor(self, cursor: str) -> Position:
        """The position of a cursor. Whether the log still has what comes behind it, `events_after` tells.

        Raises BAD_REQUEST where the cursor is malformed, and CURSOR_EXPIRED where it is of another log.
        """
        log_id, transaction, event_id = cursors.unpack(cursor, str, int, int)
        if log_id != self._log_id:
            raise eventlog.expired()
        return Position(transaction, event_id)

    async def _split_grown(self, file_ids: Collection[UUID]) -> None:
        """Look now and then whether new files have made their blocks too long. The files are safe, whatever fails."""
        for file_id in file_ids:
            if random.random() < blocks.LOOK:  # noqa: S311 - no secret
                with suppress(SatchelError):
                    await self._database.writer.run(lambda c, file_id=file_id: blocks.split_grown(c, file_id))  # type: ignore[misc]

    @_writes
    async def _disown_foreign_log(self, c: AsyncConnection) -> None:
        await eventlog.disown(c)

    @_reads
    async def _read_log_id(self, c: AsyncConnection) -> str:
        return await eventlog.read_id(c)

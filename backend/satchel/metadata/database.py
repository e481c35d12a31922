"""All SQL of Satchel: one class, with the same statements for every database."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Table,
    Tuple,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from satchel.errors import Code, SatchelError, not_found

from . import cursors, grams, listing
from .clock import from_microseconds, next_transaction, now, oldest_running_transaction, to_microseconds
from .engine import open_database
from .names import fold, natural_key
from .records import (
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
from .rows import FILES, select_files, storable, to_record
from .tables import blobs, event_log, events, files, garbage, idempotency_keys, uploads

P = ParamSpec("P")
T = TypeVar("T")
_Method = Callable[Concatenate["Metadata", AsyncConnection, P], Awaitable[T]]
_Public = Callable[Concatenate["Metadata", P], Coroutine[Any, Any, T]]
_Row = Row[*tuple[Any, ...]]

log = structlog.get_logger(__name__)


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

    @_reads
    async def ping(self, c: AsyncConnection) -> None:
        """Return when the database answers."""
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
    async def abandon_upload(self, c: AsyncConnection, upload_id: UUID, grace: timedelta = timedelta(0)) -> None:
        """End an upload and make its object garbage, due after the grace. One that is gone already is fine."""
        ended = delete(uploads).where(uploads.c.id == upload_id).returning(uploads.c.object_name)
        await _discard(c, (await c.scalars(ended)).all(), grace)

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
        work = partial(self._publish, publications=publications, key_lifetime=key_lifetime)
        return await self._database.writer.run(work, took_place=self._published)

    async def _publish(
        self, c: AsyncConnection, publications: Sequence[Publication], key_lifetime: timedelta
    ) -> list[Published]:
        # Rows are locked in one order everywhere: uploads, keys (sorted), blobs (by hash). No two can deadlock.
        await _end_uploads(c, publications)
        own = [uuid7() for _ in publications]
        ids = await self._claim_keys(c, publications, own, key_lifetime)
        fresh = {mine: p for p, mine, file_id in zip(publications, own, ids, strict=True) if mine == file_id}
        held = await self._hold_blobs(c, list(fresh.values()))

        offered = {p.object_name for p in publications if p.upload_id is not None}
        needed = {blob.object_name for blob in held.values()}
        await _discard(c, offered - needed)

        moment = (await c.execute(select(now()))).scalar_one()
        records = {file_id: _new_record(file_id, p, held[p.sha256], moment) for file_id, p in fresh.items()}
        await _add_files(c, records.values(), held)

        earlier = await c.execute(select_files(files.c.id.in_(set(ids) - set(fresh))))
        records |= {row.id: to_record(row) for row in earlier}
        return _outcomes(ids, records, new_objects=offered & needed)

    async def _claim_keys(
        self, c: AsyncConnection, publications: Sequence[Publication], own: Sequence[UUID], lifetime: timedelta
    ) -> list[UUID]:
        """The id of each publication's file: its own, or that of the file its idempotency key stands for."""
        ids = list(own)
        keyed = sorted(
            (storable(p.idempotency_key), i) for i, p in enumerate(publications) if p.idempotency_key is not None
        )
        if not keyed:
            return ids
        keys = idempotency_keys.c
        expired = delete(idempotency_keys).where(keys.key.in_({key for key, _ in keyed}), keys.expires_at <= now())
        await c.execute(expired)
        for key, i in keyed:
            fingerprint = _fingerprint(publications[i])
            claim = self._database.insert(idempotency_keys).values(
                key=key, fingerprint=fingerprint, file_id=own[i], expires_at=now(lifetime)
            )
            # An update that changes nothing locks the row that is there and returns it.
            claim = claim.on_conflict_do_update(index_elements=[keys.key], set_={"fingerprint": keys.fingerprint})
            row = (await c.execute(claim.returning(keys.fingerprint, keys.file_id))).one()
            if row.fingerprint != fingerprint:
                detail = "The idempotency key was used before, for another filename or other bytes."
                raise SatchelError(Code.IDEMPOTENCY_CONFLICT, detail)
            ids[i] = row.file_id
        return ids

    async def _hold_blobs(self, c: AsyncConnection, publications: Sequence[Publication]) -> dict[str, _Row]:
        """The locked blobs of the publications by hash, inserted where they are new."""
        offers = {p.sha256: p for p in reversed(publications) if p.upload_id is not None}  # the first one counts
        columns = blobs.c.id, blobs.c.size, blobs.c.object_name
        held: dict[str, _Row] = {}
        for sha256 in sorted({p.sha256 for p in publications}):
            if offer := offers.get(sha256):
                put = self._database.insert(blobs).values(sha256=sha256, size=offer.size, object_name=offer.object_name)
                # As above: lock the row that is there and return it.
                put = put.on_conflict_do_update(index_elements=[blobs.c.sha256], set_={"size": blobs.c.size})
                held[sha256] = (await c.execute(put.returning(*columns))).one()
            else:
                get = select(*columns).where(blobs.c.sha256 == sha256).with_for_update()
                if (blob := (await c.execute(get)).first()) is None:
                    raise _lease_lost()
                held[sha256] = blob
        if any(held[p.sha256].size != p.size for p in publications):
            raise SatchelError(Code.STORE_INTEGRITY, "The stored bytes of this hash have another size.")
        return held

    @staticmethod
    async def _published(c: AsyncConnection, results: Sequence[Published]) -> bool:
        """Whether the files are there."""
        ids = {result.record.id for result in results}
        return await _count(c, files.c.id.in_(ids)) == len(ids)

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
        return await listing.count(c, where)

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
        row = (await c.execute(select_files(files.c.id == file_id).with_for_update(of=files))).first()
        if row is None:
            raise not_found(file_id)
        record = to_record(row)
        if record.filename != filename:
            record = replace(record, filename=filename)
            await grams.remove(c, [file_id])
            await c.execute(update(files).where(files.c.id == file_id).values(_name_columns(filename)))
            await grams.add(c, [file_id])
            await _announce(c, EventKind.RENAMED, [record])
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
        await _drop_unused(c, {row.blob_id for row in rows}, grace)

        records = [found[file_id] for file_id in dict.fromkeys(file_ids) if file_id in found]
        await _announce(c, EventKind.DELETED, records)
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
        work = partial(self._adopt, records=records, upload_ids=upload_ids)
        return await self._database.writer.run(work, took_place=self._adopted)

    async def _adopt(
        self, c: AsyncConnection, records: Sequence[FileRecord], upload_ids: Mapping[str, UUID]
    ) -> list[FileRecord]:
        publications = [_publication(record, upload_ids.get(record.sha256)) for record in records]
        await _end_uploads(c, publications)
        held = await self._hold_blobs(c, publications)
        offered = {p.object_name for p in publications if p.upload_id is not None}
        await _discard(c, offered - {blob.object_name for blob in held.values()})
        # Asked under the blobs' locks, so that two copies of one file at the same time meet here.
        taken = set((await c.scalars(select(files.c.id).where(files.c.id.in_({r.id for r in records})))).all())
        adopted = [replace(r, object_name=held[r.sha256].object_name) for r in records if r.id not in taken]
        await _add_files(c, adopted, held)
        await _drop_unused(c, {blob.id for blob in held.values()})
        return adopted

    @staticmethod
    async def _adopted(c: AsyncConnection, records: Sequence[FileRecord]) -> bool:
        """Whether the files are there."""
        ids = {record.id for record in records}
        return await _count(c, files.c.id.in_(ids)) == len(ids)

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

    # The sweeper

    @_writes
    async def expire_uploads(self, c: AsyncConnection, limit: int) -> int:
        """End at most `limit` uploads whose leases have run out, and make their objects garbage. Returns how many."""
        expired = (
            select(uploads.c.id)
            .where(uploads.c.lease_until <= now())
            .order_by(uploads.c.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte()  # which is run once; a subquery might be run for each row, past the limit
        )
        ended = delete(uploads).where(uploads.c.id.in_(select(expired.c.id))).returning(uploads.c.object_name)
        object_names = (await c.scalars(ended)).all()
        await _discard(c, object_names)
        return len(object_names)

    @_writes
    async def claim_garbage(self, c: AsyncConnection, limit: int, claim: timedelta) -> list[str]:
        """At most `limit` objects to remove from the store now, kept from other sweepers for the time of `claim`.

        Call `forget_garbage` for those that are removed; others come up again when the claim has run out.
        An object that a blob or an upload names is never returned: its row is dropped, and logged as an error.
        """
        due = (
            select(garbage.c.object_name)
            .where(
                garbage.c.not_before <= now(),
                or_(garbage.c.claimed_until.is_(None), garbage.c.claimed_until <= now()),
            )
            .order_by(garbage.c.not_before)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte()  # as above
        )
        claim_due = update(garbage).where(garbage.c.object_name.in_(select(due.c.object_name)))
        claimed = claim_due.values(claimed_until=now(claim))
        object_names = (await c.scalars(claimed.returning(garbage.c.object_name))).all()
        named = (select(t.c.object_name).where(t.c.object_name.in_(object_names)) for t in (blobs, uploads))
        in_use = set((await c.scalars(union_all(*named))).all())
        if in_use:
            log.error("garbage names objects that are in use; they are kept", object_names=sorted(in_use))
            await c.execute(delete(garbage).where(garbage.c.object_name.in_(in_use)))
        return [name for name in object_names if name not in in_use]

    @_writes
    async def forget_garbage(self, c: AsyncConnection, object_names: Collection[str]) -> None:
        """Drop the rows of objects that are no longer in the store."""
        await c.execute(delete(garbage).where(garbage.c.object_name.in_(object_names)))

    @_writes
    async def prune_events(self, c: AsyncConnection, max_age: timedelta, max_rows: int) -> int:
        """Drop events older than `max_age`, and the oldest of more than `max_rows`. Returns how many.

        The horizon moves along: cursors from before it expire.
        """
        # One at a time: where two sweepers prune, the one that looked first must not move the horizon back.
        await c.execute(select(event_log.c.id).with_for_update())
        too_old = _LATEST.where(events.c.created < now(-max_age))
        too_many = _LATEST.offset(max_rows)
        ends = [Position(*row) for query in (too_old, too_many) if (row := (await c.execute(query)).first())]
        if not ends:
            return 0
        horizon = max(ends)  # all that comes later lies behind it: these are settled
        await c.execute(update(event_log).values(horizon_transaction=horizon.transaction, horizon_id=horizon.id))
        return (await c.execute(delete(events).where(tuple_(*_POSITION) <= _literal(horizon)))).rowcount

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
        return await _head(c)

    @_reads
    async def events_after(self, c: AsyncConnection, position: Position, limit: int) -> list[Event]:
        """At most `limit` events behind the position, in the order that is the same for everyone.

        An event is given as soon as no other can come before it any more. Where transactions run side by side, one that
        began earlier and goes on holds it back; `events_pending` tells.

        Raises CURSOR_EXPIRED where events behind the position have been pruned, and where the log has never come as
        far as the position (the database is not the one that it was).
        """
        if position < await _horizon(c):
            raise _cursor_expired()
        query = select(events).where(_SETTLED, tuple_(*_POSITION) > _literal(position))
        rows = (await c.execute(query.order_by(*_POSITION).limit(limit))).all()
        if not rows and position > await _head(c):
            raise _cursor_expired()
        return [_event(row) for row in rows]

    @_reads
    async def events_pending(self, c: AsyncConnection, position: Position) -> bool:
        """Whether something is committed behind the position, also where `events_after` does not give it yet."""
        behind = exists().where(tuple_(*_POSITION) > _literal(position))
        return (await c.execute(select(behind))).scalar_one()

    def encode_cursor(self, position: Position) -> str:
        """An opaque cursor for a position in this database's log."""
        return cursors.pack(self._log_id, *position)

    def decode_cursor(self, cursor: str) -> Position:
        """The position of a cursor. Whether the log still has what comes behind it, `events_after` tells.

        Raises BAD_REQUEST where the cursor is malformed, and CURSOR_EXPIRED where it is of another log.
        """
        log_id, transaction, event_id = cursors.unpack(cursor, str, int, int)
        if log_id != self._log_id:
            raise _cursor_expired()
        return Position(transaction, event_id)

    @_writes
    async def _disown_foreign_log(self, c: AsyncConnection) -> None:
        """Begin another log where this one's transactions have not happened yet.

        A dump that was restored on another server is numbered by the old one: new events would come before those in it,
        and nobody would be told of them.
        """
        newest = func.greatest(
            event_log.c.horizon_transaction, select(func.max(events.c.transaction)).scalar_subquery()
        )
        foreign = select(event_log.c.id).where(newest >= next_transaction()).with_for_update()
        if c.dialect.name == "postgresql" and (await c.execute(foreign)).first():
            log.warning("the event log is that of another database server; clients have to load their lists again")
            await c.execute(delete(events))
            another = {"id": secrets.token_urlsafe(9), "horizon_transaction": 0, "horizon_id": 0}
            await c.execute(update(event_log).values(another))

    @_reads
    async def _read_log_id(self, c: AsyncConnection) -> str:
        log_id: str = (await c.scalars(select(event_log.c.id))).one()
        return log_id


# Statements and their pieces

_POSITION = (events.c.transaction, events.c.id)
# No event can come before one of these any more.
_SETTLED = events.c.transaction < oldest_running_transaction()
_LATEST = select(*_POSITION).where(_SETTLED).order_by(*(column.desc() for column in _POSITION)).limit(1)


def _literal(position: Position) -> Tuple:
    return tuple_(*(literal(value, BigInteger) for value in position))


async def _insert(
    c: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]], **expressions: ColumnElement[Any]
) -> None:
    """Insert rows, each with the value of the SQL expressions beside its own."""
    if rows:
        await c.execute(insert(table).values(**expressions), rows)


async def _count(c: AsyncConnection, *conditions: ColumnElement[bool]) -> int:
    return (await c.execute(select(func.count()).select_from(files).where(*conditions))).scalar_one()


async def _end_uploads(c: AsyncConnection, publications: Iterable[Publication]) -> None:
    """Delete the uploads' rows. One that a sweeper has taken is not there: this fences off the sweeper."""
    wanted = {(p.upload_id, p.object_name) for p in publications if p.upload_id is not None}
    ended = delete(uploads).where(uploads.c.id.in_({upload_id for upload_id, _ in wanted}))
    rows = await c.execute(ended.returning(uploads.c.id, uploads.c.object_name))
    if {(row.id, row.object_name) for row in rows} != wanted:
        raise _lease_lost()


async def _discard(c: AsyncConnection, object_names: Collection[str], grace: timedelta = timedelta(0)) -> None:
    """Make objects garbage, due after the grace."""
    await _insert(c, garbage, [{"object_name": name} for name in object_names], not_before=now(grace))


async def _drop_unused(c: AsyncConnection, blob_ids: Collection[int], grace: timedelta = timedelta(0)) -> None:
    """Make those of the locked blobs that no file is on garbage, due after the grace."""
    unused = delete(blobs).where(blobs.c.id.in_(blob_ids), ~exists().where(files.c.blob_id == blobs.c.id))
    await _discard(c, (await c.scalars(unused.returning(blobs.c.object_name))).all(), grace)


async def _add_files(c: AsyncConnection, records: Collection[FileRecord], held: Mapping[str, _Row]) -> None:
    """Insert files on the blobs that are held, and announce them."""
    await _insert(c, files, [_file_row(record, held[record.sha256]) for record in records])
    await grams.add(c, [record.id for record in records])
    await _announce(c, EventKind.UPLOADED, records)


async def _announce(c: AsyncConnection, kind: EventKind, records: Iterable[FileRecord]) -> None:
    """Write the events of a change, in its own transaction: there is an event exactly if there is a change."""
    rows = [{"kind": kind.value, "file_id": record.id, "snapshot": _snapshot(record)} for record in records]
    await _insert(c, events, rows, created=now())


async def _horizon(c: AsyncConnection) -> Position:
    return Position(*(await c.execute(select(event_log.c.horizon_transaction, event_log.c.horizon_id))).one())


async def _head(c: AsyncConnection) -> Position:
    row = (await c.execute(_LATEST)).first()
    return await _horizon(c) if row is None else Position(*row)


# Between rows and records


def _new_record(file_id: UUID, publication: Publication, blob: _Row, upload_date: datetime) -> FileRecord:
    return FileRecord(
        id=file_id,
        filename=publication.filename,
        content_type=publication.content_type,
        kind=publication.kind,
        size=publication.size,
        sha256=publication.sha256,
        object_name=blob.object_name,
        upload_date=upload_date,
    )


def _publication(record: FileRecord, upload_id: UUID | None) -> Publication:
    return Publication(
        upload_id=upload_id,
        object_name=record.object_name,
        sha256=record.sha256,
        size=record.size,
        filename=record.filename,
        content_type=record.content_type,
        kind=record.kind,
    )


def _file_row(record: FileRecord, blob: _Row) -> dict[str, object]:
    return {
        "id": record.id,
        "blob_id": blob.id,
        "content_type": record.content_type,
        "kind": record.kind.value,
        "size": record.size,
        "upload_date": record.upload_date,
        **_name_columns(record.filename),
    }


def _name_columns(filename: str) -> dict[str, str]:
    return {"filename": filename, "sort_key": natural_key(filename), "search_key": fold(filename)}


def _outcomes(ids: Sequence[UUID], records: Mapping[UUID, FileRecord], new_objects: Collection[str]) -> list[Published]:
    """The results of a publication: the first file on a new object is the one that brought its bytes."""
    unseen = set(new_objects)
    outcomes = []
    for file_id in ids:
        record = records.get(file_id)
        if record is None:
            raise SatchelError(
                Code.NOT_FOUND, "The file that was uploaded with this idempotency key has been deleted since."
            )
        outcomes.append(Published(record, deduplicated=record.object_name not in unseen))
        unseen.discard(record.object_name)
    return outcomes


def _snapshot(record: FileRecord) -> dict[str, object]:
    values = {**vars(record), "id": str(record.id), "kind": record.kind.value}
    return {**values, "upload_date": to_microseconds(record.upload_date)}


def _event(row: _Row) -> Event:
    snapshot = row.snapshot
    record = FileRecord(
        **{
            **snapshot,
            "id": UUID(snapshot["id"]),
            "kind": FileKind(snapshot["kind"]),
            "upload_date": from_microseconds(snapshot["upload_date"]),
        }
    )
    return Event(Position(row.transaction, row.id), EventKind(row.kind), record)


def _fingerprint(publication: Publication) -> str:
    """Whether two uploads under one key are the same: by filename and bytes."""
    return hashlib.sha256(f"{publication.sha256} {publication.filename}".encode()).hexdigest()


def _lease_lost() -> SatchelError:
    return SatchelError(Code.LEASE_LOST, "The upload took too long between two parts and was given up; send it again.")


def _cursor_expired() -> SatchelError:
    return SatchelError(Code.CURSOR_EXPIRED, "Events behind the cursor are gone; load the list again.")

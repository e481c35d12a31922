"""Uploads into files: the transactions that publish, and those that take over files of another database.

Rows are locked in one order everywhere: uploads, keys (sorted), blobs (by hash); then the lock that all share who enter
names into blocks, and after which nothing is waited for. No two can deadlock.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from satchel.errors import Code, SatchelError
from satchel.failpoints import reach

from . import blocks, eventlog, grams
from .clock import now
from .garbage import discard, drop_unused
from .names import fold, natural_key
from .records import EventKind, FileRecord, Publication, Published
from .rows import DatabaseRow, select_files, storable, to_record
from .tables import blobs, files, idempotency_keys, uploads

log = structlog.get_logger(__name__)

Insert = Callable[[Table], sqlite.Insert | postgresql.Insert]
"""The database's INSERT, which knows ON CONFLICT."""


async def publish(
    c: AsyncConnection, insert_into: Insert, publications: Sequence[Publication], key_lifetime: timedelta
) -> list[Published]:
    """Turn finished uploads into files; see `Metadata.publish`."""
    reach("U4.begun")
    await _end_uploads(c, publications)
    reach("U4.lease_ended")
    own = [uuid7() for _ in publications]
    ids = await _claim_keys(c, insert_into, publications, own, key_lifetime)
    reach("U4.key_claimed")
    fresh = {mine: p for p, mine, file_id in zip(publications, own, ids, strict=True) if mine == file_id}
    held = await _hold_blobs(c, insert_into, list(fresh.values()))
    reach("U4.blob_held")

    offered = {p.object_name for p in publications if p.upload_id is not None}
    needed = {blob.object_name for blob in held.values()}
    await discard(c, offered - needed)
    reach("U4.duplicate_discarded")

    moment = (await c.execute(select(now(), blocks.shared_lock()))).scalar_one()
    records = {file_id: _new_record(file_id, p, held[p.sha256], moment) for file_id, p in fresh.items()}
    await _add_files(c, records.values(), held)

    if earlier := set(ids) - set(fresh):
        rows = await c.execute(select_files(files.c.id.in_(earlier)))
        records |= {row.id: to_record(row) for row in rows}
    reach("U4.before_commit")
    return _outcomes(ids, records, new_objects=offered & needed)


async def adopt(
    c: AsyncConnection, insert_into: Insert, records: Sequence[FileRecord], upload_ids: Mapping[str, UUID]
) -> list[FileRecord]:
    """Take over files of another database; see `Metadata.adopt`."""
    publications = [_publication(record, upload_ids.get(record.sha256)) for record in records]
    await _end_uploads(c, publications)
    held = await _hold_blobs(c, insert_into, publications)
    offered = {p.object_name for p in publications if p.upload_id is not None}
    await discard(c, offered - {blob.object_name for blob in held.values()})
    # Asked under the blobs' locks, so that two copies of one file at the same time meet here.
    await c.execute(select(blocks.shared_lock()))
    taken = set((await c.scalars(select(files.c.id).where(files.c.id.in_({r.id for r in records})))).all())
    adopted = [replace(r, object_name=held[r.sha256].object_name) for r in records if r.id not in taken]
    await _add_files(c, adopted, held)
    await drop_unused(c, {blob.id for blob in held.values()})
    return adopted


async def are_there(c: AsyncConnection, file_ids: Collection[UUID]) -> bool:
    """Whether there is a file of each id."""
    query = select(func.count()).select_from(files).where(files.c.id.in_(file_ids))
    return (await c.execute(query)).scalar_one() == len(file_ids)


def name_columns(filename: str) -> dict[str, str]:
    """The columns that a filename fills."""
    return {"filename": filename, "sort_key": natural_key(filename), "search_key": fold(filename)}


async def _end_uploads(c: AsyncConnection, publications: Iterable[Publication]) -> None:
    """Delete the uploads' rows. One that a sweeper has taken is not there: this fences off the sweeper."""
    wanted = {(p.upload_id, p.object_name) for p in publications if p.upload_id is not None}
    ended = delete(uploads).where(uploads.c.id.in_({upload_id for upload_id, _ in wanted}))
    rows = await c.execute(ended.returning(uploads.c.id, uploads.c.object_name))
    if {(row.id, row.object_name) for row in rows} != wanted:
        raise _lease_lost()


async def _claim_keys(
    c: AsyncConnection,
    insert_into: Insert,
    publications: Sequence[Publication],
    own: Sequence[UUID],
    lifetime: timedelta,
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
        claim = insert_into(idempotency_keys).values(
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


async def _hold_blobs(
    c: AsyncConnection, insert_into: Insert, publications: Sequence[Publication]
) -> dict[str, DatabaseRow]:
    """The locked blobs of the publications by hash, inserted where they are new."""
    offers = {p.sha256: p for p in reversed(publications) if p.upload_id is not None}  # the first one counts
    columns = blobs.c.id, blobs.c.size, blobs.c.object_name, blobs.c.damaged
    held: dict[str, DatabaseRow] = {}
    for sha256 in sorted({p.sha256 for p in publications}):
        if offer := offers.get(sha256):
            put = insert_into(blobs).values(sha256=sha256, size=offer.size, object_name=offer.object_name)
            # As above: lock the row that is there and return it.
            put = put.on_conflict_do_update(index_elements=[blobs.c.sha256], set_={"size": blobs.c.size})
            blob = (await c.execute(put.returning(*columns))).one()
            held[sha256] = await _healed(c, blob, offer) if blob.damaged else blob
        else:
            get = select(*columns).where(blobs.c.sha256 == sha256).with_for_update()
            if (there := (await c.execute(get)).first()) is None:
                raise _lease_lost()
            held[sha256] = there
    if any(held[p.sha256].size != p.size for p in publications):
        raise SatchelError(Code.STORE_INTEGRITY, "The stored bytes of this hash have another size.")
    return held


async def _healed(c: AsyncConnection, blob: DatabaseRow, offer: Publication) -> DatabaseRow:
    """A damaged blob with the object that is offered in place of its own."""
    await discard(c, [blob.object_name])
    replaced = update(blobs).where(blobs.c.id == blob.id).values(object_name=offer.object_name, damaged=False)
    healed = (await c.execute(replaced.returning(blobs.c.id, blobs.c.size, blobs.c.object_name))).one()
    log.warning("healed", object_name=healed.object_name, damaged=blob.object_name)
    return healed


async def _add_files(c: AsyncConnection, records: Collection[FileRecord], held: Mapping[str, DatabaseRow]) -> None:
    """Insert files on the blobs that are held, and announce them."""
    if records:
        await c.execute(insert(files), [_file_row(record, held[record.sha256]) for record in records])
    await grams.add(c, [record.id for record in records])
    await blocks.add(c, records)
    await eventlog.announce(c, EventKind.UPLOADED, records)


def _new_record(file_id: UUID, publication: Publication, blob: DatabaseRow, upload_date: datetime) -> FileRecord:
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


def _file_row(record: FileRecord, blob: DatabaseRow) -> dict[str, object]:
    return {
        "id": record.id,
        "blob_id": blob.id,
        "content_type": record.content_type,
        "kind": record.kind.value,
        "size": record.size,
        "upload_date": record.upload_date,
        **name_columns(record.filename),
    }


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


def _fingerprint(publication: Publication) -> str:
    """Whether two uploads under one key are the same: by filename and bytes."""
    return hashlib.sha256(f"{publication.sha256} {publication.filename}".encode()).hexdigest()


def _lease_lost() -> SatchelError:
    return SatchelError(Code.LEASE_LOST, "The upload took too long between two parts and was given up; send it again.")

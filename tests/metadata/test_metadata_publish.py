"""The publishing transaction: all or nothing, identical bytes once, the same request once."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from satchel.errors import Code
from satchel.metadata import EventKind, FileFilter, FileKind, FileOrder, FileRecord, Metadata, Position
from satchel.metadata.tables import blobs, events, files, garbage, idempotency_keys, uploads

MINUTE = timedelta(minutes=1)
PAST = timedelta(seconds=-1)
START = Position(0, 0)


async def test_a_finished_upload_becomes_a_file(metadata, helper):
    """The file has all that was given, an id and the database's time; the upload is over and an event tells of it."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    upload = await helper.prepare("hello", "Grüße.txt")
    [published] = await helper.publish(upload)
    record = published.record
    assert record == FileRecord(
        id=record.id,
        filename="Grüße.txt",
        content_type="text/plain",
        kind=FileKind.TEXT,
        size=5,
        sha256=upload.sha256,
        object_name=upload.object_name,
        upload_date=record.upload_date,
    )
    assert record.id.version == 7
    assert before < record.upload_date < before + timedelta(seconds=30)
    assert record.upload_date.utcoffset() == timedelta(0)
    assert not published.deduplicated
    assert await metadata.file(record.id) == record
    assert await helper.count(uploads, garbage) == (0, 0)
    [event] = await metadata.events_after(START, 10)
    assert (event.kind, event.record) == (EventKind.UPLOADED, record)


async def test_the_largest_size_is_kept_exactly(metadata, helper):
    """Sizes are 64-bit integers, not floats: 2^53 + 1 and 2^63 - 1 come back as they were."""
    for size in (2**53 + 1, 2**63 - 1):
        record = await helper.upload(f"{size}", size=size)
        assert (await metadata.file(record.id)).size == size
    page = await metadata.list_files(1, None, FileFilter(), FileOrder.SIZE_DESC)
    page = await metadata.list_files(1, page.cursors[0], FileFilter(), FileOrder.SIZE_DESC)
    assert page.records[0].size == 2**53 + 1
    [largest, _] = await metadata.events_after(START, 10)
    assert largest.record.size == 2**53 + 1


async def test_identical_bytes_are_kept_once(metadata, helper):
    """The second upload of the same bytes shares the first one's object, and its own becomes garbage."""
    first = await helper.upload("same", "first")
    again = await helper.prepare("same", "second")
    [published] = await helper.publish(again)
    assert published.deduplicated
    assert published.record.object_name == first.object_name
    assert await metadata.claim_garbage(10, MINUTE) == [again.object_name]
    assert await helper.count(files, blobs, events) == (2, 1, 2)


async def test_concurrent_identical_uploads_make_one_blob(database_url, metadata, helper):
    """Twenty uploads of the same bytes from two processes at once: twenty files, one object, the rest garbage."""
    other = Metadata(database_url)
    await other.open()
    prepared = [await helper.prepare("same", f"{index}") for index in range(20)]
    results = await asyncio.gather(
        *((metadata, other)[i % 2].publish([p], key_lifetime=MINUTE) for i, p in enumerate(prepared))
    )
    await other.close()
    records = [result.record for [result] in results]
    assert [record.filename for record in records] == [f"{index}" for index in range(20)]
    assert [result.deduplicated for [result] in results].count(False) == 1
    [object_name] = {record.object_name for record in records}
    unneeded = {p.object_name for p in prepared} - {object_name}
    assert set(await metadata.claim_garbage(100, MINUTE)) == unneeded
    assert await helper.count(files, blobs, uploads, events) == (20, 1, 0, 20)


async def test_the_sweeper_is_fenced_off(metadata, helper, fails):
    """An upload that the sweeper has taken cannot be published any more, and nothing of it is kept."""
    upload = await helper.prepare(lease=PAST)
    await metadata.expire_uploads(10)
    with fails(Code.LEASE_LOST):
        await helper.publish(upload)
    assert await helper.count(files, blobs, events) == (0, 0, 0)
    assert await metadata.claim_garbage(10, MINUTE) == [upload.object_name]


async def test_a_past_lease_that_nobody_took_is_good(metadata, helper):
    """Only a sweeper ends an upload, not the clock."""
    upload = await helper.prepare(lease=PAST)
    await helper.publish(upload)
    assert await metadata.expire_uploads(10) == 0
    assert await helper.count(files, garbage) == (1, 0)


async def test_an_upload_is_published_once(helper, fails):
    """Publishing ends the upload: the same one cannot be published again."""
    upload = await helper.prepare()
    await helper.publish(upload)
    with fails(Code.LEASE_LOST):
        await helper.publish(upload)
    assert await helper.count(files) == (1,)


async def test_a_batch_is_all_or_nothing(helper, fails):
    """One lost lease among three uploads undoes the other two, whose uploads go on."""
    batch = [await helper.prepare(f"{index}", idempotency_key=f"{index}") for index in range(3)]
    await helper.metadata.abandon_upload(batch[2].upload_id)
    with fails(Code.LEASE_LOST):
        await helper.publish(*batch)
    assert await helper.count(files, blobs, events, idempotency_keys, uploads, garbage) == (0, 0, 0, 0, 2, 1)
    assert len(await helper.publish(*batch[:2])) == 2


async def test_a_batch_keeps_its_order(metadata, helper):
    """Results, ids and events are in the order of the publications, whatever their hashes are."""
    batch = [await helper.prepare(f"content {index % 7}", f"{index}") for index in range(20)]
    results = await helper.publish(*batch)
    assert [result.record.filename for result in results] == [f"{index}" for index in range(20)]
    assert [result.deduplicated for result in results] == [False] * 7 + [True] * 13
    ids = [result.record.id for result in results]
    assert ids == sorted(ids)
    assert [event.record for event in await metadata.events_after(START, 100)] == [r.record for r in results]
    assert set(await metadata.claim_garbage(100, MINUTE)) == {p.object_name for p in batch[7:]}


async def test_nothing_is_published_for_nothing(helper):
    """An empty batch has no results."""
    assert await helper.publish() == []


async def test_one_upload_may_become_several_files(helper):
    """A file that is used twice in a request is two files on one blob; only the first brought the bytes."""
    upload = await helper.prepare("shared", "one")
    first, second = await helper.publish(upload, replace(upload, filename="two"))
    assert (first.deduplicated, second.deduplicated) == (False, True)
    assert first.record.object_name == second.record.object_name
    assert await helper.count(files, blobs, uploads, garbage, events) == (2, 1, 0, 0, 2)


async def test_bytes_published_before_can_be_used_again(helper):
    """A publication without an upload stands on the blob that is there."""
    upload = await helper.prepare("before", "one")
    await helper.publish(upload)
    [again] = await helper.publish(replace(upload, upload_id=None, filename="two"))
    assert again.deduplicated
    assert again.record.object_name == upload.object_name
    assert await helper.count(files, blobs, garbage) == (2, 1, 0)


async def test_bytes_that_are_gone_cannot_be_used_again(metadata, helper, fails):
    """Without an upload and without the blob there is nothing to publish."""
    upload = await helper.prepare()
    [published] = await helper.publish(upload)
    await metadata.delete_files([published.record.id], MINUTE)
    with fails(Code.LEASE_LOST):
        await helper.publish(replace(upload, upload_id=None))
    assert await helper.count(files, blobs) == (0, 0)


async def test_one_hash_has_one_size(helper, fails):
    """The same hash with another size means that something lies; nothing is changed."""
    await helper.upload("same")
    with fails(Code.STORE_INTEGRITY):
        await helper.publish(await helper.prepare("same", size=99))
    assert await helper.count(files, uploads, garbage) == (1, 1, 0)


async def test_a_key_gives_the_file_of_then(metadata, helper):
    """A repeated request gets the first one's file: no second file, no event, and its object is garbage."""
    record = await helper.upload("bytes", "a.txt", idempotency_key="key")
    await metadata.rename_file(record.id, "renamed since")
    again = await helper.prepare("bytes", "a.txt", idempotency_key="key")
    [published] = await helper.publish(again)
    assert published.record == replace(record, filename="renamed since")
    assert published.deduplicated
    assert await metadata.claim_garbage(10, MINUTE) == [again.object_name]
    assert await helper.count(files, blobs, uploads) == (1, 1, 0)
    assert [event.kind for event in await metadata.events_after(START, 10)] == [EventKind.UPLOADED, EventKind.RENAMED]


@pytest.mark.parametrize("other", [("other bytes", "a.txt"), ("bytes", "b.txt")])
async def test_a_key_stands_for_one_content(helper, fails, other):
    """The same key with other bytes or another name is a conflict, and the upload goes on."""
    await helper.upload("bytes", "a.txt", idempotency_key="key")
    with fails(Code.IDEMPOTENCY_CONFLICT):
        await helper.publish(await helper.prepare(*other, idempotency_key="key"))
    assert await helper.count(files, uploads, garbage) == (1, 1, 0)


async def test_a_key_remembers_a_deleted_file(metadata, helper, fails):
    """When the file of a key has been deleted since, a repetition does not bring it back."""
    record = await helper.upload(idempotency_key="key")
    await metadata.delete_files([record.id], MINUTE)
    with fails(Code.NOT_FOUND):
        await helper.publish(await helper.prepare(idempotency_key="key"))
    assert await helper.count(files, uploads) == (0, 1)


async def test_an_expired_key_is_free(metadata, helper):
    """After its lifetime a key can be used for something else, whether pruned or not."""
    await helper.publish(await helper.prepare("first", idempotency_key="key"), key_lifetime=PAST)
    [second] = await helper.publish(await helper.prepare("second", idempotency_key="key"), key_lifetime=PAST)
    assert not second.deduplicated
    assert await metadata.prune_idempotency_keys() == 1
    [third] = await helper.publish(await helper.prepare("third", idempotency_key="key"))
    assert not third.deduplicated
    assert await metadata.prune_idempotency_keys() == 0
    assert await helper.count(files) == (3,)


async def test_a_key_repeated_in_one_request_is_one_file(helper):
    """Twice the same key in a batch is the same file twice."""
    batch = [await helper.prepare(idempotency_key="key") for _ in range(2)]
    first, second = await helper.publish(*batch)
    assert first.record == second.record
    assert (first.deduplicated, second.deduplicated) == (False, True)
    assert await helper.count(files, events, garbage) == (1, 1, 1)


async def test_concurrent_repetitions_make_one_file(helper):
    """A request repeated while the first is still running gets the same file."""
    batch = [await helper.prepare(idempotency_key="key") for _ in range(10)]
    results = await asyncio.gather(*(helper.publish(upload) for upload in batch))
    assert len({result.record.id for [result] in results}) == 1
    assert await helper.count(files, events, garbage, uploads) == (1, 1, 9, 0)


@pytest.mark.parametrize("key", ["nul\0", "half a pair \ud800"])
async def test_a_key_is_text(helper, fails, key):
    """A key that no database can hold is refused, not an accident."""
    with fails(Code.BAD_REQUEST):
        await helper.publish(await helper.prepare(idempotency_key=key))


# More of COMMIT on PostgreSQL: test_metadata_postgresql.py
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def break_commit(metadata: Metadata, *, after: bool, times: int = 1) -> None:
    """Let the next commits of the writer fail, either before or after they take place."""
    dialect = metadata._database.writer._engine.sync_engine.dialect
    commit, left = dialect.do_commit, [None] * times

    def failing(connection):
        if not left:
            return commit(connection)
        left.pop()
        if after:
            commit(connection)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    dialect.do_commit = failing


@on_sqlite
async def test_a_commit_that_took_place_is_a_success(metadata, helper):
    """When COMMIT fails but the files are there, the client is told of the files."""
    upload = await helper.prepare()
    break_commit(metadata, after=True)
    [published] = await helper.publish(upload)
    assert await metadata.file(published.record.id) == published.record
    assert await helper.count(files, uploads, events) == (1, 0, 1)


@on_sqlite
async def test_a_commit_that_did_not_take_place_is_a_failure(metadata, helper, fails):
    """When COMMIT fails and the files are not there, nothing has changed and the upload can be published again."""
    upload = await helper.prepare()
    break_commit(metadata, after=False)
    with fails(Code.DATABASE_UNAVAILABLE):
        await helper.publish(upload)
    assert await helper.count(files, uploads, garbage, events) == (0, 1, 0, 0)
    await helper.publish(upload)
    assert await helper.count(files, uploads) == (1, 0)

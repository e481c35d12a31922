"""Renaming and deleting, and the numbers about what is there."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from satchel.errors import Code
from satchel.metadata import EventKind, FileFilter, FileOrder, Position, StorageUsage
from satchel.metadata.tables import blobs, events, files, garbage

MINUTE = timedelta(minutes=1)
NONE = timedelta(0)


async def test_an_unknown_id_is_no_file(metadata):
    """Asking for a file that is not there is an answer, not a failure."""
    assert await metadata.file(uuid4()) is None


async def test_renames_a_file(metadata, helper):
    """The new name is what is found and sorted by from then on, and an event carries it."""
    other, record = await helper.upload(filename="m"), await helper.upload(filename="a")
    head = await metadata.event_head()
    renamed = await metadata.rename_file(record.id, "Zebra")
    assert renamed == replace(record, filename="Zebra") == await metadata.file(record.id)
    page = await metadata.list_files(10, None, FileFilter(), FileOrder.FILENAME_ASC)
    assert page.records == [other, renamed]
    assert await metadata.count_files(FileFilter(search="zeb")) == 1
    [event] = await metadata.events_after(head, 10)
    assert (event.kind, event.record) == (EventKind.RENAMED, renamed)


async def test_the_same_name_is_no_change(metadata, helper):
    """Renaming to the name that a file has gives the file and no event; another case is another name."""
    record = await helper.upload(filename="name")
    assert await metadata.rename_file(record.id, "name") == record
    assert await helper.count(events) == (1,)
    await metadata.rename_file(record.id, "NAME")
    assert await helper.count(events) == (2,)


async def test_renames_no_unknown_file(metadata, helper, fails):
    """Renaming a file that is not there is NOT_FOUND, and leaves no event."""
    with fails(Code.NOT_FOUND):
        await metadata.rename_file(uuid4(), "name")
    assert await helper.count(events) == (0,)


async def test_deletes_files(metadata, helper):
    """The answer has the files that were there, in the order of the ids, each once, with an event for each."""
    a, b, c = [await helper.upload(name, name) for name in "abc"]
    head = await metadata.event_head()
    assert await metadata.delete_files([c.id, uuid4(), a.id, c.id], NONE) == [c, a]
    assert await metadata.file(a.id) is None
    assert await metadata.file(b.id) == b
    assert [(e.kind, e.record) for e in await metadata.events_after(head, 10)] == [
        (EventKind.DELETED, c),
        (EventKind.DELETED, a),
    ]
    assert set(await metadata.claim_garbage(10, MINUTE)) == {a.object_name, c.object_name}
    assert await metadata.delete_files([a.id], NONE) == []
    assert await metadata.delete_files([], NONE) == []


async def test_shared_bytes_stay_until_the_last_file_goes(metadata, helper):
    """Deleting one of two files on the same bytes removes no bytes; deleting the other one does."""
    first, second = await helper.upload(filename="1"), await helper.upload(filename="2")
    await helper.metadata.forget_garbage(await metadata.claim_garbage(10, MINUTE))
    await metadata.delete_files([first.id], NONE)
    assert await helper.count(blobs, garbage) == (1, 0)
    await metadata.delete_files([second.id], NONE)
    assert await helper.count(blobs, garbage) == (0, 1)
    assert await metadata.claim_garbage(10, MINUTE) == [first.object_name]


async def test_all_files_of_a_blob_may_go_at_once(metadata, helper):
    """Deleting both files on the same bytes in one request removes the bytes."""
    records = [await helper.upload(filename=name) for name in "ab"]
    assert await metadata.delete_files([record.id for record in records], NONE) == records
    assert await helper.count(files, blobs) == (0, 0)


async def test_deleted_bytes_can_be_uploaded_again(metadata, helper):
    """The same bytes after the last delete are new bytes, under a name of their own."""
    first = await helper.upload()
    await metadata.delete_files([first.id], NONE)
    second = await helper.upload()
    assert second.object_name != first.object_name
    assert await metadata.claim_garbage(10, MINUTE) == [first.object_name]


async def test_races_of_uploads_and_last_deletes_lose_nothing(metadata, helper):
    """Uploads and deletes of the same bytes at once leave each blob a file, and each object in use or garbage."""
    randomness = random.Random(1)
    names = set()

    async def one(index):
        upload = await helper.prepare(f"content {index % 3}")
        names.add(upload.object_name)
        [published] = await helper.publish(upload)
        await asyncio.sleep(randomness.random() / 100)
        if index % 5:
            await metadata.delete_files([published.record.id], NONE)

    await asyncio.gather(*(one(index) for index in range(60)))
    blob_rows, file_rows = await helper.rows(blobs), await helper.rows(files)
    used = {row["object_name"] for row in blob_rows}
    unused = {row["object_name"] for row in await helper.rows(garbage)}
    assert len(file_rows) == 12
    assert {row["blob_id"] for row in file_rows} == {row["id"] for row in blob_rows}
    assert not used & unused
    assert used | unused == names
    assert len(await metadata.events_after(Position(0, 0), 1000)) == 60 + 48


async def test_counts_copies(metadata, helper):
    """The copies of each hash that has any, all in one question."""
    one = await helper.upload("one")
    two = await helper.upload("two")
    await helper.upload("two", "another name")
    assert await metadata.copies([one.sha256, two.sha256, "0" * 64]) == {one.sha256: 1, two.sha256: 2}
    assert await metadata.copies([]) == {}


async def test_measures_what_is_stored(metadata, helper):
    """Logical bytes count every file, stored bytes every blob once; an empty store has zeros."""
    assert await metadata.usage() == StorageUsage(files=0, blobs=0, logical_bytes=0, stored_bytes=0)
    for content in ("four", "four", "sixteen"):
        await helper.upload(content)
    assert await metadata.usage() == StorageUsage(files=3, blobs=2, logical_bytes=15, stored_bytes=11)


@pytest.mark.parametrize("name", ["a" * 255, "\u202e.txt", "漢字 🎒.tar.gz", "'; DROP TABLE files; --"])
async def test_names_come_back_as_they_were(metadata, helper, name):
    """A filename is kept to the letter."""
    record = await helper.upload(filename=name)
    assert (await metadata.file(record.id)).filename == name

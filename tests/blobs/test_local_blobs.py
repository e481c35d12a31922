"""The local store behind the port."""

import asyncio
import errno
import os
import random
import threading

import pytest
from stored import code_of, get, open_descriptors, put

from satchel.blobs import new_object_name
from satchel.blobs.local import DIRECT_SIZE, READ_CHUNK, LocalBlobStore
from satchel.errors import Code, SatchelError


async def put_pieces(store, *pieces):
    """A committed object of pieces of any size, which the local store takes; its name."""
    name = new_object_name()
    writer = await store.create(name)
    for piece in pieces:
        await writer.write(memoryview(piece))
    await writer.commit()
    return name


@pytest.mark.parametrize(
    "sizes",
    [
        [10, 20, 0, 30],
        [READ_CHUNK, 1],
        [DIRECT_SIZE, DIRECT_SIZE, 7],
        [7, DIRECT_SIZE, DIRECT_SIZE + 1, DIRECT_SIZE],
        [DIRECT_SIZE - 4096, DIRECT_SIZE],
    ],
)
async def test_pieces_of_any_size_are_written(local, sizes):
    """What can be written past the page cache and what cannot come in any order."""
    pieces = [random.Random(size).randbytes(size) for size in sizes]
    name = await put_pieces(local, *pieces)
    assert await get(local, name, sum(sizes)) == b"".join(pieces)


async def test_an_object_survives_the_store(local, tmp_path):
    """What is committed is there after the store is closed and opened again."""
    name = await put(local, b"data")
    again = LocalBlobStore(tmp_path / "objects")
    await again.open()
    assert await get(again, name, 4) == b"data"
    await again.close()


async def test_a_reader_keeps_what_is_deleted_meanwhile(local):
    """A download that has begun is not cut by a deletion."""
    data = random.Random(2).randbytes(2 * READ_CHUNK)
    name = await put(local, data)
    reader = await local.read(name, len(data), 0, len(data))
    await local.delete(name)
    assert b"".join([chunk async for chunk in reader]) == data
    await reader.aclose()


async def test_a_name_is_used_once(local):
    """An object that is there is never written over."""
    name = await put(local, b"data")
    assert await code_of(local.create(name)) is Code.STORE_UNAVAILABLE
    assert await get(local, name, 4) == b"data"


async def test_there_is_no_link_to_a_local_object(local):
    """Clients reach the directory through the server alone."""
    assert await local.link(await put(local, b"data"), "text/plain", "attachment") is None


@pytest.fixture
def plant(monkeypatch):
    """Makes a system call fail: `plant("write", errno.ENOSPC)`."""

    def fail_with(call, fault):
        def fail(*_, **__):
            raise OSError(fault, os.strerror(fault), "/secret/path")

        monkeypatch.setattr(f"satchel.blobs.local.os.{call}", fail)

    yield fail_with
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("call", "fault", "code"),
    [
        ("write", errno.ENOSPC, Code.INSUFFICIENT_STORAGE),
        ("write", errno.EDQUOT, Code.INSUFFICIENT_STORAGE),
        ("write", errno.EFBIG, Code.INSUFFICIENT_STORAGE),
        ("write", errno.EIO, Code.STORE_UNAVAILABLE),
        ("fsync", errno.ENOSPC, Code.INSUFFICIENT_STORAGE),
        ("fsync", errno.EIO, Code.STORE_UNAVAILABLE),
    ],
)
async def test_a_fault_of_the_disk_is_a_failure_of_the_table(local, tmp_path, plant, monkeypatch, call, fault, code):
    """No room is told apart from other faults, without showing a path, and what was written can still be given up."""
    before = open_descriptors()
    writer = await local.create(new_object_name())
    plant(call, fault)

    async def write():
        await writer.write(memoryview(b"x" * 10))
        await writer.commit()

    with pytest.raises(SatchelError, match=r"^[^/]*$") as raised:
        await write()
    assert raised.value.code is code
    monkeypatch.undo()
    await writer.abort()
    assert list((tmp_path / "objects").rglob("*-*")) == []
    assert open_descriptors() == before


async def test_a_failed_fsync_is_not_tried_again(local, plant, monkeypatch):
    """After a failed fsync nobody knows what is on the disk, so a second success would mean nothing."""
    writer = await local.create(new_object_name())
    await writer.write(memoryview(b"data"))
    plant("fsync", errno.EIO)
    assert await code_of(writer.commit()) is Code.STORE_UNAVAILABLE
    monkeypatch.undo()
    assert await code_of(writer.commit()) is Code.STORE_UNAVAILABLE


async def test_an_abort_never_raises(local, plant):
    """What cannot be removed is left to the sweeper."""
    writer = await local.create(new_object_name())
    plant("unlink", errno.EIO)
    await writer.abort()


async def test_a_store_that_is_gone_says_so(local, plant):
    """A directory that does not answer is a store that is not there."""
    plant("stat", errno.EIO)
    assert await code_of(local.ping()) is Code.STORE_UNAVAILABLE


async def test_no_descriptor_outlives_its_use(local):
    """After reading and writing, refused or not, as many descriptors are open as before."""
    name = await put(local, b"data")
    before = open_descriptors()
    await put(local, b"x" * DIRECT_SIZE)
    await get(local, name, 4)
    await code_of(local.read(name, 5, 0, 5))
    await code_of(local.read(new_object_name(), 5, 0, 5))
    await code_of(local.create(name))
    await (await local.create(new_object_name())).abort()
    reader = await local.read(name, 4, 0, 4)
    await reader.aclose()
    await local.delete(name)
    assert open_descriptors() == before


async def test_an_object_that_shrinks_while_it_is_read_is_damaged(local, tmp_path):
    """A reader that finds less than it was promised fails, and does not end as if all were well."""
    name = await put(local, b"x" * (READ_CHUNK + 10))
    reader = await local.read(name, READ_CHUNK + 10, 0, READ_CHUNK + 10)
    os.truncate(tmp_path / "objects" / name, READ_CHUNK)
    assert len(await anext(reader)) == READ_CHUNK
    assert await code_of(anext(reader)) is Code.STORE_INTEGRITY
    await reader.aclose()


async def test_a_planted_link_is_not_followed(local, tmp_path):
    """A link in the place of an object leads nowhere, in either direction."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"data")
    name = new_object_name()
    (tmp_path / "objects" / name).symlink_to(secret)
    with pytest.raises(SatchelError):
        await local.read(name, 4, 0, 4)
    with pytest.raises(SatchelError):
        await local.create(name)
    await local.delete(name)
    assert secret.read_bytes() == b"data"


async def test_a_planted_link_to_a_directory_is_not_followed(local, tmp_path):
    """A link in the place of a directory of objects leads nowhere either: nothing is read, written or removed there."""
    name = new_object_name()
    directory, elsewhere = (tmp_path / "objects" / name).parent, tmp_path / "elsewhere"
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)
    secret = elsewhere / name.rpartition("/")[2]
    secret.write_bytes(b"data")
    for attempt in (local.read(name, 4, 0, 4), local.size(name), local.delete(name)):
        assert await code_of(attempt) is Code.STORE_UNAVAILABLE
    assert await code_of(local.create(name[:-1] + "0")) is Code.STORE_UNAVAILABLE
    assert [stored.name async for stored in local.objects()] == [name.rpartition("/")[0]]
    assert list(elsewhere.iterdir()) == [secret]


async def test_a_store_does_not_open_over_a_planted_link(tmp_path):
    """The directory of all objects is no link; the store's own may be one, which its owner made."""
    (tmp_path / "objects").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "objects" / "o").symlink_to(tmp_path / "elsewhere")
    store = LocalBlobStore(tmp_path / "objects")
    with pytest.raises(NotADirectoryError):
        await store.open()
    await store.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []

    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    store = LocalBlobStore(tmp_path / "link")
    await store.open()
    name = await put(store, b"data")
    await store.close()
    assert (tmp_path / "elsewhere" / name).read_bytes() == b"data"


async def test_objects_are_for_the_service_alone(local, tmp_path):
    """No other user of the machine can read an object."""
    name = await put(local, b"data")
    assert (tmp_path / "objects" / name).stat().st_mode & 0o077 == 0


async def test_a_store_works_after_its_directory_was_moved(local, tmp_path):
    """The open directory is what counts, not its path: nothing is written to whatever comes in its place."""
    (tmp_path / "objects").rename(tmp_path / "moved")
    name = await put(local, b"data")
    assert (tmp_path / "moved" / name).read_bytes() == b"data"
    assert not (tmp_path / "objects").exists()


@pytest.fixture
def held(monkeypatch):
    """Holds a system call in its thread until it is released: `held("write")`."""
    release, begun = threading.Event(), threading.Event()

    def hold(call):
        real = getattr(os, call)

        def held_call(*args, **kwargs):
            begun.set()
            assert release.wait(30)
            return real(*args, **kwargs)

        monkeypatch.setattr(f"satchel.blobs.local.os.{call}", held_call)
        return begun, release

    yield hold
    release.set()
    monkeypatch.undo()


async def begun(event):
    await asyncio.get_running_loop().run_in_executor(None, event.wait, 30)


async def test_a_cancelled_write_waits_for_its_thread(local, held):
    """A write cannot be stopped half way, so its descriptor stays open until it ends; nothing leaks."""
    before = open_descriptors()
    writer = await local.create(new_object_name())
    has_begun, release = held("write")
    writing = asyncio.create_task(writer.write(memoryview(b"data")))
    await begun(has_begun)
    writing.cancel()
    await asyncio.sleep(0.05)
    assert not writing.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await writer.abort()
    assert open_descriptors() == before


@pytest.mark.parametrize("call", ["create", "read"])
async def test_a_cancelled_opening_closes_what_it_opened(local, held, call):
    """A descriptor that comes too late for its caller is closed."""
    name = await put(local, b"data")
    before = open_descriptors()
    has_begun, release = held("open")
    opening = asyncio.create_task(local.create(new_object_name()) if call == "create" else local.read(name, 4, 0, 4))
    await begun(has_begun)
    opening.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert open_descriptors() == before

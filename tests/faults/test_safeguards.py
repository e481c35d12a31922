"""Safeguards that no other test would miss; `make mutations` removes each of them in turn, and those of other tests."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from kept import eventually
from satchel.blobs import new_object_name
from satchel.metadata import publishing
from stacks import embedded_only, scaled_only


async def finished(intake):
    """An upload whose bytes are stored."""
    upload = await intake.start("a.bin", None)
    await upload.write(memoryview(b"data"))
    await upload.finish()
    return upload


@pytest.fixture
def durable(monkeypatch, tmp_path):
    """What was made durable, in order: paths below the store, as they were when fsync returned."""
    done, fsync = [], os.fsync

    def told(fd):
        fsync(fd)
        done.append(str(Path(f"/proc/self/fd/{fd}").readlink().relative_to(tmp_path / "objects")))

    monkeypatch.setattr(os, "fsync", told)
    return done


@embedded_only
async def test_a_file_is_durable_and_then_its_name(local, durable, stack_kind):
    """A file whose directory was not made durable may be gone after a power cut, with all its bytes."""
    name = new_object_name()
    writer = await local.create(name)
    await writer.write(memoryview(b"data"))
    await writer.commit()
    assert durable == [name, name.rpartition("/")[0]]
    await local.delete(name)
    assert durable[2:] == [name.rpartition("/")[0]]


async def test_a_client_that_leaves_in_the_publication(stack, kept, monkeypatch):
    """The publication runs to its end, subscribers are woken, and the bytes are the file's."""
    begun, go_on, woken, publish = asyncio.Event(), asyncio.Event(), [], stack.metadata.publish

    async def slow(*publications, **options):
        begun.set()
        await go_on.wait()
        return await publish(*publications, **options)

    monkeypatch.setattr(stack.metadata, "publish", slow)
    monkeypatch.setattr(stack.files, "_changed", lambda: woken.append(True))

    async def request():
        async with stack.files.intake() as intake:
            await stack.files.publish(await finished(intake))

    client = asyncio.create_task(request())
    await begun.wait()
    client.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await client
    await stack.files.tasks.drain()
    assert (kept.count("files"), kept.count("events"), len(woken)) == (1, 1, 1)
    await stack.sweeper.sweep()
    assert kept.is_clean()


@scaled_only
async def test_a_deletion_waits_for_those_who_have_the_blob(stack, kept):
    """Whoever publishes on the blob of a file that is being deleted keeps it."""
    begun, go_on, lifetime = asyncio.Event(), asyncio.Event(), timedelta(days=1)
    async with stack.files.intake() as intake:
        first = await stack.files.publish(await finished(intake))
        publication = (await finished(intake)).publication(None)

        async def work(connection):
            await publishing.publish(connection, stack.metadata._database.insert, [publication], lifetime)
            begun.set()
            await go_on.wait()

        publishes = asyncio.create_task(stack.metadata._database.writer.run(work))
        await begun.wait()
        deletes = asyncio.create_task(stack.files.delete(str(first.record.id)))
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await eventually(lambda: kept.query(waiting))
        go_on.set()
        await asyncio.gather(publishes, deletes)
    assert (kept.count("files"), kept.count("blobs")) == (1, 1)
    await stack.sweeper.sweep()
    await eventually(kept.is_clean)

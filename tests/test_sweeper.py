import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from kept import eventually
from satchel import sweeper
from satchel.app import opened
from satchel.blobs import new_object_name
from satchel.errors import Code, SatchelError
from satchel.metadata.tables import garbage

NOW = timedelta(microseconds=1)
SECONDS = 20  # a bound for each wait; nothing is measured by it

at_once = pytest.mark.settings(delete_grace=NOW, upload_lease=NOW)


@pytest.fixture
async def stack(settings):
    """Everything a server is made of, without its background work: nothing is swept but by the test."""
    async with opened(settings) as stack:
        yield stack


async def upload(client, data=b"data", **headers):
    response = await client.post("/files/upload", files={"file": ("a.txt", data)}, headers=headers)
    assert response.status_code == 200
    return response.json()


async def delete(client, file):
    assert (await client.delete(f"/files/{file['id']}")).status_code == 200
    return file


async def sweep(stack):
    """Sweep when all that is due by now is due to the database too, whose clock ticks in milliseconds."""
    await asyncio.sleep(0.005)
    return await stack.sweeper.sweep()


async def stage(stack, data=b"staged"):
    """An upload whose bytes are durable, and which nobody ends."""
    staged = await stack.files.uploads.begin("a.txt", None)
    await staged.write(memoryview(data))
    await staged.finish()
    return staged


@at_once
async def test_an_upload_that_died_is_reclaimed(stack, kept):
    """When its lease has run out, an upload's bytes and its row go."""
    await stage(stack)
    assert (kept.count("uploads"), len(kept.objects())) == (1, 1)
    assert await sweep(stack) == 1
    assert kept.is_empty()
    assert kept.count("garbage") == 0


@pytest.mark.settings(delete_grace=NOW)
async def test_an_upload_that_lives_is_left_alone(stack, kept):
    """While a lease holds, neither bytes nor row are touched, and the upload can be published."""
    staged = await stage(stack)
    assert await sweep(stack) == 0
    published = await stack.files.publish(staged)
    assert kept.objects() == {published.record.object_name}


@at_once
async def test_an_upload_that_was_reclaimed_cannot_be_published(stack, kept):
    """Whoever comes back after the sweep is told so, and nothing is kept."""
    staged = await stage(stack)
    await sweep(stack)
    with pytest.raises(SatchelError) as raised:
        await stack.files.publish(staged)
    assert raised.value.code is Code.LEASE_LOST
    assert kept.is_empty()


@at_once
async def test_a_crash_before_the_first_byte_leaves_nothing(stack, kept):
    """A row whose object was never made is reclaimed like any other."""
    await stack.metadata.begin_upload(new_object_name(), NOW)
    assert await sweep(stack) == 1
    assert kept.is_empty()


async def test_deleted_bytes_stay_for_the_downloads_that_run(client, stack, kept):
    """Until the grace time is over, the object of a deleted file is kept."""
    await delete(client, await upload(client))
    assert await sweep(stack) == 0
    assert (kept.count("files"), len(kept.objects()), kept.count("garbage")) == (0, 1, 1)


@at_once
async def test_deleted_bytes_go_after_the_grace_time(client, stack, kept):
    """With no grace left, the object of a deleted file goes; those of other files stay."""
    gone, other = await upload(client), await upload(client, b"other")
    await delete(client, gone)
    assert await sweep(stack) == 1
    assert kept.objects() == {other["minio_object_name"]}
    assert (await client.get(other["download_url"])).content == b"other"


@at_once
async def test_the_bytes_of_a_duplicate_go(client, stack, kept):
    """Of two objects with the same bytes, the one that no blob refers to goes."""
    first, second = await upload(client), await upload(client)
    assert len(kept.objects()) == 2
    assert await sweep(stack) == 1
    assert kept.objects() == {first["minio_object_name"]} == {second["minio_object_name"]}


@at_once
async def test_bytes_that_came_back_are_kept(client, stack, kept):
    """A file uploaded again after its deletion has an object of its own, which the sweep of the old one spares."""
    first = await upload(client)
    await delete(client, first)
    second = await upload(client)
    assert await sweep(stack) == 1
    assert kept.objects() == {second["minio_object_name"]} != {first["minio_object_name"]}
    assert (await client.get(second["download_url"])).content == b"data"


@at_once
async def test_garbage_that_is_in_use_is_never_removed(client, stack, kept):
    """If a row of garbage names the object of a file or of an upload after all, the object stays."""
    file, staged = await upload(client), await stage(stack)
    await stack.metadata.renew_uploads([staged.id], timedelta(hours=1))
    names = kept.objects()
    planted = [{"object_name": name, "not_before": datetime.now(UTC) - timedelta(hours=1)} for name in names]
    await stack.metadata._database.writer.run(lambda connection: connection.execute(insert(garbage), planted))
    assert await sweep(stack) == 0
    assert kept.objects() == names
    assert kept.count("garbage") == 0
    assert (await client.get(file["download_url"])).content == b"data"


@at_once
async def test_an_object_that_is_gone_already_is_fine(client, stack, kept):
    """A crash between removing an object and forgetting it is made good by removing it again."""
    await delete(client, await upload(client))
    for name in kept.objects():
        kept.store.remove(name)
    assert await sweep(stack) == 1
    assert kept.count("garbage") == 0


@at_once
async def test_garbage_is_remembered_until_it_is_gone(client, stack, kept, monkeypatch):
    """If the store fails, the row stays, and the object is not forgotten."""
    await delete(client, await upload(client))

    async def fail(_):
        raise SatchelError(Code.STORE_UNAVAILABLE, "planted")

    monkeypatch.setattr(sweeper, "CLAIM", NOW)
    monkeypatch.setattr(sweeper, "STUCK", 0)
    with monkeypatch.context() as patch:
        patch.setattr(stack.blobs, "delete", fail)
        with pytest.raises(SatchelError):
            await sweep(stack)
    assert kept.count("garbage") == len(kept.objects()) == 1
    assert await sweep(stack) == 1
    assert kept.objects() == set()


@at_once
async def test_objects_that_cannot_be_removed_keep_no_others(client, stack, kept, monkeypatch):
    """However many they are, and however long they have been due: those behind them go, and they are tried again."""
    monkeypatch.setattr(sweeper, "BATCH", 4)
    locked = {(await delete(client, await upload(client, b"%d" % number)))["minio_object_name"] for number in range(6)}
    for number in range(6, 20):
        await delete(client, await upload(client, b"%d" % number))
    real = stack.blobs.delete

    async def delete_unlocked(name):
        if name in locked:
            raise SatchelError(Code.STORE_UNAVAILABLE, "planted")
        await real(name)

    monkeypatch.setattr(stack.blobs, "delete", delete_unlocked)
    for _ in range(2):
        with suppress(SatchelError):
            await sweep(stack)
    assert kept.objects() == locked
    assert kept.count("garbage") == len(locked)

    locked.clear()
    kept.execute("UPDATE garbage SET not_before = (SELECT min(created) FROM events)")
    assert await sweep(stack) == 6


@at_once
async def test_more_than_a_batch_is_reclaimed_at_once(stack, kept, monkeypatch):
    """A sweep goes on until nothing is left that is due."""
    monkeypatch.setattr(sweeper, "BATCH", 3)
    for _ in range(10):
        await stage(stack)
    assert await sweep(stack) == 10
    assert kept.is_empty()


@at_once
async def test_two_sweepers_share_the_work(stack, kept, monkeypatch):
    """Sweepers that run at the same time remove each object once."""
    monkeypatch.setattr(sweeper, "BATCH", 2)
    for _ in range(10):
        await stage(stack)
    removed, real = [], stack.blobs.delete

    async def delete_slowly(name):
        removed.append(name)
        await asyncio.sleep(0.01)
        await real(name)

    monkeypatch.setattr(stack.blobs, "delete", delete_slowly)
    other = sweeper.Sweeper(stack.metadata, stack.blobs, stack.settings)
    counts = await asyncio.gather(sweep(stack), other.sweep(), sweep(stack))
    assert sum(counts) == len(removed) == len(set(removed)) == 10
    assert kept.is_empty()


@pytest.mark.settings(event_max_rows=3, idempotency_lifetime=NOW)
async def test_old_events_and_keys_go_too(client, stack, kept):
    """What is kept for a time only, is kept for that time only."""
    for number in range(5):
        await upload(client, b"%d" % number, **{"Idempotency-Key": str(number)})
    await sweep(stack)
    assert (kept.count("events"), kept.count("idempotency_keys"), kept.count("files")) == (3, 0, 5)


# The background task


@pytest.fixture
async def running(stack):
    """The sweeper at work."""
    task = asyncio.create_task(stack.sweeper.run())
    yield stack.sweeper
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def swept(stack, monkeypatch, outcomes):
    """Replace the sweep by outcomes in turn; gives an event for each that is set when it is reached."""
    reached = [asyncio.Event() for _ in outcomes]
    turns = iter(range(len(outcomes)))

    async def sweep():
        turn = next(turns, None)
        if turn is not None:
            reached[turn].set()
            if outcomes[turn] is not None:
                raise outcomes[turn]

    monkeypatch.setattr(stack.sweeper, "sweep", sweep)
    return reached


@at_once
@pytest.mark.settings(sweep_interval=timedelta(hours=1))
async def test_bytes_given_up_are_reclaimed_at_once(running, stack, kept):
    """What is given up wakes the sweeper, long before its interval is over."""
    staged = await stack.files.uploads.begin("a.txt", None)
    await stack.files.uploads.discard([staged])
    await eventually(lambda: kept.count("garbage") == 0 and kept.is_empty())


@at_once
@pytest.mark.settings(sweep_interval=timedelta(milliseconds=50))
async def test_the_sweeper_comes_by_itself(running, stack, kept):
    """What nobody told it of is found at the next interval."""
    await stack.metadata.begin_upload(new_object_name(), NOW)
    await eventually(lambda: kept.count("uploads") == 0)


@pytest.fixture
def pruned(stack, monkeypatch):
    """How often old events were looked for."""
    looks, real = [], stack.metadata.prune_events

    async def prune(*bounds):
        looks.append(bounds)
        return await real(*bounds)

    monkeypatch.setattr(stack.metadata, "prune_events", prune)
    return looks


@at_once
@pytest.mark.settings(sweep_interval=timedelta(hours=1))
async def test_a_wake_is_for_bytes_alone(running, stack, kept, pruned):
    """Old events wait for the interval: what is given up with each copy must not have the database look for them."""
    for _ in range(2):
        staged = await stage(stack)
        await stack.files.uploads.discard([staged])
        await eventually(lambda: kept.count("garbage") == 0 and kept.is_empty())
    assert pruned == []


@pytest.mark.settings(sweep_interval=timedelta(milliseconds=50))
async def test_however_often_the_sweeper_is_woken_its_interval_comes(running, stack, monkeypatch, pruned):
    """Where there is always something to reclaim, old events are pruned all the same."""
    real = stack.sweeper.reclaim

    async def reclaim():
        running.wake()
        return await real()

    monkeypatch.setattr(stack.sweeper, "reclaim", reclaim)
    running.wake()
    await eventually(lambda: len(pruned) >= 2)


@pytest.mark.settings(sweep_interval=timedelta(milliseconds=1))
async def test_a_sweep_that_failed_is_not_the_last(stack, monkeypatch):
    """Neither an expected failure nor a mistake ends the task."""
    outcomes = [SatchelError(Code.STORE_UNAVAILABLE, "planted"), ValueError("planted"), None]
    reached = await swept(stack, monkeypatch, outcomes)
    task = asyncio.create_task(stack.sweeper.run())
    async with asyncio.timeout(SECONDS):
        for event in reached:
            await event.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

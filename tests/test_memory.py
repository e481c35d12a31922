"""Buffers are given out in order, within the limit, and to no one for ever."""

import asyncio
from datetime import timedelta

import pytest

from satchel import memory
from satchel.errors import Code, SatchelError
from satchel.memory import Memory

KIB, MIB = 1024, 1024**2


def nothing():
    """A recall that finds no buffer."""


async def soon(task):
    async with asyncio.timeout(10):
        return await task


async def started(coroutine):
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def test_buffers_have_the_size_that_is_asked_for():
    assert len(await Memory(1 << 20, nothing).take(8192)) == 8192


async def test_what_does_not_fit_waits_for_its_turn():
    store = Memory(100_000, nothing)
    first, second = await store.take(50_000), await store.take(50_000)
    waiting = [await started(store.take(50_000)) for _ in range(2)]
    assert not any(task.done() for task in waiting)
    store.give(first)
    await soon(waiting[0])
    assert not waiting[1].done()
    store.give(second)
    await soon(waiting[1])


async def test_a_small_one_does_not_pass_a_large_one():
    store = Memory(100_000, nothing)
    first, second = await store.take(60_000), await store.take(30_000)
    large, small = await started(store.take(80_000)), await started(store.take(8_000))
    assert not small.done()
    store.give(second)
    assert not large.done()
    assert not small.done()
    store.give(first)
    await soon(large)
    await soon(small)


async def test_those_larger_than_the_limit_are_given_one_at_a_time_and_leave_room_for_small_ones():
    store = Memory(1000, nothing)
    buffer = await store.take(5000)
    small = await store.take(250)
    large = await started(store.take(5000))
    assert not large.done()
    store.give(buffer)
    await soon(large)
    store.give(small)


async def test_however_many_wait_and_for_however_long_the_limit_holds(monkeypatch):
    """No buffer too many is given out; each look asks for one that a client fills too slowly."""
    monkeypatch.setattr(memory, "LOOK", 0.001)
    looks, slow = 0, []
    looked = asyncio.Event()

    def recall():
        nonlocal looks
        looks += 1
        if looks >= 20:
            looked.set()
        if looks == 30:
            store.give(slow.pop())

    store = Memory(1000, recall)
    slow.append(await store.take(1000))
    waiting = [await started(store.take(750)) for _ in range(10)]
    await soon(asyncio.create_task(looked.wait()))
    assert not any(task.done() for task in waiting)
    for task in waiting:
        store.give(await soon(task))
    assert store._used == 0


async def test_when_one_that_is_large_gives_up_waiting_a_small_one_goes_on():
    store = Memory(1000, nothing)
    held = await store.take(700)
    large, small = await started(store.take(700)), await started(store.take(100))
    large.cancel()
    store.give(await soon(small))
    store.give(held)


async def test_a_buffer_that_came_back_is_used_again():
    store = Memory(100_000, nothing)
    held, buffer = await store.take(8192), await store.take(8192)
    store.give(buffer)
    assert await store.take(8192) is buffer
    assert held is not buffer


async def test_nothing_is_kept_when_nothing_is_in_use():
    store = Memory(100_000, nothing)
    buffers = [await store.take(8192) for _ in range(3)]
    for buffer in buffers:
        store.give(buffer)
    assert store._kept() == 0


async def test_one_that_gave_up_waiting_takes_nothing():
    store = Memory(1000, nothing)
    first = await store.take(1000)
    gone, waiting = await started(store.take(1000)), await started(store.take(1000))
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    store.give(first)
    store.give(await soon(waiting))
    assert store._used == 0


async def test_one_that_gives_up_when_its_turn_has_come_passes_it_on():
    store = Memory(1000, nothing)
    first = await store.take(1000)
    gone, waiting = await started(store.take(1000)), await started(store.take(1000))
    store.give(first)
    gone.cancel()  # before it ran again
    with pytest.raises(asyncio.CancelledError):
        await gone
    store.give(await soon(waiting))
    assert store._used == 0


@pytest.mark.settings(upload_memory=256 * KIB, body_timeout=timedelta(microseconds=1), max_file_size=MIB)
async def test_slow_clients_hold_no_more_than_the_limit_and_stop_nobody(stack, kept, monkeypatch):
    """Of more uploads than there is memory for, those that stand still are given up one by one, and others go on."""
    monkeypatch.setattr(memory, "LOOK", 0.001)
    given = []
    take = stack.files.uploads.memory.take

    async def watched(size):
        buffer = await take(size)
        given.append(stack.files.uploads.memory._used)
        return buffer

    monkeypatch.setattr(stack.files.uploads.memory, "take", watched)
    async with stack.files.intake() as intake:
        slow = [await intake.start(f"{number}.bin", None) for number in range(10)]
        await soon(asyncio.gather(*(upload.write(memoryview(b"x")) for upload in slow)))
        last = await intake.start("last.bin", None)
        await soon(asyncio.create_task(last.write(memoryview(b"x"))))
        assert max(given) <= 256 * KIB
        for upload in slow:
            for goes_on in (upload.write(memoryview(b"y")), upload.finish()):
                with pytest.raises(SatchelError) as raised:
                    await goes_on
                assert raised.value.code is Code.REQUEST_TIMEOUT
        await last.finish()
        await stack.files.publish(last)
    assert stack.files.uploads.memory._used == 0
    assert kept.count("files") == 1


@pytest.mark.settings(upload_memory=256 * KIB, max_file_size=MIB)
async def test_one_that_makes_a_pause_is_waited_for(stack, monkeypatch):
    """Memory is asked back from no client that is within SATCHEL_BODY_TIMEOUT of the rate."""
    recalled = asyncio.Event()
    real = stack.files.uploads.memory._recall

    def recall():
        real()
        recalled.set()

    monkeypatch.setattr(memory, "LOOK", 0.001)
    monkeypatch.setattr(stack.files.uploads.memory, "_recall", recall)
    async with stack.files.intake() as intake:
        first, second = await intake.start("first.bin", None), await intake.start("second.bin", None)
        await first.write(memoryview(b"x"))
        waiting = await started(second.write(memoryview(b"x")))
        await soon(asyncio.create_task(recalled.wait()))
        await first.finish()
        await soon(waiting)
        await second.finish()

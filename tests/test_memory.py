"""Buffers are given out in order, within the limit, and to no one for ever."""

import asyncio

import pytest

from satchel import memory
from satchel.memory import Memory


@pytest.fixture
def patient(monkeypatch):
    """A limit that does not yield within a test."""
    monkeypatch.setattr(memory, "STALL", 600)


async def soon(task):
    async with asyncio.timeout(10):
        return await task


async def started(coroutine):
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def test_buffers_have_the_size_that_is_asked_for():
    assert len(await Memory(1 << 20).take(8192)) == 8192


async def test_what_does_not_fit_waits_for_its_turn(patient):
    store = Memory(100_000)
    first, second = await store.take(50_000), await store.take(50_000)
    waiting = [await started(store.take(50_000)) for _ in range(2)]
    assert not any(task.done() for task in waiting)
    store.give(first)
    await soon(waiting[0])
    assert not waiting[1].done()
    store.give(second)
    await soon(waiting[1])


async def test_a_small_one_does_not_pass_a_large_one(patient):
    store = Memory(100_000)
    first, second = await store.take(60_000), await store.take(30_000)
    large, small = await started(store.take(80_000)), await started(store.take(8_000))
    assert not small.done()
    store.give(second)
    assert not large.done()
    assert not small.done()
    store.give(first)
    await soon(large)
    await soon(small)


async def test_one_that_is_larger_than_the_limit_is_given_alone(patient):
    store = Memory(1000)
    buffer = await store.take(5000)
    other = await started(store.take(100))
    assert not other.done()
    store.give(buffer)
    await soon(other)


async def test_the_limit_yields_where_nothing_comes_back(monkeypatch):
    monkeypatch.setattr(memory, "STALL", 0.01)
    store = Memory(1000)
    slow = await store.take(1000)
    buffers = [await soon(asyncio.create_task(store.take(1000))) for _ in range(3)]
    for buffer in [slow, *buffers]:
        store.give(buffer)
    assert store._used == 0


async def test_a_slow_store_is_waited_for(monkeypatch):
    monkeypatch.setattr(memory, "STALL", 0.01)
    store = Memory(1000)
    buffer = await store.take(1000)
    store.sent(buffer)
    waiting = await started(store.take(1000))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    store.give(buffer)
    await soon(waiting)


async def test_a_buffer_that_came_back_is_used_again(patient):
    store = Memory(100_000)
    held, buffer = await store.take(8192), await store.take(8192)
    store.give(buffer)
    assert await store.take(8192) is buffer
    assert held is not buffer


async def test_nothing_is_kept_when_nothing_is_in_use(patient):
    store = Memory(100_000)
    buffers = [await store.take(8192) for _ in range(3)]
    for buffer in buffers:
        store.give(buffer)
    assert store._kept() == 0


async def test_one_that_gave_up_waiting_takes_nothing(patient):
    store = Memory(1000)
    first = await store.take(1000)
    gone, waiting = await started(store.take(1000)), await started(store.take(1000))
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    store.give(first)
    store.give(await soon(waiting))
    assert store._used == 0


async def test_one_that_gives_up_when_its_turn_has_come_passes_it_on(patient):
    store = Memory(1000)
    first = await store.take(1000)
    gone, waiting = await started(store.take(1000)), await started(store.take(1000))
    store.give(first)
    gone.cancel()  # before it ran again
    with pytest.raises(asyncio.CancelledError):
        await gone
    store.give(await soon(waiting))
    assert store._used == 0

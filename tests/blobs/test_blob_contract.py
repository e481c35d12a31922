"""The contract of the blob store port, on every adapter."""

import asyncio
import random

import pytest
from stored import SHARE, by_slices, code_of, either_way, get, open_descriptors, put

from kept import eventually
from satchel.blobs import OBJECT_NAME, new_object_name
from satchel.errors import Code

MIB = 1024 * 1024


async def step_of(store):
    """The size of a store's first write, at its smallest."""
    writer = await store.create(new_object_name())
    step = writer.step(SHARE)
    await writer.abort()
    return step


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
@pytest.mark.parametrize("extra", [-1, 0, 1])
async def test_what_is_committed_is_read_back(store, steps, extra):
    """An object is the bytes that were written, in their order, whether the last write is full or short."""
    data = random.Random(steps).randbytes(max(0, steps * await step_of(store) + extra))
    name = await put(store, data)
    assert await get(store, name, len(data)) == data


async def test_an_object_that_is_never_written_to_is_empty(store):
    """An empty file has no write at all, or one of no bytes."""
    name = new_object_name()
    writer = await store.create(name)
    await writer.write(memoryview(b""))
    await writer.commit()
    assert await get(store, name, 0) == await get(store, await put(store, b""), 0) == b""


async def test_writes_may_overlap(store):
    """As many writes as the writer allows are under way at once, and the order is that of their beginning."""
    name, pieces = new_object_name(), []
    writer, running = await store.create(name), set()
    for number in range(6):
        pieces.append(random.Random(number).randbytes(writer.step(SHARE) if number < 5 else 1000))
        while len(running) >= writer.parallel:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running.add(asyncio.create_task(writer.write(memoryview(pieces[-1]))))
    await asyncio.gather(*running)
    await writer.commit()
    data = b"".join(pieces)
    assert await get(store, name, len(data)) == data


async def test_the_memory_of_a_write_may_be_used_again(store):
    """When `write` returns, the caller may fill the same memory with the next bytes."""
    name, writer = new_object_name(), None
    writer = await store.create(name)
    piece = bytearray(writer.step(SHARE))
    for fill in b"abc":
        piece[:] = bytes([fill]) * len(piece)
        await writer.write(memoryview(piece))
    await writer.commit()
    expected = b"".join(bytes([fill]) * len(piece) for fill in b"abc")
    assert await get(store, name, len(expected)) == expected


@either_way
async def test_any_range_is_read(store, way):
    """Ranges begin and end anywhere, with no bytes too."""
    data = random.Random(1).randbytes(2 * MIB + 100)
    name = await put(store, data)
    edges = [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, len(data) - 1, len(data)]
    for start in edges:
        for stop in edges:
            if start <= stop:
                assert await get(store, name, len(data), start, stop - start, way) == data[start:stop]


@either_way
async def test_a_reader_that_is_not_read_to_its_end_is_closed(store, way):
    """A reader may be closed at any time, and twice; it holds nothing then."""
    size = 8 * MIB
    name = await put(store, b"x" * size)
    await get(store, name, size, way=way)
    before = open_descriptors()
    reader = await store.read(name, size, 0, size)
    pieces = way(reader)
    assert len(await anext(pieces)) > 0
    await reader.aclose()
    await reader.aclose()
    assert [piece async for piece in pieces] == [chunk async for chunk in reader] == []
    await eventually(lambda: open_descriptors() <= before)


async def test_a_large_range_is_there_in_slices(store):
    """A server that can send from descriptors need not read the bytes, but for few of them."""
    data = random.Random(2).randbytes(5 * MIB)
    name = await put(store, data)
    reader = await store.read(name, len(data), 100, 4 * MIB)
    assert reader.slices() is not None
    assert b"".join([piece async for piece in by_slices(reader)]) == data[100 : 100 + 4 * MIB]
    await reader.aclose()


async def test_an_aborted_object_is_gone(store):
    """What is given up is not there, and its end is no failure, with bytes or without."""
    step = await step_of(store)
    for sizes in ([], [100], [step], [step, step, 100]):
        name = new_object_name()
        writer = await store.create(name)
        for size in sizes:
            await writer.write(memoryview(b"x" * size))
        await writer.abort()
        assert await code_of(store.read(name, sum(sizes), 0, 0)) is Code.STORE_INTEGRITY


async def test_a_deleted_object_is_gone(store):
    """Deleting removes, and deleting again is fine; other objects stay."""
    name, other = await put(store, b"data"), await put(store, b"other")
    await store.delete(name)
    await store.delete(name)
    await store.delete(new_object_name())
    assert await code_of(store.read(name, 4, 0, 4)) is Code.STORE_INTEGRITY
    assert await get(store, other, 5) == b"other"


@pytest.mark.parametrize("size", [0, 3, 5])
async def test_an_object_of_another_size_is_damaged(store, size):
    """An object that is longer or shorter than its record says is not shown at all."""
    name = await put(store, b"data")
    assert await code_of(store.read(name, size, 0, size)) is Code.STORE_INTEGRITY
    assert await code_of(store.read(name, size, 0, min(size, 2))) is Code.STORE_INTEGRITY
    assert await code_of(store.read(name, 10, 5, 5)) is Code.STORE_INTEGRITY


HOSTILE = [
    "",
    "o",
    "/etc/passwd",
    "../../etc/passwd",
    "o/../../x",
    "o/ab/../../../x",
    "o/ab/" + "a" * 36,
    "o/AB/00000000-0000-4000-8000-000000000000",
    "o/ab/00000000-0000-4000-8000-000000000000/x",
    "o/ab/00000000-0000-4000-8000-000000000000\n",
    "o/ab/00000000-0000-4000-8000-00000000000\0",
    "o/ab/.0000000-0000-4000-8000-000000000000",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_only_object_names_reach_the_store(store, name):
    """A name that the service did not make is a mistake, whatever it would lead to."""
    for attempt in (store.create, store.delete, lambda name: store.read(name, 0, 0, 0)):
        with pytest.raises(ValueError, match="not an object name"):
            await attempt(name)


async def test_names_are_new_and_well_formed():
    """Names are random, and of the form that the store takes."""
    names = {new_object_name() for _ in range(1000)}
    assert len(names) == 1000
    assert all(OBJECT_NAME.fullmatch(name) for name in names)


async def test_a_store_that_is_there_answers(store):
    """A ping of an open store returns."""
    assert await store.ping() is None


async def test_many_objects_are_written_at_once(store):
    """Writers do not mix their bytes."""
    datas = [random.Random(number).randbytes(256 * 1024 + number) for number in range(30)]
    names = await asyncio.gather(*(put(store, data) for data in datas))
    assert (
        await asyncio.gather(*(get(store, name, len(data)) for name, data in zip(names, datas, strict=True))) == datas
    )

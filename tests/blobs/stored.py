"""What tests of blob stores do with objects."""

import os
from pathlib import Path

import pytest

from satchel.blobs import new_object_name
from satchel.errors import SatchelError

SHARE = 1024 * 1024  # of memory, which makes steps as small as they get


async def put(store, data):
    """A committed object of some bytes, written in the steps that the store wants; its name."""
    name, rest = new_object_name(), memoryview(data)
    writer = await store.create(name)
    while rest:
        step = writer.step(SHARE)
        await writer.write(rest[:step])
        rest = rest[step:]
    await writer.commit()
    return name


def by_chunks(reader):
    """What a reader gives to whom wants to see the bytes."""
    return aiter(reader)


async def by_slices(reader):
    """What a reader gives to a server that sends from descriptors, where it can; else the chunks."""
    slices = reader.slices()
    if slices is None:
        async for chunk in reader:
            yield chunk
        return
    async for piece in slices:
        if isinstance(piece, bytes):
            yield piece
            continue
        file, offset, size = piece
        data = os.read(file, size) if offset is None else os.pread(file, size, offset)
        assert len(data) == size
        yield data


either_way = pytest.mark.parametrize("way", [by_chunks, by_slices])


async def get(store, name, size, start=0, length=None, way=by_chunks):
    """A range of an object; without one, all of it."""
    reader = await store.read(name, size, start, size if length is None else length)
    try:
        return b"".join([piece async for piece in way(reader)])
    finally:
        await reader.aclose()


async def code_of(failing):
    """The code that something fails with."""
    with pytest.raises(SatchelError) as raised:
        await failing
    return raised.value.code


def open_descriptors():
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))

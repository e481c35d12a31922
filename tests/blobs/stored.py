"""What tests of blob stores do with objects."""

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


async def get(store, name, size, start=0, length=None):
    """A range of an object; without one, all of it."""
    reader = await store.read(name, size, start, size if length is None else length)
    try:
        return b"".join([chunk async for chunk in reader])
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

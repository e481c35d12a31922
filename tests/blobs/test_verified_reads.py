"""Whole objects whose end is kept back until all is known to be right, from each kind of store."""

import errno
import hashlib
import os
import random
import time

import pytest
from stored import by_slices, either_way, open_descriptors, put

from kept import eventually
from satchel import pipes
from satchel.blobs import verified
from satchel.blobs.verified import HELD_BACK, Verified, VerifiedReader
from satchel.errors import Code, SatchelError

MIB = 1024 * 1024
SIZES = [0, 1, HELD_BACK - 1, HELD_BACK, HELD_BACK + 1, MIB, MIB + HELD_BACK, 5 * MIB + 1]

sizes = pytest.mark.parametrize("size", SIZES)


class Reads:
    """Reads objects of a store."""

    def __init__(self, store):
        self.store = store
        self.verified = Verified()
        self.reports = 0

    async def report(self):
        self.reports += 1

    async def open(self, name, size, sha256):
        reader = await self.store.read(name, size, 0, size)
        return VerifiedReader(reader, name, size, sha256, self.verified, self.report)

    async def read(self, name, size, sha256, way):
        """What came, and the code of what it ended with."""
        reader, came, code = await self.open(name, size, sha256), bytearray(), None
        try:
            async for piece in way(reader):
                came += piece
        except SatchelError as error:
            code = error.code
        finally:
            await reader.aclose()
        return came, code


@pytest.fixture
def reads(store):
    """What reads objects of the store."""
    return Reads(store)


def some_bytes(size):
    data = random.Random(size).randbytes(size)
    return data, hashlib.sha256(data).hexdigest()


@either_way
@sizes
async def test_what_is_right_comes_whole(store, reads, way, size):
    """Of every size, by chunks and by slices, and all descriptors are given back."""
    data, sha256 = some_bytes(size)
    name = await put(store, data)
    await reads.read(name, size, sha256, way)  # which makes the connections that are kept
    before = open_descriptors()
    assert await reads.read(name, size, sha256, way) == (data, None)
    await eventually(lambda: open_descriptors() <= before)
    assert reads.reports == 0


@either_way
@sizes
async def test_the_end_of_what_is_wrong_does_not_come(store, reads, way, size):
    """All but the last bytes may come; of a small object nothing does."""
    data, _ = some_bytes(size)
    name = await put(store, data)
    before = data[: max(0, size - HELD_BACK)]
    assert await reads.read(name, size, hashlib.sha256(b"other").hexdigest(), way) == (before, Code.STORE_INTEGRITY)
    assert reads.reports == 1


async def test_where_pipes_are_narrow(s3, monkeypatch):
    """A user who may not have a wide second pipe gets the same bytes in more slices."""
    monkeypatch.setattr(verified, "wide_pipe", lambda: os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
    data, sha256 = some_bytes(5 * MIB)
    assert await Reads(s3).read(await put(s3, data), len(data), sha256, by_slices) == (data, None)


async def test_what_was_right_is_known(store, reads, monkeypatch):
    """If it was read whole, and for a while."""
    data, sha256 = some_bytes(3 * MIB)
    name = await put(store, data)

    async def known(name):
        reader = await store.read(name, len(data), 0, 1)
        state = reader.state()
        await reader.aclose()
        return reads.verified.holds(name, state)

    assert not await known(name)
    reader = await reads.open(name, len(data), sha256)
    await anext(aiter(reader))
    await reader.aclose()
    assert not await known(name)
    await reads.read(name, len(data), sha256, by_slices)
    assert await known(name)
    monkeypatch.setattr(verified.time, "monotonic", lambda now=time.monotonic: now() + verified.LIFETIME)
    assert not await known(name)


def test_so_many_are_known_at_once(monkeypatch):
    """Those that were read last, in the state in which they were read last; nothing of a store that tells none."""
    monkeypatch.setattr(verified, "MOST", 2)
    known = Verified()
    for name, state in [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("d", None)]:
        known.add(name, state)
    assert [known.holds(name, state) for name, state in [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", None)]] == [
        False,
        False,
        False,
        True,
        False,
    ]


@either_way
async def test_one_that_is_closed_early_is_not_called_wrong(store, reads, way):
    """A client that left has not seen damage."""
    data, sha256 = some_bytes(3 * MIB)
    reader = await reads.open(await put(store, data), len(data), sha256)
    pieces = way(reader)
    assert len(await anext(pieces)) > 0
    await reader.aclose()
    await reader.aclose()
    assert [piece async for piece in pieces] == []
    assert reads.reports == 0


async def test_what_a_disk_cannot_read_is_the_stores_failure(local, monkeypatch):
    """Of the last bytes too, which come into this process."""
    data, sha256 = some_bytes(11)
    name = await put(local, data)

    def fail(*_):
        raise OSError(errno.EIO, "planted")

    monkeypatch.setattr(os, "pread", fail)
    assert await Reads(local).read(name, 11, sha256, by_slices) == (b"", Code.STORE_UNAVAILABLE)


async def test_tee_says_what_went_wrong():
    """A descriptor that is no pipe is an error, as it is to the calls of `os`."""
    outlet, inlet = pipes.wide_pipe()
    try:
        os.write(inlet, b"data")
        with pytest.raises(OSError, match="Invalid argument"):
            pipes.tee(outlet, os.open("/dev/null", os.O_WRONLY), 4)
    finally:
        os.close(outlet)
        os.close(inlet)

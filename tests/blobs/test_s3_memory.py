"""The memory of uploads to a store that is slower than the client, and of downloads that are faster than theirs."""

import asyncio
import random

import pytest

from clients import client_at
from raw import BOUNDARY, END, head_of_part
from satchel.blobs.s3.writer import MIB, MIN_PART
from server import Server
from unreliable import slowly


def is_part(request):
    """A PUT of a part."""
    return request.is_part


async def test_a_slow_store_slows_the_client(s3_files, proxy):
    """What was taken from the client and is not yet in the store is some parts, however large the file."""
    size, piece = 96 * MIB, memoryview(bytes(256 * 1024))
    proxy.plant(is_part, slowly(0.002))
    ahead = []
    async with s3_files.intake() as intake:
        upload = await intake.start("slow.bin", None)
        while upload.size < size:
            await upload.write(piece)
            ahead.append(upload.size - sum(request.read for request in proxy.seen if request.is_part))
        await upload.finish()
        assert upload.size == size
    parts = (upload._writer.parallel + 1) * 8 * MIB
    assert max(ahead) <= parts + len(piece)
    assert max(ahead) >= parts // 2  # the store was the slower one


async def test_many_uploads_share_the_memory(s3_files, proxy):
    """Uploads at once take no more than the setting says, and all of them come to their end."""
    size, piece, used = 24 * MIB, memoryview(bytes(256 * 1024)), []
    proxy.plant(is_part, slowly(0.001))

    async def one(intake, number):
        upload = await intake.start(f"{number}.bin", None)
        while upload.size < size:
            await upload.write(piece)
            used.append(s3_files.uploads.memory._used)
        await upload.finish()

    async with s3_files.intake() as intake:
        await asyncio.gather(*(one(intake, number) for number in range(6)))
    assert max(used) <= 48 * MIB


@pytest.fixture
async def server(proxy, bucket, s3_keys, tmp_path):
    """A real server over the store behind the proxy."""
    keys = {f"s3_{name}": value for name, value in s3_keys.items()}
    server = Server(tmp_path, storage_url=f"s3+http://{proxy.host}:{proxy.port}/{bucket}", **keys)
    yield await server.start()
    await server.kill()


async def test_a_slow_store_does_not_fill_the_memory_of_the_server(server, proxy):
    """An upload of 192 MiB to a throttled store raises the server's resident size by less than 64 MiB."""
    piece, pieces = random.Random(3).randbytes(MIB), 192

    async def form():
        yield head_of_part("file", "big.bin")
        for _ in range(pieces):
            yield piece
        yield END

    async with client_at(server) as client:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        first = await client.post("/files/upload", files={"file": ("warm.bin", bytes(3 * MIN_PART))})
        assert first.status_code == 200
        proxy.plant(is_part, slowly(0.001))
        server.forget_peak()
        before = server.memory()
        answer = await client.post("/files/upload", content=form(), headers=headers)
        growth = server.peak_memory() - before
    assert (answer.status_code, answer.json()["size"]) == (200, pieces * MIB)
    assert growth < 64 * MIB


async def test_a_slow_client_does_not_fill_the_memory_of_the_server(server):
    """A download of 192 MiB that is read slowly raises the server's resident size by less than 32 MiB."""
    async with client_at(server) as client:
        files = {"file": ("big.bin", random.Random(4).randbytes(192 * MIB))}
        record = (await client.post("/files/upload", files=files)).json()
        (
            await client.get("/files/" + record["id"] + "/download", headers={"Range": "bytes=0-20000000"})
        ).raise_for_status()
        server.forget_peak()
        before, taken = server.memory(), 0
        async with client.stream("GET", f"/files/{record['id']}/download") as answer:
            async for chunk in answer.aiter_raw():
                taken += len(chunk)
                await asyncio.sleep(0.0001)
        growth = server.peak_memory() - before
    assert taken == 192 * MIB
    assert growth < 32 * MIB

"""More bytes at once than there is memory, and more in one file: F10 and F11."""

import asyncio
import hashlib
import random

from ceiling import confined
from check import CEILING
from storm import survived

from clients import client_at
from kept import eventually
from raw import END, MULTIPART, connected, head_of_part

KIB, MIB, GIB = 1024, 1024**2, 1024**3
HEAD = head_of_part("file", "large.bin")
STEP = random.Random(10).randbytes(MIB)
PROMPT = {"sweep_interval": "0.2s", "delete_grace": "0.001s"}
GROWTH = 64 * MIB  # of the resident memory, by one file of any size
PATIENCE = 600  # seconds, a bound for what never comes: ten gigabytes wait for one store


def pieces(size, seed):
    """Bytes that no other seed has, a MiB at a time."""
    for number in range(size // MIB):
        yield b"%016d" % (seed << 32 | number) + STEP[16:]


async def upload(server, size, seed, begun=None):
    """Send bytes as they are made, the rest of them once `begun` is set; gives the file."""
    digest = hashlib.sha256()
    async with connected(server, PATIENCE) as raw:
        length = len(HEAD) + size + len(END)
        await raw.request("POST", "/files/upload", {"Content-Type": MULTIPART, "Content-Length": str(length)}, HEAD)
        for piece in pieces(size, seed):
            digest.update(piece)
            await raw.send(piece)
            if begun is not None:
                await begun.wait()
        await raw.send(END)
        answer = await raw.answer()
    assert (answer.status, answer.json()["hash"]) == (200, digest.hexdigest()), answer.body
    return answer.json()


async def test_more_bytes_at_once_than_memory(start, tmp_path, count, report):
    """All uploads go through, within a bound that the kernel watches where it may."""
    server, uploads, size = await start(**PROMPT), count(40, 200), count(16 * MIB, 50 * MIB)
    watched = peak = None

    async def disturb():
        nonlocal watched, peak
        begun = asyncio.Event()
        with confined(server.pid, CEILING - server.memory()) as watched:
            sending = [asyncio.create_task(upload(server, size, seed, begun)) for seed in range(uploads)]
            await eventually(lambda: server.kept.count("uploads") >= uploads, "all have begun")
            begun.set()
            files = await asyncio.gather(*sending)
            peak = server.peak_memory()
        async with client_at(server) as client:
            for file in files:
                assert (await client.delete(f"/files/{file['id']}")).status_code == 200

    checker = await survived([server], tmp_path, disturb, (), uploaders=1, deleters=1)
    bound = f"{CEILING // MIB} MiB, " + ("by a cgroup" if watched else "by its own account, for want of a cgroup")
    told = f"{uploads} uploads of {size // MIB} MiB at once with {peak // MIB} MiB of memory of at most {bound}"
    report(f"F10: {told}; of others {checker.summary()}")


async def test_a_file_larger_than_memory(start, tmp_path, count, report):
    """It comes and goes whole, and takes no more memory than a small one."""
    server, size = await start(**PROMPT), count(256 * MIB, 4 * GIB)
    growth = None

    async def disturb():
        nonlocal growth
        async with client_at(server) as client:
            small = await upload(server, MIB, 1)
            server.forget_peak()
            before = server.memory()
            file = await upload(server, size, 0)
            digest = hashlib.sha256()
            async with client.stream("GET", file["download_url"]) as response:
                async for chunk in response.aiter_raw():
                    digest.update(chunk)
            assert digest.hexdigest() == file["hash"]
            growth = server.peak_memory() - before
            for ours in (small, file):
                assert (await client.delete(f"/files/{ours['id']}")).status_code == 200

    checker = await survived([server], tmp_path, disturb, (), uploaders=1, deleters=1, large=0)
    assert growth < GROWTH
    report(f"F11: {size // MIB} MiB up and down with {growth // MIB} MiB of memory more; of others {checker.summary()}")

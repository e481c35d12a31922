"""Disks that fail or are full: F6 and F7; and a database file that another program holds: F14."""

import asyncio
import os
import sqlite3
import subprocess
from contextlib import closing

import pytest
from aftermath import GRACE
from check import exceptions
from storm import survived
from syscalls import needs_strace, tampered

from clients import client_at
from kept import Directory, Kept, SqliteRows, eventually
from raw import END, MULTIPART, connected, head_of_part
from stacks import embedded_only

pytestmark = embedded_only

MIB = 1024 * 1024
# A refused upload is read to its end, so that no client misses why.
PROMPT = {"upload_lease": "1s", "sweep_interval": "0.2s", "delete_grace": GRACE, "refusal_drain": "16MiB"}
UNAVAILABLE = {"STORE_UNAVAILABLE", "DATABASE_UNAVAILABLE"}


@needs_strace
async def test_a_disk_that_fails_now_and_then(start, tmp_path, count, report):
    """What could not be made durable is not acknowledged, and the service lives."""
    server, seconds = await start(**PROMPT), count(4, 120)

    async def disturb():
        async with tampered(server, "fsync,fdatasync:error=EIO:when=3+7"):
            await asyncio.sleep(seconds)

    checker = await survived([server], tmp_path, disturb, UNAVAILABLE | {"LEASE_LOST"})
    failed = sum(upload.answer.get("code") in UNAVAILABLE for upload in checker.uploads)
    assert failed
    report(f"F6: every 7th fsync and fdatasync failed for {seconds} s, {failed} uploads refused, {checker.summary()}")


@needs_strace
@pytest.mark.parametrize("call", ["fsync", "fdatasync"])  # of the objects, of the database
async def test_a_disk_that_fails_for_ever(start, call, report):
    """Uploads are refused, nothing of them is left, files that are there are served."""
    server = await start(**PROMPT)
    async with client_at(server) as client:
        file = (await client.post("/files/upload", files={"file": ("a.bin", b"data")})).json()
        async with tampered(server, f"{call}:error=EIO"):
            for _ in range(3):
                refused = await client.post("/files/upload", files={"file": ("b.bin", b"other")})
                assert (refused.status_code, refused.json()["code"] in UNAVAILABLE) == (503, True)
            assert (await client.get(file["download_url"])).content == b"data"
        assert (await client.post("/files/upload", files={"file": ("c.bin", b"third")})).status_code == 200
        assert sorted(file["filename"] for file in (await client.get("/files")).json()) == ["a.bin", "c.bin"]
    await eventually(server.kept.is_clean)
    report(f"F6: no {call} succeeded for a while, 3 uploads refused, nothing of them left")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "none", path], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs leave to mount a file system: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.parametrize("alone", [True, False], ids=["objects", "database_too"])
async def test_a_disk_that_fills(start, small_disk, tmp_path, alone, report):
    """Uploads are refused with 507, reads and deletions go on, and room that is made is used."""
    objects = f"file://{small_disk}/objects"
    server = await start(**PROMPT, storage_url=objects) if alone else await start(**PROMPT, data_dir=small_disk)
    kept = Kept(SqliteRows(server.data / "satchel.db"), Directory(small_disk / "objects"))
    async with client_at(server) as client:

        async def upload(size):
            return await client.post("/files/upload", files={"file": ("a.bin", os.urandom(size))})

        stored = []
        for size in (8 * MIB, 1 * MIB, 100_000, 5_000):
            while (answer := await upload(size)).status_code == 200:
                stored.append(answer.json())
            assert (answer.status_code, answer.json()["code"]) == (507, "INSUFFICIENT_STORAGE")
            await eventually(lambda: kept.objects() == kept.blobs(), "nothing of the refused upload is left")
        for file in stored:
            assert len((await client.get(file["download_url"])).content) == file["size"]
        assert (await client.delete(f"/files/{stored[0]['id']}")).status_code == 200
        await eventually(kept.is_clean)
        assert (await upload(4 * MIB)).status_code == 200
    assert not exceptions(server)
    report(f"F7: a full disk for {'objects' if alone else 'objects and database'}, {len(stored)} files whole")


async def test_a_database_file_that_another_program_holds(start, report):
    """An upload waits for a while; then it is refused, and nothing of it is left."""
    server = await start()  # whose sweeper does not wait in the same line all the time
    body = head_of_part("file", "a.bin") + b"x" * MIB + END
    headers = {"Content-Type": MULTIPART, "Content-Length": str(len(body))}
    with closing(sqlite3.connect(server.data / "satchel.db", isolation_level=None)) as outside:
        async with connected(server) as raw:
            await raw.request("POST", "/files/upload", headers, body[:1000])
            await eventually(lambda: server.kept.count("uploads") == 1)
            outside.execute("BEGIN IMMEDIATE")
            await raw.send(body[1000:])
            await asyncio.sleep(0.5)
            outside.execute("ROLLBACK")
            assert (await raw.answer()).status == 200
            outside.execute("BEGIN IMMEDIATE")
            await raw.request("POST", "/files/upload", headers, body)
            answer = await raw.answer()
            outside.execute("ROLLBACK")
            assert (answer.status, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    await eventually(server.kept.is_clean)
    assert server.kept.count("files") == 1
    assert not exceptions(server)
    report("F14: another program held the database, one upload waited, one was refused with nothing left")

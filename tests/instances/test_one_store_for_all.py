"""Instances share files, bytes and what is to be reclaimed, and never get in each other's way."""

import asyncio
import hashlib
import random

import pytest

from clients import client_at
from kept import eventually
from raw import MULTIPART, connected, head_of_part
from server import Server
from stacks import scaled_only

pytestmark = scaled_only

MIB = 1024 * 1024
quick = pytest.mark.settings(sweep_interval="0.2s", delete_grace="0.01s")


async def upload(client, data, name="a.txt", **headers):
    response = await client.post("/files/upload", files={"file": (name, data)}, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_file_uploaded_at_one_is_whole_at_the_other(shared_pair):
    """Listing, metadata and bytes are the same everywhere, from the moment of the answer."""
    here, there = shared_pair
    async with client_at(here) as client, client_at(there) as other:
        data = random.Random(1).randbytes(9 * MIB)  # in several parts
        file = await upload(client, data)
        assert (await other.get(f"/files/{file['id']}/metadata")).json() == file
        assert (await other.get(file["download_url"])).content == data
        assert file["id"] in [one["id"] for one in (await other.get("/files")).json()]


async def test_a_file_deleted_at_one_is_gone_at_the_other(shared_pair):
    """Nothing remembers a file that another instance has deleted."""
    here, there = shared_pair
    async with client_at(here) as client, client_at(there) as other:
        file = await upload(client, b"soon gone")
        assert (await other.get(file["download_url"])).status_code == 200
        assert (await client.delete(f"/files/{file['id']}")).status_code == 200
        assert (await other.get(file["download_url"])).status_code == 404
        assert (await other.delete(f"/files/{file['id']}")).status_code == 404
        assert file["id"] not in [one["id"] for one in (await other.get("/files")).json()]


async def test_a_file_deleted_at_both_at_once_is_deleted_by_one(shared_pair):
    """One instance deletes it, the other finds nothing."""
    here, there = shared_pair
    async with client_at(here) as client, client_at(there) as other:
        for _ in range(5):
            address = f"/files/{(await upload(client, b'contended'))['id']}"
            answers = await asyncio.gather(client.delete(address), other.delete(address))
            assert sorted(answer.status_code for answer in answers) == [200, 404]


@quick
async def test_identical_bytes_uploaded_at_both_at_once_are_stored_once(pair):
    """Many files of the same bytes from both instances share one object, and each is deleted alone."""
    here, there = pair
    data = random.Random(2).randbytes(200_000)
    async with client_at(here) as client, client_at(there) as other:
        files = await asyncio.gather(
            *(upload(one, data, f"{number}.bin") for number in range(10) for one in (client, other))
        )
        assert len({file["id"] for file in files}) == 20
        assert len({file["minio_object_name"] for file in files}) == 1
        await eventually(lambda: here.kept.objects() == {files[0]["minio_object_name"]})
        *others, last = files
        for number, file in enumerate(others):
            assert (await (client, other)[number % 2].delete(f"/files/{file['id']}")).status_code == 200
        assert (await other.get(last["download_url"])).content == data
        await client.delete(f"/files/{last['id']}")
    await eventually(here.kept.is_empty)


@quick
async def test_a_copy_that_comes_while_the_last_file_is_deleted_elsewhere_keeps_its_bytes(pair):
    """Uploads and deletions of the same bytes at both instances never leave a file without its bytes."""
    here, there = pair
    async with client_at(here) as client, client_at(there) as other:

        async def churn(one, two, number):
            for _ in range(5):
                file = await upload(one, b"contended", f"{number}.txt")
                assert (await two.get(file["download_url"])).content == b"contended"
                assert (await two.delete(f"/files/{file['id']}")).status_code == 200

        pairs = [(client, other), (other, client)] * 3
        await asyncio.gather(*(churn(*pair, number) for number, pair in enumerate(pairs)))
        survivor = await upload(client, b"contended")
        await eventually(lambda: here.kept.count("garbage") == 0 and here.kept.is_clean())
        assert (await other.get(survivor["download_url"])).content == b"contended"


async def test_a_key_used_at_both_gives_one_file(shared_pair):
    """An upload that is tried again at another instance, later or at the same time, is the same file."""
    here, there = shared_pair
    async with client_at(here) as client, client_at(there) as other:
        first = await upload(client, b"data", **{"Idempotency-Key": "one after the other"})
        assert await upload(other, b"data", **{"Idempotency-Key": "one after the other"}) == first
        key = {"Idempotency-Key": "at once"}
        files = await asyncio.gather(*(upload(one, b"data", "b.txt", **key) for one in (client, other) * 4))
        assert len({file["id"] for file in files}) == 1
        refused = await other.post(
            "/files/upload", files={"file": ("b.txt", b"other")}, headers={"Idempotency-Key": "at once"}
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


@quick
@pytest.mark.settings(upload_lease="3s")
async def test_what_a_killed_instance_left_is_swept_by_another(pair):
    """After the lease, neither the row nor the parts of an upload are left; whole files and running uploads stay."""
    doomed, survivor = pair
    kept = survivor.kept
    async with client_at(survivor) as client, connected(doomed) as raw, connected(survivor) as running:
        file = await upload(client, b"whole")
        headers = {"Content-Type": MULTIPART, "Content-Length": str(64 * MIB)}
        body = head_of_part("file", "a.bin") + b"x" * (20 * MIB)
        await asyncio.gather(*(one.request("POST", "/files/upload", headers, body) for one in (raw, running)))
        await eventually(lambda: kept.count("uploads") == 2 and len(kept.objects()) == 3)
        await doomed.kill()
        await eventually(lambda: kept.count("uploads") == 1 and len(kept.objects()) == 2)
        assert (await client.get(file["download_url"])).content == b"whole"
        assert kept.blobs() == {file["minio_object_name"]}
    await eventually(lambda: kept.is_clean() and kept.count("garbage") == 0)


@quick
async def test_sweepers_share_the_work(start):
    """Several instances reclaim a heap of deleted files together, and complain of nothing."""
    servers = await asyncio.gather(*(start() for _ in range(3)))
    async with client_at(servers[0]) as client:
        files = await asyncio.gather(*(upload(client, b"%d" % number) for number in range(60)))
        stays = await upload(client, b"stays")
        await asyncio.gather(*(client.delete(f"/files/{file['id']}") for file in files))
        kept = servers[0].kept
        await eventually(lambda: kept.count("garbage") == 0)
        assert kept.objects() == {stays["minio_object_name"]}
        assert hashlib.sha256((await client.get(stays["download_url"])).content).hexdigest() == stays["hash"]
    for server in servers:
        assert "Traceback" not in server.logged()
        assert '"level":"error"' not in server.logged()


async def test_instances_started_at_once_on_an_empty_database_agree(places, tmp_path):
    """Each wants to make the tables and the bucket; one does, and all serve."""
    async with places.new(untouched=True) as place:
        servers = [Server(tmp_path / str(number), **place) for number in range(3)]
        try:
            await asyncio.gather(*(server.start() for server in servers))
            async with client_at(servers[0]) as client:
                file = await upload(client, b"data")
            for server in servers:
                async with client_at(server) as client:
                    assert (await client.get(file["download_url"])).content == b"data"
                assert not server.data.exists()
        finally:
            for server in servers:
                await server.kill()

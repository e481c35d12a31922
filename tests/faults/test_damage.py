"""Stored bytes that are gone, cut short or others: F17. What is damaged never looks like a whole file."""

import random

import httpx
import pytest

from clients import client_at
from kept import eventually

KIB = 1024
SIZES = [1000, 300 * KIB, 5 * KIB * KIB]  # within what is held back; by chunks; and from descriptors
PROMPT = {"sweep_interval": "0.2s", "delete_grace": "1s"}


def flipped(data, place):
    """The bytes with one bit turned."""
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


HARM = {
    "gone": lambda store, name, _: store.remove(name),
    "cut short": lambda store, name, data: store.truncate(name, len(data) - 1),
    "first bit": lambda store, name, data: store.replace(name, flipped(data, 0)),
    "last bit": lambda store, name, data: store.replace(name, flipped(data, len(data) - 1)),
}


async def upload(client, data):
    return (await client.post("/files/upload", files={"file": ("a.bin", data)})).json()


async def came(client, file):
    """The status of a download, what came of it, and whether it ended as it should."""
    status, body = None, bytearray()
    try:
        async with client.stream("GET", file["download_url"]) as response:
            status = response.status_code
            async for chunk in response.aiter_raw():
                body += chunk
    except httpx.RemoteProtocolError:
        return status, bytes(body), False
    return status, bytes(body), True


@pytest.mark.parametrize("harm", HARM)
async def test_damaged_bytes_never_pass_for_a_file(start, harm, report):
    """A download is refused or broken off, again and again, until the same bytes are uploaded once more."""
    server, random_bytes = await start(**PROMPT), random.Random(1).randbytes
    async with client_at(server) as client:
        for data in map(random_bytes, SIZES):
            file = await upload(client, data)
            assert await came(client, file) == (200, data, True)
            HARM[harm](server.kept.store, file["minio_object_name"], data)
            for _ in range(2):
                status, body, whole = await came(client, file)
                if status == 502:
                    assert b"STORE_INTEGRITY" in body
                    assert len(data) == min(SIZES) or not harm.endswith("bit")
                else:
                    assert (status, whole, len(body) < len(data)) == (200, False, True)
            assert (await upload(client, data))["minio_object_name"] != file["minio_object_name"]
            assert await came(client, file) == (200, data, True)
    await eventually(server.kept.is_clean)
    report(f"F17: {harm}: {2 * len(SIZES)} downloads refused or broken off, healed by the next upload")


async def test_without_the_check_bytes_are_sent_as_they_are(start):
    """Whoever wants the server's time back may have it."""
    server, data = await start(verify_reads="false"), b"data" * KIB
    async with client_at(server) as client:
        file = await upload(client, data)
        server.kept.store.replace(file["minio_object_name"], flipped(data, 0))
        assert await came(client, file) == (200, flipped(data, 0), True)

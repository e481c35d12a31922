"""Damage that is found while a server runs, and that the next upload of the same bytes heals; on both stacks."""

import hashlib
from datetime import timedelta

import pytest

from kept import eventually
from satchel import scrubber
from satchel.app import background, opened
from satchel.scrubber import Scrubber

DATA = [b"first", b"second, and longer", b"x" * 300_000, b""]
RATE = 10**9


@pytest.fixture
async def stack(settings):
    """Everything a server is made of, without its background work, which is done here step by step."""
    async with opened(settings) as stack:
        yield stack


async def upload(client, number):
    response = await client.post("/files/upload", files={"file": (f"{number}.bin", DATA[number])})
    assert response.status_code == 200
    return response.json()


@pytest.fixture
async def files(client):
    """A file for each of DATA."""
    return [await upload(client, number) for number in range(len(DATA))]


def damaged(kept):
    """The objects that are noted as damaged."""
    return {name for (name,) in kept.query("SELECT object_name FROM blobs WHERE damaged")}


HARM = {
    "gone": lambda store, name: store.remove(name),
    "cut short": lambda store, name: store.truncate(name, 1000),
    "other bytes": lambda store, name: store.replace(name, b"z" * len(DATA[2])),
}


@pytest.mark.parametrize("harm", HARM)
async def test_the_same_bytes_heal(stack, client, files, kept, harm):
    """Once the damage is noted, the next upload of the bytes is kept, serves all files of them, and the rest goes."""
    broken = files[2]["minio_object_name"]
    HARM[harm](kept.store, broken)
    again = await upload(client, 2)
    assert again["minio_object_name"] == broken, "nobody knows of it yet"

    assert await Scrubber(stack.metadata, stack.blobs, RATE).scrub() == len(DATA)
    assert damaged(kept) == {broken}
    healed = await upload(client, 2)
    assert healed["minio_object_name"] != broken
    assert damaged(kept) == set()
    for file in (files[2], again, healed):
        content = await client.get(f"/files/{file['id']}/download")
        assert (content.status_code, hashlib.sha256(content.content).hexdigest()) == (200, file["hash"])
    await stack.sweeper.sweep()
    assert kept.is_clean()
    assert broken not in kept.objects()


async def test_a_download_that_fails_is_noted(stack, client, files, kept):
    """An object that is missing is healed by the next upload, whether anybody looked for damage or not."""
    kept.store.remove(files[1]["minio_object_name"])
    address = f"/files/{files[1]['id']}/download"
    assert (await client.get(address)).status_code == 502
    await upload(client, 1)
    assert (await client.get(address)).content == DATA[1]


async def test_an_object_that_was_put_back(stack, client, files, kept):
    """What came from a backup is found to be whole in the next round."""
    name = files[2]["minio_object_name"]
    kept.store.replace(name, b"z" * len(DATA[2]))
    scrub = Scrubber(stack.metadata, stack.blobs, RATE).scrub
    await scrub()
    assert damaged(kept) == {name}
    kept.store.replace(name, DATA[2])
    await scrub()
    assert damaged(kept) == set()
    assert (await upload(client, 2))["minio_object_name"] == name


async def test_a_round_is_shared_and_goes_on(stack, files, monkeypatch):
    """Each blob is looked at once in a round, by whoever comes first; a server that stops leaves the rest to others."""
    monkeypatch.setattr(scrubber, "PAGE", 1)
    claimed = [await stack.metadata.claim_scrub(1) for _ in range(2)]
    assert await Scrubber(stack.metadata, stack.blobs, RATE).scrub() == len(DATA) - 2
    rest = [page[0].object_name for page in claimed]
    assert rest == sorted({file["minio_object_name"] for file in files})[:2]
    assert await Scrubber(stack.metadata, stack.blobs, RATE).scrub() == len(DATA)


async def test_a_server_scrubs_by_itself(settings, files, kept, stack, monkeypatch):
    """Round after round, where its rate is not 0."""
    monkeypatch.setattr(scrubber, "PAUSE", timedelta(milliseconds=10))
    name = files[2]["minio_object_name"]
    kept.store.replace(name, b"z" * len(DATA[2]))
    async with background(stack, settings.model_copy(update={"scrub_rate": RATE})):
        await eventually(lambda: damaged(kept) == {name})
        kept.store.replace(name, DATA[2])
        await eventually(lambda: damaged(kept) == set())


def test_the_rate(settings):
    """Reading from an S3 store may cost money, so there it has to be wanted."""
    assert settings.effective_scrub_rate == (0 if settings.uses_s3 else 4 * 1024 * 1024)
    assert settings.model_copy(update={"scrub_rate": 0}).effective_scrub_rate == 0
    assert settings.model_copy(update={"scrub_rate": 5}).effective_scrub_rate == 5

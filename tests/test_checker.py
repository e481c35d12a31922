"""`satchel check` finds what is wrong between rows and objects, on both stacks, and changes nothing."""

import hashlib
import json
import sys

import pytest

from clients import client_of
from kept import kept_by
from satchel import checker
from satchel.app import create_app, opened
from satchel.blobs import new_object_name

DATA = [b"first", b"second, and longer", b"x" * 300_000, b""]
LARGE = b"y" * (9 * 1024 * 1024)  # whose first part an S3 store keeps, if the rest never comes


@pytest.fixture
async def stack(settings):
    """Everything a server is made of, without its background work, which would sweep what is planted."""
    async with opened(settings) as stack:
        yield stack


@pytest.fixture
async def files(client):
    """Some files, by the order of their bytes in DATA."""
    return [
        (await client.post("/files/upload", files={"file": (f"{number}.bin", data)})).json()
        for number, data in enumerate(DATA)
    ]


async def look(stack, *, rate=None):
    """The findings of a check, as (fault, object name), and its tally."""
    found = []
    tally = await checker.Checker(stack.metadata, stack.blobs, found.append, rate).run()
    assert tally.findings == len(found)
    return sorted((finding.fault.name, finding.object_name) for finding in found), tally


async def store(stack, data, *, finish=True):
    """Bytes under a name that only an intent knows; the name."""
    upload = await stack.files.uploads.begin("a.bin", None)
    await upload.write(memoryview(data))
    if finish:
        await upload.finish()
    return upload.object_name


async def test_nothing_is_wrong(stack, files, kept):
    """Every object has its row and every row its object; uploads that run are as they should be."""
    await store(stack, b"being written")
    await store(stack, LARGE, finish=False)
    findings, tally = await look(stack, rate=10**9)
    assert findings == []
    assert (tally.blobs, tally.hashed) == (len(DATA), sum(map(len, DATA)))
    assert tally.objects == len(kept.store.sizes())


async def test_an_object_that_is_gone(stack, files, kept):
    """It is named with the files that have lost their bytes."""
    kept.store.remove(files[1]["minio_object_name"])
    found = []
    await checker.Checker(stack.metadata, stack.blobs, found.append).run()
    [finding] = found
    assert (finding.fault.name, finding.object_name) == ("MISSING", files[1]["minio_object_name"])
    assert finding.files == ((files[1]["id"], "1.bin"),)


async def test_an_object_that_lost_its_end(stack, files, kept):
    """Its size tells."""
    kept.store.truncate(files[2]["minio_object_name"], 1000)
    assert (await look(stack))[0] == [("WRONG_SIZE", files[2]["minio_object_name"])]


async def test_bytes_that_are_not_what_they_were(stack, files, kept):
    """Only who reads them sees it."""
    name = files[2]["minio_object_name"]
    kept.store.replace(name, b"z" * len(DATA[2]))
    assert (await look(stack))[0] == []
    assert (await look(stack, rate=10**9))[0] == [("DAMAGED", name)]


async def test_an_object_that_nobody_names(stack, files, kept):
    """Bytes whose intent was lost would never be reclaimed; so it is with an upload that was never completed."""
    names = [await store(stack, b"lost"), await store(stack, LARGE, finish=False)]
    assert (await look(stack))[0] == []
    kept.execute("DELETE FROM uploads")
    assert (await look(stack))[0] == sorted(("ORPHAN", name) for name in names)
    assert set(names) < kept.objects()


async def test_a_blob_that_no_file_is_on(stack, files, kept):
    """Its bytes would never be reclaimed."""
    name = new_object_name()
    kept.execute(f"INSERT INTO blobs (sha256, size, object_name) VALUES ('{'0' * 64}', 5, '{name}')")
    kept.store.replace(name, b"bytes")
    assert (await look(stack))[0] == [("UNUSED", name)]


async def test_more_than_a_page(stack, files, monkeypatch):
    """Rows come in pages, objects in those of the store, and none is passed over between two of them."""
    monkeypatch.setattr(checker, "PAGE", 1)
    if "satchel.blobs.s3" in sys.modules:
        monkeypatch.setattr(sys.modules["satchel.blobs.s3.bucket"], "PAGE", 2)
    findings, tally = await look(stack)
    assert (findings, tally.blobs, tally.objects) == ([], len(DATA), len(DATA))


# The command


async def test_the_command(place, run, settings):
    """It says what it looked at, and by its exit code whether all is well; for machines in JSON."""
    async with opened(settings) as stack, client_of(create_app(stack)) as client:
        await client.post("/files/upload", files={"file": ("a.txt", b"data")})
    kept, place = kept_by(place), {name: value for name, value in place.items() if name != "data_dir"}
    assert await run("check", **place) == (0, "1 blobs and 1 objects compared: nothing is wrong\n", "")
    [name] = kept.objects()
    kept.store.replace(name, b"dat!")
    assert (await run("check", **place))[0] == 0
    code, out, _ = await run("check", "--rehash", "--rate", "1MiB", **place)
    assert (code, out.startswith(f"DAMAGED: {name}: "), "'a.txt'" in out) == (2, True, True)
    code, out, _ = await run("check", "--rehash", "--json", **place)
    finding, total = map(json.loads, out.splitlines())
    assert (code, finding["fault"], finding["expected"]) == (2, "DAMAGED", hashlib.sha256(b"data").hexdigest())
    assert [file["filename"] for file in finding["files"]] == ["a.txt"]
    assert total == {"blobs": 1, "objects": 1, "hashed": 4, "findings": 1}

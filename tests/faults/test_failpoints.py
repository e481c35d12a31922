"""A kill at each step of the write protocol leaves what the protocol says, and nothing for anybody to repair."""

import hashlib
import random
import signal
import sys
from typing import NamedTuple, get_args

import httpx
import pytest
from aftermath import service, sweep, time_passes
from check import exceptions

from clients import client_at
from satchel.failpoints import Step, armed
from stacks import one_is_enough

DATA = random.Random(5).randbytes(9 * 1024 * 1024)  # three steps of the local store, two parts of an S3 upload
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = {"Idempotency-Key": "once"}


class Left(NamedTuple):
    """How many there are of each, objects that are not whole included."""

    files: int = 0
    blobs: int = 0
    events: int = 0
    uploads: int = 0
    garbage: int = 0
    objects: int = 0


NOTHING = Left()
INTENT = Left(uploads=1)
BYTES = Left(uploads=1, objects=1)
FILE = Left(files=1, blobs=1, events=1, objects=1)
DUPLICATE = FILE._replace(uploads=1, objects=2)
TWO_FILES = FILE._replace(files=2, events=2, garbage=1, objects=2)
DELETED = Left(events=2, garbage=1, objects=1)
GARBAGE = Left(garbage=1, objects=1)

UPLOAD = {
    "U1.admitted": NOTHING,
    "U1.intended": INTENT,
    "U2.created": {"embedded": BYTES, "scaled": INTENT},  # S3 learns of an object with its first bytes
    "U2.written": BYTES,
    "U3.written": BYTES,
    "U3.stored": BYTES,
    "U3.durable": BYTES,
    "U4.begun": BYTES,
    "U4.lease_ended": BYTES,
    "U4.key_claimed": BYTES,
    "U4.blob_held": BYTES,
    "U4.duplicate_discarded": BYTES,
    "U4.before_commit": BYTES,
    "U4.committed": FILE,
    "U6.woken": FILE,
    "U5.before_answer": FILE,
}
SAME_BYTES_AGAIN = {"U4.duplicate_discarded": DUPLICATE, "U4.committed": TWO_FILES}
REFUSAL = {"X.aborted": BYTES, "X.abandoned": GARBAGE}
DELETION = {"D.file_deleted": FILE, "D.before_commit": FILE, "D.committed": DELETED}
SWEEP = {"S.expired": GARBAGE, "S.claimed": GARBAGE, "S.removed": Left(garbage=1), "S.forgotten": NOTHING}


def at_each(steps):
    return pytest.mark.parametrize(("step", "left"), steps.items(), ids=steps)


@pytest.fixture
async def killed_at(place, new_server):
    """Starts a real server that dies at a step, has it do something, and waits for its death."""

    async def killed_at(step, act):
        server = await new_server(**place, failpoint=f"{step}:kill", sweep_interval="1h").start()
        try:
            async with client_at(server) as client:
                with pytest.raises(httpx.TransportError):
                    await act(client)
            assert await server.wait() == -signal.SIGKILL
        finally:
            await server.kill()
        assert not exceptions(server)

    return killed_at


async def upload(client, name="a.bin", headers=None, **fields):
    return await client.post("/files/upload", files={"file": (name, DATA)}, data=fields, headers=headers)


def left_by(kept):
    return Left(*(kept.count(table) for table in Left._fields[:-1]), len(kept.objects()))


async def assert_swept(service, files):
    """Once time has passed, one sweep leaves the files and nothing else."""
    time_passes(service.kept)
    await sweep(service)
    assert service.kept.is_clean()
    assert (service.kept.count("garbage"), service.kept.count("files")) == (0, files)


async def assert_downloads(service, file):
    assert hashlib.sha256((await service.client.get(file["download_url"])).content).hexdigest() == SHA256


def test_every_step_is_killed_at():
    """No step is named that is not here."""
    assert {*UPLOAD, *REFUSAL, *DELETION, *SWEEP} == set(get_args(Step))


@at_each(UPLOAD)
async def test_an_upload(place, killed_at, stack_kind, step, left):
    """Until the commit nothing of it is seen, from then on all; the client that asks again has one file either way."""
    await killed_at(step, lambda client: upload(client, headers=KEY))
    async with service(place) as after:
        assert left_by(after.kept) == (left if isinstance(left, Left) else left[stack_kind])
        listed = [file["id"] for file in (await after.client.get("/files")).json()]
        again = (await upload(after.client, headers=KEY)).json()
        assert listed in ([], [again["id"]])
        await assert_swept(after, files=1)
        await assert_downloads(after, again)


@at_each(SAME_BYTES_AGAIN)
async def test_an_upload_of_bytes_that_are_there(place, killed_at, step, left):
    """The bytes that are there stay; those that came again are reclaimed."""
    async with service(place) as before:
        first = (await upload(before.client, "first.bin")).json()
    await killed_at(step, upload)
    async with service(place) as after:
        assert left_by(after.kept) == left
        await assert_swept(after, files=left.files)
        assert after.kept.objects() == {first["minio_object_name"]}
        await assert_downloads(after, first)


@at_each(REFUSAL)
async def test_an_upload_that_is_refused(place, killed_at, step, left):
    """Bytes that are not what was declared are never seen, and reclaimed."""
    await killed_at(step, lambda client: upload(client, hash="0" * 64))
    async with service(place) as after:
        assert left_by(after.kept) == left
        await assert_swept(after, files=0)


@at_each(DELETION)
async def test_a_deletion(place, killed_at, step, left):
    """Until the commit the file is whole, from then on gone, and its bytes with the next sweep."""
    async with service(place) as before:
        file = (await upload(before.client)).json()
    await killed_at(step, lambda client: client.delete(f"/files/{file['id']}"))
    async with service(place) as after:
        assert left_by(after.kept) == left
        if left.files:
            await assert_downloads(after, file)
        assert (await after.client.get(f"/files/{file['id']}")).status_code == (200 if left.files else 404)
        await assert_swept(after, files=left.files)


@at_each(SWEEP)
async def test_a_sweep(place, command, step, left):
    """An object goes before its row, so that whatever is left to be done is known."""
    async with service(place) as before:
        dead = await before.stack.files.uploads.begin("a.bin", None)
        await dead.write(memoryview(DATA))
        time_passes(before.kept)
    code, logged = await command("sweep", **place, failpoint=f"{step}:kill")
    assert (code, "Traceback" in logged) == (-signal.SIGKILL, False)
    async with service(place) as after:
        assert left_by(after.kept) == left
        await assert_swept(after, files=0)


@one_is_enough
@pytest.mark.parametrize("value", ["U4.nowhere:kill", "U4.committed", "U4.committed:explode"])
async def test_a_step_that_is_none(command, tmp_path, value):
    """A failpoint that would never be reached stops the start, and says what is wrong."""
    code, logged = await command("serve", "--port", "0", data_dir=tmp_path, failpoint=value)
    assert (code, logged.startswith("satchel: SATCHEL_FAILPOINT: ")) == (1, True)


def test_without_a_failpoint_nothing_is_compared():
    """What is reached then is one empty function, and the variable is looked at once."""
    assert armed("") is sys.modules["satchel.failpoints"].reach
    assert armed("")("U4.committed") is None

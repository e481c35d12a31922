"""Leases and garbage: what the sweeper may take, and what it may not."""

import asyncio
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from satchel.metadata import Metadata
from satchel.metadata.clock import now
from satchel.metadata.tables import garbage, uploads

MINUTE = timedelta(minutes=1)
NONE = timedelta(0)
PAST = timedelta(seconds=-1)


async def test_renews_the_uploads_that_exist(metadata):
    """Renewing tells which uploads are still there; the others are left out."""
    first = await metadata.begin_upload("first", MINUTE)
    second = await metadata.begin_upload("second", MINUTE)
    await metadata.abandon_upload(second)
    assert await metadata.renew_uploads([first, second], MINUTE) == {first}
    assert await metadata.renew_uploads([], MINUTE) == set()


async def test_renews_a_lease_that_is_past(metadata):
    """A lease that has run out can be renewed until a sweeper takes it, and is then safe again."""
    upload = await metadata.begin_upload("late", PAST)
    assert await metadata.renew_uploads([upload], MINUTE) == {upload}
    assert await metadata.expire_uploads(10) == 0


async def test_expires_only_past_leases(metadata):
    """Expired uploads become garbage that is due at once; running ones are left alone."""
    late = await metadata.begin_upload("late", PAST)
    running = await metadata.begin_upload("running", MINUTE)
    assert await metadata.expire_uploads(10) == 1
    assert await metadata.renew_uploads([late, running], MINUTE) == {running}
    assert await metadata.claim_garbage(10, MINUTE) == ["late"]


async def test_expires_at_most_the_limit(metadata):
    """One sweep takes no more uploads than it is told to."""
    for index in range(5):
        await metadata.begin_upload(f"late {index}", PAST)
    assert [await metadata.expire_uploads(3) for _ in range(3)] == [3, 2, 0]


async def test_abandoned_upload_is_garbage_at_once(metadata):
    """Abandoning ends the upload and hands its object to the sweeper; doing it again is fine."""
    upload = await metadata.begin_upload("abandoned", MINUTE)
    await metadata.abandon_upload(upload)
    await metadata.abandon_upload(upload)
    assert await metadata.claim_garbage(10, MINUTE) == ["abandoned"]


async def test_an_abandoned_upload_that_was_swept_is_garbage_again(metadata):
    """Its last bytes may have come after the sweeper, even while that is still at work."""
    late = await metadata.begin_upload("late", PAST)
    await metadata.expire_uploads(10)
    assert await metadata.claim_garbage(10, MINUTE) == ["late"]
    await metadata.abandon_upload(late, written="late")
    await metadata.forget_garbage(["late"])
    assert await metadata.claim_garbage(10, MINUTE) == ["late"]
    await metadata.forget_garbage(["late"])
    await metadata.abandon_upload(late, written="late")
    assert await metadata.claim_garbage(10, MINUTE) == ["late"]


async def test_abandoned_upload_may_be_garbage_later(metadata):
    """A grace gives a store that hung the time to finish what it was sent."""
    await metadata.abandon_upload(await metadata.begin_upload("later", MINUTE), MINUTE)
    await metadata.abandon_upload(await metadata.begin_upload("now", MINUTE))
    assert await metadata.claim_garbage(10, MINUTE) == ["now"]


async def test_a_claim_keeps_other_sweepers_away(metadata):
    """Claimed garbage comes up again only when the claim has run out, and never once it is forgotten."""
    await metadata.abandon_upload(await metadata.begin_upload("object", MINUTE))
    assert await metadata.claim_garbage(10, PAST) == ["object"]
    assert await metadata.claim_garbage(10, MINUTE) == ["object"]
    assert await metadata.claim_garbage(10, MINUTE) == []
    await metadata.forget_garbage(["object", "unknown"])
    assert await metadata.claim_garbage(10, PAST) == []


async def test_sweepers_never_share_an_object(database_url, metadata):
    """Many sweepers in two processes claim disjoint objects, and together all of them."""
    for index in range(20):
        await metadata.abandon_upload(await metadata.begin_upload(f"object {index}", MINUTE))
    other = Metadata(database_url)
    await other.open()
    claims = await asyncio.gather(*(store.claim_garbage(3, MINUTE) for store in (metadata, other) * 5))
    await other.close()
    names = [name for claim in claims for name in claim]
    assert len(names) == len(set(names)) == 20


async def test_garbage_waits_for_its_time(metadata, helper):
    """Objects of deleted files stay for the grace time, each for its own."""
    soon, later = await helper.upload("soon"), await helper.upload("later")
    await metadata.delete_files([later.id], timedelta(minutes=1))
    await metadata.delete_files([soon.id], NONE)
    assert await metadata.claim_garbage(10, MINUTE) == [soon.object_name]
    due = {row["object_name"]: row["not_before"] for row in await helper.rows(garbage)}
    assert due[later.object_name] - due[soon.object_name] > timedelta(seconds=50)


async def test_never_returns_an_object_that_is_in_use(metadata, helper):
    """Garbage that names the object of a blob or of an upload is dropped and logged, and never removed."""
    record = await helper.upload()
    await metadata.begin_upload("uploading", MINUTE)
    in_use = sorted([record.object_name, "uploading"])
    await helper.write(
        *(insert(garbage).values(object_name=name, not_before=now(PAST)) for name in (*in_use, "really unused"))
    )
    with structlog.testing.capture_logs() as logs:
        assert await metadata.claim_garbage(10, MINUTE) == ["really unused"]
    assert [(entry["log_level"], entry["object_names"]) for entry in logs] == [("error", in_use)]
    assert [row["object_name"] for row in await helper.rows(garbage)] == ["really unused"]


async def test_an_object_name_begins_once(metadata, helper):
    """Object names are never reused: the second upload under a name is a mistake, and changes nothing."""
    await metadata.begin_upload("name", MINUTE)
    with pytest.raises(IntegrityError):
        await metadata.begin_upload("name", MINUTE)
    assert await helper.count(uploads) == (1,)

"""Objects that nobody needs any more, from the moment that is known until they are gone from the store."""

from collections.abc import Collection
from datetime import timedelta

import structlog
from sqlalchemy import Table, delete, exists, insert, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .clock import now
from .tables import blobs, files, garbage, uploads

log = structlog.get_logger(__name__)


async def discard(c: AsyncConnection, object_names: Collection[str], grace: timedelta = timedelta(0)) -> None:
    """Make objects garbage, due after the grace."""
    if object_names:
        rows = [{"object_name": name} for name in object_names]
        await c.execute(insert(garbage).values(not_before=now(grace)), rows)


async def discard_again(c: AsyncConnection, object_name: str, grace: timedelta) -> None:
    """Make an object garbage that a sweeper may have removed before, or may be removing, unless a blob has it."""
    if not await named(c, [object_name], blobs):
        # Also a row that is claimed: whoever claimed it may have looked too early.
        await c.execute(delete(garbage).where(garbage.c.object_name == object_name))
        await discard(c, [object_name], grace)


async def drop_unused(c: AsyncConnection, blob_ids: Collection[int], grace: timedelta = timedelta(0)) -> None:
    """Make those of the locked blobs that no file is on garbage, due after the grace."""
    unused = delete(blobs).where(blobs.c.id.in_(blob_ids), ~exists().where(files.c.blob_id == blobs.c.id))
    await discard(c, (await c.scalars(unused.returning(blobs.c.object_name))).all(), grace)


async def expire_uploads(c: AsyncConnection, limit: int) -> int:
    """End uploads whose leases have run out, and make their objects garbage. Returns how many."""
    expired = (
        select(uploads.c.id)
        .where(uploads.c.lease_until <= now())
        .order_by(uploads.c.lease_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte()  # which is run once; a subquery might be run for each row, past the limit
    )
    ended = delete(uploads).where(uploads.c.id.in_(select(expired.c.id))).returning(uploads.c.object_name)
    object_names = (await c.scalars(ended)).all()
    await discard(c, object_names)
    return len(object_names)


async def claim(c: AsyncConnection, limit: int, lifetime: timedelta) -> list[str]:
    """Objects that are due, kept from other sweepers for a while. One that a row names is never among them."""
    due = (
        select(garbage.c.object_name)
        .where(
            garbage.c.not_before <= now(),
            or_(garbage.c.claimed_until.is_(None), garbage.c.claimed_until <= now()),
        )
        .order_by(garbage.c.not_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte()  # as above
    )
    claim_due = update(garbage).where(garbage.c.object_name.in_(select(due.c.object_name)))
    claimed = claim_due.values(claimed_until=now(lifetime))
    object_names = (await c.scalars(claimed.returning(garbage.c.object_name))).all()
    in_use = await named(c, object_names, blobs, uploads)
    if in_use:
        log.error("garbage names objects that are in use; they are kept", object_names=sorted(in_use))
        await c.execute(delete(garbage).where(garbage.c.object_name.in_(in_use)))
    return [name for name in object_names if name not in in_use]


async def named(c: AsyncConnection, object_names: Collection[str], *tables: Table) -> set[str]:
    """Those of the objects that a row of one of the tables names."""
    found = (select(t.c.object_name).where(t.c.object_name.in_(object_names)) for t in tables)
    return set((await c.scalars(union_all(*found))).all())


async def put_off(c: AsyncConnection, object_names: Collection[str], wait: timedelta) -> None:
    """Give up the claim on objects, which are due again after a while, behind all that are due before."""
    mine = garbage.c.object_name.in_(object_names), garbage.c.claimed_until.is_not(None)
    await c.execute(update(garbage).where(*mine).values(not_before=now(wait), claimed_until=None))


async def forget(c: AsyncConnection, object_names: Collection[str]) -> None:
    """Drop the rows of objects that are no longer in the store, but for those that became garbage once more."""
    mine = garbage.c.object_name.in_(object_names), garbage.c.claimed_until.is_not(None)
    await c.execute(delete(garbage).where(*mine))
